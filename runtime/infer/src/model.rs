//! A model as it is opened: weights, tokenizer, grammars, and how it writes conversations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::gguf_file::Value as GgufValue;
use serde_json::Value;

use crate::chat::dialect::Dialect;
use crate::chat::template::{ChatTemplate, Conversation, SpecialTexts};
use crate::constraint::Grammars;
use crate::decoder::Decoder;
use crate::device::Device;
use crate::error::InferError;
use crate::file::{Header, ModelFile};
use crate::tokenizer::Tokenizer;

/// How a model is opened.
#[derive(Debug, Clone, Default)]
pub struct ModelOptions {
    /// Threads; as many as there are cores for 0.
    pub threads: usize,
    /// Where it runs.
    pub device: Device,
    /// A file with a chat template, in place of the model's own.
    pub template: Option<PathBuf>,
}

/// A model, ready to be worked with.
#[derive(Debug)]
pub struct LocalModel {
    /// Tokens in, logits out.
    pub decoder: Arc<Decoder>,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Makes matchers.
    pub grammars: Grammars,
    /// Conversations to prompts.
    pub template: ChatTemplate,
    /// How calls are written.
    pub dialect: Dialect,
    /// Where it was read from.
    pub path: PathBuf,
}

/// A prompt as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The end of its text: some templates begin the reply's thinking themselves.
    pub end: String,
}

/// Bytes of a prompt's end that are looked at.
const END: usize = 64;

impl LocalModel {
    /// Opens a `.gguf` file, or a folder with safetensors.
    ///
    /// # Errors
    /// What is no model, damaged, of a family that is not known, or has no chat template.
    pub fn open(path: &Path, options: &ModelOptions) -> Result<Self, InferError> {
        let file = ModelFile::open(path)?;
        let tokenizer = match &file.header {
            Header::Gguf(content) => Tokenizer::from_gguf(content)?,
            Header::Folder(_) => Tokenizer::from_folder(path)?,
        };
        let source = match &options.template {
            Some(path) => read(path)?,
            None => own_template(&file)?,
        };
        let template = ChatTemplate::new(&source, SpecialTexts::of(&tokenizer))?;
        let dialect = Dialect::detect(&template, &tokenizer);
        let grammars = Grammars::new(&tokenizer)?;
        // What takes longest comes last, when everything else is known to be right.
        let decoder = Decoder::load_on(&file, options.threads, options.device)?;
        if decoder.spec().vocabulary < tokenizer.size() {
            return Err(file.damaged(format!(
                "its tokenizer has {} tokens, and its embeddings only {}",
                tokenizer.size(),
                decoder.spec().vocabulary
            )));
        }
        Ok(Self {
            decoder: Arc::new(decoder),
            tokenizer,
            grammars,
            template,
            dialect,
            path: path.to_owned(),
        })
    }

    /// A conversation as tokens, with the beginning of the reply.
    ///
    /// # Errors
    /// What the template refuses.
    pub fn prompt(&self, conversation: Conversation<'_>) -> Result<Prompt, InferError> {
        let parts = self.template.render(conversation)?;
        let pairs: Vec<(&str, bool)> = parts
            .iter()
            .map(|part| (part.text.as_str(), part.special))
            .collect();
        let mut tokens = self.tokenizer.encode_parts(&pairs)?;
        if let Some(begin) = self.tokenizer.begin()
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        let mut end: Vec<char> = Vec::new();
        for part in parts.iter().rev() {
            end.extend(part.text.chars().rev().take(END - end.len().min(END)));
            if end.len() >= END {
                break;
            }
        }
        Ok(Prompt {
            tokens,
            end: end.into_iter().rev().collect(),
        })
    }
}

fn read(path: &Path) -> Result<String, InferError> {
    std::fs::read_to_string(path).map_err(|error| InferError::Read {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

/// The template that a model brings with it.
fn own_template(file: &ModelFile) -> Result<String, InferError> {
    let missing = || InferError::Template {
        message: format!(
            "{} has none; name a file with one as `template` under [engine] (most base models \
             have none: take the one made for chat)",
            file.path().display()
        ),
    };
    match &file.header {
        Header::Gguf(content) => match content.metadata.get("tokenizer.chat_template") {
            Some(GgufValue::String(source)) => Ok(source.clone()),
            _ => Err(missing()),
        },
        Header::Folder(_) => {
            let beside = file.path().join("chat_template.jinja");
            if beside.is_file() {
                return read(&beside);
            }
            let path = file.path().join("tokenizer_config.json");
            let config: Value =
                serde_json::from_str(&read(&path)?).map_err(|error| InferError::NotAModel {
                    path: path.clone(),
                    message: error.to_string(),
                })?;
            match config.get("chat_template") {
                Some(Value::String(source)) => Ok(source.clone()),
                // Some models have several, by name.
                Some(Value::Array(all)) => {
                    let named = |name: &str| {
                        let found = all
                            .iter()
                            .find(|one| one.get("name").and_then(Value::as_str) == Some(name));
                        Some(found?.get("template")?.as_str()?.to_owned())
                    };
                    named("tool_use")
                        .or_else(|| named("default"))
                        .ok_or_else(missing)
                }
                _ => Err(missing()),
            }
        }
    }
}
