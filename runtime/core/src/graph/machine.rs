//! A run of one graph: ask it what may start, do that, feed the result back.
//!
//! Like the agent machine it does no IO and reads no clock. Its state is a fold over the ends of
//! its nodes ([`NodeEnd`]), in whatever order they came.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::channel::{ChannelState, Place, Reducers};
use super::definition::{ErrorAction, ErrorKind};
use super::expression::{Expression, ExpressionError, Scope, Within};
use super::ir::{ChannelId, Condition, EdgeId, Graph, Node, NodeId, Work, WritePlan};
use super::scheduler::{NodeState, Scheduler, SchedulerState};
use crate::event::NodeRecord;

/// Why a node failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What failed, and what to do next.
    pub message: String,
    /// What there is all the same: an answer that could not be finished, the results of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Arc<Value>>,
}

impl NodeError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: None,
        }
    }

    /// With what there is all the same.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = Some(Arc::new(details));
        self
    }
}

impl From<ExpressionError> for NodeError {
    fn from(error: ExpressionError) -> Self {
        Self::new(ErrorKind::Expression, error.to_string())
    }
}

/// A node that may start.
#[derive(Debug, Clone)]
pub struct Activation {
    /// The node.
    pub node: NodeId,
    /// How often it has started, this time included.
    pub visit: u32,
    /// What it reads.
    pub inputs: Inputs,
}

/// The channels a node reads, as they are when it starts.
#[derive(Debug, Clone)]
pub struct Inputs {
    graph: Arc<Graph>,
    values: Vec<(ChannelId, Arc<Value>)>,
}

impl Inputs {
    /// The value of a channel; null where nothing has been written.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let id = self.graph.channel_named(name)?;
        let found = self.values.iter().find(|(channel, _)| *channel == id);
        found.map(|(_, value)| &**value)
    }

    /// All of them, by name.
    pub fn to_object(&self) -> Map<String, Value> {
        let named = self.values.iter().map(|(channel, value)| {
            (
                self.graph.channel_name(*channel).to_owned(),
                (**value).clone(),
            )
        });
        named.collect()
    }
}

impl Scope for Inputs {
    fn value(&self, name: &str) -> Option<Arc<Value>> {
        let id = self.graph.channel_named(name)?;
        let found = self.values.iter().find(|(channel, _)| *channel == id);
        found.map(|(_, value)| Arc::clone(value))
    }
}

/// What a node came to.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeResult {
    /// What `result` means in `writes`.
    pub result: Arc<Value>,
    /// What `details` means there.
    pub details: Arc<Value>,
    /// What `failed` means there: items of a map that failed.
    pub failed: Arc<Value>,
}

impl NodeResult {
    /// A result without details.
    pub fn of(result: Value) -> Self {
        let null = Arc::new(Value::Null);
        Self {
            result: Arc::new(result),
            details: Arc::clone(&null),
            failed: null,
        }
    }
}

/// A value for a channel.
pub type Write = (ChannelId, Arc<Value>);

/// The end of a node: all that the state of a run is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeEnd {
    /// The node.
    pub node: NodeId,
    /// Which of its visits.
    pub visit: u32,
    /// What it wrote.
    pub writes: Vec<Write>,
    /// The edges that were taken.
    pub taken: Vec<EdgeId>,
    /// Why it failed, if it did.
    pub error: Option<NodeError>,
    /// Whether the run ends with it.
    pub fatal: bool,
}

/// Inputs that do not fit a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the graph `{graph}` cannot start: {problem}")]
pub struct InputError {
    /// The graph.
    pub graph: String,
    /// What is wrong, and what to write.
    pub problem: String,
}

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

    fn end(
        &mut self,
        activation: &Activation,
        writes: Vec<Write>,
        error: Option<NodeError>,
    ) -> NodeEnd {
        let node = activation.node;
        self.write(node, &writes);
        let decided = self.decide(node, error.as_ref());
        let (taken, fatal) = match decided {
            Ok(Decision {
                taken,
                fatal: false,
            }) => (taken, None),
            Ok(Decision { fatal: true, .. }) => (Vec::new(), error.clone()),
            Err(second) => (Vec::new(), Some(second)),
        };
        if let Some(fatal) = fatal {
            return self.fatal(activation, writes, fatal);
        }
        self.scheduler.finish(node, &taken);
        NodeEnd {
            node,
            visit: activation.visit,
            writes,
            taken,
            error,
            fatal: false,
        }
    }

    fn fatal(&mut self, activation: &Activation, writes: Vec<Write>, error: NodeError) -> NodeEnd {
        self.failure = Some((activation.node, error.clone()));
        self.scheduler.finish(activation.node, &[]);
        NodeEnd {
            node: activation.node,
            visit: activation.visit,
            writes,
            taken: Vec::new(),
            error: Some(error),
            fatal: true,
        }
    }

    /// Which edges are taken, by the values as the node leaves them.
    fn decide(&mut self, node: NodeId, error: Option<&NodeError>) -> Result<Decision, NodeError> {
        let graph = Arc::clone(&self.graph);
        let (Some(weight), out) = (graph.node(node), graph.plan().out_of(node)) else {
            return Ok(Decision::default());
        };
        let on_error = out
            .iter()
            .filter(|id| condition(&graph, **id) == Some(&Condition::OnError));
        let on_error: Vec<EdgeId> = on_error.copied().collect();
        if error.is_some() {
            return Ok(match weight.on_error.action {
                _ if !on_error.is_empty() => Decision {
                    taken: on_error,
                    fatal: false,
                },
                ErrorAction::Fail => Decision {
                    taken: Vec::new(),
                    fatal: true,
                },
                ErrorAction::Skip => Decision::default(),
                ErrorAction::Continue => self.choose(&graph, node, weight, out)?,
            });
        }
        self.choose(&graph, node, weight, out)
    }

    fn choose(
        &mut self,
        graph: &Arc<Graph>,
        node: NodeId,
        weight: &Node,
        out: &[EdgeId],
    ) -> Result<Decision, NodeError> {
        let plain = |id: &EdgeId| condition(graph, *id) == Some(&Condition::Always);
        if out.iter().all(plain) {
            return Ok(Decision {
                taken: out.to_vec(),
                fatal: false,
            });
        }
        let inputs = self.inputs_of(node)?;
        let innermost = graph.plan().loops_around(node).last();
        let turn = innermost.map_or(1, |index| self.scheduler.turn(*index));
        let names = [("visits", Arc::new(Value::from(turn)))];
        let scope = Within {
            names: &names,
            outer: &inputs,
        };
        let mut taken = Vec::with_capacity(out.len());
        let mut otherwise = Vec::new();
        let mut held = false;
        for id in out {
            let back = graph
                .plan()
                .edge(*id)
                .is_some_and(|edge| edge.back.is_some());
            let name = |error: ExpressionError| {
                let message = format!("an edge out of `{}`: {error}", weight.name);
                NodeError::new(ErrorKind::Expression, message)
            };
            let takes = match condition(graph, *id) {
                Some(Condition::Always) => true,
                Some(Condition::When(when)) => {
                    let holds = when.holds(&scope).map_err(name)?;
                    // A loop-back may be refused by its bound; `else` is about the way ahead.
                    held |= holds && !back;
                    holds
                }
                Some(Condition::Case(value, case)) => {
                    is_case(&value.eval(&scope).map_err(name)?, case)
                }
                Some(Condition::NoCase(value, cases)) => {
                    let value = value.eval(&scope).map_err(name)?;
                    !cases.iter().any(|case| is_case(&value, case))
                }
                Some(Condition::Otherwise) => {
                    otherwise.push(*id);
                    false
                }
                Some(Condition::OnError) | None => false,
            };
            if takes {
                taken.push(*id);
            }
        }
        if !held {
            taken.extend(otherwise);
            taken.sort_unstable();
        }
        Ok(Decision {
            taken,
            fatal: false,
        })
    }
}

#[derive(Debug, Default)]
struct Decision {
    taken: Vec<EdgeId>,
    fatal: bool,
}

fn condition(graph: &Graph, id: EdgeId) -> Option<&Condition> {
    let edge = petgraph::stable_graph::EdgeIndex::new(id.0 as usize);
    graph.flow().edge_weight(edge).map(|edge| &edge.condition)
}

/// Cases are written as text; other values are compared by how they are written.
fn is_case(value: &Value, case: &str) -> bool {
    match value {
        Value::String(text) => text == case,
        other => other.to_string().as_str() == case,
    }
}

fn joining(channel: &str, problem: &str) -> NodeError {
    let message = format!("what was written to `{channel}` does not join: {problem}");
    NodeError::new(ErrorKind::Invalid, message)
}
