//! What a log says has already happened, as far as it still matters.

use std::collections::{BTreeMap, HashMap};

use ropewalk_core::budget::Spending;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event, ItemOutcome, NodeRecord};
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::message::ChatRequest;
use ropewalk_core::policy::Judgement;
use ropewalk_core::tool::{Permission, ToolOutcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::as_value;
use super::reading::Reading;
use crate::path;
use crate::run::{MODEL_CALL, granted, spent_on};

/// How much of a log is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Keep {
    /// What is needed to go on: what happened inside a node that has ended is dropped.
    #[default]
    ToGoOn,
    /// The same, without the ends of the graph's own nodes: whoever asks has its machine.
    WithMachine,
    /// Everything, to go through it again.
    All,
}

/// An effect of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PastEffect {
    /// How often it was begun.
    pub(crate) starts: u32,
    /// What was asked for, in whole; only kept to go through it again.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) request: Value,
    /// What came of it.
    pub(crate) outcome: Option<EffectOutcome>,
}

/// The end of a node of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PastEnd {
    pub(crate) node: String,
    pub(crate) visit: u32,
    pub(crate) record: NodeRecord,
}

/// What a log says has already happened. Everything in it is ordered by path, so that what lies
/// inside an activation is one stretch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Past {
    keep: Keep,
    /// Ends of nodes, by the graph's path.
    pub(crate) ends: BTreeMap<String, Vec<PastEnd>>,
    /// By slot.
    pub(crate) effects: BTreeMap<String, PastEffect>,
    /// By id.
    pub(crate) interrupts: BTreeMap<String, Option<Reply>>,
    /// Items of maps, by path.
    pub(crate) items: BTreeMap<String, ItemOutcome>,
    /// How calls of tools were judged, by the place of the judgement.
    pub(crate) judged: BTreeMap<String, Judgement>,
    /// What the run has read.
    pub(crate) reading: Reading,
    /// What activations have cost; once one has ended its cost is that of what it lies in.
    spent: BTreeMap<String, Spending>,
    /// Activations that began and have not ended.
    begun: BTreeMap<String, ()>,
    /// Open questions about budgets, by id.
    asked: BTreeMap<String, Interrupt>,
    /// What people have let the run spend beyond its budget: which bound, how much.
    pub(crate) grants: Vec<(String, f64)>,
    /// Answers that were left for the run.
    #[serde(skip)]
    pub(crate) answers: HashMap<String, Reply>,
    /// The latest request of each place, to put the next one together.
    #[serde(skip)]
    requests: HashMap<String, ChatRequest>,
}

impl Past {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }

    /// The same past for somebody who has the graph's machine.
    pub(crate) fn with_machine(&self) -> Self {
        let mut past = self.clone();
        past.keep = Keep::WithMachine;
        past.ends.remove("");
        past
    }

    /// Takes the next event.
    pub(crate) fn take(&mut self, event: &Event) {
        self.reading.take(event);
        match event {
            Event::CallJudged {
                place, judgement, ..
            } => {
                self.judged.insert(place.clone(), judgement.clone());
            }
            Event::NodeStarted { path, .. } => {
                self.begun.insert(path.clone(), ());
            }
            Event::NodeEnded { path, end } => self.end(path, end),
            Event::ItemEnded { path, outcome } => {
                self.forget_inside(path);
                self.items.insert(path.clone(), outcome.clone());
            }
            Event::EffectStarted { slot, request, .. } => {
                self.spend(slot, begun(request));
                let request = match self.keep {
                    Keep::All => self.whole(slot, request),
                    _ => Value::Null,
                };
                let effect = self.effects.entry(slot.clone());
                let effect = effect.or_insert_with(|| PastEffect {
                    starts: 0,
                    request: Value::Null,
                    outcome: None,
                });
                effect.starts += 1;
                effect.request = request;
                effect.outcome = None;
            }
            Event::EffectSampled { slot, usage, .. } => {
                self.spend(slot, MODEL_CALL.plus(spent_on(*usage)));
            }
            Event::EffectEnded { slot, outcome } => {
                self.spend(slot, ended(outcome));
                if let Some(effect) = self.effects.get_mut(slot) {
                    effect.outcome = Some(outcome.clone());
                }
            }
            Event::InterruptRaised { id, interrupt } => {
                if interrupt.kind == InterruptKind::Budget {
                    self.asked.insert(id.clone(), interrupt.clone());
                }
                self.interrupts.insert(id.clone(), None);
            }
            Event::InterruptAnswered {
                reply: Reply::Escalate { .. },
                ..
            } => {}
            Event::InterruptAnswered { id, reply } => {
                let asked = self.asked.remove(id);
                let grant = asked.and_then(|interrupt| granted(&interrupt, reply));
                self.grants.extend(grant);
                self.interrupts.insert(id.clone(), Some(reply.clone()));
            }
            _ => {}
        }
    }

    fn end(&mut self, path: &str, end: &NodeRecord) {
        let (scope, node, visit) = path::split(path);
        if !end.fatal {
            self.forget_inside(path);
        }
        self.begun.remove(path);
        if scope.is_empty() && self.keep == Keep::WithMachine {
            return;
        }
        let ends = match self.ends.get_mut(scope) {
            Some(ends) => ends,
            None => self.ends.entry(scope.to_owned()).or_default(),
        };
        ends.push(PastEnd {
            node: node.to_owned(),
            visit,
            record: end.clone(),
        });
    }

    /// What happened inside an activation that has ended is of no more use, but for its cost.
    fn forget_inside(&mut self, path: &str) {
        if self.keep == Keep::All {
            return;
        }
        take_inside(&mut self.ends, path);
        take_inside(&mut self.effects, path);
        take_inside(&mut self.interrupts, path);
        take_inside(&mut self.items, path);
        take_inside(&mut self.judged, path);
        take_inside(&mut self.begun, path);
        let costs = take_inside(&mut self.spent, path);
        if !costs.is_empty() {
            let cost = costs.into_iter().fold(Spending::default(), Spending::plus);
            self.spend_at(path::around(path), cost);
        }
    }

    fn spend(&mut self, slot: &str, cost: Spending) {
        self.spend_at(path::activation_of(slot), cost);
    }

    fn spend_at(&mut self, path: &str, cost: Spending) {
        if cost != Spending::default() {
            let spent = self.spent.entry(path.to_owned()).or_default();
            *spent = spent.plus(cost);
        }
    }

    /// What an activation and all inside it have cost.
    pub(crate) fn spent_by(&self, path: &str) -> Spending {
        let all = self.spent.range(path.to_owned()..);
        let inside = all
            .take_while(|(key, _)| key.starts_with(path))
            .filter(|(key, _)| path::is_inside(key, path));
        inside.fold(Spending::default(), |sum, (_, cost)| sum.plus(*cost))
    }

    /// Nothing has been spent yet.
    pub(crate) fn forget_costs(&mut self) {
        self.spent.clear();
        self.grants.clear();
    }

    /// Whether the log says that an activation began.
    pub(crate) fn began(&self, path: &str) -> bool {
        self.begun.contains_key(path)
    }

    /// A request in whole, as a value.
    fn whole(&mut self, slot: &str, request: &EffectRequest) -> Value {
        let EffectRequest::Model { request, .. } = request else {
            return as_value(request);
        };
        let place = path::attempt_of(slot).to_owned();
        let request = request.whole(self.requests.get(&place));
        let value = as_value(&request);
        self.requests.insert(place, request);
        value
    }

    /// What ended the run is tried again when it is resumed, and nothing else is.
    pub(super) fn forget_failures(&mut self) {
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
            let fatal = failed.iter().any(|path| path::is_inside(slot, path));
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
        // What was denied then may be allowed by now.
        self.judged.retain(|place, judgement| {
            let denied = judgement.verdict.permission == Permission::Deny;
            !(denied && failed.iter().any(|path| path::is_inside(place, path)))
        });
    }
}

pub(super) fn take_inside<T>(map: &mut BTreeMap<String, T>, path: &str) -> Vec<T> {
    if map.is_empty() {
        return Vec::new();
    }
    let inside: Vec<String> = map
        .range(path.to_owned()..)
        .map(|(key, _)| key)
        .take_while(|key| key.starts_with(path))
        .filter(|key| path::is_inside(key, path))
        .cloned()
        .collect();
    inside.iter().filter_map(|key| map.remove(key)).collect()
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
        EffectOutcome::Reply { reply } => spent_on(reply.usage),
        _ => Spending::default(),
    }
}
