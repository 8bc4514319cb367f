//! Tokens and merges, learnt from this repository's own documentation.
//!
//! A vocabulary of the size of a real model's is longer than what these pages teach. It goes on
//! with words that are put together from those learnt, each with the merge that makes it, as the
//! cost of a step depends on how many tokens there are and not on what they say.

use std::collections::HashSet;
use std::str::FromStr;

use serde_json::{Value, json};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::family::{self, Family, Method, TokenKind};
use super::shape::Shape;
use crate::error::InferError;

/// What the tokens are learnt from. Longer texts teach a tiny vocabulary nothing more.
const PAGES: [&str; 6] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../docs/checks.md"),
    include_str!("../../../../docs/concepts.md"),
    include_str!("../../../../docs/graphs.md"),
    include_str!("../../../../docs/patterns.md"),
    include_str!("../../../../docs/runs.md"),
];

/// One in so many tokens is a spare one, as in real vocabularies.
const SPARE_EVERY: usize = 512;

/// A word put together is no longer than this, in bytes.
const LONGEST_WORD: usize = 24;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// As files write it: bytes as printable characters, or `▁` for a space.
    pub(super) text: String,
    pub(super) kind: TokenKind,
}

/// A tokenizer's contents.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) family: &'static Family,
    /// The token of every id.
    pub(super) tokens: Vec<Token>,
    /// What is put together first, first.
    pub(super) merges: Vec<(String, String)>,
    /// How early a token is put together, where the family counts that by token and not by merge.
    pub(super) scores: Option<Vec<f32>>,
}

impl Vocabulary {
    /// # Errors
    /// A size that does not hold the bytes and the special tokens.
    pub(super) fn learn(shape: &Shape) -> Result<Self, InferError> {
        let family = family::of(shape.architecture);
        let size = shape.vocabulary;
        let spare = size / SPARE_EVERY;
        let bytes = match family.method {
            Method::Bytes { .. } => 0,
            Method::Pieces => 256,
        };
        let room = size.saturating_sub(family.special.len() + spare + bytes);
        if room < 300 {
            return Err(InferError::Shape {
                message: format!("a vocabulary of {size} tokens does not hold every byte"),
            });
        }
        let trained = train(family, room)?;
        let (texts, merges) = lengthened(trained, room)?;
        let special = family.special.iter().map(|&(text, kind)| Token {
            text: text.to_owned(),
            kind,
        });
        let (before, after, kind) = family.spare;
        let spare_token = |number: usize| Token {
            text: format!("{before}{number}{after}"),
            kind,
        };
        let normal = texts.into_iter().map(|text| Token {
            text,
            kind: TokenKind::Normal,
        });
        Ok(match family.method {
            Method::Bytes { .. } => Self {
                family,
                tokens: normal
                    .chain(special)
                    .chain((0..spare).map(spare_token))
                    .collect(),
                merges,
                scores: None,
            },
            Method::Pieces => {
                let byte = |byte: usize| Token {
                    text: format!("<0x{byte:02X}>"),
                    kind: TokenKind::Byte,
                };
                let before = special.chain((0..spare).map(spare_token));
                let tokens: Vec<Token> = before.chain((0..256).map(byte)).chain(normal).collect();
                scored(family, tokens, &merges)
            }
        })
    }

    /// The id of a special token.
    ///
    /// # Errors
    /// A token that the family does not have.
    pub(super) fn id(&self, text: &str) -> Result<usize, InferError> {
        let found = self.tokens.iter().position(|token| token.text == text);
        found.ok_or_else(|| tokenizer_error(format!("there is no token `{text}`")))
    }
}

/// Texts of the tokens, and the merges in order.
type Learnt = (Vec<String>, Vec<(String, String)>);

fn train(family: &Family, room: usize) -> Result<Learnt, InferError> {
    let (normalizer, pre_tokenizer, alphabet) = match family.method {
        Method::Bytes { pattern, .. } => (
            Value::Null,
            byte_level(pattern),
            ByteLevel::alphabet().into_iter().collect(),
        ),
        Method::Pieces => (
            json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
            json!({"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"String": "\n"}, "behavior": "Isolated", "invert": false},
                {"type": "Split", "pattern": {"String": "▁"}, "behavior": "MergedWithNext", "invert": false},
            ]}),
            HashSet::new(),
        ),
    };
    let empty = json!({
        "version": "1.0",
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    });
    let fails = |error: tokenizers::Error| tokenizer_error(error.to_string());
    let mut tokenizer = tokenizers::Tokenizer::from_str(&empty.to_string()).map_err(fails)?;
    let trainer = BpeTrainer::builder()
        .vocab_size(room)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(alphabet)
        .build();
    tokenizer
        .train(&mut TrainerWrapper::BpeTrainer(trainer), PAGES.into_iter())
        .map_err(fails)?;
    let mut vocabulary: Vec<(String, u32)> = tokenizer.get_vocab(false).into_iter().collect();
    vocabulary.sort_unstable_by_key(|&(_, id)| id);
    let texts = vocabulary.into_iter().map(|(text, _)| text).collect();
    let model = serde_json::to_value(tokenizer.get_model())
        .map_err(|error| tokenizer_error(error.to_string()))?;
    let merges = model.get("merges").cloned().unwrap_or_default();
    let merges =
        serde_json::from_value(merges).map_err(|error| tokenizer_error(error.to_string()))?;
    Ok((texts, merges))
}

/// What splits text into words of bytes.
pub(super) fn byte_level(pattern: &str) -> Value {
    json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
    ]})
}

/// Goes on with words put together from those learnt, until there are `room` tokens. Pairs are
/// taken by the sum of their ranks, the most frequent words first.
fn lengthened((mut texts, mut merges): Learnt, room: usize) -> Result<Learnt, InferError> {
    let mut missing = room.saturating_sub(texts.len());
    if missing == 0 {
        return Ok((texts, merges));
    }
    let letters = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let ends: Vec<String> = texts.iter().filter(|text| letters(text)).cloned().collect();
    let begins = texts.iter().filter(|text| {
        let word = text.trim_start_matches(['Ġ', '▁']);
        letters(word) && text.chars().count() <= word.len() + 1
    });
    let begins: Vec<String> = begins.cloned().collect();
    let mut known: HashSet<String> = texts.iter().cloned().collect();
    for sum in 0..begins.len() + ends.len() {
        let from = sum.saturating_sub(ends.len().saturating_sub(1));
        let pairs = begins.iter().enumerate().skip(from).take(sum + 1 - from);
        for (rank, begin) in pairs {
            let Some(end) = ends.get(sum - rank) else {
                continue;
            };
            let word = format!("{begin}{end}");
            if word.len() > LONGEST_WORD || known.contains(&word) {
                continue;
            }
            known.insert(word.clone());
            texts.push(word);
            merges.push((begin.clone(), end.clone()));
            missing -= 1;
            if missing == 0 {
                return Ok((texts, merges));
            }
        }
    }
    Err(tokenizer_error(format!(
        "{missing} of {room} tokens cannot be made from what was learnt"
    )))
}

/// Counts scores from the merges. A tokenizer that goes by scores joins any two neighbours whose
/// join is a token: for one that goes by merges, each way to split a token is one.
fn scored(family: &'static Family, tokens: Vec<Token>, learnt: &[(String, String)]) -> Vocabulary {
    let known: HashSet<&str> = tokens
        .iter()
        .filter(|token| token.kind == TokenKind::Normal)
        .map(|token| token.text.as_str())
        .collect();
    let mut merges = Vec::new();
    for (left, right) in learnt {
        let word = format!("{left}{right}");
        let splits = word
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| word.split_at_checked(at));
        let both = splits.filter(|(left, right)| known.contains(left) && known.contains(right));
        merges.extend(both.map(|(left, right)| (left.to_owned(), right.to_owned())));
    }
    let mut rank = 0.0;
    let scores = tokens.iter().map(|token| {
        // Single characters are never put together: their score says nothing.
        if token.kind != TokenKind::Normal {
            return 0.0;
        }
        rank += 1.0;
        -rank
    });
    let scores = scores.collect();
    Vocabulary {
        family,
        tokens,
        merges,
        scores: Some(scores),
    }
}

fn tokenizer_error(message: String) -> InferError {
    InferError::Tokenizer { message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::shape::Architecture;

    #[test]
    fn vocabularies_are_full_and_the_same_every_time() {
        for architecture in Architecture::ALL {
            let shape = Shape::tiny(architecture);
            let vocabulary = Vocabulary::learn(&shape).unwrap();
            assert_eq!(
                vocabulary.tokens.len(),
                shape.vocabulary,
                "{architecture:?}"
            );
            let texts: HashSet<&str> = vocabulary
                .tokens
                .iter()
                .map(|token| token.text.as_str())
                .collect();
            assert_eq!(texts.len(), shape.vocabulary);
            for (left, right) in &vocabulary.merges {
                assert!(texts.contains(format!("{left}{right}").as_str()));
            }
            let again = Vocabulary::learn(&shape).unwrap();
            assert_eq!(again.tokens, vocabulary.tokens);
            assert_eq!(again.merges, vocabulary.merges);
        }
    }

    #[test]
    fn a_vocabulary_of_a_real_model_is_filled_with_words() {
        let vocabulary = Vocabulary::learn(&Shape::qwen3_0_6b()).unwrap();
        assert_eq!(vocabulary.tokens.len(), 151_936);
        let texts: HashSet<&str> = vocabulary
            .tokens
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        assert_eq!(texts.len(), 151_936);
        assert!(vocabulary.merges.len() > 150_000);
    }

    #[test]
    fn a_vocabulary_without_room_for_every_byte_is_refused() {
        let mut shape = Shape::tiny(Architecture::Qwen3);
        shape.vocabulary = 256;
        let error = Vocabulary::learn(&shape).unwrap_err();
        assert!(error.to_string().contains("every byte"), "{error}");
    }
}
