//! Everything that can go wrong while loading or running a model.

/// How embedding fails. The message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file that a model folder must have is not there or cannot be read.
    #[error(
        "cannot read {path}: {source}; a model folder holds config.json, tokenizer.json and model.safetensors"
    )]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is there but is not what it should be.
    #[error("{path} is not a usable {expected}: {message}")]
    Malformed {
        /// The file.
        path: String,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The architecture is not one this crate runs.
    #[error(
        "{path}: model_type `{model_type}` is not supported; BERT-family encoders (bert, roberta, xlm-roberta) are"
    )]
    Architecture {
        /// The configuration file.
        path: String,
        /// What it names.
        model_type: String,
    },
    /// A weight is missing or has another shape than the configuration says.
    #[error("weight `{name}`: {message}")]
    Weight {
        /// The tensor's name.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// The tokenizer refused a text.
    #[error("the tokenizer failed: {message}")]
    Tokenize {
        /// What it said.
        message: String,
    },
    /// candle failed in the forward pass.
    #[error("the embedding model failed: {0}")]
    Compute(#[from] candle_core::Error),
}
