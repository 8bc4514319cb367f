//! One agent on one question: does what the machine asks, and feeds back what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};
use ropewalk_core::agent::{AgentMachine, Input, OfferedTool, Step};
use ropewalk_core::answer::Answer;
use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::event::{EVENT_VERSION, Event};
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Usage};
use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_host::{Host, ToolProgress};
use ropewalk_models::engine::{DeltaSink, Engine};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::report::{RunId, RunReport, Stamped, StepKind, StepRecord};

/// A person who can be asked whether a call may run.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Whether it may.
    async fn approve(&self, call: &ToolCall) -> bool;
}

/// What a run works with.
pub struct RunContext<'a> {
    /// What reasons.
    pub engine: &'a dyn Engine,
    /// What calls tools.
    pub host: &'a Host,
    /// Who is asked; with nobody to ask, a call that asks is refused.
    pub approver: Option<&'a dyn Approver>,
    /// Told of every event, in order.
    pub on_event: &'a (dyn Fn(&Stamped) + Send + Sync),
    /// Told of every piece of a reply while it is written.
    pub on_delta: Option<&'a (dyn Fn(&Delta) + Send + Sync)>,
    /// Ends the run early, with a report of what was done.
    pub cancel: CancellationToken,
}

/// Characters of a request or a result that a step's record keeps.
const SUMMARY_CHARS: usize = 160;

/// Runs an agent to its end. It never fails: every failure is words in the answer.
pub async fn run_agent(
    context: RunContext<'_>,
    definition: &AgentDefinition,
    question: &str,
) -> RunReport {
    let offered = context
        .host
        .tools()
        .into_iter()
        .map(|spec| OfferedTool {
            permission: context.host.permission(&spec.name),
            spec,
        })
        .collect();
    let mut machine = AgentMachine::new(definition, offered, question);
    let mut run = Run {
        id: RunId::generate(),
        began: Instant::now(),
        seq: AtomicU64::new(0),
        context,
        steps: Mutex::new(Vec::new()),
        model_step: None,
        model_calls: 0,
    };
    let engine = run.context.engine.info().id.clone();
    run.log(Event::Started {
        version: EVENT_VERSION,
        agent: definition.settings.name.clone(),
        engine: engine.clone(),
        question: question.to_owned(),
    });
    let answer = loop {
        let inputs = match machine.next() {
            Step::Done(answer) => break *answer,
            Step::CallModel(request) => vec![run.call_model(request).await],
            Step::AskHuman(calls) => run.ask(calls).await,
            Step::CallTools(calls) => run.call_tools(calls).await,
        };
        let fed = inputs.into_iter().try_for_each(|input| {
            if input == Input::Cancelled {
                run.log(Event::Cancelled);
            }
            machine.feed(input)
        });
        if let Err(error) = fed {
            // The step was done as asked, so this is a defect; it must not become a silent loop.
            tracing::error!(%error, "the machine refused the result of its own step");
            if let Err(error) = machine.feed(Input::Cancelled) {
                tracing::error!(%error, "and it cannot be cancelled");
            }
        }
    };
    run.finish(engine, answer)
}

struct Run<'a> {
    id: RunId,
    began: Instant,
    seq: AtomicU64,
    context: RunContext<'a>,
    steps: Mutex<Vec<StepRecord>>,
    /// The latest model step: parent of the calls it asked for.
    model_step: Option<usize>,
    model_calls: u32,
}

impl Run<'_> {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn log(&self, event: Event) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let stamped = Stamped {
            run: self.id,
            seq,
            at_ms: self.now_ms(),
            event,
        };
        (self.context.on_event)(&stamped);
    }

    fn begin(&self, kind: StepKind, name: &str, asked: &str) -> usize {
        let parent = if kind == StepKind::Model {
            None
        } else {
            self.model_step
        };
        let record = StepRecord {
            kind,
            name: name.to_owned(),
            parent,
            started_ms: self.now_ms(),
            took_ms: 0,
            usage: Usage::default(),
            asked: shortened(asked),
            outcome: String::new(),
            failed: false,
        };
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.push(record);
        steps.len() - 1
    }

    fn end(&self, step: usize, outcome: &str, failed: bool, usage: Usage) {
        let now = self.now_ms();
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = steps.get_mut(step) {
            record.took_ms = now.saturating_sub(record.started_ms);
            record.outcome = shortened(outcome);
            record.failed = failed;
            record.usage = usage;
        }
    }

    async fn call_model(&mut self, request: ChatRequest) -> Input {
        self.model_calls += 1;
        self.log(Event::ModelCalled {
            call: self.model_calls,
            messages: request.messages.len(),
            tools: request.tools.len(),
        });
        let engine = self.context.engine;
        let asked = format!(
            "{} messages, {} tools",
            request.messages.len(),
            request.tools.len()
        );
        let step = self.begin(StepKind::Model, &engine.info().id, &asked);
        self.model_step = Some(step);
        let (sender, mut deltas) = mpsc::unbounded_channel();
        let sink = match self.context.on_delta {
            Some(_) => DeltaSink::new(sender),
            None => DeltaSink::none(),
        };
        let span = tracing::info_span!("model", engine = engine.info().id, call = self.model_calls);
        let mut chat = std::pin::pin!(engine.chat(request, sink).instrument(span));
        let reply = loop {
            tokio::select! {
                biased;
                () = self.context.cancel.cancelled() => {
                    self.end(step, "cancelled", true, Usage::default());
                    return Input::Cancelled;
                }
                Some(delta) = deltas.recv() => self.pass_on(&delta),
                reply = &mut chat => break reply,
            }
        };
        while let Ok(delta) = deltas.try_recv() {
            self.pass_on(&delta);
        }
        match reply {
            Ok(reply) => {
                self.end(step, &said(&reply), false, reply.usage);
                self.log(Event::ModelReplied {
                    reply: reply.clone(),
                });
                Input::Reply { reply }
            }
            Err(error) => {
                let message = error.to_string();
                self.end(step, &message, true, Usage::default());
                self.log(Event::ModelFailed {
                    message: message.clone(),
                });
                Input::ModelFailed { message }
            }
        }
    }

    fn pass_on(&self, delta: &Delta) {
        if let Some(on_delta) = self.context.on_delta {
            on_delta(delta);
        }
    }

    async fn ask(&self, calls: Vec<ToolCall>) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(calls.len());
        for call in calls {
            self.log(Event::ApprovalAsked { call: call.clone() });
            let step = self.begin(StepKind::Approval, &call.name, &call.arguments.to_string());
            let asked = async {
                match self.context.approver {
                    Some(approver) => approver.approve(&call).await,
                    None => false,
                }
            };
            let allowed = tokio::select! {
                () = self.context.cancel.cancelled() => {
                    self.end(step, "cancelled", true, Usage::default());
                    inputs.push(Input::Cancelled);
                    return inputs;
                }
                allowed = asked => allowed,
            };
            let reason = if allowed {
                String::new()
            } else {
                self.refusal(&call.name)
            };
            let outcome = if allowed { "allowed" } else { "refused" };
            self.end(step, outcome, !allowed, Usage::default());
            self.log(Event::ApprovalGiven {
                call_id: call.id.clone(),
                allowed,
                reason: reason.clone(),
            });
            inputs.push(Input::Approval {
                call_id: call.id,
                allowed,
                reason,
            });
        }
        inputs
    }

    fn refusal(&self, tool: &str) -> String {
        if self.context.approver.is_some() {
            return format!("a person refused to run `{tool}`; do without it");
        }
        let refused =
            format!("`{tool}` was not run: it needs permission and there is nobody to ask");
        match self.context.host.origin(tool) {
            Some(origin) if !origin.built_in => format!(
                "{refused}. To allow it, write allow = [\"{}\"] under [servers.{}] in \
                 ropewalk.toml, or run with --yes",
                origin.name, origin.server
            ),
            _ => format!("{refused}. To allow it, run at a terminal, or with --yes"),
        }
    }

    /// Read-only calls at once; the others after them, one by one.
    async fn call_tools(&self, calls: Vec<ToolCall>) -> Vec<Input> {
        let specs = self.context.host.tools();
        let reads = |call: &ToolCall| {
            specs
                .iter()
                .any(|spec| spec.name == call.name && spec.hints.read_only)
        };
        let (parallel, serial): (Vec<ToolCall>, Vec<ToolCall>) = calls.into_iter().partition(reads);
        let cancel = self.context.cancel.child_token();
        let mut inputs = Vec::new();
        let mut running: FuturesUnordered<_> = parallel
            .into_iter()
            .map(|call| self.call_tool(call, &cancel))
            .collect();
        while let Some(input) = running.next().await {
            inputs.push(input);
        }
        for call in serial {
            if cancel.is_cancelled() {
                break;
            }
            inputs.push(self.call_tool(call, &cancel).await);
        }
        if self.context.cancel.is_cancelled() {
            inputs.push(Input::Cancelled);
        }
        inputs
    }

    async fn call_tool(&self, call: ToolCall, cancel: &CancellationToken) -> Input {
        self.log(Event::ToolCalled { call: call.clone() });
        let step = self.begin(StepKind::Tool, &call.name, &call.arguments.to_string());
        let span = tracing::info_span!("tool", name = call.name);
        // A report that nobody has read yet is overtaken by the next: a busy server cannot make
        // the log long.
        let (reports, mut report) = watch::channel(None);
        let keep = Arc::new(move |progress: ToolProgress| {
            reports.send_replace(Some(progress));
        });
        let outcome = {
            let calling = self.context.host.call(&call, cancel, keep).instrument(span);
            let mut calling = std::pin::pin!(calling);
            loop {
                tokio::select! {
                    biased;
                    Ok(()) = report.changed() => {
                        let said = report.borrow_and_update().as_ref().map(ToString::to_string);
                        if let Some(message) = said {
                            let call_id = call.id.clone();
                            self.log(Event::ToolProgressed { call_id, message });
                        }
                    }
                    outcome = &mut calling => break outcome,
                }
            }
        };
        let failed = matches!(outcome, ToolOutcome::Error { .. });
        self.end(step, outcome.text(), failed, Usage::default());
        self.log(Event::ToolReturned {
            call_id: call.id.clone(),
            outcome: outcome.clone(),
        });
        Input::ToolResult {
            call_id: call.id,
            outcome,
        }
    }

    fn finish(self, engine: String, answer: Answer) -> RunReport {
        self.log(Event::Ended {
            answer: answer.clone(),
        });
        let took_ms = self.now_ms();
        let steps = self
            .steps
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        RunReport {
            run: self.id,
            answer,
            engine,
            steps,
            took_ms,
        }
    }
}

fn said(reply: &ChatReply) -> String {
    if reply.calls.is_empty() {
        return reply.text.clone();
    }
    let names: Vec<&str> = reply.calls.iter().map(|call| call.name.as_str()).collect();
    format!("calls {}", names.join(", "))
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SUMMARY_CHARS) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}
