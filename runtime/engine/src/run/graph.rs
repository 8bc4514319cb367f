//! A graph at work: starts what may start, takes what ends, in whatever order.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use futures::stream::{FuturesUnordered, StreamExt};
use ropewalk_core::budget::AccountId;
use ropewalk_core::event::Event;
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::expression::Expression;
use ropewalk_core::graph::ir::{ChannelId, Graph, NodeId, Work};
use ropewalk_core::graph::machine::{
    Activation, GraphMachine, InputError, NodeEnd, NodeError, NodeResult, Write,
};
use serde_json::{Map, Value};

use super::Shared;
use super::attempt::{At, Cancel, Halt, perform};
use super::plain;
use super::sources::Sources;
use crate::journal::Stop;
use crate::path;

/// Nodes that end at once which are done before others get a turn.
const TURN: usize = 64;

/// How a graph ended.
#[derive(Debug)]
pub(super) enum GraphEnd {
    Done(Map<String, Value>),
    Failed { node: String, error: NodeError },
}

/// A graph at work.
struct Running<'a> {
    shared: &'a Shared,
    graph: &'a Arc<Graph>,
    machine: GraphMachine,
    path: &'a str,
    stop: Option<Stop>,
}

/// Runs a graph until nothing more can be done in it.
pub(super) async fn run(
    shared: &Shared,
    graph: &Arc<Graph>,
    inputs: &Map<String, Value>,
    path: &str,
    account: AccountId,
    cancel: &Cancel,
    sources: &Sources,
) -> Result<GraphEnd, Stop> {
    let machine = match machine(shared, graph, inputs, path) {
        Ok(machine) => machine,
        Err(error) => {
            return Ok(GraphEnd::Failed {
                node: path.to_owned(),
                error: NodeError::new(ErrorKind::Invalid, error.to_string()),
            });
        }
    };
    let cancel = cancel.stoppable();
    let mut running = Running {
        shared,
        graph,
        machine,
        path,
        stop: None,
    };
    let mut given = running.replay();
    let mut at_work = FuturesUnordered::new();
    let mut inline = 0;
    loop {
        while running.goes_on() {
            let next = match given.pop() {
                Some(activation) => Some(activation),
                None => running.start(),
            };
            let Some(activation) = next else { break };
            if running.at_once(&activation) {
                inline += 1;
                if inline % TURN == 0 {
                    tokio::task::yield_now().await;
                    if cancel.is_cancelled() {
                        running.stopped(Stop::Cancelled);
                    }
                }
                continue;
            }
            let path = running.path_of(&activation);
            if !shared.journal.is_silent() && !shared.journal.with_past(|past| past.began(&path)) {
                running.began(&activation, &path);
            }
            let cancel = cancel.clone();
            at_work.push(work_on(
                shared, graph, activation, path, account, cancel, sources,
            ));
        }
        if running.must_stop() {
            cancel.stop();
        }
        let Some((activation, outcome)) = at_work.next().await else {
            break;
        };
        match outcome {
            Ok(result) => running.ended(&activation, &result),
            Err(Halt::Failed(error)) => running.failed(&activation, error),
            Err(Halt::Stop(stop)) => running.stopped(stop),
        }
    }
    running.end()
}

/// A graph at its start, or where a snapshot had it.
fn machine(
    shared: &Shared,
    graph: &Arc<Graph>,
    inputs: &Map<String, Value>,
    path: &str,
) -> Result<GraphMachine, InputError> {
    let reducers = || Arc::clone(&shared.services.functions);
    if path.is_empty() {
        let stored = shared
            .machine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let stored =
            stored.and_then(|state| GraphMachine::restore(Arc::clone(graph), state, reducers()));
        if let Some(machine) = stored {
            return Ok(machine);
        }
    }
    GraphMachine::new(Arc::clone(graph), inputs, reducers())
}

async fn work_on(
    shared: &Shared,
    graph: &Graph,
    activation: Activation,
    path: String,
    account: AccountId,
    cancel: Cancel,
    sources: &Sources,
) -> (Activation, Result<NodeResult, Halt>) {
    let Some(node) = graph.node(activation.node) else {
        return (activation, Ok(NodeResult::of(Value::Null)));
    };
    let outcome = perform(At {
        shared,
        node,
        path,
        inputs: &activation.inputs,
        names: &[],
        account,
        cancel,
        sources,
        attempt: 1,
        live: AtomicBool::new(false),
    })
    .await;
    (activation, outcome)
}

impl Running<'_> {
    /// Follows what the log holds of this graph. Returns what had begun and not ended.
    fn replay(&mut self) -> Vec<Activation> {
        let past = self
            .shared
            .journal
            .with_past(|past| past.ends.remove(self.path))
            .unwrap_or_default();
        let mut given: HashMap<NodeId, Activation> = HashMap::new();
        for end in past {
            while let Some(activation) = self.start() {
                given.insert(activation.node, activation);
            }
            let Some(node) = self.graph.node_named(&end.node) else {
                continue;
            };
            // An end that does not follow from what came before is done anew: its effects are
            // still known.
            if given
                .get(&node)
                .is_some_and(|found| found.visit == end.visit)
            {
                given.remove(&node);
                let end = self.machine.recorded(node, end.visit, &end.record);
                self.machine.replay(&end);
            }
        }
        let mut given: Vec<Activation> = given.into_values().collect();
        // Taken from the back.
        given.sort_by_key(|activation| {
            std::cmp::Reverse(self.graph.plan().rank_of(activation.node))
        });
        given
    }

    fn start(&mut self) -> Option<Activation> {
        // A failure to join what was written is in the machine.
        self.machine.start().ok().flatten()
    }

    fn goes_on(&self) -> bool {
        matches!(self.stop, None | Some(Stop::Waiting)) && self.machine.failure().is_none()
    }

    /// Whether what is at work is of no more use.
    fn must_stop(&self) -> bool {
        !self.goes_on()
    }

    fn path_of(&self, activation: &Activation) -> String {
        let name = self
            .graph
            .node(activation.node)
            .map_or("?", |node| &node.name);
        path::node(self.path, name, activation.visit)
    }

    fn began(&self, activation: &Activation, path: &str) {
        let kind = self
            .graph
            .node(activation.node)
            .map_or("?", |node| node.work.kind());
        self.shared.journal.record(Event::NodeStarted {
            path: path.to_owned(),
            kind: kind.to_owned(),
        });
    }

    /// Does what ends at once. Returns whether it was that.
    fn at_once(&mut self, activation: &Activation) -> bool {
        let graph = self.graph;
        let Some(node) = graph.node(activation.node) else {
            return false;
        };
        let writes: Result<Vec<Write>, NodeError> = match &node.work {
            Work::Set { .. } => self.machine.set(activation),
            Work::Function { name, arguments } if plain::is_inline(self.shared, node, name) => {
                let inputs = &activation.inputs;
                let result = plain::now(self.shared, name, arguments.as_ref(), inputs, inputs);
                result.and_then(|result| self.machine.writes(activation, &result))
            }
            _ => return false,
        };
        let end = match writes {
            Ok(writes) => self.machine.done(activation, writes),
            Err(error) => self.machine.failed(activation, error),
        };
        self.record(activation, &end);
        true
    }

    fn ended(&mut self, activation: &Activation, result: &NodeResult) {
        let end = match self.machine.writes(activation, result) {
            Ok(writes) => self.machine.done(activation, writes),
            Err(error) => self.machine.failed(activation, error),
        };
        self.record(activation, &end);
    }

    fn failed(&mut self, activation: &Activation, error: NodeError) {
        // What is still at work when the graph has failed is not held against it.
        if self.machine.failure().is_some() {
            return;
        }
        let end = self.machine.failed(activation, error);
        self.record(activation, &end);
    }

    fn record(&self, activation: &Activation, end: &NodeEnd) {
        if self.shared.journal.is_silent() {
            return;
        }
        self.shared.journal.record(Event::NodeEnded {
            path: self.path_of(activation),
            end: self.machine.record(end),
        });
        if self.path.is_empty() {
            self.shared.journal.snapshot(|| self.machine.save());
        }
    }

    /// The gravest reason counts.
    fn stopped(&mut self, stop: Stop) {
        let weight = |stop: &Stop| match stop {
            Stop::Waiting => 0,
            Stop::Cancelled => 1,
            Stop::Drift(_) => 2,
            Stop::Store(_) => 3,
        };
        if self
            .stop
            .as_ref()
            .is_none_or(|known| weight(known) < weight(&stop))
        {
            self.stop = Some(stop);
        }
    }

    fn end(self) -> Result<GraphEnd, Stop> {
        if let Some((node, error)) = self.machine.failure() {
            // Others were stopped because of it; what cannot be kept is graver.
            return match self.stop {
                Some(stop @ (Stop::Store(_) | Stop::Drift(_))) => Err(stop),
                _ => Ok(GraphEnd::Failed {
                    node: path::node(self.path, node, 1),
                    error: error.clone(),
                }),
            };
        }
        if let Some(stop) = self.stop {
            return Err(stop);
        }
        match self.machine.outputs() {
            Ok(outputs) => Ok(GraphEnd::Done(outputs)),
            Err(error) => Ok(GraphEnd::Failed {
                node: self.path.to_owned(),
                error,
            }),
        }
    }
}

/// A graph as a node: its result are its outputs, by channel.
pub(super) async fn work(
    at: &At<'_>,
    graph: &Arc<Graph>,
    inputs: &[(ChannelId, Expression)],
) -> Result<NodeResult, Halt> {
    let scope = at.scope();
    let mut given = Map::new();
    for (channel, expression) in inputs {
        let name = graph.channel_name(*channel).to_owned();
        given.insert(name, expression.eval(&scope)?);
    }
    // Another attempt is another run of it.
    let path = match at.attempt {
        1 => at.path.clone(),
        attempt => format!("{}~{attempt}", at.path),
    };
    let sources = Sources::of(graph, &at.sources.given(graph, inputs));
    let end = run(
        at.shared, graph, &given, &path, at.account, &at.cancel, &sources,
    )
    .await?;
    match end {
        GraphEnd::Done(outputs) => Ok(NodeResult::of(Value::Object(outputs))),
        GraphEnd::Failed { node, error } => {
            let message = format!("`{node}`: {error}");
            Err(Halt::failed(ErrorKind::Part, message))
        }
    }
}
