//! Maps: the same work for every item of a list.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use ropewalk_core::event::{Event, ItemOutcome};
use ropewalk_core::graph::definition::{ErrorKind, Hedge};
use ropewalk_core::graph::expression::Within;
use ropewalk_core::graph::ir::{Node, Work};
use ropewalk_core::graph::machine::{NodeError, NodeResult};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::attempt::{At, Cancel, Halt, perform};
use super::{Shared, plain, tool};
use crate::journal::Stop;
use crate::path;
use crate::services::Function;

/// Items that must be done before slow ones can be told.
const ENOUGH_TO_COMPARE: usize = 3;

/// Items that end at once which are done before others get a turn.
const TURN: usize = 64;

/// How often slow items are looked for.
const LOOK: Duration = Duration::from_millis(20);

struct Fan<'a> {
    at: &'a At<'a>,
    each: &'a Node,
    items: Vec<Arc<Value>>,
    outcomes: Vec<Option<ItemOutcome>>,
    /// Copies at work, by item.
    copies: Vec<Vec<Cancel>>,
    began: Vec<Option<Instant>>,
    /// How long items took.
    times: Vec<Duration>,
    stop: Option<Stop>,
}

/// A `map` node. Its result is the list of results, in the order of the items.
pub(super) async fn work(at: &At<'_>) -> Result<NodeResult, Halt> {
    let Work::Map {
        over,
        each,
        concurrency,
        min_success,
        deadline,
        hedge,
    } = &at.node.work
    else {
        return Err(Halt::failed(ErrorKind::Invalid, "not a map node"));
    };
    let items = match over.eval(&at.scope())? {
        Value::Array(items) => items,
        other => {
            let kind = kind_of(&other);
            let message = format!("`over` must give a list; `{}` gives {kind}", over.source());
            return Err(Halt::failed(ErrorKind::Invalid, message));
        }
    };
    let count = items.len();
    let mut fan = Fan {
        at,
        each,
        items: items.into_iter().map(Arc::new).collect(),
        outcomes: vec![None; count],
        copies: vec![Vec::new(); count],
        began: vec![None; count],
        times: Vec::new(),
        stop: None,
    };
    fan.remember();
    let needed = needed(count, *min_success);
    let at_once = (*concurrency).max(1) as usize;
    let hedge = hedge.filter(|_| has_no_lasting_effects(at.shared, each));
    let deadline = deadline
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(|limit| Instant::now() + limit);
    fan.run(at_once, needed, deadline, hedge).await;
    fan.end(needed)
}

fn needed(count: usize, share: f64) -> usize {
    // Half an item more or less is no matter of rounding errors.
    let needed = (count as f64 * share.clamp(0.0, 1.0) - 1e-9).ceil();
    (needed.max(0.0) as usize).min(count)
}

impl<'a> Fan<'a> {
    /// Takes what the log holds of items.
    fn remember(&mut self) {
        for (index, outcome) in self.outcomes.iter_mut().enumerate() {
            let path = path::item(&self.at.path, index);
            let journal = &self.at.shared.journal;
            *outcome = journal.with_past(|past| past.items.remove(&path));
        }
    }

    fn failures(&self) -> usize {
        let failed =
            |outcome: &&Option<ItemOutcome>| matches!(outcome, Some(ItemOutcome::Failed(_)));
        self.outcomes.iter().filter(failed).count()
    }

    async fn run(
        &mut self,
        at_once: usize,
        needed: usize,
        deadline: Option<Instant>,
        hedge: Option<Hedge>,
    ) {
        let bearable = self.items.len() - needed;
        let mut waiting: Vec<usize> = (0..self.items.len())
            .rev()
            .filter(|index| self.outcomes.get(*index).is_some_and(Option::is_none))
            .collect();
        let mut at_work = FuturesUnordered::new();
        let mut over = false;
        let mut turns = 0;
        loop {
            let mut in_vain = self.failures() > bearable;
            let halted = !matches!(self.stop, None | Some(Stop::Waiting));
            if (over || in_vain || halted) && !self.copies.iter().all(Vec::is_empty) {
                self.copies.iter().flatten().for_each(Cancel::give_up);
            }
            while !over && !in_vain && !halted && at_work.len() < at_once {
                let Some(index) = waiting.pop() else { break };
                if let Some(outcome) = self.at_once(index) {
                    let failed = outcome.is_err();
                    self.take(index, false, outcome, over);
                    in_vain = failed && self.failures() > bearable;
                    turns += 1;
                    if turns % TURN == 0 {
                        tokio::task::yield_now().await;
                        over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                        if self.at.cancel.is_cancelled() {
                            self.stop = Some(Stop::Cancelled);
                            return;
                        }
                    }
                    continue;
                }
                at_work.push(self.copy(index, false));
            }
            if at_work.is_empty() {
                break;
            }
            let time = async {
                match deadline {
                    Some(deadline) if !over => tokio::time::sleep_until(deadline).await,
                    _ => std::future::pending().await,
                }
            };
            let look = async {
                match hedge {
                    Some(_) if !over => tokio::time::sleep(LOOK).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some((index, second, outcome)) = at_work.next() => self.take(index, second, outcome, over),
                () = time => over = true,
                () = look => {
                    if let Some(slow) = hedge.and_then(|hedge| self.straggler(hedge)) {
                        at_work.push(self.copy(slow, true));
                    }
                }
            }
        }
        if over {
            for index in 0..self.items.len() {
                if self.outcomes.get(index).is_some_and(Option::is_none) {
                    self.settle(index, ItemOutcome::Failed(late()));
                }
            }
        }
    }

    /// The outcome of work that ends at once, if it does: it needs no place among what is at
    /// work.
    fn at_once(&self, index: usize) -> Option<Result<NodeResult, Halt>> {
        let Work::Function { name, arguments } = &self.each.work else {
            return None;
        };
        if !plain::is_inline(self.at.shared, self.each, name) {
            return None;
        }
        let item = self.items.get(index).cloned().unwrap_or_default();
        let names = [("item", item), ("index", Arc::new(Value::from(index)))];
        let scope = Within {
            names: &names,
            outer: self.at.inputs,
        };
        let inputs = self.at.inputs;
        let result = plain::now(self.at.shared, name, arguments.as_ref(), inputs, &scope);
        Some(result.map_err(Halt::Failed))
    }

    /// Begins the work for an item, or a second copy of it.
    fn copy(
        &mut self,
        index: usize,
        second: bool,
    ) -> impl Future<Output = (usize, bool, Result<NodeResult, Halt>)> + use<'a> {
        let cancel = self.at.cancel.expendable();
        if let Some(copies) = self.copies.get_mut(index) {
            copies.push(cancel.clone());
        }
        if let Some(began) = self.began.get_mut(index) {
            began.get_or_insert_with(Instant::now);
        }
        let item = self.items.get(index).cloned().unwrap_or_default();
        let mut path = path::item(&self.at.path, index);
        if self.at.attempt > 1 {
            path.push_str(&format!("~{}", self.at.attempt));
        }
        if second {
            path.push_str("~b");
        }
        let (at, each) = (self.at, self.each);
        async move {
            let names = [("item", item), ("index", Arc::new(Value::from(index)))];
            let outcome = perform(At {
                shared: at.shared,
                node: each,
                path,
                inputs: at.inputs,
                names: &names,
                account: at.account,
                cancel,
                sources: at.sources,
                attempt: 1,
                live: AtomicBool::new(false),
            })
            .await;
            (index, second, outcome)
        }
    }

    fn take(&mut self, index: usize, second: bool, outcome: Result<NodeResult, Halt>, over: bool) {
        if self.outcomes.get(index).is_none_or(Option::is_some) {
            // The other copy was first.
            return;
        }
        let alone = self.copies.get(index).is_none_or(|copies| copies.len() < 2);
        match outcome {
            Ok(result) => {
                if let Some(began) = self.began.get(index).copied().flatten() {
                    self.times.push(began.elapsed());
                }
                let outcome = ItemOutcome::Done {
                    result: result.result,
                    details: result.details,
                };
                self.settle(index, outcome);
            }
            Err(Halt::Failed(error)) if alone || !second => {
                self.settle(index, ItemOutcome::Failed(error));
            }
            // A second copy that fails leaves the first to its work.
            Err(Halt::Failed(_)) => {}
            Err(Halt::Stop(Stop::Cancelled)) if over => {
                self.settle(index, ItemOutcome::Failed(late()));
            }
            Err(Halt::Stop(stop)) => {
                if !matches!(self.stop, Some(Stop::Store(_) | Stop::Drift(_))) {
                    self.stop = Some(stop);
                }
            }
        }
    }

    fn settle(&mut self, index: usize, outcome: ItemOutcome) {
        for copy in self
            .copies
            .get_mut(index)
            .into_iter()
            .flat_map(std::mem::take)
        {
            copy.give_up();
        }
        let journal = &self.at.shared.journal;
        if !journal.is_silent() {
            journal.record(Event::ItemEnded {
                path: path::item(&self.at.path, index),
                outcome: outcome.clone(),
            });
        }
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    /// An item that takes much longer than the others did, and has no second copy.
    fn straggler(&self, hedge: Hedge) -> Option<usize> {
        if self.times.len() < ENOUGH_TO_COMPARE {
            return None;
        }
        let mut times = self.times.clone();
        times.sort_unstable();
        let median = times.get(times.len() / 2)?.as_secs_f64();
        let limit = (median * hedge.factor).max(hedge.after);
        (0..self.items.len()).find(|index| {
            let open = self.outcomes.get(*index).is_some_and(Option::is_none);
            let alone = self
                .copies
                .get(*index)
                .is_some_and(|copies| copies.len() == 1);
            let began = self.began.get(*index).copied().flatten();
            open && alone && began.is_some_and(|began| began.elapsed().as_secs_f64() > limit)
        })
    }

    fn end(self, needed: usize) -> Result<NodeResult, Halt> {
        let count = self.items.len();
        let mut results = Vec::with_capacity(count);
        let mut details = Vec::with_capacity(count);
        let mut failed = Vec::new();
        let mut first = None;
        for (index, outcome) in self.outcomes.into_iter().enumerate() {
            match outcome {
                Some(ItemOutcome::Done {
                    result,
                    details: more,
                }) => {
                    results.push(Arc::unwrap_or_clone(result));
                    details.push(Arc::unwrap_or_clone(more));
                }
                Some(ItemOutcome::Failed(error)) => {
                    failed.push(json!({
                        "index": index,
                        "item": self.items.get(index).map(|item| (**item).clone()),
                        "error": {"kind": error.kind, "message": error.message},
                    }));
                    first = first.or(Some((index, error)));
                }
                None => {}
            }
        }
        let too_few = failed.len() > count - needed;
        if let Some(stop) = self.stop
            && (!too_few || matches!(stop, Stop::Store(_) | Stop::Drift(_)))
        {
            return Err(Halt::Stop(stop));
        }
        if too_few {
            let reason = first.map_or_else(String::new, |(index, error)| {
                format!("; the first, item {index}: {error}")
            });
            let message = format!(
                "{} of {count} items failed and {needed} must succeed{reason}",
                failed.len()
            );
            let error = NodeError::new(ErrorKind::Part, message);
            return Err(Halt::Failed(error.with(json!({"failed": failed}))));
        }
        let mut result = NodeResult::of(Value::Array(results));
        result.details = Arc::new(Value::Array(details));
        result.failed = Arc::new(Value::Array(failed));
        Ok(result)
    }
}

fn late() -> NodeError {
    NodeError::new(ErrorKind::Timeout, "it was not done by the map's deadline")
}

/// Whether work may be done twice without anybody noticing.
fn has_no_lasting_effects(shared: &Shared, node: &Node) -> bool {
    match &node.work {
        Work::Model { .. } | Work::Set { .. } => true,
        Work::Tool { name, .. } => tool::is_repeatable(shared, name),
        Work::Function { name, .. } => match shared.services.functions.get(name) {
            Some(Function::Effect { repeatable, .. }) => *repeatable,
            _ => true,
        },
        Work::Agent { agent, .. } => shared
            .tools
            .values()
            .filter(|tool| agent.sees(&tool.name))
            .all(|tool| tool.hints.read_only),
        Work::Map { each, .. } => has_no_lasting_effects(shared, each),
        Work::Graph { graph, .. } => graph
            .flow()
            .node_weights()
            .all(|node| has_no_lasting_effects(shared, node)),
        Work::Human { .. } => false,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
