//! Text to tokens and back.
//!
//! Three kinds of model share one front: byte-level BPE and SentencePiece BPE from the metadata
//! of a GGUF file, and whatever `tokenizer.json` describes. In front of each of them, the same
//! search finds tokens that are written out in the text (module `markers`), so that what a user writes
//! is told from what the template writes in one place.
//!
//! No text is normalised when a GGUF is read, as in llama.cpp: a file name with decomposed
//! accents reaches the model as it is, and can come back from it as it was.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use candle_core::quantized::gguf_file::Content;

use crate::error::InferError;

mod byte_level;
mod ends;
mod folder;
mod gguf;
mod markers;
mod metadata;
mod sentencepiece;
mod split;
mod vocabulary;

use byte_level::ByteLevel;
use folder::Folder;
use markers::{Markers, Stretch};
use sentencepiece::SentencePiece;
use vocabulary::Vocabulary;

/// Text to tokens and back, as one model does it. Cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    shared: Arc<Shared>,
}

impl Tokenizer {
    /// The tokenizer in a GGUF file's metadata.
    ///
    /// # Errors
    /// Metadata that is missing, contradicts itself, or names a kind that is not known.
    pub fn from_gguf(content: &Content) -> Result<Self, InferError> {
        gguf::read(content)
    }

    /// A `tokenizer.json`, with `tokenizer_config.json` and `generation_config.json` beside it where they are.
    ///
    /// # Errors
    /// A file that cannot be read or is no tokenizer.
    pub fn from_folder(folder: &Path) -> Result<Self, InferError> {
        folder::read(folder)
    }

    /// Tokens of a text, nothing added before or after. Special tokens written out in the text
    /// (`<|im_end|>`) become those tokens only with `special`: a user's words never may.
    ///
    /// # Errors
    /// A text that the tokenizer has no tokens for.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, InferError> {
        self.encode_parts(&[(text, special)])
    }

    /// Tokens of a text that is put together of parts, some of which may name special tokens
    /// (true: the template's) and some of which may not (false: a user's words). The borders
    /// between parts do not split tokens: harmless words come out as if the whole text had been
    /// encoded at once. A special token must stand whole within parts that may name it.
    ///
    /// # Errors
    /// A text that the tokenizer has no tokens for.
    pub fn encode_parts(&self, parts: &[(&str, bool)]) -> Result<Vec<u32>, InferError> {
        let mut text = String::with_capacity(parts.iter().map(|(part, _)| part.len()).sum());
        let mut trusted = Vec::new();
        for (part, special) in parts {
            let start = text.len();
            text.push_str(part);
            if *special {
                trusted.push(start..text.len());
            }
        }
        self.encode_stretches(&self.shared.markers.find(&text, &trusted), &text, true)
    }

    /// Tokens of a text in the middle of a reply: as [`Tokenizer::encode`] without `special`, and
    /// no space is put before it.
    pub(crate) fn encode_within(&self, text: &str) -> Result<Vec<u32>, InferError> {
        self.encode_stretches(&self.shared.markers.find(text, &[]), text, false)
    }

    /// Whether [`Tokenizer::encode_within`] gives the tokens that the model itself would write.
    pub(crate) fn encodes_within(&self) -> bool {
        match &self.shared.model {
            Model::ByteLevel(_) | Model::SentencePiece(_) => true,
            Model::Folder(folder) => !folder.puts_space_first(),
        }
    }

    /// The bytes of a token, empty for an unknown one. A special token's are its written form.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.shared.vocabulary.bytes(token)
    }

    /// How many tokens there are (ids below this).
    pub fn size(&self) -> usize {
        self.shared.vocabulary.size()
    }

    /// Whether a token steers and does not stand for text.
    pub fn is_special(&self, token: u32) -> bool {
        self.shared.vocabulary.is_special(token)
    }

    /// The token that a text is, as a whole, special or not.
    pub fn token(&self, text: &str) -> Option<u32> {
        self.shared.vocabulary.token(text.as_bytes())
    }

    /// The token that a prompt begins with, where the model wants one.
    pub fn begin(&self) -> Option<u32> {
        self.shared.begin
    }

    /// Tokens that end a turn: the model's end of text, and the end-of-turn tokens of its family.
    pub fn ends(&self) -> &[u32] {
        &self.shared.ends
    }

    fn new(
        vocabulary: Vocabulary,
        markers: Markers,
        model: Model,
        begin: Option<u32>,
        ends: Vec<u32>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                vocabulary,
                markers,
                model,
                begin,
                ends,
            }),
        }
    }

    fn encode_stretches(
        &self,
        stretches: &[Stretch],
        text: &str,
        at_start: bool,
    ) -> Result<Vec<u32>, InferError> {
        if let Model::Folder(folder) = &self.shared.model {
            return folder.encode(text, stretches);
        }
        let mut tokens = Vec::with_capacity(text.len() / 3 + 1);
        let mut after_marker = at_start;
        for stretch in stretches {
            match stretch {
                Stretch::Marker { token, .. } => {
                    tokens.push(*token);
                    after_marker = true;
                }
                Stretch::Text(range) => {
                    let words = text.get(range.clone()).unwrap_or_default();
                    match &self.shared.model {
                        Model::ByteLevel(model) => model.encode(words, &mut tokens)?,
                        Model::SentencePiece(model) => {
                            model.encode(words, after_marker, &mut tokens);
                        }
                        Model::Folder(_) => {}
                    }
                    after_marker = false;
                }
            }
        }
        Ok(tokens)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("kind", &self.shared.model.name())
            .field("size", &self.size())
            .field("begin", &self.shared.begin)
            .field("ends", &self.shared.ends)
            .finish_non_exhaustive()
    }
}

struct Shared {
    vocabulary: Vocabulary,
    markers: Markers,
    model: Model,
    begin: Option<u32>,
    ends: Vec<u32>,
}

enum Model {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(Box<SentencePiece>),
    Folder(Box<Folder>),
}

impl Model {
    fn name(&self) -> &'static str {
        match self {
            Self::ByteLevel(_) => "byte-level BPE",
            Self::SentencePiece(_) => "SentencePiece",
            Self::Folder(_) => "tokenizer.json",
        }
    }
}

fn unusable(message: impl Into<String>) -> InferError {
    InferError::Tokenizer {
        message: message.into(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
