//! A graph as a person writes it. `docs/graph.schema.json` is made from these types.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::short::{FromShort, OneOrMany, Short};
use crate::budget::BudgetLimits;
use crate::message::Sampling;

/// A workflow: channels that hold its state, nodes that do the work, edges that say what follows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Ropewalk graph")]
pub struct GraphDefinition {
    /// Names the graph.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the graph remembers while it runs.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub channels: IndexMap<String, Short<ChannelDefinition>>,
    /// Channels that are given from outside when a run starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<String>,
    /// Channels that make up the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// Nodes that start the graph. Needed only when several nodes have no edge into them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
    /// Nodes that end the graph. When given, every node must lead to one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub end: Vec<String>,
    /// What the graph does.
    pub nodes: IndexMap<String, NodeDefinition>,
    /// What follows what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Short<EdgeDefinition>>,
    /// What one run may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetLimits>,
}

/// A value the graph holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelDefinition {
    /// The kind of value.
    #[serde(default, rename = "type", skip_serializing_if = "ValueType::is_any")]
    pub value_type: ValueType,
    /// A JSON schema of the value, where its type alone says too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// How a written value joins what is there.
    #[serde(default, skip_serializing_if = "Reducer::is_last")]
    pub reducer: Reducer,
    /// The value before anything is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl FromShort for ChannelDefinition {
    const SHORT: &'static str = "a type such as `string`";

    fn from_short(text: &str) -> Result<Self, String> {
        let value_type = serde_json::from_value(Value::String(text.to_owned())).map_err(|_| {
            format!(
                "`{text}` is no type; types are any, string, number, integer, boolean, object, array"
            )
        })?;
        Ok(Self {
            value_type,
            ..Self::default()
        })
    }

    fn text_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<ValueType>()
    }
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Whatever it is.
    #[default]
    Any,
    /// Text.
    String,
    /// A number, whole or not.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Named values.
    Object,
    /// A list.
    Array,
}

impl ValueType {
    fn is_any(&self) -> bool {
        *self == ValueType::Any
    }
}

/// How a written value joins what a channel holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reducer {
    /// The last write is the value.
    #[default]
    Last,
    /// The value becomes one more item of the list.
    Append,
    /// The items of the written list join the list.
    Extend,
    /// The keys of the written object join the object, key by key and level by level.
    Merge,
    /// Numbers are added.
    Sum,
    /// The greatest number stays.
    Max,
    /// The smallest number stays.
    Min,
    /// The items of the written list join the list, each only once.
    Union,
    /// A Rust function, registered under this name.
    Function(String),
}

impl Reducer {
    fn is_last(&self) -> bool {
        *self == Reducer::Last
    }

    /// Whether nodes that run at the same time may both write: the result is then a fold in the
    /// order of the graph, whatever the order of arrival.
    pub fn joins_concurrent_writes(&self) -> bool {
        *self != Reducer::Last
    }
}

/// One piece of work. Exactly one of `agent`, `model`, `tool`, `map`, `graph`, `human`,
/// `function` and `set` says of which kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeDefinition {
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// An agent that reasons and calls tools until it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentNode>,
    /// One call of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelNode>,
    /// One call of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Short<ToolNode>>,
    /// The same work for every item of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Box<MapNode>>,
    /// Another graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Short<GraphNode>>,
    /// A question to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<HumanNode>,
    /// A registered Rust function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Short<FunctionNode>>,
    /// Expressions whose values are written: channel to expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<IndexMap<String, String>>,
    /// Channels it reads. Templates and expressions declare theirs by naming them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<String>>,
    /// Where its result goes: a channel, a list of channels (the fields of the result), or
    /// channel to expression over `result` and `details`.
    #[serde(default, skip_serializing_if = "Writes::is_nothing")]
    pub writes: Writes,
    /// When it starts, where several edges meet.
    #[serde(default, skip_serializing_if = "Join::is_all")]
    pub join: Join,
    /// Attempts after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Seconds after which it counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Takes the result of an earlier identical call instead of working again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// What follows when it has failed for good.
    #[serde(default, skip_serializing_if = "Short::is_default")]
    pub on_error: Short<OnError>,
    /// What this node may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetLimits>,
}

/// An agent at work on one question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentNode {
    /// The agent: `agents/NAME.md`.
    pub name: String,
    /// What it is asked: a template.
    pub prompt: Short<Prompt>,
    /// The engine that reasons, where it is not the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// One call of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelNode {
    /// What it is asked: a template.
    pub prompt: Short<Prompt>,
    /// Instructions that frame the call: a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Short<Prompt>>,
    /// A JSON schema that the reply must satisfy; the result is then data instead of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The engine that replies, where it is not the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// How the reply is sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// Text with `{{ expressions }}`, written here or kept in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The file: `prompts/FILE.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl FromShort for Prompt {
    const SHORT: &'static str = "the text itself";

    fn from_short(text: &str) -> Result<Self, String> {
        Ok(Self {
            text: Some(text.to_owned()),
            file: None,
        })
    }
}

/// One call of a tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolNode {
    /// The tool: `server__tool`.
    pub name: String,
    /// Its arguments. Texts are templates; a text that is one `{{ expression }}` keeps the type
    /// of its value.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub arguments: IndexMap<String, Value>,
}

impl FromShort for ToolNode {
    const SHORT: &'static str = "the tool's name";

    fn from_short(text: &str) -> Result<Self, String> {
        Ok(Self {
            name: text.to_owned(),
            arguments: IndexMap::new(),
        })
    }
}

/// The same work for every item of a list; the result is the list of results, in the order of
/// the items.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapNode {
    /// An expression that gives the list.
    pub over: String,
    /// The work. It sees `item` and `index` beside the channels; it writes none itself.
    pub each: NodeDefinition,
    /// How many items are worked on at once.
    #[serde(default = "eight")]
    pub concurrency: u32,
    /// How many items must succeed: a share from 0 to 1. With less than 1, failed items are left
    /// out and `failed` lists them.
    #[serde(default = "one")]
    pub min_success: f64,
    /// Seconds after which the map goes on with what is done, if that is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
    /// Starts a second copy of an item that takes much longer than the others; the first to end
    /// counts. Only where the work has no lasting effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Hedge>,
}

fn eight() -> u32 {
    8
}

fn one() -> f64 {
    1.0
}

/// When a slow item gets a second copy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// Times the median of the items done so far.
    pub factor: f64,
    /// At least so many seconds.
    #[serde(default)]
    pub after: f64,
}

/// Another graph as one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphNode {
    /// The graph: `graphs/NAME.yaml`.
    pub name: String,
    /// Its inputs: channel of that graph to expression. Channels of equal names where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<IndexMap<String, String>>,
}

impl FromShort for GraphNode {
    const SHORT: &'static str = "the graph's name";

    fn from_short(text: &str) -> Result<Self, String> {
        Ok(Self {
            name: text.to_owned(),
            inputs: None,
        })
    }
}

/// A question to a person. The run waits for the answer, for days if need be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HumanNode {
    /// What the person is asked: a template.
    pub ask: Short<Prompt>,
    /// An expression whose value the person approves, edits or rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propose: Option<String>,
    /// A JSON schema of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Who is asked, in words; an escalation names another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A registered Rust function.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionNode {
    /// The name it is registered under.
    pub name: String,
    /// Its arguments, as those of a tool. The channels it `reads` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<IndexMap<String, Value>>,
}

impl FromShort for FunctionNode {
    const SHORT: &'static str = "the function's name";

    fn from_short(text: &str) -> Result<Self, String> {
        Ok(Self {
            name: text.to_owned(),
            arguments: None,
        })
    }
}

/// Where a result goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Writes {
    /// Nowhere.
    #[default]
    Nothing,
    /// All of it into one channel.
    Whole(String),
    /// Its fields, into channels of the same names.
    Fields(Vec<String>),
    /// The values of expressions over `result` and `details`.
    Expressions(IndexMap<String, String>),
}

/// When a node starts, where several edges meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// When all edges have been decided and at least one was taken.
    #[default]
    All,
    /// When the first edge is taken.
    Any,
    /// When all edges have been taken; skipped when one was not.
    Every,
}

impl Join {
    fn is_all(&self) -> bool {
        *self == Join::All
    }
}

/// Attempts after a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included.
    #[serde(default = "three")]
    pub attempts: u32,
    /// Seconds before the second attempt.
    #[serde(default = "one")]
    pub backoff: f64,
    /// What each further wait is multiplied by.
    #[serde(default = "two")]
    pub factor: f64,
    /// Longest wait in seconds.
    #[serde(default = "sixty")]
    pub max_backoff: f64,
    /// Share of a wait, from 0 to 1, that chance may take off.
    #[serde(default = "half")]
    pub jitter: f64,
    /// Kinds of errors that are tried again; those that may pass by themselves where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Vec<ErrorKind>>,
}

fn three() -> u32 {
    3
}

fn two() -> f64 {
    2.0
}

fn sixty() -> f64 {
    60.0
}

fn half() -> f64 {
    0.5
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// It took too long.
    Timeout,
    /// The engine failed: not reached, refused, broken off.
    Model,
    /// A tool reported an error.
    Tool,
    /// A function reported an error.
    Function,
    /// A value does not fit its schema or its channel.
    Invalid,
    /// An expression or a template failed.
    Expression,
    /// A person rejected it, or policy denied it.
    Denied,
    /// The budget does not allow it.
    Budget,
    /// Too few items of a map succeeded, or a subgraph failed.
    Part,
}

/// Takes the result of an earlier identical call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Seconds a result stays good.
    pub ttl: f64,
}

/// What follows when a node has failed for good.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnError {
    /// What follows.
    #[serde(default, rename = "do")]
    pub action: ErrorAction,
    /// Values written then: channel to expression over `error` (`error.kind`, `error.message`).
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub writes: IndexMap<String, String>,
}

impl FromShort for OnError {
    const SHORT: &'static str = "`fail`, `skip` or `continue`";

    fn from_short(text: &str) -> Result<Self, String> {
        let action = serde_json::from_value(Value::String(text.to_owned()))
            .map_err(|_| format!("`{text}` is none of `fail`, `skip` and `continue`"))?;
        Ok(Self {
            action,
            writes: IndexMap::new(),
        })
    }

    fn text_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<ErrorAction>()
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorAction {
    /// The run fails, unless an edge with `on: error` leads on.
    #[default]
    Fail,
    /// No edge is taken.
    Skip,
    /// Edges are taken as after a success.
    Continue,
}

/// What follows what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeDefinition {
    /// One node or several.
    pub from: OneOrMany,
    /// One node or several. Left out with `switch`.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub to: OneOrMany,
    /// An expression; the edge is taken when it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// An expression whose value names one of the `cases`: exactly one edge is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// Value to node, for `switch`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub cases: IndexMap<String, String>,
    /// With `switch`: the node for any other value. Alone: `true` takes the edge when no `when`
    /// of the same node holds.
    #[serde(default, rename = "else", skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Otherwise>,
    /// Makes this a loop-back: how often its target is visited at most, the first time included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_visits: Option<u32>,
    /// `error`: taken when the node has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<EdgeEvent>,
    /// Written as a chain `a -> b -> c`; then there is nothing else.
    #[serde(default, skip)]
    pub chain: Vec<Vec<String>>,
}

impl FromShort for EdgeDefinition {
    const SHORT: &'static str = "a chain such as `plan -> left, right -> join`";

    fn from_short(text: &str) -> Result<Self, String> {
        let names = |part: &str| -> Vec<String> {
            part.split(',').map(|name| name.trim().to_owned()).collect()
        };
        let chain: Vec<Vec<String>> = text.split("->").map(names).collect();
        if chain.len() < 2 || chain.iter().flatten().any(String::is_empty) {
            return Err(format!(
                "`{text}` is no chain; write `a -> b` or `a -> b, c -> d`"
            ));
        }
        Ok(Self {
            chain,
            ..Self::default()
        })
    }

    fn text_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "->", "description": Self::SHORT })
    }
}

/// The other way: of a `switch`, or of all `when`s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Otherwise {
    /// Taken when no `when` of the same node holds.
    Flag(bool),
    /// The node for any other value of a `switch`.
    Node(String),
}

/// After what an edge may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeEvent {
    /// The node has failed.
    Error,
}
