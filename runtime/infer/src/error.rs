//! How a local model fails.

use std::path::PathBuf;

/// How a local model fails. Each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// A file cannot be read.
    #[error("cannot read {}: {message}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {message}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A model with random weights cannot have this shape.
    #[error("no model can have this shape: {message}")]
    Shape {
        /// What contradicts what.
        message: String,
    },
    /// A model cannot run where it should.
    #[error("the model cannot run on `{device}`: {message}")]
    Device {
        /// `cuda:0` ...
        device: String,
        /// Why, and what to do.
        message: String,
    },
    /// A file is not a model, or a damaged one.
    #[error("{} is not a model this program can run: {message}", path.display())]
    NotAModel {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// The tokenizer of a model cannot be used.
    #[error("the model's tokenizer cannot be used: {message}")]
    Tokenizer {
        /// What is wrong.
        message: String,
    },
    /// The chat template is missing, or fails on a conversation.
    #[error("the model's chat template cannot be used: {message}")]
    Template {
        /// What is wrong.
        message: String,
    },
    /// A grammar or schema cannot be enforced while a reply is written.
    #[error("the reply cannot be held to this {what}: {message}")]
    Constraint {
        /// `JSON schema`, `regular expression`, `grammar` ...
        what: &'static str,
        /// Why.
        message: String,
    },
    /// A prompt does not fit into the context.
    #[error(
        "the prompt has {prompt} tokens, and the model's context holds {context}; shorten it, or raise `context_tokens` where memory allows"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that fit.
        context: usize,
    },
    /// A computation failed.
    #[error("the model failed: {0}")]
    Compute(#[from] candle_core::Error),
}
