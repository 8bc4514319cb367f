//! A run of one graph: ask it what may start, do that, feed the result back.
//!
//! Like the agent machine it does no IO and reads no clock. Its state is a fold over the ends of
//! its nodes ([`NodeEnd`]), in whatever order they came.

mod end;
mod values;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::values::{Activation, InputError, Inputs, NodeEnd, NodeError, NodeResult, Write};
use super::channel::{ChannelState, Place, Reducers};
use super::definition::ErrorKind;
use super::expression::{Expression, Scope, Within};
use super::ir::{ChannelId, EdgeId, Graph, NodeId, Work, WritePlan};
use super::scheduler::{NodeState, Scheduler, SchedulerState};
use crate::event::NodeRecord;

/// A run of one graph as it is stored. It only means something together with the very definition
/// it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineState {
    scheduler: SchedulerState,
    channels: Vec<ChannelState>,
}

/// A run of one graph.
#[derive(Clone)]
pub struct GraphMachine {
    graph: Arc<Graph>,
    scheduler: Scheduler,
    channels: Vec<ChannelState>,
    reducers: Arc<dyn Reducers>,
    failure: Option<(NodeId, NodeError)>,
}

impl std::fmt::Debug for GraphMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphMachine")
            .field("graph", &self.graph.name())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl GraphMachine {
    /// A run at its start.
    ///
    /// # Errors
    /// An input that is unknown, missing or of the wrong type.
    pub fn new(
        graph: Arc<Graph>,
        inputs: &Map<String, Value>,
        reducers: Arc<dyn Reducers>,
    ) -> Result<Self, InputError> {
        let refuse = |problem: String| InputError {
            graph: graph.name().to_owned(),
            problem,
        };
        let names = || {
            let names = graph.inputs().iter().map(|id| graph.channel_name(*id));
            let names: Vec<&str> = names.collect();
            if names.is_empty() {
                "it takes no inputs".to_owned()
            } else {
                format!("its inputs are: {}", names.join(", "))
            }
        };
        for name in inputs.keys() {
            let known = graph.channel_named(name);
            if known.is_none_or(|id| !graph.inputs().contains(&id)) {
                return Err(refuse(format!(
                    "`{name}` is none of its inputs; {}",
                    names()
                )));
            }
        }
        let mut channels = Vec::with_capacity(graph.channels().len());
        for (index, channel) in graph.channels().iter().enumerate() {
            let is_input = graph.inputs().iter().any(|id| id.0 as usize == index);
            let value = match inputs.get(&channel.name) {
                Some(value) => {
                    if let Some(problem) = super::compile::problem_of(
                        value,
                        channel.value_type,
                        channel.schema.as_deref(),
                    ) {
                        return Err(refuse(format!("the input `{}`: {problem}", channel.name)));
                    }
                    Some(Arc::new(value.clone()))
                }
                None if is_input && channel.default.is_none() => {
                    let name = &channel.name;
                    return Err(refuse(format!(
                        "the input `{name}` is missing; {}",
                        names()
                    )));
                }
                None => channel.default.clone(),
            };
            channels.push(ChannelState::new(value));
        }
        Ok(Self {
            scheduler: Scheduler::new(Arc::clone(&graph)),
            graph,
            channels,
            reducers,
            failure: None,
        })
    }

    /// The run as it is stored; nothing once it has failed.
    pub fn save(&self) -> Option<MachineState> {
        if self.failure.is_some() {
            return None;
        }
        Some(MachineState {
            scheduler: self.scheduler.save(),
            channels: self.channels.clone(),
        })
    }

    /// The run as it was stored; what was running may start again. Nothing when it is not one of
    /// this graph.
    pub fn restore(
        graph: Arc<Graph>,
        state: MachineState,
        reducers: Arc<dyn Reducers>,
    ) -> Option<Self> {
        if state.channels.len() != graph.channels().len() {
            return None;
        }
        Some(Self {
            scheduler: Scheduler::restore(Arc::clone(&graph), state.scheduler)?,
            graph,
            channels: state.channels,
            reducers,
            failure: None,
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The next node that may start; nothing once a failure has ended the run.
    ///
    /// # Errors
    /// When what a channel holds cannot be joined; the run has then failed.
    pub fn start(&mut self) -> Result<Option<Activation>, NodeError> {
        if self.failure.is_some() {
            return Ok(None);
        }
        let Some(node) = self.scheduler.next_ready() else {
            return Ok(None);
        };
        let inputs = self.inputs_of(node)?;
        Ok(Some(Activation {
            node,
            visit: self.scheduler.visits(node),
            inputs,
        }))
    }

    /// Whether nothing runs and nothing may start.
    pub fn is_over(&self) -> bool {
        self.failure.is_some() || self.scheduler.is_over()
    }

    /// What ended the run early.
    pub fn failure(&self) -> Option<(&str, &NodeError)> {
        let (node, error) = self.failure.as_ref()?;
        let name = self.graph.node(*node).map_or("?", |node| &node.name);
        Some((name, error))
    }

    /// What became of a node.
    pub fn state(&self, node: NodeId) -> NodeState {
        self.scheduler.state(node)
    }

    /// The values a `set` node writes.
    ///
    /// # Errors
    /// When an expression fails or a value does not fit its channel.
    pub fn set(&self, activation: &Activation) -> Result<Vec<Write>, NodeError> {
        match self.graph.node(activation.node).map(|node| &node.work) {
            Some(Work::Set { values }) => self.evaluated(values, &activation.inputs),
            _ => Ok(Vec::new()),
        }
    }

    /// What a result writes.
    ///
    /// # Errors
    /// When an expression fails, a field is missing, or a value does not fit its channel.
    pub fn writes(
        &self,
        activation: &Activation,
        result: &NodeResult,
    ) -> Result<Vec<Write>, NodeError> {
        let Some(node) = self.graph.node(activation.node) else {
            return Ok(Vec::new());
        };
        match &node.writes {
            WritePlan::Nothing => Ok(Vec::new()),
            WritePlan::Whole(channel) => {
                let write = (*channel, Arc::clone(&result.result));
                self.checked(&write)?;
                Ok(vec![write])
            }
            WritePlan::Fields(channels) => {
                let mut writes = Vec::with_capacity(channels.len());
                for channel in channels {
                    let name = self.graph.channel_name(*channel);
                    let value = result.result.get(name).cloned().ok_or_else(|| {
                        let message = format!("the result has no field `{name}`");
                        NodeError::new(ErrorKind::Invalid, message)
                    })?;
                    let write = (*channel, Arc::new(value));
                    self.checked(&write)?;
                    writes.push(write);
                }
                Ok(writes)
            }
            WritePlan::Expressions(values) => {
                let names = [
                    ("result", Arc::clone(&result.result)),
                    ("details", Arc::clone(&result.details)),
                    ("failed", Arc::clone(&result.failed)),
                ];
                let scope = Within {
                    names: &names,
                    outer: &activation.inputs,
                };
                self.evaluated(values, &scope)
            }
        }
    }

    /// A node has done its work.
    pub fn done(&mut self, activation: &Activation, writes: Vec<Write>) -> NodeEnd {
        self.end(activation, writes, None)
    }

    /// A node has failed for good.
    pub fn failed(&mut self, activation: &Activation, error: NodeError) -> NodeEnd {
        let names = [(
            "error",
            Arc::new(json!({
                "kind": error.kind,
                "message": error.message,
                "details": error.details,
            })),
        )];
        let scope = Within {
            names: &names,
            outer: &activation.inputs,
        };
        let plan = self.graph.node(activation.node).map(|node| &node.on_error);
        let writes = plan.map(|plan| self.evaluated(&plan.writes, &scope));
        match writes {
            Some(Err(second)) => {
                let message = format!("{error}; and `on_error`: {second}");
                let error = NodeError::new(second.kind, message);
                self.fatal(activation, Vec::new(), error)
            }
            Some(Ok(writes)) => self.end(activation, writes, Some(error)),
            None => self.end(activation, Vec::new(), Some(error)),
        }
    }

    /// An end as it is logged.
    pub fn record(&self, end: &NodeEnd) -> NodeRecord {
        let name = |id: &ChannelId| self.graph.channel_name(*id).to_owned();
        let edge = |id: &EdgeId| self.graph.edge_name(*id).to_owned();
        NodeRecord {
            writes: end
                .writes
                .iter()
                .map(|(id, value)| (name(id), Arc::clone(value)))
                .collect(),
            taken: end.taken.iter().map(edge).collect(),
            error: end.error.clone(),
            fatal: end.fatal,
        }
    }

    /// An end as it was logged. Channels and edges that the graph no longer has are left out: it
    /// was compatible, or the run would not go on.
    pub fn recorded(&self, node: NodeId, visit: u32, record: &NodeRecord) -> NodeEnd {
        let writes = record
            .writes
            .iter()
            .filter_map(|(name, value)| Some((self.graph.channel_named(name)?, Arc::clone(value))));
        let taken = record.taken.iter();
        NodeEnd {
            node,
            visit,
            writes: writes.collect(),
            taken: taken
                .filter_map(|name| self.graph.edge_named(name))
                .collect(),
            error: record.error.clone(),
            fatal: record.fatal,
        }
    }

    /// Takes the end of a node as it was logged. Returns whether the node was running.
    pub fn replay(&mut self, end: &NodeEnd) -> bool {
        self.write(end.node, &end.writes);
        if end.fatal {
            let error = end.error.clone();
            let error = error.unwrap_or_else(|| NodeError::new(ErrorKind::Invalid, "failed"));
            self.failure = Some((end.node, error));
        }
        self.scheduler.finish(end.node, &end.taken)
    }

    /// The channels that make up the result: the declared ones, or all.
    ///
    /// # Errors
    /// When what a channel holds cannot be joined.
    pub fn outputs(&self) -> Result<Map<String, Value>, NodeError> {
        let all: Vec<ChannelId>;
        let ids = if self.graph.outputs().is_empty() {
            let count = u32::try_from(self.graph.channels().len()).unwrap_or(u32::MAX);
            all = (0..count).map(ChannelId).collect();
            &all
        } else {
            self.graph.outputs()
        };
        let mut outputs = Map::new();
        for id in ids {
            let value = self.peek(*id)?;
            let value = value.map_or(Value::Null, |value| (*value).clone());
            outputs.insert(self.graph.channel_name(*id).to_owned(), value);
        }
        Ok(outputs)
    }

    fn peek(&self, id: ChannelId) -> Result<Option<Arc<Value>>, NodeError> {
        let (Some(channel), Some(state)) = (
            self.graph.channels().get(id.0 as usize),
            self.channels.get(id.0 as usize),
        ) else {
            return Ok(None);
        };
        state
            .peek(&channel.reducer, &*self.reducers)
            .map_err(|problem| joining(&channel.name, &problem))
    }

    fn inputs_of(&mut self, node: NodeId) -> Result<Inputs, NodeError> {
        let graph = Arc::clone(&self.graph);
        let reads = graph.node(node).map_or(&[][..], |node| &node.reads);
        let mut values = Vec::with_capacity(reads.len());
        for id in reads {
            let (Some(channel), Some(state)) = (
                graph.channels().get(id.0 as usize),
                self.channels.get_mut(id.0 as usize),
            ) else {
                continue;
            };
            match state.read(&channel.reducer, &*self.reducers) {
                Ok(value) => values.push((*id, value.unwrap_or_default())),
                Err(problem) => {
                    let error = joining(&channel.name, &problem);
                    self.failure = Some((node, error.clone()));
                    return Err(error);
                }
            }
        }
        Ok(Inputs { graph, values })
    }

    fn evaluated(
        &self,
        values: &[(ChannelId, Expression)],
        scope: &dyn Scope,
    ) -> Result<Vec<Write>, NodeError> {
        let mut writes = Vec::with_capacity(values.len());
        for (channel, expression) in values {
            let write = (*channel, Arc::new(expression.eval(scope)?));
            self.checked(&write)?;
            writes.push(write);
        }
        Ok(writes)
    }

    fn checked(&self, (id, value): &Write) -> Result<(), NodeError> {
        let channel = self.graph.channels().get(id.0 as usize);
        let problem = channel.and_then(|channel| Some((channel, channel.problem_of_write(value)?)));
        match problem {
            None => Ok(()),
            Some((channel, problem)) => {
                let message = format!("a value for `{}` does not fit: {problem}", channel.name);
                Err(NodeError::new(ErrorKind::Invalid, message))
            }
        }
    }

    fn write(&mut self, node: NodeId, writes: &[Write]) {
        if writes.is_empty() {
            return;
        }
        let place = Place::new(self.graph.plan(), node, |index| self.scheduler.turn(index));
        for (id, value) in writes {
            let channel = self.graph.channels().get(id.0 as usize);
            if let (Some(channel), Some(state)) = (channel, self.channels.get_mut(id.0 as usize)) {
                state.write(&channel.reducer, place.clone(), Arc::clone(value));
            }
        }
    }
}

fn joining(channel: &str, problem: &str) -> NodeError {
    let message = format!("what was written to `{channel}` does not join: {problem}");
    NodeError::new(ErrorKind::Invalid, message)
}
