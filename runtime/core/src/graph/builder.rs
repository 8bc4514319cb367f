//! A graph in Rust. It makes the same definition as YAML does, for the same compiler.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::definition::{
    AgentNode, ChannelDefinition, EdgeDefinition, EdgeEvent, FunctionNode, GraphDefinition,
    GraphNode, HumanNode, MapNode, ModelNode, NodeDefinition, Otherwise, Prompt, Reducer, ToolNode,
    ValueType, Writes,
};
use super::short::{FromShort, OneOrMany, Short};
use crate::budget::BudgetLimits;

/// Builds a [`GraphDefinition`] step by step.
///
/// ```
/// use ropewalk_core::graph::builder::{GraphBuilder, set};
/// use ropewalk_core::graph::{compile, library::Empty};
///
/// let definition = GraphBuilder::new("double")
///     .input("n", "number")
///     .channel("twice", "number")
///     .node("double", set("twice", "n * 2"))
///     .output("twice")
///     .build();
/// assert!(compile(definition, None, &Empty).graph.is_some());
/// ```
#[derive(Debug, Clone, Default)]
pub struct GraphBuilder {
    definition: GraphDefinition,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        let definition = GraphDefinition {
            name: name.to_owned(),
            ..GraphDefinition::default()
        };
        Self { definition }
    }

    /// Adds a channel. A type that is none makes it hold anything.
    #[must_use]
    pub fn channel(self, name: &str, value_type: &str) -> Self {
        let channel = ChannelDefinition::from_short(value_type).unwrap_or_default();
        self.channel_with(name, channel)
    }

    /// Adds a channel with a reducer.
    #[must_use]
    pub fn reduced(self, name: &str, reducer: Reducer) -> Self {
        let channel = ChannelDefinition {
            reducer,
            ..ChannelDefinition::default()
        };
        self.channel_with(name, channel)
    }

    /// Adds a channel with a default.
    #[must_use]
    pub fn channel_from(self, name: &str, value_type: ValueType, default: Value) -> Self {
        let channel = ChannelDefinition {
            value_type,
            default: Some(default),
            ..ChannelDefinition::default()
        };
        self.channel_with(name, channel)
    }

    /// Adds a channel, told in full.
    #[must_use]
    pub fn channel_with(mut self, name: &str, channel: ChannelDefinition) -> Self {
        self.definition
            .channels
            .insert(name.to_owned(), Short(channel));
        self
    }

    /// Adds a channel that is given from outside.
    #[must_use]
    pub fn input(mut self, name: &str, value_type: &str) -> Self {
        self.definition.input.push(name.to_owned());
        self.channel(name, value_type)
    }

    /// Makes a channel part of the result.
    #[must_use]
    pub fn output(mut self, name: &str) -> Self {
        self.definition.output.push(name.to_owned());
        self
    }

    /// Makes a node start the graph.
    #[must_use]
    pub fn start(mut self, name: &str) -> Self {
        self.definition.start.push(name.to_owned());
        self
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, name: &str, node: NodeDefinition) -> Self {
        self.definition.nodes.insert(name.to_owned(), node);
        self
    }

    /// Adds an edge that is always taken.
    #[must_use]
    pub fn edge(self, from: &str, to: &str) -> Self {
        self.edge_with(between(from, to))
    }

    /// Adds an edge that is taken when an expression holds.
    #[must_use]
    pub fn edge_when(self, from: &str, to: &str, when: &str) -> Self {
        self.edge_with(EdgeDefinition {
            when: Some(when.to_owned()),
            ..between(from, to)
        })
    }

    /// Adds an edge that is taken when no `when` of the same node holds.
    #[must_use]
    pub fn edge_else(self, from: &str, to: &str) -> Self {
        self.edge_with(EdgeDefinition {
            otherwise: Some(Otherwise::Flag(true)),
            ..between(from, to)
        })
    }

    /// Adds an edge that is taken when the node has failed.
    #[must_use]
    pub fn edge_on_error(self, from: &str, to: &str) -> Self {
        self.edge_with(EdgeDefinition {
            on: Some(EdgeEvent::Error),
            ..between(from, to)
        })
    }

    /// Adds a loop-back: its target is visited at most `max_visits` times.
    #[must_use]
    pub fn loop_back(self, from: &str, to: &str, when: &str, max_visits: u32) -> Self {
        self.edge_with(EdgeDefinition {
            when: Some(when.to_owned()),
            max_visits: Some(max_visits),
            ..between(from, to)
        })
    }

    /// Adds an edge, told in full.
    #[must_use]
    pub fn edge_with(mut self, edge: EdgeDefinition) -> Self {
        self.definition.edges.push(Short(edge));
        self
    }

    /// Bounds what a run may spend.
    #[must_use]
    pub fn budget(mut self, budget: BudgetLimits) -> Self {
        self.definition.budget = Some(budget);
        self
    }

    /// The definition.
    pub fn build(self) -> GraphDefinition {
        self.definition
    }
}

fn between(from: &str, to: &str) -> EdgeDefinition {
    EdgeDefinition {
        from: OneOrMany(vec![from.to_owned()]),
        to: OneOrMany(vec![to.to_owned()]),
        ..EdgeDefinition::default()
    }
}

fn text(template: &str) -> Short<Prompt> {
    Short(Prompt {
        text: Some(template.to_owned()),
        file: None,
    })
}

/// A node that writes the value of an expression.
pub fn set(channel: &str, expression: &str) -> NodeDefinition {
    NodeDefinition {
        set: Some(IndexMap::from([(
            channel.to_owned(),
            expression.to_owned(),
        )])),
        ..NodeDefinition::default()
    }
}

/// A node that calls a registered function with the channels it reads.
pub fn function(name: &str, reads: &[&str]) -> NodeDefinition {
    NodeDefinition {
        function: Some(Short(FunctionNode {
            name: name.to_owned(),
            arguments: None,
        })),
        reads: Some(reads.iter().map(|name| (*name).to_owned()).collect()),
        ..NodeDefinition::default()
    }
}

/// A node that calls a tool.
pub fn tool(name: &str, arguments: Value) -> NodeDefinition {
    let arguments: Map<String, Value> = match arguments {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    };
    NodeDefinition {
        tool: Some(Short(ToolNode {
            name: name.to_owned(),
            arguments: arguments.into_iter().collect(),
        })),
        ..NodeDefinition::default()
    }
}

/// A node that calls a model once.
pub fn model(prompt: &str) -> NodeDefinition {
    NodeDefinition {
        model: Some(ModelNode {
            prompt: text(prompt),
            ..ModelNode::default()
        }),
        ..NodeDefinition::default()
    }
}

/// A node in which an agent works.
pub fn agent(name: &str, prompt: &str) -> NodeDefinition {
    NodeDefinition {
        agent: Some(AgentNode {
            name: name.to_owned(),
            prompt: text(prompt),
            engine: None,
        }),
        ..NodeDefinition::default()
    }
}

/// A node that runs another graph.
pub fn subgraph(name: &str) -> NodeDefinition {
    NodeDefinition {
        graph: Some(Short(GraphNode {
            name: name.to_owned(),
            inputs: None,
        })),
        ..NodeDefinition::default()
    }
}

/// A node that asks a person.
pub fn human(ask: &str) -> NodeDefinition {
    NodeDefinition {
        human: Some(HumanNode {
            ask: text(ask),
            ..HumanNode::default()
        }),
        ..NodeDefinition::default()
    }
}

/// A node that does the same for every item of a list.
pub fn map(over: &str, each: NodeDefinition) -> NodeDefinition {
    NodeDefinition {
        map: Some(Box::new(MapNode {
            over: over.to_owned(),
            each,
            concurrency: 8,
            min_success: 1.0,
            ..MapNode::default()
        })),
        ..NodeDefinition::default()
    }
}

impl NodeDefinition {
    /// Writes all of the result into a channel.
    #[must_use]
    pub fn write(mut self, channel: &str) -> Self {
        self.writes = Writes::Whole(channel.to_owned());
        self
    }

    /// Writes fields of the result into channels of the same names.
    #[must_use]
    pub fn write_fields(mut self, channels: &[&str]) -> Self {
        self.writes = Writes::Fields(channels.iter().map(|name| (*name).to_owned()).collect());
        self
    }
}
