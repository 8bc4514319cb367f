//! What the host says of its servers, their tools, and calls under way.

use std::time::Duration;

/// A server that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server `{server}` is left out: {reason}")]
pub struct StartFailure {
    /// Its name.
    pub server: String,
    /// What failed and what to do about it.
    pub reason: String,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSummary {
    /// Its name.
    pub name: String,
    /// Whether it is one of ours, in this process.
    pub built_in: bool,
    /// The MCP version agreed on last; empty if it never ran.
    pub protocol: String,
    /// How many tools it offers, or offered last.
    pub tools: usize,
    /// Whether it is called.
    pub state: ServerState,
}

/// Whether a server is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// It is. That its connection is lost is found out, and mended, by the next call.
    Up,
    /// Calls fail at once: it could not be reached, or gave no answers.
    Down {
        /// What failed.
        reason: String,
        /// How long until it is tried again; `None` while it is being tried.
        next_try: Option<Duration>,
    },
}

/// Where a tool comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOrigin {
    /// Its server.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// Whether the server is one of ours, in this process.
    pub built_in: bool,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolProgress {
    /// Work done.
    pub done: f64,
    /// Work in all, where known.
    pub total: Option<f64>,
    /// What is being done.
    pub message: String,
}

/// `3 of 10: what is being done`, with what the server says of it.
impl std::fmt::Display for ToolProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.total {
            Some(total) => write!(f, "{} of {total}", self.done)?,
            None => write!(f, "{}", self.done)?,
        }
        if self.message.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.message)
        }
    }
}
