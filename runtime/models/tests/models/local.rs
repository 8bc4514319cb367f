//! The local engine on a small model with random weights: everything but sense.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use ropewalk_core::message::{
    ChatReply, ChatRequest, Delta, FinishReason, Grammar, Message, Sampling,
};
use ropewalk_core::tool::{ToolHints, ToolSpec};
use ropewalk_infer::chat::family::family_template;
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::{FloatType, Quant};
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use ropewalk_models::choose::LocalConfig;
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::local::Local;
use serde_json::{Value, json};

/// A model of each family, made once.
fn file(architecture: Architecture, template: &str) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().unwrap());
    let path = folder.path().join(format!("{}.gguf", architecture.name()));
    static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _making = MAKING.lock().unwrap();
    if !path.exists() {
        TinyModel::new(Shape::tiny(architecture))
            .with_chat_template(family_template(template).unwrap())
            .write_gguf(&path, Quant::Q8_0)
            .unwrap();
    }
    path
}

fn qwen(config: LocalConfig) -> Local {
    Local::open(&file(Architecture::Qwen3, "qwen3"), &config).unwrap()
}

fn small() -> LocalConfig {
    LocalConfig {
        context_tokens: Some(4096),
        cache_mib: Some(64),
        ..LocalConfig::default()
    }
}

fn asked(text: &str, most: u32) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::User {
            text: text.to_owned(),
        }],
        sampling: Sampling {
            max_tokens: Some(most),
            ..Sampling::default()
        },
        thinking: Some(false),
        ..ChatRequest::default()
    }
}

async fn reply(engine: &Local, request: ChatRequest) -> ChatReply {
    engine.chat(request, DeltaSink::none()).await.unwrap()
}

fn weather() -> ToolSpec {
    ToolSpec {
        name: "weather__now".to_owned(),
        description: "The weather of a city.".to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "unit": {"enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": false,
        }),
        output_schema: None,
        hints: ToolHints::default(),
    }
}

#[tokio::test]
async fn every_family_writes_the_same_reply_twice() {
    let families = [
        (Architecture::Llama, "llama3"),
        (Architecture::Qwen2, "chatml"),
        (Architecture::Qwen3, "qwen3"),
        (Architecture::Gemma3, "gemma3"),
        (Architecture::Phi3, "phi4"),
    ];
    for (architecture, template) in families {
        let engine = Local::open(&file(architecture, template), &small()).unwrap();
        let first = reply(&engine, asked("What is a rope?", 24)).await;
        let second = reply(&engine, asked("What is a rope?", 24)).await;
        assert!(first.usage.output_tokens > 0 && first.usage.output_tokens <= 24);
        assert_eq!(first.text, second.text, "{architecture:?}");
        assert_eq!(first.usage.cached_tokens, 0);
        assert_eq!(
            second.usage.cached_tokens,
            second.usage.input_tokens - 1,
            "{architecture:?}: the prompt was read before"
        );
    }
}

#[tokio::test]
async fn a_folder_with_safetensors_says_what_the_gguf_of_the_same_weights_says() {
    let folder = tempfile::tempdir().unwrap();
    for (architecture, template) in [
        (Architecture::Llama, "llama3"),
        (Architecture::Qwen3, "qwen3"),
        (Architecture::Gemma3, "gemma3"),
        (Architecture::Phi3, "phi4"),
    ] {
        let model = TinyModel::new(Shape::tiny(architecture))
            .with_chat_template(family_template(template).unwrap());
        let gguf = folder.path().join(format!("{}.gguf", architecture.name()));
        let hub = folder.path().join(architecture.name());
        model.write_gguf(&gguf, Quant::F32).unwrap();
        model.write_folder(&hub, FloatType::F32).unwrap();
        let mut texts = Vec::new();
        for path in [gguf, hub] {
            let engine = Local::open(&path, &small()).unwrap();
            texts.push(
                reply(&engine, asked("Which strands are laid?", 12))
                    .await
                    .text,
            );
        }
        assert_eq!(texts[0], texts[1], "{architecture:?}");
    }
}

#[tokio::test]
async fn deltas_are_the_reply_and_usage_is_counted() {
    let engine = qwen(small());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let request = asked("Count.", 30);
    let counted = engine.count(&request);
    let reply = engine.chat(request, DeltaSink::new(sender)).await.unwrap();
    let mut text = String::new();
    while let Ok(delta) = receiver.try_recv() {
        if let Delta::Text { text: more } = delta {
            text.push_str(&more);
        }
    }
    assert_eq!(text, reply.text);
    assert!(counted.exact);
    assert_eq!(counted.tokens, reply.usage.input_tokens);
}

#[tokio::test]
async fn hot_sampling_cannot_break_a_schema_a_pattern_or_a_call() {
    let engine = qwen(small());
    let schema = json!({
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "score": {"type": "integer", "minimum": 0, "maximum": 10},
        },
        "required": ["title", "tags", "score"],
        "additionalProperties": false,
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    for seed in 0..12 {
        let mut request = asked("Describe it.", 300);
        request.sampling.temperature = Some(1.5);
        request.sampling.seed = Some(seed);
        request.response_schema = Some(schema.clone());
        let held = reply(&engine, request.clone()).await;
        let value: Value = serde_json::from_str(&held.text).expect(&held.text);
        assert!(validator.is_valid(&value), "{}", held.text);
        request.response_schema = None;
        request.grammar = Some(Grammar::Regex("[a-f]{3}-[0-9]{2}".to_owned()));
        let held = reply(&engine, request.clone()).await.text;
        assert!(held.len() == 6 && held.as_bytes()[3] == b'-', "{held}");
        let lark = "start: greeting \" \" NAME\ngreeting: \"Hello\" | \"Goodbye\"\nNAME: /[A-Z][a-z]{2,6}/";
        request.grammar = Some(Grammar::Lark(lark.to_owned()));
        let held = reply(&engine, request.clone()).await.text;
        let (greeting, name) = held.split_once(' ').unwrap();
        assert!(matches!(greeting, "Hello" | "Goodbye"), "{held}");
        assert!((3..=7).contains(&name.len()), "{held}");
        request.grammar = None;
        request.tools = vec![weather()];
        request.sampling.max_tokens = Some(250);
        let held = reply(&engine, request).await;
        for call in &held.calls {
            assert_eq!(call.name, "weather__now");
            let arguments = jsonschema::validator_for(&weather().input_schema).unwrap();
            assert!(arguments.is_valid(&call.arguments), "{call:?}");
        }
    }
}

#[tokio::test]
async fn the_same_seed_writes_the_same_and_another_does_not() {
    let engine = qwen(small());
    let with = |seed| {
        let mut request = asked("Say something.", 40);
        request.sampling.temperature = Some(1.0);
        request.sampling.seed = Some(seed);
        request
    };
    let one = reply(&engine, with(1)).await.text;
    assert_eq!(one, reply(&engine, with(1)).await.text);
    assert_ne!(one, reply(&engine, with(2)).await.text);
}

#[tokio::test]
async fn logprobs_and_stop_texts() {
    let engine = qwen(small());
    let mut request = asked("Say something.", 40);
    request.sampling.logprobs = Some(3);
    let whole = reply(&engine, request.clone()).await;
    assert_eq!(whole.logprobs.len() as u64, whole.usage.output_tokens);
    for token in &whole.logprobs {
        assert!(token.logprob <= 0.0 && token.top.len() == 3, "{token:?}");
        assert_eq!(token.top[0].0, token.token, "greedy takes the likeliest");
    }
    let middle: String = whole.text.chars().skip(5).take(3).collect();
    request.sampling.stop = vec![middle.clone()];
    let cut = reply(&engine, request).await;
    assert_eq!(cut.finish, FinishReason::Stop);
    let before = whole.text.split(&middle).next().unwrap();
    assert_eq!(cut.text, before.trim_end());
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_cancelled_request_leaves_the_others_exact() {
    let engine = Arc::new(qwen(LocalConfig {
        queue: Some(16),
        parallel: Some(4),
        ..small()
    }));
    let question = |number: usize| asked(&format!("Question number {number}, please."), 32);
    let mut alone = Vec::new();
    for number in 0..50 {
        alone.push(reply(&engine, question(number)).await.text);
    }
    // Four that no end of turn can end take all places.
    let mut long = Vec::new();
    for _ in 0..4 {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let other = Arc::clone(&engine);
        let mut request = asked("A long one.", 2000);
        request.sampling.temperature = Some(1.0);
        request.grammar = Some(Grammar::Regex("[a-f]{1900}".to_owned()));
        long.push(tokio::spawn(async move {
            other.chat(request, DeltaSink::new(sender)).await
        }));
        receiver.recv().await.unwrap();
    }
    let mut replies: FuturesUnordered<_> = (0..50)
        .map(|number| {
            let engine = Arc::clone(&engine);
            async move {
                let reply = engine.chat(question(number), DeltaSink::none()).await;
                (number, reply)
            }
        })
        .collect();
    let (mut refused, mut answered) = (0, 0);
    while let Some((number, reply)) = replies.next().await {
        match reply {
            Ok(reply) => {
                answered += 1;
                assert_eq!(reply.text, alone[number], "question {number}");
                // The last of the long ones is cancelled while others are written beside it.
                long.drain(..).for_each(|long| long.abort());
            }
            Err(EngineError::Busy { message, .. }) => {
                refused += 1;
                assert!(message.contains("queue holds 16"), "{message}");
                if refused == 34 {
                    long.drain(1..).for_each(|long| long.abort());
                }
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((answered, refused), (16, 34));
    let stats = engine.stats();
    assert!(stats.cache.bytes <= stats.cache.most_bytes);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_numbers() {
    let engine = qwen(LocalConfig {
        context_tokens: Some(64),
        ..small()
    });
    let long = asked(&"many words ".repeat(200), 10);
    match engine.chat(long, DeltaSink::none()).await {
        Err(EngineError::TooLong {
            prompt: Some(prompt),
            context: Some(64),
            ..
        }) => assert!(prompt > 200),
        other => panic!("{other:?}"),
    }
    // A reply ends at the end of the context.
    let short = reply(&engine, asked("Hi", 500)).await;
    assert!(short.usage.input_tokens + short.usage.output_tokens <= 64);
    assert_eq!(short.finish, FinishReason::Length);
    let mut wrong = asked("Hi", 10);
    wrong.grammar = Some(Grammar::Lark("start: nothing_of_this_name".to_owned()));
    let error = engine.chat(wrong, DeltaSink::none()).await.unwrap_err();
    assert!(matches!(error, EngineError::BadRequest { .. }), "{error}");
}

#[tokio::test]
async fn a_schema_that_cannot_be_enforced_is_checked_and_asked_for_again() {
    let engine = qwen(small());
    let mut request = asked("Give me JSON.", 60);
    // What can be enforced of it is an array of ones, at least two; that they differ is checked
    // afterwards, and never true.
    request.response_schema = Some(json!({
        "type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 2, "uniqueItems": true,
    }));
    let prompt = engine.count(&request).tokens;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let held = engine.chat(request, DeltaSink::new(sender)).await.unwrap();
    assert_eq!(held.text, "[1, 1]");
    assert!(
        held.usage.input_tokens > 3 * prompt,
        "three attempts, each with what was wrong before: {:?} for prompts of {prompt}",
        held.usage
    );
    let mut shown = String::new();
    while let Ok(delta) = receiver.try_recv() {
        if let Delta::Text { text } = delta {
            shown.push_str(&text);
        }
    }
    assert_eq!(shown, held.text, "rejected attempts are not shown");
}

#[tokio::test]
async fn replies_that_give_way_for_memory_come_to_the_same_end() {
    let alone = qwen(small());
    // Half a thousand tokens for four replies of some three hundred each.
    let crowded = Arc::new(qwen(LocalConfig {
        cache_mib: Some(1),
        parallel: Some(4),
        ..small()
    }));
    let question = |number: usize| asked(&format!("Tell story number {number}."), 260);
    let all = join_all((0..6).map(|number| {
        let engine = Arc::clone(&crowded);
        async move { reply(&engine, question(number)).await }
    }));
    for (number, reply_there) in all.await.into_iter().enumerate() {
        let here = reply(&alone, question(number)).await;
        assert_eq!(here.text, reply_there.text, "story {number}");
        assert_eq!(here.usage.output_tokens, reply_there.usage.output_tokens);
    }
    let stats = crowded.stats();
    assert!(
        stats.given_way > 0,
        "memory was too little for all: {stats:?}"
    );
    assert!(stats.cache.bytes <= stats.cache.most_bytes);
}

#[test]
fn files_that_are_no_models_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(file(Architecture::Qwen3, "qwen3")).unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Local::open(&path, &small()).unwrap_err().to_string()
    };
    for (name, bytes, says) in [
        ("empty.gguf", &b""[..], "does not begin as a GGUF file"),
        (
            "magic.gguf",
            &b"GGML and more"[..],
            "does not begin as a GGUF file",
        ),
        ("short.gguf", &good[..good.len() / 2], "cut short"),
        ("header.gguf", &good[..200], "header cannot be read"),
    ] {
        let error = refused(name, bytes);
        assert!(
            error.contains(says) && error.contains(name),
            "{name}: {error}"
        );
    }
    let at = good.windows(5).position(|bytes| bytes == b"qwen3").unwrap();
    let mut other = good.clone();
    other[at..at + 5].copy_from_slice(b"qwenX");
    let error = refused("family.gguf", &other);
    assert!(
        error.contains("`qwenX` cannot be run") && error.contains("gemma3"),
        "{error}"
    );
    let key = b"tokenizer.chat_template";
    let at = good
        .windows(key.len())
        .position(|bytes| bytes == key)
        .unwrap();
    let mut other = good.clone();
    other[at..at + key.len()].copy_from_slice(b"tokenizer.chat_somethin");
    let error = refused("template.gguf", &other);
    assert!(
        error.contains("has none") && error.contains("`template` under [engine]"),
        "{error}"
    );
    let missing = Local::open(&folder.path().join("none.gguf"), &small()).unwrap_err();
    assert!(missing.to_string().contains("no such file"), "{missing}");
    let empty = Local::open(folder.path(), &small()).unwrap_err();
    assert!(empty.to_string().contains("config.json"), "{empty}");
}
