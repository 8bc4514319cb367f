//! The one shape in which a passage is cited.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A passage that supports a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Citation {
    /// Names the passage; cite it as [id].
    pub id: String,
    /// Path or URL of the document.
    pub source: String,
    /// Title and heading path, outermost first.
    pub title: String,
    /// Byte offsets in the document's extracted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The words themselves.
    pub quote: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
}

/// A half-open range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}
