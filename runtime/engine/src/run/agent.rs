//! Agents: the ReAct machine, with its effects done through the journal.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use ropewalk_core::agent::{AgentMachine, Input, Room, Step};
use ropewalk_core::answer::{Answer, StopReason};
use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::event::{EffectOutcome, EffectRequest};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::expression::Template;
use ropewalk_core::graph::machine::{NodeError, NodeResult};
use ropewalk_core::message::ChatRequest;
use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_models::engine::Engine;
use serde::Deserialize;
use serde_json::Value;

use super::attempt::{At, Halt};
use super::purse::{self, Refused};
use super::window::Window;
use super::{model, spans, tool};
use crate::journal::{Effect, Mode, as_value};
use crate::path;

/// An agent at work. On every resume it goes the same way again through what the log holds.
struct AtWork<'a> {
    at: &'a At<'a>,
    engine: Arc<dyn Engine>,
    machine: AgentMachine,
    /// The next effect's position.
    next: u32,
    previous: Option<ChatRequest>,
    window: Window,
    /// The latest call of the model: what the calls it asks for follow from.
    asked_by: Option<tracing::Span>,
}

/// An `agent` node. Its result is the answer's text, its details the whole answer.
pub(super) async fn work(
    at: &At<'_>,
    agent: &AgentDefinition,
    prompt: &Template,
    engine: Option<&str>,
) -> Result<NodeResult, Halt> {
    let question = prompt.render(&at.scope())?;
    let engine = model::engine_of(at, engine).await?;
    // In one order, so that what an engine has read of them is of use to the next request.
    let mut tools: Vec<_> = at.shared.tools.values().cloned().collect();
    tools.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let mut work = AtWork {
        at,
        engine,
        machine: AgentMachine::new(agent, tools, &question),
        next: 0,
        previous: None,
        window: Window::new(agent.settings.context),
        asked_by: None,
    };
    let answer = loop {
        match work.machine.next() {
            Step::Done(answer) => break *answer,
            Step::CallModel(request) => work.call_model(*request).await?,
            Step::AskHuman(calls) => work.ask(calls).await?,
            Step::CallTools(calls) => work.call_tools(calls).await?,
        }
    };
    ended(answer)
}

/// An answer, whatever it says, is a result; that there could be none is a failure.
fn ended(answer: Answer) -> Result<NodeResult, Halt> {
    let kind = match answer.stop {
        StopReason::ModelFailed | StopReason::ContextFull => ErrorKind::Model,
        StopReason::EmptyReply | StopReason::CitationsRefused => ErrorKind::Invalid,
        _ => {
            let details = as_value(&answer);
            let mut result = NodeResult::of(Value::String(answer.text));
            result.details = Arc::new(details);
            return Ok(result);
        }
    };
    let details = as_value(&answer);
    let error = NodeError::new(kind, answer.text).with(details);
    Err(Halt::Failed(error))
}

impl AtWork<'_> {
    fn slot(&mut self) -> String {
        let slot = path::slot(&self.at.path, self.at.attempt, self.next);
        self.next += 1;
        slot
    }

    fn feed(&mut self, input: Input) -> Result<(), Halt> {
        // The step was done as asked, so a refusal is a defect; it must not become a silent loop.
        self.machine
            .feed(input)
            .map_err(|error| Halt::failed(ErrorKind::Invalid, error.to_string()))
    }

    async fn call_model(&mut self, request: ChatRequest) -> Result<(), Halt> {
        let at = self.at;
        let engine = at.shared.within_budget(at.account, &self.engine);
        model::prepared(&engine).await?;
        if let Some(room) = self.room(&*engine, &request).await? {
            return self.feed(Input::Compact { room });
        }
        let slot = self.slot();
        let call = at.shared.call_of(at.account, &*engine, &request);
        let paid = at
            .shared
            .afford_call(at.account, &at.path, &slot, call)
            .await;
        let input = match paid {
            Err(Refused::Degrade(error)) => Input::BudgetSpent {
                message: error.message,
            },
            Err(refused) => return Err(refused.into()),
            Ok(()) => {
                let previous = self.previous.as_ref();
                let span = spans::model(&engine.info().id);
                self.asked_by = Some(span.clone());
                match model::spoken(at, slot, &engine, &request, previous, span).await {
                    Ok(reply) => Input::Reply { reply },
                    Err(Halt::Failed(error)) if error.kind == ErrorKind::Model => {
                        Input::ModelFailed {
                            message: error.message,
                        }
                    }
                    Err(halt) => return Err(halt),
                }
            }
        };
        self.previous = Some(request);
        self.feed(input)
    }

    /// What there is room for, if a request is too large. What is decided goes in the log, since a
    /// replay has other engines, or none, and must go the same way.
    async fn room(
        &mut self,
        engine: &dyn Engine,
        request: &ChatRequest,
    ) -> Result<Option<Room>, Halt> {
        let at = self.at;
        let slot = path::slot(&at.path, at.attempt, self.next);
        let journal = &at.shared.journal;
        let logged = journal.with_past(|past| {
            let effect = past.effects.get(&slot);
            let outcome = effect.and_then(|effect| effect.outcome.as_ref());
            outcome.map(|outcome| matches!(outcome, EffectOutcome::Value { .. }))
        });
        let room = match logged {
            // The request was made.
            Some(false) => return Ok(None),
            Some(true) => None,
            None if journal.mode() == Mode::Replay => return Ok(None),
            None => {
                let summary = self.machine.summarises();
                match self.window.outgrown(engine, request, summary) {
                    None => return Ok(None),
                    room => room,
                }
            }
        };
        let about = "compaction".to_owned();
        let effect = Effect::new(
            self.slot(),
            &at.path,
            true,
            EffectRequest::Decision { about },
        );
        let value = Arc::new(as_value(&room));
        let outcome = at.effect(effect, |_, _| async { EffectOutcome::Value { value } });
        let room = match outcome.await? {
            EffectOutcome::Value { value } => Room::deserialize(&*value).ok(),
            _ => None,
        };
        let unreadable = || Halt::failed(ErrorKind::Model, "the log holds something else");
        room.map(Some).ok_or_else(unreadable)
    }

    async fn ask(&mut self, calls: Vec<ToolCall>) -> Result<(), Halt> {
        // Every question is raised, so that a person can answer them all at once.
        let mut waiting = None;
        for call in calls {
            let slot = self.slot();
            let call_id = call.id.clone();
            let approval = |allowed, reason, arguments| Input::Approval {
                call_id: call_id.clone(),
                allowed,
                reason,
                arguments,
            };
            match tool::permitted(self.at, &slot, &call).await {
                Ok(tool::Permitted::As(arguments)) => {
                    let edited = (arguments != call.arguments).then_some(arguments);
                    self.feed(approval(true, String::new(), edited))?;
                }
                Ok(tool::Permitted::No(reason)) => self.feed(approval(false, reason, None))?,
                Ok(tool::Permitted::Result(value)) => {
                    self.feed(approval(true, String::new(), None))?;
                    let text = match &value {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    let structured = (!value.is_string()).then_some(value);
                    self.feed(Input::ToolResult {
                        call_id: call_id.clone(),
                        outcome: ToolOutcome::Ok { text, structured },
                    })?;
                }
                Err(Halt::Stop(crate::journal::Stop::Waiting)) => {
                    waiting = Some(Halt::Stop(crate::journal::Stop::Waiting));
                }
                Err(halt) => return Err(halt),
            }
        }
        waiting.map_or(Ok(()), Err)
    }

    /// Read-only calls at once; the others after them, one by one.
    async fn call_tools(&mut self, calls: Vec<ToolCall>) -> Result<(), Halt> {
        let at = self.at;
        let reads = |name: &str| {
            let tool = at.shared.tools.get(name);
            tool.is_some_and(|tool| tool.spec.hints.read_only)
        };
        let mut parallel = FuturesUnordered::new();
        let mut serial = Vec::new();
        let mut spent = None;
        let mut results = Vec::new();
        for call in calls {
            let slot = self.slot();
            let paid = at
                .shared
                .afford(at.account, &at.path, &slot, purse::TOOL_CALL)
                .await;
            match paid {
                Err(Refused::Degrade(error)) => {
                    let message = format!("not run: {error}");
                    results.push((call.id, ToolOutcome::Error { message }));
                    spent = Some(error.message);
                }
                Err(refused) => return Err(refused.into()),
                Ok(()) if reads(&call.name) => {
                    parallel.push(returned(at, slot, call, self.asked_by.clone()))
                }
                Ok(()) => serial.push((slot, call)),
            }
        }
        let mut halt = None;
        while let Some(outcome) = parallel.next().await {
            match outcome {
                Ok(result) => results.push(result),
                // The others are let end: their results are in the log then.
                Err(error) => halt = halt.or(Some(error)),
            }
        }
        drop(parallel);
        if let Some(halt) = halt {
            return Err(halt);
        }
        for (slot, call) in serial {
            results.push(returned(at, slot, call, self.asked_by.clone()).await?);
        }
        if let Some(message) = spent {
            self.feed(Input::BudgetSpent { message })?;
        }
        for (call_id, outcome) in results {
            self.feed(Input::ToolResult { call_id, outcome })?;
        }
        Ok(())
    }
}

async fn returned(
    at: &At<'_>,
    slot: String,
    call: ToolCall,
    asked_by: Option<tracing::Span>,
) -> Result<(String, ToolOutcome), Halt> {
    let id = call.id.clone();
    let outcome = tool::called(at, slot, call, asked_by).await?;
    Ok((id, outcome))
}
