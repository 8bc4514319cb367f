//! What goes into a machine and what comes out of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::graph::definition::ErrorKind;
use crate::graph::expression::{ExpressionError, Scope};
use crate::graph::ir::{ChannelId, EdgeId, Graph, NodeId};

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
    pub(super) graph: Arc<Graph>,
    pub(super) values: Vec<(ChannelId, Arc<Value>)>,
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
