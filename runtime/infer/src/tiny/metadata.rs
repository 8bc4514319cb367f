//! What a GGUF file says about its model.

use super::TinyModel;
use super::family::Method;
use super::quant::Quant;
use super::shape::Architecture;
use super::vocabulary::Vocabulary;
use crate::error::InferError;

/// A value of a GGUF file, of the kinds that models need.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(u32),
    Float(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Kinds(Vec<i32>),
}

/// Keys and values in the order in which converters write them.
pub(super) fn of(
    model: &TinyModel,
    vocabulary: &Vocabulary,
    quant: Quant,
) -> Result<Vec<(String, Value)>, InferError> {
    let mut list = Metadata::default();
    let shape = &model.shape;
    let architecture = shape.architecture.name();
    list.text("general.architecture", architecture);
    list.text("general.type", "model");
    list.text("general.name", &shape.name);
    list.number("general.file_type", quant.file_type() as usize);
    list.number("general.quantization_version", 2);

    let key = |name: &str| format!("{architecture}.{name}");
    list.number(key("block_count"), shape.layers);
    list.number(key("context_length"), shape.context);
    list.number(key("embedding_length"), shape.hidden);
    list.number(key("feed_forward_length"), shape.ffn);
    list.number(key("attention.head_count"), shape.heads);
    list.number(key("attention.head_count_kv"), shape.kv_heads);
    list.number(key("attention.key_length"), shape.head_dim);
    list.number(key("attention.value_length"), shape.head_dim);
    list.float(key("attention.layer_norm_rms_epsilon"), shape.rms_eps);
    list.number(key("rope.dimension_count"), shape.head_dim);
    list.float(key("rope.freq_base"), shape.rope_theta);
    list.number(key("vocab_size"), shape.vocabulary);
    match shape.architecture {
        Architecture::Gemma3 => {
            list.number(key("attention.sliding_window"), shape.sliding_window);
        }
        Architecture::Phi3 => {
            list.number(key("rope.scaling.original_context_length"), shape.context);
        }
        _ => {}
    }
    tokenizer(model, vocabulary, &mut list)?;
    Ok(list.0)
}

fn tokenizer(
    model: &TinyModel,
    vocabulary: &Vocabulary,
    list: &mut Metadata,
) -> Result<(), InferError> {
    let family = vocabulary.family;
    match family.method {
        Method::Bytes { pre, .. } => {
            list.text("tokenizer.ggml.model", "gpt2");
            list.text("tokenizer.ggml.pre", pre);
        }
        Method::Pieces => {
            list.text("tokenizer.ggml.model", "llama");
            list.text("tokenizer.ggml.pre", "default");
            list.push("tokenizer.ggml.add_space_prefix", Value::Bool(false));
        }
    }
    let tokens = vocabulary.tokens.iter();
    let texts = tokens.clone().map(|token| token.text.clone());
    list.push("tokenizer.ggml.tokens", Value::Texts(texts.collect()));
    if let Some(scores) = &vocabulary.scores {
        list.push("tokenizer.ggml.scores", Value::Floats(scores.clone()));
    }
    let kinds = tokens.map(|token| token.kind as i32);
    list.push("tokenizer.ggml.token_type", Value::Kinds(kinds.collect()));
    if matches!(family.method, Method::Bytes { .. }) {
        let merges = vocabulary.merges.iter();
        let merges = merges.map(|(left, right)| format!("{left} {right}"));
        list.push("tokenizer.ggml.merges", Value::Texts(merges.collect()));
    } else {
        list.number("tokenizer.ggml.unknown_token_id", vocabulary.id("<unk>")?);
    }
    list.number("tokenizer.ggml.bos_token_id", vocabulary.id(family.begin)?);
    list.number("tokenizer.ggml.eos_token_id", vocabulary.id(family.end)?);
    list.number(
        "tokenizer.ggml.padding_token_id",
        vocabulary.id(family.pad)?,
    );
    list.push(
        "tokenizer.ggml.add_bos_token",
        Value::Bool(family.adds_begin),
    );
    list.text("tokenizer.chat_template", &model.chat_template);
    Ok(())
}

#[derive(Default)]
struct Metadata(Vec<(String, Value)>);

impl Metadata {
    fn push(&mut self, key: impl Into<String>, value: Value) {
        self.0.push((key.into(), value));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.push(key, Value::Text(text.to_owned()));
    }

    /// Sizes are checked to be far below what 32 bits hold.
    fn number(&mut self, key: impl Into<String>, number: usize) {
        self.push(
            key,
            Value::Number(u32::try_from(number).unwrap_or(u32::MAX)),
        );
    }

    fn float(&mut self, key: impl Into<String>, number: f32) {
        self.push(key, Value::Float(number));
    }
}
