//! Text to tokens and back.

use std::path::Path;

use candle_core::quantized::gguf_file::Content;

use crate::error::InferError;

/// Text to tokens and back, as one model does it.
#[derive(Debug)]
pub struct Tokenizer {}

impl Tokenizer {
    /// The tokenizer in a GGUF file's metadata.
    ///
    /// # Errors
    /// Metadata that is missing, contradicts itself, or names a kind that is not known.
    pub fn from_gguf(content: &Content) -> Result<Self, InferError> {
        let _ = content;
        Err(InferError::Tokenizer {
            message: "not built".to_owned(),
        })
    }

    /// A `tokenizer.json`, with `tokenizer_config.json` and `generation_config.json` beside it where they are.
    ///
    /// # Errors
    /// A file that cannot be read or is no tokenizer.
    pub fn from_folder(folder: &Path) -> Result<Self, InferError> {
        let _ = folder;
        Err(InferError::Tokenizer {
            message: "not built".to_owned(),
        })
    }

    /// Tokens of a text, nothing added before or after. Special tokens written out in the text
    /// (`<|im_end|>`) become those tokens only with `special`: a user's words never may.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, InferError> {
        let _ = (text, special);
        Ok(Vec::new())
    }

    /// The bytes of a token, empty for an unknown one. A special token's are its written form.
    pub fn bytes(&self, token: u32) -> &[u8] {
        let _ = token;
        &[]
    }

    /// How many tokens there are (ids below this).
    pub fn size(&self) -> usize {
        0
    }

    /// Whether a token steers and does not stand for text.
    pub fn is_special(&self, token: u32) -> bool {
        let _ = token;
        false
    }

    /// The token that a text is, as a whole, special or not.
    pub fn token(&self, text: &str) -> Option<u32> {
        let _ = text;
        None
    }

    /// The token that a prompt begins with, where the model wants one.
    pub fn begin(&self) -> Option<u32> {
        None
    }

    /// Tokens that end a turn: the model's end of text, and the end-of-turn tokens of its family.
    pub fn ends(&self) -> &[u32] {
        &[]
    }
}
