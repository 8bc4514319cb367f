//! A folder as the Hugging Face hub has it: `config.json` and safetensors.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use candle_core::quantized::GgmlDType;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::Value;

use super::{Header, ModelFile, Place};
use crate::error::InferError;

/// Longest header of a safetensors file, in bytes.
const LONGEST_HEADER: u64 = 64 << 20;

/// A folder's `config.json`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The whole of it.
    pub json: Value,
}

/// Opens a folder.
pub(super) fn open(folder: &Path) -> Result<ModelFile, InferError> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|error| InferError::NotAModel {
        path: folder.to_owned(),
        message: format!(
            "a folder with a model has `config.json` and safetensors, and its `config.json` \
             cannot be read ({error}); for a GGUF model give the file itself"
        ),
    })?;
    let json: Value = serde_json::from_str(&text).map_err(|error| InferError::NotAModel {
        path: path.clone(),
        message: error.to_string(),
    })?;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| InferError::Read {
            path: folder.to_owned(),
            message: error.to_string(),
        })?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(InferError::NotAModel {
            path: folder.to_owned(),
            message: "there is no `.safetensors` file in it".to_owned(),
        });
    }
    let mut tensors = HashMap::new();
    let mut files = Vec::new();
    for path in paths {
        let file = add(&path, files.len(), &mut tensors)?;
        files.push((path, Mutex::new(file)));
    }
    Ok(ModelFile {
        path: folder.to_owned(),
        header: Header::Folder(Config { json }),
        tensors,
        files,
    })
}

fn add(
    path: &Path,
    number: usize,
    tensors: &mut HashMap<String, Place>,
) -> Result<File, InferError> {
    let damaged = |message: String| InferError::NotAModel {
        path: path.to_owned(),
        message,
    };
    let unreadable = |error: std::io::Error| InferError::Read {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|_| damaged("it is too short for a safetensors file".to_owned()))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER || length + 8 > size {
        return Err(damaged(
            "its header is longer than the file: it is no safetensors file, or cut short"
                .to_owned(),
        ));
    }
    let mut header = Vec::new();
    (&mut file)
        .take(length)
        .read_to_end(&mut header)
        .map_err(unreadable)?;
    // The crate's own reader wants the whole file in memory; this is its header's type.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| damaged(format!("its header cannot be read: {error}")))?;
    for (name, info) in metadata.tensors() {
        let Some(name) = gguf_name(&name) else {
            continue;
        };
        let dtype = match info.dtype {
            Dtype::F32 => GgmlDType::F32,
            Dtype::F16 => GgmlDType::F16,
            Dtype::BF16 => GgmlDType::BF16,
            other => {
                return Err(damaged(format!(
                    "the tensor `{name}` is {other:?}; f32, f16 and bf16 can be read: use a GGUF \
                     file for quantised weights"
                )));
            }
        };
        let place = Place {
            file: number,
            offset: 8 + length + info.data_offsets.0 as u64,
            dtype,
            shape: info.shape.clone(),
        };
        place.check(path, &name, size)?;
        tensors.insert(name, place);
    }
    Ok(file)
}

/// The GGUF name of a tensor of the hub; `None` for what is not used.
fn gguf_name(name: &str) -> Option<String> {
    // Models that also see images keep the language model apart.
    let name = name.strip_prefix("language_model.").unwrap_or(name);
    match name {
        "lm_head.weight" => return Some("output.weight".to_owned()),
        "model.embed_tokens.weight" => return Some("token_embd.weight".to_owned()),
        "model.norm.weight" => return Some("output_norm.weight".to_owned()),
        _ => {}
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (part, end) = part.rsplit_once('.')?;
    let part = match part {
        "input_layernorm" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" => "attn_qkv",
        "self_attn.o_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        // What follows attention is the norm before the feed-forward layer, unless that has a
        // name of its own (Gemma); `spec` knows which.
        "post_attention_layernorm" => "post_attention_layernorm",
        "pre_feedforward_layernorm" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" => "ffn_up",
        "mlp.gate_up_proj" => "ffn_gate_up",
        "mlp.down_proj" => "ffn_down",
        _ => return None,
    };
    Some(format!("blk.{layer}.{part}.{end}"))
}
