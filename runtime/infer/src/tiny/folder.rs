//! The model as a folder in the layout of the Hugging Face hub.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::family::{Method, TokenKind};
use super::quant::FloatType;
use super::shape::{Architecture, Shape};
use super::tensors::{self, Tensor};
use super::vocabulary::{Vocabulary, byte_level};
use super::weights::Source;
use super::{TinyModel, at, write_error};
use crate::error::InferError;

/// As many numbers are made at once.
const PIECE: usize = 1 << 22;

/// Writes every file.
pub(super) fn write(
    model: &TinyModel,
    vocabulary: &Vocabulary,
    float: FloatType,
    folder: &Path,
) -> Result<(), InferError> {
    let ends = vocabulary.family.ends.iter();
    let ends: Vec<usize> = ends
        .map(|end| vocabulary.id(end))
        .collect::<Result<_, _>>()?;
    let ids = json!({
        "bos_token_id": vocabulary.id(vocabulary.family.begin)?,
        "eos_token_id": ends,
        "pad_token_id": vocabulary.id(vocabulary.family.pad)?,
    });
    let mut config = config(&model.shape, float);
    if let (Some(config), Some(ids)) = (config.as_object_mut(), ids.as_object()) {
        config.extend(ids.clone());
    }
    let files = [
        ("config.json", config),
        ("generation_config.json", ids),
        ("tokenizer.json", tokenizer(vocabulary)?),
        ("tokenizer_config.json", tokenizer_config(model, vocabulary)),
    ];
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::write(&path, format!("{content:#}\n"))
            .map_err(|error| write_error(&path, &error))?;
    }
    let path = folder.join("model.safetensors");
    write_weights(model, float, &path).map_err(|error| at(&path, super::MakeError::Io(error)))
}

fn write_weights(model: &TinyModel, float: FloatType, path: &Path) -> std::io::Result<()> {
    let list = tensors::of(&model.shape);
    let (size, name) = match float {
        FloatType::F32 => (4, "F32"),
        FloatType::F16 => (2, "F16"),
        FloatType::Bf16 => (2, "BF16"),
    };
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut offset = 0;
    for tensor in &list {
        let end = offset + tensor.rows * tensor.columns * size;
        let shape = if tensor.is_vector() {
            json!([tensor.columns])
        } else {
            json!([tensor.rows, tensor.columns])
        };
        let entry = json!({"dtype": name, "shape": shape, "data_offsets": [offset, end]});
        header.insert(tensor.hub.clone(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string();
    // The weights begin at a multiple of eight bytes.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for tensor in &list {
        write_tensor(tensor, model.seed, float, &mut out)?;
    }
    out.flush()
}

fn write_tensor(
    tensor: &Tensor,
    seed: u64,
    float: FloatType,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let source = Source::new(seed, &tensor.hub, tensor.values);
    let count = tensor.rows * tensor.columns;
    for start in (0..count).step_by(PIECE) {
        let places = start..(start + PIECE).min(count);
        let floats = places.into_par_iter().map(|place| source.at(place as u64));
        let bytes: Vec<u8> = match float {
            FloatType::F32 => floats.flat_map_iter(f32::to_le_bytes).collect(),
            FloatType::F16 => floats
                .flat_map_iter(|x| f16::from_f32(x).to_le_bytes())
                .collect(),
            FloatType::Bf16 => floats
                .flat_map_iter(|x| bf16::from_f32(x).to_le_bytes())
                .collect(),
        };
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn config(shape: &Shape, float: FloatType) -> Value {
    let (class, kind) = match shape.architecture {
        Architecture::Llama => ("LlamaForCausalLM", "llama"),
        Architecture::Qwen2 => ("Qwen2ForCausalLM", "qwen2"),
        Architecture::Qwen3 => ("Qwen3ForCausalLM", "qwen3"),
        Architecture::Gemma3 => ("Gemma3ForCausalLM", "gemma3_text"),
        Architecture::Phi3 => ("Phi3ForCausalLM", "phi3"),
    };
    let mut config = json!({
        "architectures": [class],
        "model_type": kind,
        "torch_dtype": match float {
            FloatType::F32 => "float32",
            FloatType::F16 => "float16",
            FloatType::Bf16 => "bfloat16",
        },
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": decimal(shape.rms_eps),
        "rope_theta": decimal(shape.rope_theta),
        "rope_scaling": null,
        "tie_word_embeddings": shape.tied,
        "attention_dropout": 0.0,
        "use_cache": true,
    });
    let more = match shape.architecture {
        Architecture::Llama => json!({
            "hidden_act": "silu",
            "attention_bias": false,
            "mlp_bias": false,
            "rope_scaling": shape.rope_scaling.map(|scaling| json!({
                "rope_type": "llama3",
                "factor": decimal(scaling.factor),
                "low_freq_factor": decimal(scaling.low_freq_factor),
                "high_freq_factor": decimal(scaling.high_freq_factor),
                "original_max_position_embeddings": scaling.original_context,
            })),
        }),
        Architecture::Qwen2 | Architecture::Qwen3 => json!({
            "hidden_act": "silu",
            "attention_bias": shape.architecture == Architecture::Qwen2,
            "use_sliding_window": false,
            "sliding_window": null,
            "max_window_layers": shape.layers,
        }),
        Architecture::Gemma3 => json!({
            "hidden_activation": "gelu_pytorch_tanh",
            "attention_bias": false,
            "query_pre_attn_scalar": shape.head_dim,
            "sliding_window": shape.sliding_window,
            "sliding_window_pattern": Shape::SLIDING_PERIOD,
            "rope_local_base_freq": decimal(Shape::LOCAL_ROPE_THETA),
            "attn_logit_softcapping": null,
            "final_logit_softcapping": null,
        }),
        Architecture::Phi3 => json!({
            "hidden_act": "silu",
            "attention_bias": false,
            "partial_rotary_factor": 1.0,
            "original_max_position_embeddings": shape.context,
            "sliding_window": null,
        }),
    };
    if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
        config.extend(more);
    }
    config
}

/// The shortest decimal that is this number: 1e-6 and not 9.999999974752427e-7.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

fn tokenizer(vocabulary: &Vocabulary) -> Result<Value, InferError> {
    let family = vocabulary.family;
    let pieces = family.method == Method::Pieces;
    let indexed = || vocabulary.tokens.iter().enumerate();
    let added = indexed().filter(|(_, token)| match token.kind {
        // The hub's files do not name spare rows at the end of the embeddings.
        TokenKind::Normal | TokenKind::Byte | TokenKind::Unused => false,
        TokenKind::Unknown | TokenKind::Control | TokenKind::UserDefined => true,
    });
    let added: Vec<Value> = added
        .map(|(id, token)| {
            let steers = matches!(token.kind, TokenKind::Control | TokenKind::Unknown);
            // Gemma's own file calls its spare tokens text.
            let special = steers && !token.text.starts_with("<unused");
            json!({
                "id": id, "content": token.text, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": special,
            })
        })
        .collect();
    let in_model = indexed().filter(|(_, token)| pieces || token.kind == TokenKind::Normal);
    let ids: Map<String, Value> = in_model
        .map(|(id, token)| (token.text.clone(), json!(id)))
        .collect();
    let begin = vocabulary.id(family.begin)?;
    let post_processor = if family.adds_begin {
        let begins = json!({"SpecialToken": {"id": family.begin, "type_id": 0}});
        json!({
            "type": "TemplateProcessing",
            "single": [begins, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                begins, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": family.begin, "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                family.begin: {"id": family.begin, "ids": [begin], "tokens": [family.begin]},
            },
        })
    } else {
        Value::Null
    };
    let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
    let (normalizer, pre_tokenizer, decoder, whole_words) = match family.method {
        Method::Bytes {
            pattern,
            whole_words,
            composed,
            ..
        } => (
            if composed {
                json!({"type": "NFC"})
            } else {
                Value::Null
            },
            byte_level(pattern),
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
                "use_regex": false}),
            whole_words,
        ),
        Method::Pieces => (
            replace(" ", "▁"),
            json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
                "invert": false}),
            json!({"type": "Sequence", "decoders": [
                replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
            ]}),
            false,
        ),
    };
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": pieces.then_some("<unk>"),
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": pieces,
            "byte_fallback": pieces,
            "ignore_merges": whole_words,
            "vocab": ids,
            "merges": vocabulary.merges,
        },
    }))
}

fn tokenizer_config(model: &TinyModel, vocabulary: &Vocabulary) -> Value {
    let family = vocabulary.family;
    json!({
        "tokenizer_class": match family.method {
            Method::Bytes { .. } => "PreTrainedTokenizerFast",
            Method::Pieces => "GemmaTokenizerFast",
        },
        "bos_token": family.begin,
        "eos_token": family.end,
        "pad_token": family.pad,
        "unk_token": (family.method == Method::Pieces).then_some("<unk>"),
        "add_bos_token": family.adds_begin,
        "add_eos_token": false,
        "clean_up_tokenization_spaces": false,
        "model_max_length": model.shape.context,
        "chat_template": model.chat_template,
    })
}
