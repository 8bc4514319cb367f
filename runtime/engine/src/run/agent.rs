//! Agents: the ReAct machine, with its effects done through the journal.

use std::collections::HashMap;
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
use super::judgement::{self, Judged, Permitted};
use super::offer::Offer;
use super::purse::{self, Refused};
use super::window::Window;
use super::{model, sources, spans, tool};
use crate::journal::{Effect, Mode, Stop, as_value};
use crate::path;

/// An agent at work. On every resume it goes the same way again through what the log holds.
struct AtWork<'a> {
    at: &'a At<'a>,
    engine: Arc<dyn Engine>,
    machine: AgentMachine,
    offer: Offer,
    /// The next effect's position.
    next: u32,
    previous: Option<ChatRequest>,
    window: Window,
    /// Who the results of calls are from, where nobody vouches for them, by the call's id.
    untrusted: HashMap<String, String>,
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
    let question = sources::marked(at, prompt.render(&at.scope())?);
    let engine = model::engine_of(at, engine).await?;
    let mut offer = Offer::of(at, agent);
    let (tools, next) = offer.first(at, agent, &question).await?;
    let mut work = AtWork {
        at,
        engine,
        machine: AgentMachine::new(agent, tools, &question),
        offer,
        next,
        previous: None,
        window: Window::new(agent.settings.context),
        untrusted: HashMap::new(),
        asked_by: None,
    };
    let answer = loop {
        match work.machine.next() {
            Step::Done(answer) => break *answer,
            Step::CallModel(request) => work.call_model(*request).await?,
            Step::JudgeCalls(calls) => work.judge(calls).await?,
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

    async fn judge(&mut self, calls: Vec<ToolCall>) -> Result<(), Halt> {
        // Every question is raised, so that a person can answer them all at once.
        let mut waiting = None;
        let slot = path::slot(&self.at.path, self.at.attempt, self.next);
        for call in calls {
            let call_id = call.id.clone();
            let judged = |allowed, reason, arguments| Input::Judged {
                call_id: call_id.clone(),
                allowed,
                reason,
                arguments,
            };
            if self.offer.is_search(&call) {
                self.feed(judged(true, String::new(), None))?;
                continue;
            }
            let Judged {
                permitted,
                untrusted,
            } = match judgement::judged(self.at, &slot, &call).await {
                Ok(found) => found,
                Err(Halt::Stop(Stop::Waiting)) => {
                    waiting = Some(Halt::Stop(Stop::Waiting));
                    continue;
                }
                Err(halt) => return Err(halt),
            };
            match permitted {
                Permitted::As(arguments) => {
                    let edited = (arguments != call.arguments).then_some(arguments);
                    if let Some(source) = untrusted {
                        self.untrusted.insert(call_id.clone(), source);
                    }
                    self.feed(judged(true, String::new(), edited))?;
                }
                Permitted::No(reason) => self.feed(judged(false, reason, None))?,
                Permitted::Result(value) => {
                    self.feed(judged(true, String::new(), None))?;
                    let text = match &value {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    let structured = (!value.is_string()).then_some(value);
                    self.feed(Input::ToolResult {
                        call_id: call_id.clone(),
                        outcome: ToolOutcome::Ok { text, structured },
                        // It is a person's.
                        untrusted: None,
                    })?;
                }
            }
        }
        waiting.map_or(Ok(()), Err)
    }

    /// Read-only calls at once; the others after them, one by one.
    async fn call_tools(&mut self, calls: Vec<ToolCall>) -> Result<(), Halt> {
        let at = self.at;
        let reads = |name: &str| {
            let tool = at.shared.tools.get(name);
            tool.is_some_and(|tool| tool.hints.read_only)
        };
        let mut parallel = FuturesUnordered::new();
        let mut serial = Vec::new();
        let mut spent = None;
        let mut results = Vec::new();
        for call in calls {
            let slot = self.slot();
            if self.offer.is_search(&call) {
                let (outcome, found) = self.offer.search(at, slot, &call).await?;
                self.machine.offer(found);
                results.push((call.id, outcome));
                continue;
            }
            let paid = at
                .shared
                .afford(at.account, &at.path, &slot, purse::TOOL_CALL)
                .await;
            match paid {
                Err(Refused::Degrade(error)) => {
                    let message = format!("not run: {error}");
                    // That is our own word.
                    self.untrusted.remove(&call.id);
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
            let untrusted = self.untrusted.remove(&call_id);
            self.feed(Input::ToolResult {
                call_id,
                outcome,
                untrusted,
            })?;
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
