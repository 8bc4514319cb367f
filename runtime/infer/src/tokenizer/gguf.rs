//! A tokenizer from the metadata of a GGUF file.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Content;

use super::byte_level::{self, ByteLevel};
use super::markers::{Marker, Markers};
use super::metadata::Metadata;
use super::sentencepiece::{SPACE, SentencePiece};
use super::vocabulary::{Entry, Kind, MOST_TOKENS, Vocabulary};
use super::{Model, Tokenizer, ends, split, unusable};
use crate::error::InferError;

/// Reads and checks it.
pub(super) fn read(content: &Content) -> Result<Tokenizer, InferError> {
    let metadata = Metadata(content);
    let model = metadata.text("tokenizer.ggml.model")?.ok_or_else(|| {
        unusable(
            "the file has no `tokenizer.ggml.model`; use a GGUF file that carries its tokenizer",
        )
    })?;
    match model {
        "gpt2" => byte_level(&metadata),
        "llama" => sentencepiece(&metadata),
        other => Err(unusable(format!(
            "its kind is `{other}`, and only `gpt2` (byte-level BPE) and `llama` (SentencePiece) \
             are known; use another model, or a folder with `tokenizer.json`"
        ))),
    }
}

fn byte_level(metadata: &Metadata) -> Result<Tokenizer, InferError> {
    let name = metadata.text("tokenizer.ggml.pre")?.unwrap_or_default();
    let cuts = split::named(name).ok_or_else(|| {
        unusable(format!(
            "its pre-tokenizer `{name}` is not known; use a folder with `tokenizer.json` instead"
        ))
    })?;
    let tokens = Tokens::read(metadata)?;
    let merges = metadata.texts("tokenizer.ggml.merges")?.ok_or_else(|| {
        unusable(
            "`tokenizer.ggml.merges` is missing; the file is damaged, convert or download it again",
        )
    })?;
    let merges = pairs(&merges)?;
    let mut made = vec![false; tokens.written.len()];
    for (left, right) in &merges {
        let both = format!("{left}{right}");
        for part in [left.as_str(), right.as_str(), both.as_str()] {
            let token = tokens.id(part).filter(|token| {
                !matches!(tokens.code(*token), Some(Code::Control | Code::Unknown))
            });
            match token.and_then(|token| made.get_mut(token as usize)) {
                Some(made) => *made = true,
                None => {
                    return Err(unusable(format!(
                        "`tokenizer.ggml.merges` merges `{left}` and `{right}`, and `{part}` is no \
                         token of text; the file is damaged, convert or download it again"
                    )));
                }
            }
        }
    }
    let mut entries = Vec::with_capacity(tokens.written.len());
    let mut vocabulary = Vec::new();
    for ((token, written), made) in tokens.iter().zip(&made) {
        let kind = match tokens.kind(token, written) {
            // What merges make is text, however it looks.
            Kind::Special if *made => Kind::Text,
            Kind::Byte => {
                return Err(unusable(format!(
                    "token {token} is a byte, and this kind of tokenizer has none; the file is \
                     damaged, convert or download it again"
                )));
            }
            kind => kind,
        };
        if kind == Kind::Text || (kind == Kind::Added && *made) {
            vocabulary.push((written.to_owned(), token));
        }
        let bytes = match kind {
            Kind::Text => byte_level::bytes_of(written),
            _ => written.as_bytes().to_vec(),
        };
        entries.push(Entry { bytes, kind });
    }
    let model = ByteLevel::new(vocabulary, merges, cuts)?;
    tokens.finish(
        metadata,
        entries,
        Model::ByteLevel(Box::new(model)),
        cuts.begins,
    )
}

fn sentencepiece(metadata: &Metadata) -> Result<Tokenizer, InferError> {
    let tokens = Tokens::read(metadata)?;
    let scores = metadata.numbers("tokenizer.ggml.scores")?.ok_or_else(|| {
        unusable(
            "`tokenizer.ggml.scores` is missing; the file is damaged, convert or download it again",
        )
    })?;
    same_length("tokenizer.ggml.scores", scores.len(), tokens.written.len())?;
    let puts_space_first = metadata
        .flag("tokenizer.ggml.add_space_prefix")?
        .unwrap_or(true);
    let unknown = metadata
        .token("tokenizer.ggml.unknown_token_id", tokens.written.len())?
        .or_else(|| tokens.id("<unk>"));
    let mut entries = Vec::with_capacity(tokens.written.len());
    let mut pieces = Vec::new();
    let mut bytes = [None; 256];
    for ((token, written), score) in tokens.iter().zip(&scores) {
        let kind = tokens.kind(token, written);
        let stands_for = match kind {
            Kind::Text | Kind::Added => written.replace(SPACE, " ").into_bytes(),
            Kind::Byte => {
                let byte = byte(written).ok_or_else(|| {
                    unusable(format!(
                        "token {token} is a byte and is written `{written}`, not `<0x..>`; the \
                         file is damaged, convert or download it again"
                    ))
                })?;
                if let Some(slot) = bytes.get_mut(usize::from(byte)) {
                    *slot = Some(token);
                }
                vec![byte]
            }
            Kind::Special | Kind::Unused => written.as_bytes().to_vec(),
        };
        if matches!(kind, Kind::Text | Kind::Added) {
            pieces.push((written.to_owned(), token, *score));
        }
        entries.push(Entry {
            bytes: stands_for,
            kind,
        });
    }
    // A vocabulary without byte tokens may still have some of them as pieces.
    for (byte, slot) in (0..128_u8).zip(&mut bytes) {
        let as_piece = || tokens.id(char::from(byte).encode_utf8(&mut [0; 4]));
        *slot = slot.or_else(as_piece);
    }
    let model = SentencePiece::new(pieces.into_iter(), &bytes, unknown, puts_space_first)?;
    tokens.finish(
        metadata,
        entries,
        Model::SentencePiece(Box::new(model)),
        true,
    )
}

/// What a file calls the type of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// The tokens as they are written in the file, with the types that it gives them.
struct Tokens<'c> {
    written: Vec<&'c str>,
    codes: Option<Vec<Code>>,
    ids: HashMap<&'c str, u32>,
}

impl<'c> Tokens<'c> {
    fn read(metadata: &Metadata<'c>) -> Result<Self, InferError> {
        let written = metadata.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
        if written.is_empty() || written.len() > MOST_TOKENS {
            return Err(unusable(format!(
                "`tokenizer.ggml.tokens` has {} tokens, and 1 to {MOST_TOKENS} are possible; use a \
                 GGUF file that carries its tokenizer",
                written.len()
            )));
        }
        let mut ids = HashMap::with_capacity(written.len());
        for (token, text) in (0..).zip(&written) {
            if text.is_empty() {
                continue;
            }
            if let Some(first) = ids.insert(*text, token) {
                return Err(unusable(format!(
                    "tokens {first} and {token} are both `{text}`; the file is damaged, convert or \
                     download it again"
                )));
            }
        }
        let codes = metadata.wholes("tokenizer.ggml.token_type")?;
        if let Some(codes) = &codes {
            same_length("tokenizer.ggml.token_type", codes.len(), written.len())?;
        }
        let codes = codes.map(|codes| {
            codes
                .into_iter()
                .map(|code| match code {
                    2 => Code::Unknown,
                    3 => Code::Control,
                    4 => Code::UserDefined,
                    5 => Code::Unused,
                    6 => Code::Byte,
                    _ => Code::Normal,
                })
                .collect()
        });
        Ok(Self {
            written,
            codes,
            ids,
        })
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &'c str)> {
        (0..).zip(self.written.iter().copied())
    }

    fn id(&self, written: &str) -> Option<u32> {
        self.ids.get(written).copied()
    }

    fn code(&self, token: u32) -> Option<Code> {
        self.codes.as_ref()?.get(token as usize).copied()
    }

    fn kind(&self, token: u32, written: &str) -> Kind {
        if written.is_empty() {
            return Kind::Unused;
        }
        let code = self.code(token);
        match code {
            Some(Code::Unused) => Kind::Unused,
            Some(Code::Byte) => Kind::Byte,
            Some(Code::Unknown | Code::Control) => Kind::Special,
            _ if ends::looks_special(written) => Kind::Special,
            Some(Code::UserDefined) => Kind::Added,
            Some(Code::Normal) => Kind::Text,
            None if byte(written).is_some() => Kind::Byte,
            None if matches!(written, "<unk>" | "<s>" | "</s>") => Kind::Special,
            None => Kind::Text,
        }
    }

    /// Puts the tokenizer together, with the tokens that begin and end.
    fn finish(
        self,
        metadata: &Metadata,
        entries: Vec<Entry>,
        model: Model,
        begins: bool,
    ) -> Result<Tokenizer, InferError> {
        let is_sentencepiece = matches!(model, Model::SentencePiece(_));
        let named = |key: &str, default: &str| {
            let named = metadata.token(key, self.written.len())?;
            Ok::<_, InferError>(named.or_else(|| {
                let special = |token: &u32| {
                    entries
                        .get(*token as usize)
                        .is_some_and(|entry| entry.kind == Kind::Special)
                };
                self.id(default)
                    .filter(|token| is_sentencepiece && special(token))
            }))
        };
        let begin = named("tokenizer.ggml.bos_token_id", "<s>")?;
        let end = named("tokenizer.ggml.eos_token_id", "</s>")?;
        let others = [
            named("tokenizer.ggml.eot_token_id", "")?,
            named("tokenizer.ggml.eom_token_id", "")?,
        ];
        let begin = match metadata.flag("tokenizer.ggml.add_bos_token")? {
            Some(true) if begin.is_none() => {
                return Err(unusable(
                    "`tokenizer.ggml.add_bos_token` is set and `tokenizer.ggml.bos_token_id` is \
                     missing; the file is damaged, convert or download it again",
                ));
            }
            flag => begin.filter(|_| flag.unwrap_or(begins)),
        };
        // Phi-3 swallows white space after its special tokens; nothing in the file says so.
        let name = metadata.text("general.name")?.unwrap_or_default();
        let name = name.to_lowercase();
        let swallows = |written: &str| {
            (name.contains("phi-3") || name.contains("phi3"))
                && !matches!(written, "<unk>" | "<s>" | "<|endoftext|>")
        };
        let mut markers = Vec::new();
        for ((token, written), entry) in self.iter().zip(&entries) {
            let mut marker = match entry.kind {
                Kind::Special => Marker::new(token, written, true),
                Kind::Added => {
                    let text = String::from_utf8_lossy(&entry.bytes).into_owned();
                    Marker::new(token, text, ends::lays_out(written))
                }
                Kind::Text | Kind::Byte | Kind::Unused => continue,
            };
            marker.strips_right = entry.kind == Kind::Special && swallows(written);
            markers.push(marker);
        }
        let special: Vec<(u32, &str)> = self
            .iter()
            .zip(&entries)
            .filter(|(_, entry)| entry.kind == Kind::Special)
            .map(|(token, _)| token)
            .collect();
        let ends = ends::all([end].into_iter().chain(others).flatten(), &special);
        let markers = Markers::new(markers)?;
        let vocabulary = Vocabulary::new(entries);
        Ok(Tokenizer::new(vocabulary, markers, model, begin, ends))
    }
}

fn pairs(merges: &[&str]) -> Result<Vec<(String, String)>, InferError> {
    merges
        .iter()
        .map(|merge| {
            // The first letter may itself be a space.
            let first = merge.chars().next().map_or(0, char::len_utf8);
            let at = merge.get(first..).and_then(|rest| rest.find(' '));
            let parts =
                at.and_then(|at| Some((merge.get(..first + at)?, merge.get(first + at + 1..)?)));
            match parts {
                Some((left, right)) if !right.is_empty() => Ok((left.to_owned(), right.to_owned())),
                _ => Err(unusable(format!(
                    "`tokenizer.ggml.merges` has `{merge}`, which is not two tokens; the file is \
                     damaged, convert or download it again"
                ))),
            }
        })
        .collect()
}

fn byte(written: &str) -> Option<u8> {
    let digits = written.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

fn same_length(key: &str, len: usize, tokens: usize) -> Result<(), InferError> {
    if len == tokens {
        return Ok(());
    }
    Err(unusable(format!(
        "`{key}` has {len} entries for {tokens} tokens; the file is damaged, convert or download \
         it again"
    )))
}
