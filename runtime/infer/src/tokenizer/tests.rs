use std::collections::HashMap;

use candle_core::quantized::gguf_file::{Content, Value as Gguf, VersionedMagic};
use serde_json::Value;

use super::*;

/// What llama.cpp makes of odd texts: see `tests/oracle/tokens.py`.
const ORACLE: &str = include_str!("../../tests/oracle/tokens.json");

fn oracle() -> Value {
    serde_json::from_str(ORACLE).unwrap()
}

fn gguf(metadata: &Value) -> Content {
    let value = |value: &Value| match value {
        Value::String(text) => Gguf::String(text.clone()),
        Value::Bool(flag) => Gguf::Bool(*flag),
        Value::Number(n) if n.is_f64() => Gguf::F32(n.as_f64().unwrap() as f32),
        Value::Number(n) => Gguf::I32(n.as_i64().unwrap() as i32),
        other => panic!("{other} in metadata"),
    };
    let metadata: HashMap<String, Gguf> = metadata
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, v)| {
            let read = match v {
                Value::Array(values) => Gguf::Array(values.iter().map(value).collect()),
                other => value(other),
            };
            (key.clone(), read)
        })
        .collect();
    Content {
        magic: VersionedMagic::GgufV3,
        metadata,
        tensor_infos: HashMap::new(),
        tensor_data_offset: 0,
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

/// Texts that we deliberately read differently from llama.cpp.
fn differs(run: &Value, text: &str, special: bool) -> bool {
    let pre = run["pre"].as_str().unwrap_or_default();
    // Markup of a conversation, which llama.cpp lets a user write.
    (!special && text.contains("<tool_call>"))
        // It tells case only for ASCII letters here, and white space only in ASCII there.
        || (matches!(pre, "tekken" | "gpt-4o") && text.chars().any(|c| !c.is_ascii()))
        || (pre.starts_with("deepseek-") && text.chars().any(|c| !c.is_ascii() && c.is_whitespace()))
}

#[test]
fn tokens_are_those_of_llama_cpp() {
    let oracle = oracle();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for run in oracle["runs"].as_array().unwrap() {
        let mut metadata = oracle[run["kind"].as_str().unwrap()].clone();
        if let Some(pre) = run.get("pre") {
            metadata["tokenizer.ggml.pre"] = pre.clone();
        }
        if let Some(prefix) = run.get("space_prefix") {
            metadata["tokenizer.ggml.add_space_prefix"] = prefix.clone();
        }
        let tokenizer = Tokenizer::from_gguf(&gguf(&metadata)).unwrap();
        for (at, text) in oracle["texts"].as_array().unwrap().iter().enumerate() {
            let text = text.as_str().unwrap();
            let plain = &run["plain"][at];
            for special in [false, true] {
                if differs(run, text, special) {
                    continue;
                }
                let expected = match run["special"].get(at.to_string()) {
                    Some(with) if special => ids(with),
                    _ => ids(plain),
                };
                let got = tokenizer.encode(text, special).unwrap();
                compared += 1;
                if got != expected {
                    let shown = |ids: &[u32]| -> Vec<String> {
                        ids.iter()
                            .map(|id| String::from_utf8_lossy(tokenizer.bytes(*id)).into_owned())
                            .collect()
                    };
                    wrong.push(format!(
                        "{} {special} {text:?}:\n  {:?}\n  {:?}",
                        run.get("pre").unwrap_or(&run["kind"]),
                        shown(&got),
                        shown(&expected)
                    ));
                }
            }
        }
    }
    assert!(compared > 1000);
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The small byte-level tokenizer of the oracle.
pub(crate) fn byte_level(pre: &str) -> Tokenizer {
    let mut metadata = oracle()["gpt2"].clone();
    metadata["tokenizer.ggml.pre"] = pre.into();
    Tokenizer::from_gguf(&gguf(&metadata)).unwrap()
}

/// The small SentencePiece tokenizer of the oracle.
pub(crate) fn sentencepiece() -> Tokenizer {
    Tokenizer::from_gguf(&gguf(&oracle()["llama"])).unwrap()
}
