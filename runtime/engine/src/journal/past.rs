//! What a log says has already happened.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ropewalk_core::budget::Spending;
use ropewalk_core::event::{
    EVENT_VERSION, EffectOutcome, EffectRequest, Event, ItemOutcome, NodeRecord, RunOutcome,
};
use ropewalk_core::graph::bundle::Bundle;
use ropewalk_core::graph::signature::Signature;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::message::{ChatReply, ChatRequest, FinishReason, Usage};
use ropewalk_core::tool::ToolOutcome;
use serde_json::{Map, Value};
use similar::TextDiff;

use super::{Effect, as_value};
use crate::path;
use crate::run::granted;
use crate::store::Stamped;

/// Lines of a difference that are shown.
const MOST_LINES: usize = 60;

/// An effect of the log.
#[derive(Debug, Clone)]
pub(crate) struct PastEffect {
    /// How often it was begun.
    pub(crate) starts: u32,
    /// What was asked for, in whole.
    pub(crate) request: Value,
    /// What came of it.
    pub(crate) outcome: Option<EffectOutcome>,
}

/// The end of a node of the log.
#[derive(Debug, Clone)]
pub(crate) struct PastEnd {
    pub(crate) node: String,
    pub(crate) visit: u32,
    pub(crate) record: NodeRecord,
}

/// What a log says has already happened.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Ends of nodes, by the graph's path.
    pub(crate) ends: HashMap<String, Vec<PastEnd>>,
    /// By slot.
    pub(crate) effects: HashMap<String, PastEffect>,
    /// By id.
    pub(crate) interrupts: HashMap<String, Option<Reply>>,
    /// Items of maps, by path.
    pub(crate) items: HashMap<String, ItemOutcome>,
    /// Answers that were left for the run.
    pub(crate) answers: HashMap<String, Reply>,
    /// What effects have cost, by slot.
    pub(crate) spent: Vec<(String, Spending)>,
    /// Activations that began.
    begun: HashSet<String>,
    /// Open questions about budgets, by id.
    asked: HashMap<String, Interrupt>,
    /// What people have let the run spend beyond its budget: which bound, how much.
    pub(crate) grants: Vec<(String, f64)>,
}

/// What a log says of its run as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) graph: String,
    pub(crate) signature: Signature,
    pub(crate) bundle: Bundle,
    pub(crate) inputs: Map<String, Value>,
    pub(crate) engine: String,
    pub(crate) ended: Option<RunOutcome>,
    /// Nodes that have begun, as a signature names them.
    pub(crate) started: BTreeSet<String>,
    pub(crate) next_seq: u64,
    /// Milliseconds that processes have worked on it.
    pub(crate) worked_ms: u64,
    /// When the latest process began, and when its latest event was.
    session: (u64, u64),
}

/// A log that cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It does not begin.
    #[error("the log does not begin with the start of a run; it is damaged")]
    NoStart,
    /// It was written by another version.
    #[error(
        "the log has form {found}; this program reads form {EVENT_VERSION}: use the program that \
         wrote it"
    )]
    Version {
        /// Its form.
        found: u32,
    },
}

/// Reads a log.
pub(crate) fn read(events: Vec<Stamped>) -> Result<(Header, Past), LogError> {
    let mut header: Option<Header> = None;
    let mut past = Past::default();
    let mut requests: HashMap<String, ChatRequest> = HashMap::new();
    for stamped in events {
        let (seq, at_ms) = (stamped.seq + 1, stamped.at_ms);
        match stamped.event {
            Event::RunStarted {
                version,
                graph,
                signature,
                bundle,
                inputs,
                engine,
                ..
            } => {
                if version != EVENT_VERSION {
                    return Err(LogError::Version { found: version });
                }
                let started = header.take().map(|header| header.started);
                header = Some(Header {
                    graph,
                    signature,
                    bundle: *bundle,
                    inputs,
                    engine,
                    ended: None,
                    started: started.unwrap_or_default(),
                    next_seq: seq,
                    worked_ms: 0,
                    session: (at_ms, at_ms),
                });
            }
            event => {
                let header = header.as_mut().ok_or(LogError::NoStart)?;
                header.next_seq = seq;
                header.take(&event, at_ms);
                past.take(event, &mut requests);
            }
        }
    }
    let header = header.ok_or(LogError::NoStart)?;
    if let Some(RunOutcome::Failed { .. }) = header.ended {
        past.forget_failures();
    }
    Ok((header, past))
}

impl Header {
    fn take(&mut self, event: &Event, at_ms: u64) {
        match event {
            Event::RunResumed { engine, changed } => {
                let (began, latest) = self.session;
                self.worked_ms += latest.saturating_sub(began);
                self.session = (at_ms, at_ms);
                self.engine.clone_from(engine);
                self.ended = None;
                if let Some(changed) = changed {
                    let (signature, bundle) = &**changed;
                    self.signature = signature.clone();
                    self.bundle = bundle.clone();
                }
            }
            Event::RunEnded { outcome } => self.ended = Some(outcome.clone()),
            Event::NodeStarted { path, .. } | Event::NodeEnded { path, .. } => {
                self.started.insert(path::definition_of(path));
            }
            _ => {}
        }
        self.session.1 = at_ms;
    }

    /// Milliseconds that processes have worked on it, the latest included.
    pub(crate) fn worked(&self) -> u64 {
        let (began, latest) = self.session;
        self.worked_ms + latest.saturating_sub(began)
    }
}

impl Past {
    fn take(&mut self, event: Event, requests: &mut HashMap<String, ChatRequest>) {
        match event {
            Event::NodeStarted { path, .. } => {
                self.begun.insert(path);
            }
            Event::NodeEnded { path, end } => {
                self.begun.remove(&path);
                let (scope, node, visit) = path::split(&path);
                // What happened inside a node that has ended well is of no more use.
                if !end.fatal {
                    self.ends.remove(&path);
                }
                self.ends
                    .entry(scope.to_owned())
                    .or_default()
                    .push(PastEnd {
                        node: node.to_owned(),
                        visit,
                        record: end,
                    });
            }
            Event::ItemEnded { path, outcome } => {
                self.ends.remove(&path);
                self.items.insert(path, outcome);
            }
            Event::EffectStarted { slot, request, .. } => {
                self.spent.push((slot.clone(), begun(&request)));
                let request = whole(&slot, request, requests);
                let effect = self.effects.entry(slot).or_insert_with(|| PastEffect {
                    starts: 0,
                    request: Value::Null,
                    outcome: None,
                });
                effect.starts += 1;
                effect.request = request;
                effect.outcome = None;
            }
            Event::EffectEnded { slot, outcome } => {
                let cost = ended(&outcome);
                if let Some(effect) = self.effects.get_mut(&slot) {
                    effect.outcome = Some(outcome);
                }
                if cost != Spending::default() {
                    self.spent.push((slot, cost));
                }
            }
            Event::InterruptRaised { id, interrupt } => {
                if interrupt.kind == InterruptKind::Budget {
                    self.asked.insert(id.clone(), interrupt);
                }
                self.interrupts.insert(id, None);
            }
            Event::InterruptAnswered { id, reply }
                if !matches!(reply, Reply::Escalate { .. }) => {
                    let asked = self.asked.remove(&id);
                    let grant = asked.and_then(|interrupt| granted(&interrupt, &reply));
                    self.grants.extend(grant);
                    self.interrupts.insert(id, Some(reply));
                }
            _ => {}
        }
    }
}

impl Past {
    /// What an activation and all below it have cost.
    pub(crate) fn spent_by(&self, path: &str) -> Spending {
        let below = |slot: &str| {
            slot.strip_prefix(path)
                .is_some_and(|rest| path.is_empty() || rest.starts_with(['!', '/', '[']))
        };
        let spent = self.spent.iter().filter(|(slot, _)| below(slot));
        spent.fold(Spending::default(), |sum, (_, cost)| sum.plus(*cost))
    }

    /// Whether the log says that an activation began.
    pub(crate) fn began(&self, path: &str) -> bool {
        self.begun.contains(path)
    }

    /// What ended the run is tried again when it is resumed, and nothing else is.
    fn forget_failures(&mut self) {
        let mut failed = Vec::new();
        for (scope, ends) in &mut self.ends {
            for end in ends.iter().filter(|end| end.record.fatal) {
                failed.push(path::node(scope, &end.node, end.visit));
            }
            ends.retain(|end| !end.record.fatal);
        }
        self.items
            .retain(|_, item| !matches!(item, ItemOutcome::Failed(_)));
        self.effects.retain(|slot, effect| {
            let fatal = failed.iter().any(|path| slot.starts_with(path.as_str()));
            let in_vain = matches!(
                effect.outcome,
                Some(
                    EffectOutcome::Failed { .. }
                        | EffectOutcome::Tool {
                            outcome: ToolOutcome::Error { .. }
                        }
                )
            );
            !(fatal && in_vain)
        });
    }
}

fn begun(request: &EffectRequest) -> Spending {
    Spending {
        model_calls: u64::from(matches!(request, EffectRequest::Model { .. })),
        tool_calls: u64::from(matches!(request, EffectRequest::Tool { .. })),
        ..Spending::default()
    }
}

/// What an effect has cost by its end.
pub(crate) fn ended(outcome: &EffectOutcome) -> Spending {
    match outcome {
        EffectOutcome::Reply { reply } => Spending {
            tokens: reply
                .usage
                .input_tokens
                .saturating_add(reply.usage.output_tokens),
            ..Spending::default()
        },
        _ => Spending::default(),
    }
}

/// A request in whole, as a value.
fn whole(slot: &str, request: EffectRequest, requests: &mut HashMap<String, ChatRequest>) -> Value {
    match request {
        EffectRequest::Model { request, .. } => {
            let place = path::attempt_of(slot).to_owned();
            let request = request.whole(requests.get(&place));
            let value = as_value(&request);
            requests.insert(place, request);
            value
        }
        other => as_value(&other),
    }
}

/// What the difference between a recording and a run is.
pub(super) fn drift(past: &PastEffect, effect: &Effect) -> String {
    let diff = diff(&pretty(&past.request), &pretty(&effect.compared));
    format!(
        "`{}` asks for something else than the recording at {}:\n{}",
        effect.path, effect.slot, diff
    )
}

/// What the difference between the results of a recording and a replay is.
pub(crate) fn outputs_drift(recorded: &Map<String, Value>, now: &Map<String, Value>) -> String {
    let text = |value: &Map<String, Value>| pretty(&Value::Object(value.clone()));
    format!(
        "it ends with another result:\n{}",
        diff(&text(recorded), &text(now))
    )
}

fn diff(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let diff = diff
        .unified_diff()
        .context_radius(2)
        .header("recorded", "now")
        .to_string();
    let mut lines: Vec<&str> = diff.lines().take(MOST_LINES).collect();
    if diff.lines().count() > MOST_LINES {
        lines.push("…");
    }
    lines.join("\n")
}

pub(super) fn unrecorded(effect: &Effect) -> String {
    format!(
        "`{}` does something that the recording does not hold, at {}: {}",
        effect.path,
        effect.slot,
        words_of(&effect.request)
    )
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A request in a few words.
pub(super) fn words_of(request: &EffectRequest) -> String {
    match request {
        EffectRequest::Model { engine, .. } => format!("a call of {engine}"),
        EffectRequest::Tool { call } => format!("{}({})", call.name, call.arguments),
        EffectRequest::Function { name, arguments } => format!("{name}({arguments})"),
        EffectRequest::Decision { about } => about.clone(),
    }
}

/// What a person says came of an effect, in the form in which it would have come.
pub(super) fn outcome_of(request: &EffectRequest, value: Value) -> EffectOutcome {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match request {
        EffectRequest::Model { .. } => EffectOutcome::Reply {
            reply: ChatReply {
                text: text(&value),
                thinking: None,
                calls: Vec::new(),
                finish: FinishReason::Stop,
                usage: Usage::default(),
                abstained: false,
            },
        },
        EffectRequest::Tool { .. } => EffectOutcome::Tool {
            outcome: ToolOutcome::Ok {
                text: text(&value),
                structured: (!value.is_string()).then_some(value),
            },
        },
        EffectRequest::Function { .. } | EffectRequest::Decision { .. } => EffectOutcome::Value {
            value: Arc::new(value),
        },
    }
}
