//! The compiled graph: what a scheduler and an engine work on. Nothing else runs.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use petgraph::graph::NodeIndex;
use petgraph::stable_graph::StableDiGraph;
use serde_json::{Map, Value};

use super::definition::{
    Cache, ErrorAction, GraphDefinition, Hedge, Join, Reducer, Retry, ValueType,
};
use super::expression::{Expression, ExpressionError, Scope, Template};
use super::plan::Plan;
use crate::budget::BudgetLimits;
use crate::definition::AgentDefinition;
use crate::message::Sampling;

/// Names a node within its graph.
pub type NodeId = NodeIndex<u32>;

/// Names a channel within its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u32);

/// Names an edge within its graph, in the order in which the definition gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub u32);

/// A graph that has passed every check.
#[derive(Debug)]
pub struct Graph {
    pub(crate) definition: GraphDefinition,
    pub(crate) flow: StableDiGraph<Node, Edge>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) channel_names: HashMap<String, ChannelId>,
    pub(crate) inputs: Vec<ChannelId>,
    pub(crate) outputs: Vec<ChannelId>,
    pub(crate) plan: Plan,
    /// Every prompt file it uses, by name.
    pub(crate) prompts: Vec<(String, String)>,
    pub(crate) edge_names: OnceLock<EdgeNames>,
}

/// Edges as a log names them.
#[derive(Debug, Default)]
pub(crate) struct EdgeNames {
    names: Vec<String>,
    ids: HashMap<String, EdgeId>,
}

/// What a graph holds.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What kind of value.
    pub value_type: ValueType,
    /// How writes join.
    pub reducer: Reducer,
    /// The value before anything is written.
    pub default: Option<Arc<Value>>,
    /// The schema of its value, ready to check.
    pub schema: Option<Arc<jsonschema::Validator>>,
}

impl Channel {
    /// What keeps a value from being written, before it joins what is there.
    pub fn problem_of_write(&self, value: &Value) -> Option<String> {
        let schema = self
            .schema
            .as_deref()
            .filter(|_| self.reducer == Reducer::Last);
        super::compile::problem_of(value, self.takes(), schema)
    }

    /// The type of a value that may be written.
    pub fn takes(&self) -> ValueType {
        match self.reducer {
            Reducer::Last => self.value_type,
            Reducer::Append | Reducer::Function(_) => ValueType::Any,
            Reducer::Extend | Reducer::Union => ValueType::Array,
            Reducer::Merge => ValueType::Object,
            Reducer::Sum | Reducer::Max | Reducer::Min => ValueType::Number,
        }
    }
}

/// One piece of work.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What is done.
    pub work: Work,
    /// Channels it reads.
    pub reads: Vec<ChannelId>,
    /// Where its result goes.
    pub writes: WritePlan,
    /// When it starts.
    pub join: Join,
    /// Attempts after a failure.
    pub retry: Option<Retry>,
    /// Seconds after which it has failed.
    pub timeout: Option<f64>,
    /// Takes earlier results.
    pub cache: Option<Cache>,
    /// What follows a failure.
    pub on_error: ErrorPlan,
    /// What it may spend.
    pub budget: Option<BudgetLimits>,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum Work {
    /// An agent answers a question.
    Agent {
        /// The agent.
        agent: Arc<AgentDefinition>,
        /// The question.
        prompt: Template,
        /// The engine, where it is not the run's own.
        engine: Option<String>,
    },
    /// A model is called once.
    Model {
        /// What it is asked.
        prompt: Template,
        /// Instructions that frame the call.
        system: Option<Template>,
        /// What the reply must satisfy.
        schema: Option<Value>,
        /// The engine, where it is not the run's own.
        engine: Option<String>,
        /// How the reply is sampled.
        sampling: Sampling,
    },
    /// A tool is called once.
    Tool {
        /// `server__tool`.
        name: String,
        /// Its arguments, an object.
        arguments: Argument,
    },
    /// The same for every item.
    Map {
        /// The list.
        over: Expression,
        /// The work for one item.
        each: Box<Node>,
        /// Items at once.
        concurrency: u32,
        /// Share that must succeed.
        min_success: f64,
        /// Seconds after which enough is enough.
        deadline: Option<f64>,
        /// Second copies of slow items.
        hedge: Option<Hedge>,
    },
    /// Another graph.
    Graph {
        /// The graph.
        graph: Arc<Graph>,
        /// Its inputs.
        inputs: Vec<(ChannelId, Expression)>,
    },
    /// A person is asked.
    Human {
        /// The question.
        ask: Template,
        /// What they approve, edit or reject.
        propose: Option<Expression>,
        /// What the answer must satisfy.
        schema: Option<Value>,
        /// Who is asked.
        who: Option<String>,
    },
    /// A Rust function.
    Function {
        /// Its registered name.
        name: String,
        /// Its arguments; the channels it reads where there are none.
        arguments: Option<Argument>,
    },
    /// Values of expressions are written.
    Set {
        /// Channel and expression.
        values: Vec<(ChannelId, Expression)>,
    },
}

impl Work {
    /// The word the definition uses.
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Agent { .. } => "agent",
            Work::Model { .. } => "model",
            Work::Tool { .. } => "tool",
            Work::Map { .. } => "map",
            Work::Graph { .. } => "graph",
            Work::Human { .. } => "human",
            Work::Function { .. } => "function",
            Work::Set { .. } => "set",
        }
    }
}

/// A value with templates in it.
#[derive(Debug, Clone)]
pub enum Argument {
    /// As it is.
    Fixed(Value),
    /// Made when needed.
    Made(Template),
    /// A list.
    List(Vec<Argument>),
    /// An object.
    Object(Vec<(String, Argument)>),
}

impl Argument {
    /// The value.
    ///
    /// # Errors
    /// When a template fails.
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        Ok(match self {
            Argument::Fixed(value) => value.clone(),
            Argument::Made(template) => template.value(scope)?,
            Argument::List(items) => {
                let items = items.iter().map(|item| item.value(scope));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Argument::Object(fields) => {
                let mut object = Map::new();
                for (name, field) in fields {
                    object.insert(name.clone(), field.value(scope)?);
                }
                Value::Object(object)
            }
        })
    }
}

/// Where a result goes.
#[derive(Debug, Clone, PartialEq)]
pub enum WritePlan {
    /// Nowhere.
    Nothing,
    /// All of it into one channel.
    Whole(ChannelId),
    /// Its fields into channels of the same names.
    Fields(Vec<ChannelId>),
    /// Values of expressions.
    Expressions(Vec<(ChannelId, Expression)>),
}

/// What follows a failure.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorPlan {
    /// What follows.
    pub action: ErrorAction,
    /// What is written.
    pub writes: Vec<(ChannelId, Expression)>,
}

/// What leads from a node to another.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Its place in the definition.
    pub id: EdgeId,
    /// When it is taken.
    pub condition: Condition,
    /// For a loop-back: how often its target is visited at most.
    pub max_visits: Option<u32>,
    /// For messages: `edges[2]`.
    pub path: String,
}

/// When an edge is taken.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Whenever the node has done its work.
    Always,
    /// When the expression is true.
    When(Expression),
    /// When no `when` of the same node holds.
    Otherwise,
    /// When the expression has this value.
    Case(Expression, String),
    /// When the expression has none of these values.
    NoCase(Expression, Vec<String>),
    /// When the node has failed.
    OnError,
}

impl Graph {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The definition it was made from.
    pub fn definition(&self) -> &GraphDefinition {
        &self.definition
    }

    /// Its nodes, edges and their weights.
    pub fn flow(&self) -> &StableDiGraph<Node, Edge> {
        &self.flow
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.flow.node_weight(id)
    }

    /// A node by its name.
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        self.plan.by_name.get(name).copied()
    }

    /// An edge as a log names it: `draft -> review`.
    pub fn edge_name(&self, id: EdgeId) -> &str {
        let names = &self.edge_names().names;
        names.get(id.0 as usize).map_or("?", String::as_str)
    }

    /// An edge by that name.
    pub fn edge_named(&self, name: &str) -> Option<EdgeId> {
        self.edge_names().ids.get(name).copied()
    }

    fn edge_names(&self) -> &EdgeNames {
        self.edge_names.get_or_init(|| {
            let mut known = EdgeNames::default();
            for (index, edge) in self.plan.edges.iter().enumerate() {
                let name = |id| self.node(id).map_or("?", |node| &node.name);
                let plain = format!("{} -> {}", name(edge.from), name(edge.to));
                let mut unique = plain.clone();
                let mut count = 1;
                while known.ids.contains_key(&unique) {
                    count += 1;
                    unique = format!("{plain} ({count})");
                }
                let id = EdgeId(u32::try_from(index).unwrap_or(u32::MAX));
                known.ids.insert(unique.clone(), id);
                known.names.push(unique);
            }
            known
        })
    }

    /// Its channels, in the order of the definition.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// A channel by its name.
    pub fn channel_named(&self, name: &str) -> Option<ChannelId> {
        self.channel_names.get(name).copied()
    }

    /// The name of a channel.
    pub fn channel_name(&self, id: ChannelId) -> &str {
        self.channels
            .get(id.0 as usize)
            .map_or("", |channel| &channel.name)
    }

    /// Channels given from outside.
    pub fn inputs(&self) -> &[ChannelId] {
        &self.inputs
    }

    /// Channels that make up the result.
    pub fn outputs(&self) -> &[ChannelId] {
        &self.outputs
    }

    /// How it runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every graph below this one, itself included.
    pub fn with_subgraphs(&self) -> Vec<&Graph> {
        let mut found = vec![self];
        for node in self.flow.node_weights() {
            below(node, &mut found);
        }
        found
    }
}

fn below<'a>(node: &'a Node, found: &mut Vec<&'a Graph>) {
    match &node.work {
        Work::Graph { graph, .. } => found.extend(graph.with_subgraphs()),
        Work::Map { each, .. } => below(each, found),
        _ => {}
    }
}
