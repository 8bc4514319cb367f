//! What a tool is, what a call asks for, and what it came to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool as a model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Unique within a run: `server__tool`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON schema of its arguments.
    pub input_schema: Value,
    /// JSON schema of its structured result, where the server declares one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What its server says about its effects.
    #[serde(default)]
    pub hints: ToolHints,
}

/// What a server declares about a tool's effects. Silence means the worst case, which is the
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ToolHints {
    /// Changes nothing.
    pub read_only: bool,
    /// A second identical call has no further effect.
    pub idempotent: bool,
    /// May remove or overwrite.
    pub destructive: bool,
    /// Reaches systems outside this machine.
    pub open_world: bool,
}

impl Default for ToolHints {
    fn default() -> Self {
        Self {
            read_only: false,
            idempotent: false,
            destructive: true,
            open_world: true,
        }
    }
}

/// A call a model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// Names the call within its run.
    pub id: String,
    /// The [`ToolSpec::name`] to call.
    pub name: String,
    /// Arguments, an object.
    pub arguments: Value,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It worked.
    Ok {
        /// The result in words.
        text: String,
        /// The result as data, where the tool gives it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        structured: Option<Value>,
    },
    /// It did not; the model can read why and try otherwise.
    Error {
        /// What failed and how to fix the call.
        message: String,
    },
}

impl ToolOutcome {
    /// The words a model reads, for a result and an error alike.
    pub fn text(&self) -> &str {
        match self {
            ToolOutcome::Ok { text, .. } => text,
            ToolOutcome::Error { message } => message,
        }
    }

    /// The structured result, if there is one.
    pub fn structured(&self) -> Option<&Value> {
        match self {
            ToolOutcome::Ok { structured, .. } => structured.as_ref(),
            ToolOutcome::Error { .. } => None,
        }
    }
}

/// Whether a tool may run; the later, the stricter.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes.
    Allow,
    /// Only when a person says so.
    Ask,
    /// No.
    Deny,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Permission::Allow => "allow",
            Permission::Ask => "ask",
            Permission::Deny => "deny",
        })
    }
}
