//! The one seam to whatever does the reasoning.

use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, Delta};
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
    },
    /// A key is needed and not there.
    #[error("{engine}: no API key: set the environment variable {variable}")]
    NoKey {
        /// Which engine.
        engine: String,
        /// The variable that was looked for.
        variable: String,
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
