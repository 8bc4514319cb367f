//! Completions that a server of the older protocol asks its client's model for.
//!
//! Served to the program's own servers, and to others only where their configuration says
//! `sampling = true`, if the program gives a [`Sampler`]; otherwise servers are not told that it
//! exists.

use std::time::Duration;

use async_trait::async_trait;
use ropewalk_core::message::Usage;

/// Has a model complete what a server sends.
#[async_trait]
pub trait Sampler: Send + Sync {
    /// One completion.
    ///
    /// # Errors
    /// A sentence for the server that says why there is none.
    async fn complete(&self, asked: SampleAsked) -> Result<Sampled, String>;

    /// What a completion will cost, as far as it is known before.
    fn foresee(&self, asked: &SampleAsked) -> Foreseen {
        let _ = asked;
        Foreseen::default()
    }
}

/// A completion, as far as it is known before it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// The model that will be asked.
    pub engine: String,
    /// Tokens that will be read.
    pub tokens: u64,
    /// It costs no money.
    pub free: bool,
}

/// Bears what a server has completed during a call: the budget of a run.
pub trait Payer: Send + Sync {
    /// Books a completion before it is made.
    ///
    /// # Errors
    /// A sentence for the server that says why it is not borne.
    fn book(&self, foreseen: &Foreseen) -> Result<(), String>;

    /// Hears what the completion has cost: nothing, where it failed.
    fn paid(&self, engine: &str, usage: Usage, took: Duration);
}

/// What a server wants completed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SampleAsked {
    /// The server that asks.
    pub server: String,
    /// What the model is told first.
    pub system: Option<String>,
    /// The conversation so far.
    pub messages: Vec<SampleMessage>,
    /// Tokens it may write.
    pub max_tokens: u32,
    /// 0 for the likeliest words, 1 for the model's own spread.
    pub temperature: Option<f32>,
    /// Words at which it stops.
    pub stop: Vec<String>,
    /// What the completion should be, in the Lark dialect of llguidance; the server checks it all
    /// the same.
    pub grammar: Option<String>,
}

/// One message of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleMessage {
    /// Whether the model said it, not the user.
    pub from_model: bool,
    /// The words. Images and sound are refused before they get here.
    pub text: String,
}

/// A completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The words.
    pub text: String,
    /// The model that wrote them.
    pub model: String,
    /// What it cost.
    pub usage: Usage,
    /// Whether it was cut at the token limit.
    pub cut: bool,
}
