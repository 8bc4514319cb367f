//! What the host says of its servers, their tools, and calls under way.

/// A server that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server `{server}` is left out: {reason}")]
pub struct StartFailure {
    /// Its name.
    pub server: String,
    /// What failed and what to do about it.
    pub reason: String,
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSummary {
    /// Its name.
    pub name: String,
    /// Whether it is one of ours, in this process.
    pub built_in: bool,
    /// The MCP version agreed on.
    pub protocol: String,
    /// How many tools it offers.
    pub tools: usize,
}

/// Where a tool comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolOrigin<'a> {
    /// Its server.
    pub server: &'a str,
    /// Its name there.
    pub name: &'a str,
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
