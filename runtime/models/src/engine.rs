//! The one seam to whatever does the reasoning.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Usage};
use ropewalk_core::tokens::{self, TokenCount};
use tokio::sync::mpsc;

/// What an engine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// Engine and model, as a person would name it: `extractive`, `openai:gpt-5-mini`.
    pub id: String,
    /// Most tokens a request and its reply may have together, where known.
    pub context_tokens: Option<u64>,
    /// Whether it can ask for tool calls.
    pub tools: bool,
    /// Whether replies can be held to a JSON schema.
    pub structured_output: bool,
    /// Whether deltas arrive while the reply is written.
    pub streaming: bool,
    /// Whether its tokens have a price.
    pub charges: bool,
}

/// Answers a conversation with words or with tool calls.
///
/// Dropping the future cancels the work.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What it is and what it can do.
    fn info(&self) -> &EngineInfo;

    /// Loads what must be loaded before the first request. [`Engine::info`] may know more after it.
    ///
    /// # Errors
    /// What would keep every request from being answered: no key, no model.
    async fn prepare(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// How many tokens a request has. An estimate, unless the engine has its model's tokenizer.
    fn count(&self, request: &ChatRequest) -> TokenCount {
        tokens::estimate(request)
    }

    /// The engine that takes over when a budget runs low, where there is one.
    fn cheaper(&self) -> Option<Cheaper> {
        None
    }

    /// One reply. Deltas go to the sink while it is written; the reply is whole all the same.
    ///
    /// # Errors
    /// See [`EngineError`]; the message says what to do next.
    async fn chat(&self, request: ChatRequest, deltas: DeltaSink)
    -> Result<ChatReply, EngineError>;
}

/// The engine that takes over when a budget runs low.
#[derive(Clone)]
pub struct Cheaper {
    /// The share of a budget (0 to 1) that is left when it takes over.
    pub below: f64,
    /// The engine.
    pub engine: Arc<dyn Engine>,
}

/// Where an engine sends what it writes while it writes it. Nobody need listen.
#[derive(Debug, Clone, Default)]
pub struct DeltaSink(Option<mpsc::UnboundedSender<Delta>>);

impl DeltaSink {
    /// A sink that a listener reads from.
    pub fn new(sender: mpsc::UnboundedSender<Delta>) -> Self {
        Self(Some(sender))
    }

    /// A sink that drops everything.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.0.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Passes a delta on; a listener that went away is no error.
    pub fn send(&self, delta: Delta) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(delta);
        }
    }
}

/// How an engine fails.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The endpoint could not be reached.
    #[error(
        "{engine}: cannot reach {url}: {message}; check that it runs and that the address is right"
    )]
    Unreachable {
        /// Which engine.
        engine: String,
        /// Which address.
        url: String,
        /// What the connection said.
        message: String,
    },
    /// Nothing came in time.
    #[error(
        "{engine}: {url} sent nothing for {seconds} s while {waiting_for}; it may be overloaded: try again, or raise the timeout"
    )]
    TimedOut {
        /// Which engine.
        engine: String,
        /// Which address.
        url: String,
        /// How long was waited.
        seconds: u64,
        /// What for: `connecting`, `waiting for the first token`, `waiting for more`.
        waiting_for: &'static str,
        /// What it had cost by then, as far as the endpoint told.
        usage: Usage,
    },
    /// The endpoint answered with an error.
    #[error("{engine}: {url} answered {status}: {message}")]
    Refused {
        /// Which engine.
        engine: String,
        /// Which address.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it said, with a hint where one is known.
        message: String,
        /// What it had cost by then, as far as the endpoint told.
        usage: Usage,
    },
    /// The endpoint answered with something that is not the protocol.
    #[error(
        "{engine}: {url} did not answer as an OpenAI-compatible endpoint does: {message}; is the base URL right? It usually ends in /v1"
    )]
    NotTheProtocol {
        /// Which engine.
        engine: String,
        /// Which address.
        url: String,
        /// What came instead.
        message: String,
    },
    /// The reply ended before it was whole.
    #[error("{engine}: the reply from {url} broke off: {message}; try again")]
    BrokeOff {
        /// Which engine.
        engine: String,
        /// Which address.
        url: String,
        /// What ended it.
        message: String,
        /// What it had cost by then, as far as the endpoint told.
        usage: Usage,
    },
    /// The endpoint failed so often in a row that it is left alone for a while.
    #[error(
        "{engine}: {url} has failed repeatedly and is not asked again {}: {last}", when(*left, *until)
    )]
    CircuitOpen {
        /// Which engine.
        engine: String,
        /// Which address.
        url: String,
        /// How long until a request is let through; zero while one is finding out.
        left: Duration,
        /// When that is.
        until: SystemTime,
        /// What failed last.
        last: String,
    },
    /// A limit of the configuration leaves no room for the request.
    #[error("{engine}: {message}")]
    OverLimit {
        /// Which engine.
        engine: String,
        /// Which limit, and what to change.
        message: String,
        /// How long until there would be room; none where there never is.
        wait: Option<Duration>,
    },
    /// A local model has as many requests as it may have.
    #[error("{engine}: {message}")]
    Busy {
        /// Which engine.
        engine: String,
        /// How many wait, and what to do.
        message: String,
    },
    /// The conversation does not fit the model's context.
    #[error(
        "{engine}: the conversation is too long for the model{}: {message}; shorten it, or use a model with a longer context",
        sizes(*prompt, *context)
    )]
    TooLong {
        /// Which engine.
        engine: String,
        /// Tokens of the conversation, where known.
        prompt: Option<u64>,
        /// Tokens that fit, where known.
        context: Option<u64>,
        /// What was said of it.
        message: String,
    },
    /// Every engine of a list failed.
    #[error("no engine answered: {}", listed(failures))]
    AllFailed {
        /// How each failed, in the order they were asked.
        failures: Vec<EngineError>,
    },
    /// A key is needed and not there.
    #[error("{engine}: no API key: set the environment variable {variable}")]
    NoKey {
        /// Which engine.
        engine: String,
        /// The variable that was looked for.
        variable: String,
    },
    /// The system keyring gave no key.
    #[error("{engine}: no API key from the keyring entry `{entry}`: {message}")]
    Keyring {
        /// Which engine.
        engine: String,
        /// The entry, as `service/user`.
        entry: String,
        /// Why, and how to store one.
        message: String,
    },
    /// The request cannot be served as it is.
    #[error("{engine}: {message}")]
    BadRequest {
        /// Which engine.
        engine: String,
        /// Why, and what to change.
        message: String,
    },
    /// A scripted or recorded conversation took another turn.
    #[error("{engine}: the conversation drifted from its script at reply {turn}: {message}")]
    Drift {
        /// Which engine.
        engine: String,
        /// Which reply, from 1.
        turn: usize,
        /// What was expected and what came.
        message: String,
    },
    /// The embedding model failed.
    #[error("{engine}: {message}")]
    Internal {
        /// Which engine.
        engine: String,
        /// What failed.
        message: String,
    },
}

impl EngineError {
    /// What the failed request cost, as far as the endpoint told.
    pub fn usage(&self) -> Usage {
        match self {
            Self::TimedOut { usage, .. }
            | Self::Refused { usage, .. }
            | Self::BrokeOff { usage, .. } => *usage,
            Self::AllFailed { failures } => failures
                .iter()
                .map(EngineError::usage)
                .fold(Usage::default(), Usage::plus),
            _ => Usage::default(),
        }
    }

    /// The same error with what the request cost.
    #[must_use]
    pub(crate) fn costing(mut self, cost: Usage) -> Self {
        if let Self::TimedOut { usage, .. }
        | Self::Refused { usage, .. }
        | Self::BrokeOff { usage, .. } = &mut self
        {
            *usage = cost;
        }
        self
    }

    /// Whether the endpoint itself failed, rather than refused what it was asked.
    pub fn is_endpoint_failure(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::BrokeOff { .. } => true,
            Self::Refused { status, .. } => *status >= 500 && *status != 501,
            _ => false,
        }
    }

    /// Whether another engine may well answer where this one did not: it is not there, has too
    /// much to do, or the conversation is too long for it. Mistakes in a request or in a
    /// configuration are none of these: they are to be mended.
    pub fn another_may_answer(&self) -> bool {
        match self {
            Self::CircuitOpen { .. }
            | Self::OverLimit { .. }
            | Self::TooLong { .. }
            | Self::Busy { .. }
            | Self::NotTheProtocol { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..),
            Self::AllFailed { failures } => failures.iter().all(EngineError::another_may_answer),
            other => other.is_endpoint_failure(),
        }
    }
}

fn when(left: Duration, until: SystemTime) -> String {
    if left.is_zero() {
        return "while one request finds out whether it answers".to_owned();
    }
    let seconds = left.as_secs_f64().ceil();
    format!("for {seconds} s, until {}", httpdate::fmt_http_date(until))
}

fn sizes(prompt: Option<u64>, context: Option<u64>) -> String {
    match (prompt, context) {
        (Some(prompt), Some(context)) => format!(" ({prompt} tokens of {context})"),
        (Some(prompt), None) => format!(" ({prompt} tokens)"),
        (None, Some(context)) => format!(" ({context} tokens fit)"),
        (None, None) => String::new(),
    }
}

fn listed(failures: &[EngineError]) -> String {
    let each: Vec<String> = failures.iter().map(ToString::to_string).collect();
    each.join("; then ")
}
