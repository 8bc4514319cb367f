//! Where a statement comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A passage that supports a statement, in the one shape every tool uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Citation {
    /// Names the passage; an answer cites it as `[id]`.
    pub id: String,
    /// Path or URL of the document.
    pub source: String,
    /// Title and heading path, outermost first, joined by ` > `.
    #[serde(default)]
    pub title: String,
    /// Where in the document: byte offsets `start..end` of its extracted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The words themselves.
    pub quote: String,
    /// How well it fits the query, 0 to 1.
    #[serde(default)]
    pub score: f64,
}

/// A half-open range of bytes in a document's extracted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}
