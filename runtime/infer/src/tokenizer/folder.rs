//! A tokenizer from `tokenizer.json`, as Hugging Face writes it.

use std::path::Path;

use serde_json::Value;
use tokenizers::{
    Model as _, NormalizedString, Normalizer as _, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer as _, Token, normalizer::Range,
};

use super::markers::{Marker, Markers, Stretch};
use super::vocabulary::{Entry, Kind, MOST_TOKENS, Vocabulary};
use super::{Model, Tokenizer, byte_level, ends, sentencepiece, unusable};
use crate::error::InferError;

/// Encodes whole texts, with the steps of `tokenizer.json` other than its search for tokens.
pub(super) struct Folder {
    tokenizer: tokenizers::Tokenizer,
    puts_space_first: bool,
}

impl Folder {
    /// Whether a text at the start begins with a space that was not there.
    pub(super) fn puts_space_first(&self) -> bool {
        self.puts_space_first
    }

    /// Tokens of a text whose markers were found.
    pub(super) fn encode(&self, text: &str, stretches: &[Stretch]) -> Result<Vec<u32>, InferError> {
        self.tokens(text, stretches)
            .map_err(|error| unusable(format!("a text cannot be encoded: {error}")))
    }

    fn tokens(&self, text: &str, stretches: &[Stretch]) -> tokenizers::Result<Vec<u32>> {
        let mut text = PreTokenizedString::from(text);
        text.split(|_, whole| {
            let mut parts: Vec<(NormalizedString, Option<Vec<Token>>)> = Vec::new();
            for stretch in stretches {
                let (range, token) = match stretch {
                    Stretch::Text(range) => (range.clone(), None),
                    Stretch::Marker { token, range } => (range.clone(), Some(*token)),
                };
                let token = token.map(|id| vec![Token::new(id, String::new(), (0, range.len()))]);
                if let Some(slice) = whole.slice(Range::Original(range)) {
                    parts.push((slice, token));
                }
            }
            Ok(parts)
        })?;
        if let Some(normalizer) = self.tokenizer.get_normalizer() {
            text.normalize(|part| normalizer.normalize(part))?;
        }
        if let Some(cutter) = self.tokenizer.get_pre_tokenizer() {
            cutter.pre_tokenize(&mut text)?;
        }
        text.tokenize(|part| self.tokenizer.get_model().tokenize(part.get()))?;
        let splits = text.get_splits(OffsetReferential::Original, OffsetType::None);
        Ok(splits
            .iter()
            .filter_map(|(_, _, tokens)| tokens.as_ref())
            .flatten()
            .map(|token| token.id)
            .collect())
    }
}

/// Reads the folder.
pub(super) fn read(folder: &Path) -> Result<Tokenizer, InferError> {
    let path = folder.join("tokenizer.json");
    let bytes = std::fs::read(&path).map_err(|error| InferError::Read {
        path: path.clone(),
        message: format!("{error}; a folder with safetensors needs its `tokenizer.json`"),
    })?;
    let not_a_tokenizer =
        |message: String| unusable(format!("`{}` is not one: {message}", path.display()));
    let raw: Value =
        serde_json::from_slice(&bytes).map_err(|error| not_a_tokenizer(error.to_string()))?;
    let tokenizer = tokenizers::Tokenizer::from_bytes(&bytes)
        .map_err(|error| not_a_tokenizer(error.to_string()))?;
    let config = optional(&folder.join("tokenizer_config.json"))?;
    let generation = optional(&folder.join("generation_config.json"))?;
    let writing = Writing::of(&raw).ok_or_else(|| {
        not_a_tokenizer(
            "its decoder is neither byte-level nor SentencePiece's, so it is not a language \
             model's; use another model"
                .to_owned(),
        )
    })?;

    let added = tokenizer.get_added_tokens_decoder();
    let by_text = tokenizer.get_vocab(true);
    let size = by_text.values().max().map_or(0, |last| *last as usize + 1);
    if size == 0 || size > MOST_TOKENS {
        return Err(not_a_tokenizer(format!(
            "its ids go up to {size}, and 1 to {MOST_TOKENS} are possible"
        )));
    }
    let mut entries = vec![
        Entry {
            bytes: Vec::new(),
            kind: Kind::Unused,
        };
        size
    ];
    for (written, token) in &by_text {
        let Some(entry) = entries.get_mut(*token as usize) else {
            continue;
        };
        *entry = match added.get(token) {
            Some(added) => Entry {
                bytes: added.content.as_bytes().to_vec(),
                kind: if added.special || ends::looks_special(&added.content) {
                    Kind::Special
                } else {
                    Kind::Added
                },
            },
            None => writing.entry(written),
        };
    }
    let markers = added
        .iter()
        .map(|(token, added)| Marker {
            strips_left: added.lstrip,
            strips_right: added.rstrip,
            single_word: added.single_word,
            ..Marker::new(
                *token,
                added.content.clone(),
                added.special || ends::lays_out(&added.content),
            )
        })
        .collect();
    let id = |written: &str| by_text.get(written).copied();
    let begin = begin(&tokenizer, &config, id)?;
    let mut special: Vec<(u32, &str)> = added
        .iter()
        .filter(|(_, added)| added.special || ends::looks_special(&added.content))
        .map(|(token, added)| (*token, added.content.as_str()))
        .collect();
    special.sort_unstable();
    let named = generation_ends(&generation, size)?
        .into_iter()
        .chain(written_token(&config, "eos_token").and_then(id));
    let ends = ends::all(named, &special);

    let mut model = Folder {
        tokenizer,
        puts_space_first: false,
    };
    let vocabulary = Vocabulary::new(entries);
    let sample = model.encode("a", &[Stretch::Text(0..1)])?;
    model.puts_space_first = sample
        .first()
        .is_some_and(|token| vocabulary.bytes(*token).starts_with(b" "));
    let markers = Markers::new(markers)?;
    let model = Model::Folder(Box::new(model));
    Ok(Tokenizer::new(vocabulary, markers, model, begin, ends))
}

/// How pieces of text are written in the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    ByteLevel,
    SentencePiece,
}

impl Writing {
    fn of(raw: &Value) -> Option<Self> {
        let names: Vec<&str> = ["decoder", "pre_tokenizer", "normalizer"]
            .iter()
            .filter_map(|part| raw.get(part))
            .flat_map(step_names)
            .collect();
        let has = |name: &str| names.contains(&name);
        let falls_back = raw.pointer("/model/byte_fallback") == Some(&Value::Bool(true));
        if has("ByteLevel") {
            Some(Self::ByteLevel)
        } else if has("Metaspace") || has("ByteFallback") || falls_back {
            Some(Self::SentencePiece)
        } else {
            None
        }
    }

    fn entry(self, written: &str) -> Entry {
        let byte = || {
            let digits = written.strip_prefix("<0x")?.strip_suffix('>')?;
            u8::from_str_radix(digits, 16).ok()
        };
        match self {
            Self::ByteLevel => Entry {
                bytes: byte_level::bytes_of(written),
                kind: Kind::Text,
            },
            Self::SentencePiece => match byte() {
                Some(byte) => Entry {
                    bytes: vec![byte],
                    kind: Kind::Byte,
                },
                None => Entry {
                    bytes: written.replace(sentencepiece::SPACE, " ").into_bytes(),
                    kind: Kind::Text,
                },
            },
        }
    }
}

/// The types of a step and of the steps that it is made of.
fn step_names(step: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = step
        .get("type")
        .and_then(Value::as_str)
        .into_iter()
        .collect();
    for list in ["decoders", "pretokenizers", "normalizers"] {
        let steps = step.get(list).and_then(Value::as_array);
        names.extend(
            steps
                .into_iter()
                .flatten()
                .filter_map(|step| step.get("type").and_then(Value::as_str)),
        );
    }
    names
}

/// What the configuration says, and where it is silent, what the tokenizer puts first itself.
fn begin(
    tokenizer: &tokenizers::Tokenizer,
    config: &Value,
    id: impl Fn(&str) -> Option<u32>,
) -> Result<Option<u32>, InferError> {
    let own = || {
        let encoded = tokenizer
            .encode("", true)
            .map_err(|error| unusable(format!("the empty text cannot be encoded: {error}")))?;
        Ok(encoded.get_ids().first().copied())
    };
    match config.get("add_bos_token").and_then(Value::as_bool) {
        Some(false) => Ok(None),
        Some(true) => match written_token(config, "bos_token").and_then(id) {
            Some(begin) => Ok(Some(begin)),
            None => own(),
        },
        None => own(),
    }
}

/// A token that the configuration names, as a text or as an object.
fn written_token<'v>(config: &'v Value, key: &str) -> Option<&'v str> {
    let named = config.get(key)?;
    named.as_str().or_else(|| named.get("content")?.as_str())
}

/// `eos_token_id` of `generation_config.json`: one id or a list.
fn generation_ends(generation: &Value, size: usize) -> Result<Vec<u32>, InferError> {
    let ids = match generation.get("eos_token_id") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().collect(),
        Some(id) => vec![id],
    };
    ids.into_iter()
        .map(|id| {
            id.as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .filter(|id| (*id as usize) < size)
                .ok_or_else(|| {
                    unusable(format!(
                        "`eos_token_id` in `generation_config.json` is {id}, and the vocabulary \
                         has {size} tokens; download the model's files again"
                    ))
                })
        })
        .collect()
}

/// A file that may be missing: null then.
fn optional(path: &Path) -> Result<Value, InferError> {
    let read = |message: String| InferError::Read {
        path: path.to_path_buf(),
        message,
    };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| read(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(read(error.to_string())),
    }
}
