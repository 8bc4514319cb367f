//! How a call ends without a result, and how serving fails.

use crate::inquiry::{Faculty, Question};

/// Why a tool, a prompt or a resource gives no result: usually a failure that the calling model
/// reads, which says what went wrong and how to call better.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolError(pub(crate) Stop);

/// Why there is no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stop {
    /// It failed.
    Failed {
        /// What failed.
        failed: String,
        /// What to do about it; may be empty.
        fix: String,
    },
    /// It must know this first, each under the name its answer will have.
    Asks(Vec<(String, Question)>),
    /// It would have to ask, and the client declared that it cannot be asked.
    Unable(Faculty),
    /// There is nothing of that name.
    Missing(String),
}

impl ToolError {
    /// What failed, and what to do about it (may be empty).
    pub fn new(failed: impl Into<String>, fix: impl Into<String>) -> Self {
        Self(Stop::Failed {
            failed: failed.into(),
            fix: fix.into(),
        })
    }

    /// An error whose own message says both.
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        Self::new(error.to_string(), "")
    }

    /// What was asked for by address or name is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        Self(Stop::Missing(message.into()))
    }
}

impl std::fmt::Display for ToolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Stop::Failed { failed, fix } if fix.is_empty() => f.write_str(failed),
            Stop::Failed { failed, fix } => write!(f, "{failed} ({fix})"),
            Stop::Asks(questions) => {
                let names: Vec<&str> = questions.iter().map(|(name, _)| name.as_str()).collect();
                write!(f, "waits for answers: {}", names.join(", "))
            }
            Stop::Unable(faculty) => write!(
                f,
                "this needs {faculty}, which the client does not offer (use a client that does, \
                 or call something that needs less)"
            ),
            Stop::Missing(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ToolError {}

/// How serving fails.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --http ADDRESS:PORT")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection could not be set up or broke.
    #[error("the MCP connection failed: {0}")]
    Connection(String),
    /// The way callers are to be let in cannot work.
    #[error("{0}")]
    Access(String),
}
