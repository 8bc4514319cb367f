//! Reads a model folder, or the shipped model, into weights; and writes the shipped form.
//!
//! A folder is what the Hugging Face hub holds: `config.json`, `tokenizer.json`,
//! `model.safetensors`, and optionally `1_Pooling/config.json` and `sentence_bert_config.json`.
//! The shipped form is a GGUF with the same tensor names: matrices as Q8_0, the rest as f32.

use std::collections::HashMap;
use std::io::{Cursor, Read, Seek, Write};
use std::path::Path;

use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::bert::{BLOCK, Bert, EmbeddingTable, Layer, Linear, Pooling, Shape};
use crate::error::EmbedError;
use crate::kernels::LayerNorm;

/// A model as it was read.
pub(crate) struct Loaded {
    pub(crate) bert: Bert,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) max_tokens: usize,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    vocab_size: usize,
    #[serde(default = "default_eps")]
    layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: usize,
    #[serde(default = "default_activation")]
    hidden_act: String,
}

fn default_eps() -> f64 {
    1e-12
}

fn default_activation() -> String {
    "gelu".to_owned()
}

#[derive(Deserialize, Default)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
}

#[derive(Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

/// Tensors by name, whatever file they came from.
struct Weights {
    tensors: HashMap<String, QTensor>,
    /// Some exports put every name below `bert.` or `roberta.`.
    prefix: &'static str,
}

/// The model compiled into the program.
pub(crate) fn shipped() -> Result<Loaded, EmbedError> {
    const CONFIG: &str = include_str!("../../../models/all-MiniLM-L6-v2/config.json");
    const TOKENIZER: &[u8] = include_bytes!("../../../models/all-MiniLM-L6-v2/tokenizer.json");
    const WEIGHTS: &[u8] = include_bytes!("../../../models/all-MiniLM-L6-v2/model-q8_0.gguf");
    let name = "the shipped all-MiniLM-L6-v2";
    let config = parse::<Config>(name, CONFIG)?;
    let weights = Weights::from_gguf(name, &mut Cursor::new(WEIGHTS))?;
    let tokenizer = parse_tokenizer(name, TOKENIZER)?;
    let bert = build(name, &config, weights, Pooling::Mean)?;
    // 256 is upstream's own limit (sentence_bert_config.json).
    Ok(Loaded {
        bert,
        tokenizer,
        max_tokens: 256,
    })
}

/// A model from a folder.
pub(crate) fn open(folder: &Path) -> Result<Loaded, EmbedError> {
    let config_path = folder.join("config.json");
    let config = parse::<Config>(&shown(&config_path), &read_text(&config_path)?)?;
    let tokenizer_path = folder.join("tokenizer.json");
    let tokenizer = parse_tokenizer(&shown(&tokenizer_path), &read_bytes(&tokenizer_path)?)?;
    let weights_path = folder.join("model.safetensors");
    let weights = Weights::from_safetensors(&shown(&weights_path), &read_bytes(&weights_path)?)?;
    let pooling_path = folder.join("1_Pooling/config.json");
    let pooling = if pooling_path.exists() {
        parse::<PoolingConfig>(&shown(&pooling_path), &read_text(&pooling_path)?)?
    } else {
        PoolingConfig::default()
    };
    let pooling = if pooling.pooling_mode_cls_token {
        Pooling::First
    } else {
        Pooling::Mean
    };
    let bert = build(&shown(&config_path), &config, weights, pooling)?;
    let sentence_path = folder.join("sentence_bert_config.json");
    let stated = if sentence_path.exists() {
        parse::<SentenceConfig>(&shown(&sentence_path), &read_text(&sentence_path)?)?.max_seq_length
    } else {
        None
    };
    let limit = bert.shape.positions - bert.shape.first_position;
    Ok(Loaded {
        bert,
        tokenizer,
        max_tokens: stated.unwrap_or(limit).clamp(2, limit),
    })
}

/// Writes the shipped form of a safetensors file: matrices as Q8_0, the rest as f32, to `out`.
///
/// # Errors
/// When the input is not a safetensors file or candle cannot quantise or write it.
pub fn write_quantised(
    safetensors: &[u8],
    out: &mut (impl Write + Seek),
) -> Result<(), EmbedError> {
    let weights = Weights::from_safetensors("the input", safetensors)?;
    let mut names: Vec<&String> = weights.tensors.keys().collect();
    names.sort();
    let tensors: Vec<(&str, &QTensor)> = names
        .into_iter()
        .filter_map(|name| {
            weights
                .tensors
                .get(name)
                .map(|tensor| (name.as_str(), tensor))
        })
        .collect();
    gguf_file::write(out, &[], &tensors)?;
    Ok(())
}

fn build(
    path: &str,
    config: &Config,
    mut weights: Weights,
    pooling: Pooling,
) -> Result<Bert, EmbedError> {
    let malformed = |message: String| EmbedError::Malformed {
        path: path.to_owned(),
        expected: "configuration",
        message,
    };
    let first_position = match config.model_type.as_str() {
        "bert" | "" => 0,
        "roberta" | "xlm-roberta" => config.pad_token_id + 1,
        other => {
            return Err(EmbedError::Architecture {
                path: path.to_owned(),
                model_type: other.to_owned(),
            });
        }
    };
    if config.hidden_act != "gelu" {
        return Err(malformed(format!(
            "activation `{}`; only gelu is known",
            config.hidden_act
        )));
    }
    let hidden = config.hidden_size;
    if hidden == 0
        || !hidden.is_multiple_of(BLOCK)
        || config.num_attention_heads == 0
        || !hidden.is_multiple_of(config.num_attention_heads)
        || !config.intermediate_size.is_multiple_of(BLOCK)
        || config.max_position_embeddings < first_position + 2
    {
        return Err(malformed(format!(
            "hidden size {hidden}, {} heads, inner size {}, {} positions do not fit together",
            config.num_attention_heads, config.intermediate_size, config.max_position_embeddings
        )));
    }
    let norm =
        |weights: &mut Weights, name: &str| weights.norm(name, hidden, config.layer_norm_eps);
    let words = weights.table(
        "embeddings.word_embeddings.weight",
        config.vocab_size,
        hidden,
    )?;
    let mut positions = weights.values(
        "embeddings.position_embeddings.weight",
        &[config.max_position_embeddings, hidden],
    )?;
    // A sentence is all of the first token type.
    let types = weights.first_row("embeddings.token_type_embeddings.weight", hidden)?;
    for row in positions.chunks_exact_mut(hidden) {
        for (value, kind) in row.iter_mut().zip(&types) {
            *value += kind;
        }
    }
    let embedding_norm = norm(&mut weights, "embeddings.LayerNorm")?;
    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for index in 0..config.num_hidden_layers {
        let at = |name: &str| format!("encoder.layer.{index}.{name}");
        layers.push(Layer {
            qkv: weights.fused(
                &[
                    &at("attention.self.query"),
                    &at("attention.self.key"),
                    &at("attention.self.value"),
                ],
                hidden,
                hidden,
            )?,
            attention_out: weights.linear(&at("attention.output.dense"), hidden, hidden)?,
            attention_norm: norm(&mut weights, &at("attention.output.LayerNorm"))?,
            up: weights.linear(&at("intermediate.dense"), config.intermediate_size, hidden)?,
            down: weights.linear(&at("output.dense"), hidden, config.intermediate_size)?,
            output_norm: norm(&mut weights, &at("output.LayerNorm"))?,
        });
    }
    let shape = Shape {
        hidden,
        heads: config.num_attention_heads,
        first_position,
        positions: config.max_position_embeddings,
        vocabulary: config.vocab_size,
    };
    Ok(Bert {
        shape,
        words,
        positions,
        embedding_norm,
        layers,
        pooling,
    })
}

impl Weights {
    fn from_gguf(path: &str, reader: &mut (impl Read + Seek)) -> Result<Self, EmbedError> {
        let malformed = |error: candle_core::Error| EmbedError::Malformed {
            path: path.to_owned(),
            expected: "GGUF file",
            message: error.to_string(),
        };
        let content = gguf_file::Content::read(reader).map_err(malformed)?;
        let mut tensors = HashMap::new();
        for name in content.tensor_infos.keys() {
            let tensor = content
                .tensor(reader, name, &Device::Cpu)
                .map_err(malformed)?;
            tensors.insert(name.clone(), tensor);
        }
        Ok(Self::named(tensors))
    }

    fn from_safetensors(path: &str, bytes: &[u8]) -> Result<Self, EmbedError> {
        let malformed = |message: String| EmbedError::Malformed {
            path: path.to_owned(),
            expected: "safetensors file",
            message,
        };
        let loaded = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
            .map_err(|error| malformed(error.to_string()))?;
        let mut tensors = HashMap::new();
        for (name, tensor) in loaded {
            // Integer buffers (position ids) are no weights.
            if !tensor.dtype().is_float() {
                continue;
            }
            let tensor = tensor.to_dtype(DType::F32)?;
            // Position and type tables are small and added in f32.
            let matrix = tensor.rank() == 2
                && tensor.dim(1)?.is_multiple_of(BLOCK)
                && !name.contains("position_embeddings")
                && !name.contains("token_type_embeddings");
            let dtype = if matrix {
                GgmlDType::Q8_0
            } else {
                GgmlDType::F32
            };
            tensors.insert(name, QTensor::quantize(&tensor, dtype)?);
        }
        Ok(Self::named(tensors))
    }

    fn named(tensors: HashMap<String, QTensor>) -> Self {
        let prefix = ["bert.", "roberta."]
            .into_iter()
            .find(|prefix| tensors.keys().any(|name| name.starts_with(prefix)))
            .unwrap_or_default();
        Self { tensors, prefix }
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<QTensor, EmbedError> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self
            .tensors
            .remove(&name)
            .ok_or_else(|| EmbedError::Weight {
                name: name.clone(),
                message: "is missing from the weights".to_owned(),
            })?;
        if tensor.shape().dims() == shape {
            Ok(tensor)
        } else {
            let message = format!("has shape {:?}, not {shape:?}", tensor.shape().dims());
            Err(EmbedError::Weight { name, message })
        }
    }

    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EmbedError> {
        let tensor = self.take(name, shape)?.dequantize(&Device::Cpu)?;
        Ok(tensor.flatten_all()?.to_vec1()?)
    }

    fn first_row(&mut self, name: &str, width: usize) -> Result<Vec<f32>, EmbedError> {
        let full = format!("{}{name}", self.prefix);
        let rows = self
            .tensors
            .get(&full)
            .and_then(|tensor| tensor.shape().dims().first().copied());
        let mut values = self.values(name, &[rows.unwrap_or_default(), width])?;
        values.truncate(width);
        Ok(values)
    }

    fn norm(&mut self, name: &str, width: usize, eps: f64) -> Result<LayerNorm, EmbedError> {
        // Checkpoints from before 2019 call them gamma and beta.
        let old = self
            .tensors
            .contains_key(&format!("{}{name}.gamma", self.prefix));
        let (weight, bias) = if old {
            ("gamma", "beta")
        } else {
            ("weight", "bias")
        };
        Ok(LayerNorm {
            weight: self.values(&format!("{name}.{weight}"), &[width])?,
            bias: self.values(&format!("{name}.{bias}"), &[width])?,
            eps: eps as f32,
        })
    }

    fn linear(&mut self, name: &str, rows: usize, width: usize) -> Result<Linear, EmbedError> {
        let weight = self.take(&format!("{name}.weight"), &[rows, width])?;
        let bias = self.values(&format!("{name}.bias"), &[rows])?;
        Linear::new(&weight.dequantize(&Device::Cpu)?, bias)
    }

    /// Several matrices with the same input as one, so that the input is quantised once.
    fn fused(&mut self, names: &[&str], rows: usize, width: usize) -> Result<Linear, EmbedError> {
        let mut parts = Vec::with_capacity(names.len());
        let mut bias = Vec::with_capacity(rows * names.len());
        for name in names {
            let weight = self.take(&format!("{name}.weight"), &[rows, width])?;
            parts.push(weight.dequantize(&Device::Cpu)?);
            bias.extend(self.values(&format!("{name}.bias"), &[rows])?);
        }
        Linear::new(&Tensor::cat(&parts, 0)?, bias)
    }

    fn table(
        &mut self,
        name: &str,
        rows: usize,
        hidden: usize,
    ) -> Result<EmbeddingTable, EmbedError> {
        let tensor = self.take(name, &[rows, hidden])?;
        Ok(EmbeddingTable {
            blocks: tensor.data()?.into_owned(),
            hidden,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> Result<T, EmbedError> {
    serde_json::from_str(text).map_err(|error| EmbedError::Malformed {
        path: path.to_owned(),
        expected: "configuration",
        message: error.to_string(),
    })
}

fn parse_tokenizer(path: &str, bytes: &[u8]) -> Result<Tokenizer, EmbedError> {
    let malformed = |message: String| EmbedError::Malformed {
        path: path.to_owned(),
        expected: "tokenizer",
        message,
    };
    let mut tokenizer =
        Tokenizer::from_bytes(bytes).map_err(|error| malformed(error.to_string()))?;
    // Sequences are packed and cut by the embedder itself.
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|error| malformed(error.to_string()))?;
    Ok(tokenizer)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, EmbedError> {
    std::fs::read(path).map_err(|source| EmbedError::Read {
        path: shown(path),
        source,
    })
}

fn read_text(path: &Path) -> Result<String, EmbedError> {
    std::fs::read_to_string(path).map_err(|source| EmbedError::Read {
        path: shown(path),
        source,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
