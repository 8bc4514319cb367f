//! The memory of the local engine over many requests. It stands alone: other tests in the same
//! process would be measured too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

use ropewalk_core::message::{ChatRequest, Message, Sampling};
use ropewalk_infer::chat::family::family_template;
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use ropewalk_models::choose::LocalConfig;
use ropewalk_models::engine::{DeltaSink, Engine};
use ropewalk_models::local::Local;
use serde_json::json;

const CACHE_MIB: u64 = 48;

/// Bytes of this process in memory; `None` where there is no `/proc`.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn request(number: usize) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::User {
            text: format!(
                "Question {number}: {}",
                "how are ropes laid? ".repeat(number % 40)
            ),
        }],
        sampling: Sampling {
            max_tokens: Some(12),
            temperature: Some(1.0),
            seed: Some(number as i64),
            ..Sampling::default()
        },
        response_schema: number
            .is_multiple_of(3)
            .then(|| json!({"type": "string", "maxLength": 8})),
        thinking: Some(false),
        ..ChatRequest::default()
    }
}

#[tokio::test]
async fn a_thousand_requests_take_no_more_than_weights_and_cache() {
    let Some(before) = resident() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    TinyModel::new(Shape::tiny(Architecture::Qwen3))
        .with_chat_template(family_template("qwen3").unwrap())
        .write_gguf(&path, Quant::Q8_0)
        .unwrap();
    let config = LocalConfig {
        cache_mib: Some(CACHE_MIB),
        context_tokens: Some(4096),
        ..LocalConfig::default()
    };
    let engine = Local::open(&path, &config).unwrap();
    // What the tokenizer, the grammars and the first requests need is there after a few.
    for number in 0..20 {
        let _ = engine
            .chat(request(number), DeltaSink::none())
            .await
            .unwrap();
    }
    let settled = resident().unwrap();
    let had = engine.stats().cache.bytes as u64;
    for number in 20..1_020 {
        let _ = engine
            .chat(request(number), DeltaSink::none())
            .await
            .unwrap();
    }
    let after = resident().unwrap();
    let cache = engine.stats().cache;
    let weights = engine.model().decoder.bytes() as u64;
    assert_eq!(cache.bytes, cache.most_bytes, "the cache was filled");
    // Beside the pages that came, nothing may stay: ten per cent of all that the engine may hold.
    let allowed = settled - had + cache.bytes as u64;
    let most = allowed + (weights + cache.most_bytes as u64) / 10;
    println!(
        "before {before}, settled {settled}, after {after}, weights {weights}, cache {}, most {most}",
        cache.bytes
    );
    assert!(
        after <= most,
        "{after} bytes after a thousand requests, {most} allowed"
    );
}
