//! What a model's file says of itself, without the weights.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use serde::Serialize;
use serde_json::Value as Json;

use crate::error::InferError;

/// What a model's file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// What it calls itself.
    pub name: Option<String>,
    /// `llama`, `qwen3` ...
    pub architecture: String,
    /// How exact its weights are: `Q4_K_M`, `Q8_0`, `BF16` ...
    pub quantisation: String,
    /// Tokens of a conversation that it can follow.
    pub context_tokens: Option<u64>,
    /// Size of its weights on the disk.
    pub bytes: u64,
}

impl About {
    /// Reads the head of a GGUF file, or `config.json` of a folder with safetensors.
    ///
    /// # Errors
    /// What is not there, and what is no model.
    pub fn read(path: &Path) -> Result<Self, InferError> {
        if path.is_dir() {
            folder(path)
        } else {
            gguf(path)
        }
    }
}

fn gguf(path: &Path) -> Result<About, InferError> {
    let read = |error: std::io::Error| InferError::Read {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let file = File::open(path).map_err(read)?;
    let bytes = file.metadata().map_err(read)?.len();
    let content = Content::read(&mut BufReader::new(file)).map_err(|error| damaged(path, error))?;
    let text = |key: &str| match content.metadata.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let architecture = text("general.architecture")
        .ok_or_else(|| damaged(path, "it does not say its architecture"))?;
    let context = content
        .metadata
        .get(&format!("{architecture}.context_length"));
    let kind = content.metadata.get("general.file_type");
    let quantisation = kind.and_then(|kind| file_type(whole(kind)?));
    Ok(About {
        name: text("general.name"),
        quantisation: quantisation
            .map(str::to_owned)
            .unwrap_or_else(|| commonest(&content)),
        context_tokens: context.and_then(whole),
        architecture,
        bytes,
    })
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::U8(number) => Some((*number).into()),
        Value::U16(number) => Some((*number).into()),
        Value::U32(number) => Some((*number).into()),
        Value::U64(number) => Some(*number),
        Value::I32(number) => u64::try_from(*number).ok(),
        Value::I64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// The type that holds the most weights, for files that do not say what they are.
fn commonest(content: &Content) -> String {
    let mut weights: Vec<(String, usize)> = Vec::new();
    for tensor in content.tensor_infos.values() {
        let name = format!("{:?}", tensor.ggml_dtype);
        let count = tensor.shape.elem_count();
        match weights.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += count,
            None => weights.push((name, count)),
        }
    }
    let most = weights.into_iter().max_by_key(|&(_, count)| count);
    most.map_or_else(|| "unknown".to_owned(), |(name, _)| name)
}

/// Names of GGUF's `general.file_type`.
fn file_type(number: u64) -> Option<&'static str> {
    const NAMES: [(u64, &str); 31] = [
        (0, "F32"),
        (1, "F16"),
        (2, "Q4_0"),
        (3, "Q4_1"),
        (7, "Q8_0"),
        (8, "Q5_0"),
        (9, "Q5_1"),
        (10, "Q2_K"),
        (11, "Q3_K_S"),
        (12, "Q3_K_M"),
        (13, "Q3_K_L"),
        (14, "Q4_K_S"),
        (15, "Q4_K_M"),
        (16, "Q5_K_S"),
        (17, "Q5_K_M"),
        (18, "Q6_K"),
        (19, "IQ2_XXS"),
        (20, "IQ2_XS"),
        (21, "Q2_K_S"),
        (22, "IQ3_XS"),
        (23, "IQ3_XXS"),
        (24, "IQ1_S"),
        (25, "IQ4_NL"),
        (26, "IQ3_S"),
        (27, "IQ3_M"),
        (28, "IQ2_S"),
        (29, "IQ2_M"),
        (30, "IQ4_XS"),
        (31, "IQ1_M"),
        (32, "BF16"),
        (38, "MXFP4"),
    ];
    let found = NAMES.iter().find(|(known, _)| *known == number);
    found.map(|&(_, name)| name)
}

fn folder(path: &Path) -> Result<About, InferError> {
    let config = path.join("config.json");
    let read = |error: std::io::Error| InferError::Read {
        path: config.clone(),
        message: error.to_string(),
    };
    let text = std::fs::read(&config).map_err(read)?;
    let json: Json = serde_json::from_slice(&text).map_err(|error| damaged(&config, error))?;
    let said = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let architecture =
        said("model_type").ok_or_else(|| damaged(&config, "it does not say its `model_type`"))?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(read)?.flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|end| end == "safetensors")
        {
            bytes += entry.metadata().map_err(read)?.len();
        }
    }
    if bytes == 0 {
        return Err(damaged(path, "there are no `*.safetensors` in it"));
    }
    let float = said("torch_dtype").or_else(|| said("dtype"));
    Ok(About {
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned()),
        architecture,
        quantisation: match float.as_deref() {
            Some("bfloat16") => "BF16".to_owned(),
            Some("float16") => "F16".to_owned(),
            Some("float32") => "F32".to_owned(),
            Some(other) => other.to_owned(),
            None => "unknown".to_owned(),
        },
        context_tokens: json.get("max_position_embeddings").and_then(Json::as_u64),
        bytes,
    })
}

fn damaged(path: &Path, message: impl std::fmt::Display) -> InferError {
    InferError::NotAModel {
        path: path.to_owned(),
        message: message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::TinyModel;
    use crate::tiny::quant::{FloatType, Quant};
    use crate::tiny::shape::{Architecture, Shape};

    #[test]
    fn both_kinds_of_files_say_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let model = TinyModel::new(Shape::tiny(Architecture::Gemma3));
        let path = folder.path().join("model.gguf");
        model.write_gguf(&path, Quant::Q4KM).unwrap();
        let about = About::read(&path).unwrap();
        assert_eq!(about.name.as_deref(), Some("Tiny Gemma3"));
        assert_eq!(about.architecture, "gemma3");
        assert_eq!(about.quantisation, "Q4_K_M");
        assert_eq!(about.context_tokens, Some(32_768));
        assert_eq!(about.bytes, std::fs::metadata(&path).unwrap().len());

        let hub = folder.path().join("hub");
        model.write_folder(&hub, FloatType::Bf16).unwrap();
        let about = About::read(&hub).unwrap();
        assert_eq!(about.architecture, "gemma3_text");
        assert_eq!(about.quantisation, "BF16");
        assert_eq!(about.context_tokens, Some(32_768));
        assert!(about.bytes > 1_000_000);
    }

    #[test]
    fn what_is_no_model_is_said_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.gguf");
        for content in [
            &b""[..],
            b"GGUF",
            b"PK\x03\x04 a zip",
            b"GGUF\xff\xff\xff\xff",
        ] {
            std::fs::write(&path, content).unwrap();
            let error = About::read(&path).unwrap_err().to_string();
            assert!(error.contains("notes.gguf"), "{error}");
        }
        let error = About::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
        std::fs::write(
            folder.path().join("config.json"),
            "{\"model_type\": \"llama\"}",
        )
        .unwrap();
        let error = About::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("safetensors"), "{error}");
    }
}
