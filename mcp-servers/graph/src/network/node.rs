//! What a node of the graph is called outside of it.

use serde::{Deserialize, Serialize};

use crate::name::Key;

/// A passage: its document, and its number there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PassageId {
    /// Path or URL of the document.
    pub source: String,
    /// Number of the passage in it, from 0.
    pub number: u32,
}

/// A node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// An entity.
    Entity(Key),
    /// A passage.
    Passage(PassageId),
}
