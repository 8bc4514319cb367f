//! What a run leaves behind: its answer and its steps, as the fold of its events.

use std::collections::HashMap;

use ropewalk_core::answer::{Answer, StopReason};
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event, NodeRecord, RunOutcome};
use ropewalk_core::interrupt::{InterruptKind, Reply};
use ropewalk_core::message::{ChatReply, PassedOver, Usage};
use ropewalk_core::tool::ToolOutcome;
use serde::Serialize;
use serde_json::Value;

use crate::path;
use crate::run::{RunEnd, RunResult};
use crate::run_id::RunId;
use crate::store::Stamped;

/// Characters of a request or a result that a step's record keeps.
const SUMMARY_CHARS: usize = 160;

/// What kind of work a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A node of the graph.
    Node,
    /// A call of the model.
    Model,
    /// A call of a tool.
    Tool,
    /// A registered function that touches the world.
    Function,
    /// A question to a person.
    Approval,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// What kind of work it was.
    pub kind: StepKind,
    /// The path of the node, the engine or the tool.
    pub name: String,
    /// Index of the step that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Milliseconds since the run began.
    pub started_ms: u64,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// Tokens it cost.
    pub usage: Usage,
    /// What it was asked, shortened.
    pub asked: String,
    /// What it came to, shortened.
    pub outcome: String,
    /// Whether it failed.
    pub failed: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// The engine that answered, where the one that was asked chose among several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// Engines whose answers were not taken, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
}

/// The end of a question and the way there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// What it came to.
    pub answer: Answer,
    /// The engine that reasoned.
    pub engine: String,
    /// Steps in the order they started.
    pub steps: Vec<StepRecord>,
    /// Milliseconds from question to answer.
    pub took_ms: u64,
}

impl RunReport {
    /// The report of a run that asked one agent one question.
    pub fn of(end: &RunEnd, events: &[Stamped]) -> Self {
        let mut steps = Steps::new(false);
        events.iter().for_each(|event| steps.take(event));
        let engine = events.iter().find_map(|stamped| match &stamped.event {
            Event::RunStarted { engine, .. } => Some(engine.clone()),
            _ => None,
        });
        let began = events.first().map_or(0, |first| first.at_ms);
        let ended = events.last().map_or(0, |last| last.at_ms);
        Self {
            run: end.run,
            answer: answer_of(end, &steps.records),
            engine: engine.unwrap_or_default(),
            steps: steps.records,
            took_ms: ended.saturating_sub(began),
        }
    }
}

/// The agent's whole answer, where there is one, or words that say why there is none.
fn answer_of(end: &RunEnd, steps: &[StepRecord]) -> Answer {
    let details = match &end.result {
        RunResult::Completed { outputs } => outputs.get("report").cloned(),
        RunResult::Failed { error, .. } => error.details.as_deref().cloned(),
        RunResult::Suspended { .. } => None,
    };
    let answer = details.and_then(|details| serde_json::from_value::<Answer>(details).ok());
    if let Some(mut answer) = answer {
        // An agent knows nothing of what servers had completed.
        for step in steps.iter().filter(|step| is_for_a_server(step, steps)) {
            answer.usage = answer.usage.plus(step.usage);
            answer.model_calls = answer.model_calls.saturating_add(1);
        }
        return answer;
    }
    let (text, stop) = match &end.result {
        RunResult::Completed { outputs } => {
            let text = match outputs.get("answer") {
                Some(Value::String(text)) => text.clone(),
                _ => Value::Object((**outputs).clone()).to_string(),
            };
            (text, StopReason::Answered)
        }
        RunResult::Failed { node, error } => {
            let stop = if error.kind == ropewalk_core::graph::definition::ErrorKind::Budget {
                StopReason::Budget
            } else {
                StopReason::ModelFailed
            };
            (
                format!("`{node}` failed, so there is no answer: {error}"),
                stop,
            )
        }
        RunResult::Suspended { .. } => (
            "The run was cancelled before there was an answer.".to_owned(),
            StopReason::Cancelled,
        ),
    };
    let of = |kind| steps.iter().filter(move |step| step.kind == kind);
    let count = |kind| u32::try_from(of(kind).count()).unwrap_or(u32::MAX);
    let usage = steps
        .iter()
        .fold(Usage::default(), |sum, step| sum.plus(step.usage));
    Answer {
        text,
        stop,
        citations: Vec::new(),
        uncited: false,
        truncated: false,
        model_calls: count(StepKind::Model),
        tool_calls: count(StepKind::Tool),
        usage,
    }
}

/// Whether a step is a completion that a server asked for.
fn is_for_a_server(step: &StepRecord, steps: &[StepRecord]) -> bool {
    let parent = step.parent.and_then(|parent| steps.get(parent));
    step.kind == StepKind::Model && parent.is_some_and(|parent| parent.kind == StepKind::Tool)
}

/// Steps in the making: feed it a run's events, in order.
#[derive(Debug)]
pub struct Steps {
    with_nodes: bool,
    records: Vec<StepRecord>,
    began: Option<u64>,
    /// Steps of nodes by path, of effects by slot, of questions by id.
    open: HashMap<String, usize>,
    /// The latest model call of each activation: parent of the calls it asked for.
    models: HashMap<String, usize>,
}

impl Steps {
    /// No steps yet. Without nodes, there are only effects and questions.
    pub fn new(with_nodes: bool) -> Self {
        Self {
            with_nodes,
            records: Vec::new(),
            began: None,
            open: HashMap::new(),
            models: HashMap::new(),
        }
    }

    /// The steps so far, in the order they started.
    pub fn records(&self) -> &[StepRecord] {
        &self.records
    }

    /// The step of a node's activation.
    pub fn of_node(&self, path: &str) -> Option<usize> {
        self.open.get(path).copied()
    }

    /// Takes the next event.
    pub fn take(&mut self, stamped: &Stamped) {
        let began = *self.began.get_or_insert(stamped.at_ms);
        let now = stamped.at_ms.saturating_sub(began);
        match &stamped.event {
            Event::NodeStarted { path, kind } if self.with_nodes => {
                self.begin_node(path, kind, now);
            }
            Event::NodeEnded { path, end } if self.with_nodes => {
                if !self.open.contains_key(path) {
                    self.begin_node(path, "", now);
                }
                let failed = end.error.is_some();
                self.end(path, &ended(end), failed, Usage::default(), now);
            }
            Event::NodeRetried { path, error, .. } => {
                if let Some(record) = self.open.get(path).and_then(|at| self.records.get_mut(*at)) {
                    record.outcome = shortened(&format!("tried again after: {error}"));
                }
            }
            Event::EffectStarted { slot, request, .. } => self.begin_effect(slot, request, now),
            Event::EffectSampled {
                slot,
                engine,
                usage,
                took_ms,
            } => {
                let parent = self.open.get(slot.as_str()).copied();
                let began = now.saturating_sub(*took_ms);
                let step = self.begin(StepKind::Model, engine, parent, "for the server", began);
                if let Some(record) = self.records.get_mut(step) {
                    record.took_ms = *took_ms;
                    record.usage = *usage;
                    record.ended = true;
                }
            }
            Event::EffectEnded { slot, outcome } => {
                let (said, failed) = said(outcome);
                self.end(slot, &said, failed, stamped.event.usage(), now);
                if let EffectOutcome::Reply { reply } = outcome
                    && let Some(record) = self.record_of(slot)
                {
                    record.answered_by.clone_from(&reply.engine);
                    record.passed_over.clone_from(&reply.passed_over);
                }
            }
            Event::InterruptRaised { id, interrupt } => {
                let activation = path::activation_of(id);
                let parent = match interrupt.kind {
                    InterruptKind::Approval => self.models.get(activation),
                    _ => self.open.get(activation),
                };
                let name = interrupt
                    .call
                    .as_ref()
                    .map_or(interrupt.path.as_str(), |call| call.name.as_str());
                let asked = match &interrupt.call {
                    Some(call) => call.arguments.to_string(),
                    None => interrupt.question.clone(),
                };
                let parent = parent.copied();
                let step = self.begin(StepKind::Approval, name, parent, &asked, now);
                self.open.insert(format!("?{id}"), step);
            }
            Event::InterruptAnswered { id, reply } => {
                let word = match reply {
                    Reply::Approve => "allowed",
                    Reply::Reject { .. } => "refused",
                    other => other.word(),
                };
                let failed = matches!(reply, Reply::Reject { .. });
                self.end(&format!("?{id}"), word, failed, Usage::default(), now);
            }
            _ => {}
        }
    }

    fn begin_node(&mut self, path: &str, kind: &str, now: u64) {
        if self.open.contains_key(path) {
            return;
        }
        let parent = self.parent_of_node(path);
        let step = self.begin(StepKind::Node, path, parent, kind, now);
        self.open.insert(path.to_owned(), step);
    }

    /// The node that a path lies in: of `a[2]/b` it is `a`.
    fn parent_of_node(&self, path: &str) -> Option<usize> {
        let mut path = path;
        while let Some(end) = path.rfind(['/', '[']) {
            path = path.get(..end)?;
            if let Some(step) = self.open.get(path) {
                return Some(*step);
            }
        }
        None
    }

    fn begin_effect(&mut self, slot: &str, request: &EffectRequest, now: u64) {
        let activation = path::activation_of(slot);
        let node = match self.open.get(activation).copied() {
            Some(node) => Some(node),
            None => self.parent_of_node(activation),
        };
        match request {
            EffectRequest::Model { engine, request } => {
                let messages = request.kept + request.messages.len();
                let plural = if messages == 1 { "" } else { "s" };
                let asked = format!("{messages} message{plural}");
                let step = self.begin(StepKind::Model, engine, node, &asked, now);
                self.models.insert(activation.to_owned(), step);
                self.open.insert(slot.to_owned(), step);
            }
            EffectRequest::Tool { call } => {
                let parent = self.models.get(activation).copied().or(node);
                let asked = call.arguments.to_string();
                let step = self.begin(StepKind::Tool, &call.name, parent, &asked, now);
                self.open.insert(slot.to_owned(), step);
            }
            EffectRequest::Function { name, arguments } => {
                let asked = arguments.to_string();
                let step = self.begin(StepKind::Function, name, node, &asked, now);
                self.open.insert(slot.to_owned(), step);
            }
            EffectRequest::Decision { .. } => {}
        }
    }

    fn begin(
        &mut self,
        kind: StepKind,
        name: &str,
        parent: Option<usize>,
        asked: &str,
        now: u64,
    ) -> usize {
        self.records.push(StepRecord {
            kind,
            name: name.to_owned(),
            parent,
            started_ms: now,
            took_ms: 0,
            usage: Usage::default(),
            asked: shortened(asked),
            outcome: String::new(),
            failed: false,
            ended: false,
            answered_by: None,
            passed_over: Vec::new(),
        });
        self.records.len() - 1
    }

    fn record_of(&mut self, key: &str) -> Option<&mut StepRecord> {
        let found = self.open.get(key).copied();
        found.and_then(|step| self.records.get_mut(step))
    }

    fn end(&mut self, key: &str, outcome: &str, failed: bool, usage: Usage, now: u64) {
        if let Some(record) = self.record_of(key) {
            record.took_ms = now.saturating_sub(record.started_ms);
            record.outcome = shortened(outcome);
            record.failed = failed;
            record.usage = usage;
            record.ended = true;
        }
    }
}

fn ended(end: &NodeRecord) -> String {
    if let Some(error) = &end.error {
        return error.to_string();
    }
    let writes: Vec<String> = end
        .writes
        .iter()
        .map(|(channel, value)| match &**value {
            Value::String(text) => format!("{channel}: {text}"),
            other => format!("{channel}: {other}"),
        })
        .collect();
    writes.join("; ")
}

fn said(outcome: &EffectOutcome) -> (String, bool) {
    match outcome {
        EffectOutcome::Reply { reply } => (reply_in_words(reply), false),
        EffectOutcome::Tool { outcome } => {
            let failed = matches!(outcome, ToolOutcome::Error { .. });
            (outcome.text().to_owned(), failed)
        }
        EffectOutcome::Value { value } => (value.to_string(), false),
        EffectOutcome::Failed { error } => (error.to_string(), true),
    }
}

fn reply_in_words(reply: &ChatReply) -> String {
    if reply.calls.is_empty() {
        return reply.text.clone();
    }
    let names: Vec<&str> = reply.calls.iter().map(|call| call.name.as_str()).collect();
    format!("calls {}", names.join(", "))
}

/// A result in a few words.
pub fn outcome_in_words(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Completed { .. } => "completed".to_owned(),
        RunOutcome::Failed { node, error } => format!("failed at `{node}`: {error}"),
    }
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SUMMARY_CHARS) {
        None => line,
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
    }
}
