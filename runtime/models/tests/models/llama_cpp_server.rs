//! The openai engine against a server that others wrote: llama-cpp-python's, with a tiny model of
//! random weights.
//!
//! It runs where a Python has `llama_cpp` with its server (`pip install 'llama-cpp-python[server]'`;
//! `ROPEWALK_PEER_PYTHON` names that Python, else `python3` is tried), and says so where none has.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ropewalk_core::message::{ChatReply, ChatRequest, FinishReason, Message, Sampling};
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{Dialect, OpenAi, OpenAiConfig};
use serde_json::{Value, json};

use crate::endpoint::{ask, listen, tool};

/// Tokens that the server gives the model.
const CONTEXT: u64 = 1_024;

/// A Python that can run the server.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("ROPEWALK_PEER_PYTHON").unwrap_or_else(|| "python3".into());
    let has = Command::new(&python)
        .args(["-c", "import llama_cpp.server.app"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if has.is_ok_and(|status| status.success()) {
        return Some(python.into());
    }
    eprintln!("skipped: no Python with llama-cpp-python's server (ROPEWALK_PEER_PYTHON)");
    None
}

struct Server {
    child: Child,
    base: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    async fn start(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("tiny.gguf");
        let shape = Shape::tiny(Architecture::Qwen3);
        TinyModel::new(shape)
            .write_gguf(&model, Quant::Q8_0)
            .unwrap();
        // The port is free when asked for; nothing else here takes it within the moment between.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        drop(listener);
        let log = folder.path().join("log");
        let mut child = Command::new(python)
            .args([
                "-m",
                "llama_cpp.server",
                "--host",
                "127.0.0.1",
                "--port",
                &port,
            ])
            .args([
                "--interrupt_requests",
                "false",
                "--n_threads",
                "1",
                "--logits_all",
                "true",
            ])
            .args(["--n_ctx", &CONTEXT.to_string(), "--model"])
            .arg(&model)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                break;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{status}: {}", std::fs::read_to_string(&log).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self {
            child,
            base: format!("http://{address}/v1"),
            _folder: folder,
        }
    }

    /// How many tokens it counts for a message and its greedy reply, asked without our engine.
    async fn counts(&self, message: &str, most: u32) -> (u64, u64) {
        let body = json!({
            "model": "tiny",
            "messages": [{"role": "user", "content": message}],
            "max_tokens": most,
            "temperature": 0.0,
        });
        let url = format!("{}/chat/completions", self.base);
        let sent = reqwest::Client::new().post(url).json(&body).send().await;
        let reply: Value = sent.unwrap().json().await.unwrap();
        let count = |name: &str| reply["usage"][name].as_u64().unwrap();
        (count("prompt_tokens"), count("completion_tokens"))
    }

    fn engine(&self, change: impl FnOnce(&mut OpenAiConfig)) -> OpenAi {
        let mut config = OpenAiConfig {
            base_url: self.base.clone(),
            model: "tiny".into(),
            dialect: Some(Dialect::LlamaCpp),
            max_retries: 0,
            ..OpenAiConfig::default()
        };
        change(&mut config);
        OpenAi::with_key(config, None).unwrap()
    }
}

fn greedy(most: u32) -> ChatRequest {
    ChatRequest {
        sampling: Sampling {
            temperature: Some(0.0),
            max_tokens: Some(most),
            ..Sampling::default()
        },
        ..ask()
    }
}

async fn reply(engine: &OpenAi, request: ChatRequest) -> ChatReply {
    let (outcome, shown) = listen(engine, request).await;
    let reply = outcome.unwrap();
    assert_eq!(shown, reply.text, "all of it was shown");
    reply
}

#[tokio::test]
async fn an_independent_server_is_spoken_to() {
    let Some(python) = python() else { return };
    let server = Server::start(&python).await;
    let streaming = server.engine(|_| {});
    let whole = server.engine(|config| config.stream = false);

    // The same words in pieces and in one piece; the server counts only in the latter case.
    let streamed = reply(&streaming, greedy(24)).await;
    let at_once = reply(&whole, greedy(24)).await;
    assert!(!streamed.text.is_empty());
    assert_eq!(streamed.text, at_once.text);
    assert_eq!(
        (streamed.finish, at_once.finish),
        (FinishReason::Length, FinishReason::Length)
    );
    // It takes a token or more beyond what was asked to finish a character that it is in the
    // middle of, so how many there are is what it says itself.
    let (input, output) = server.counts("hello", 24).await;
    assert!(input > 0 && output >= 24, "{input} and {output}");
    assert_eq!(at_once.usage.input_tokens, input);
    assert_eq!(at_once.usage.output_tokens, output);

    // A text that ends the reply, taken from its middle.
    let middle: String = streamed.text.chars().skip(20).take(3).collect();
    let (before, _) = streamed.text.split_once(&middle).unwrap();
    let mut stopped = greedy(24);
    stopped.sampling.stop = vec![middle.clone()];
    let stopped = reply(&streaming, stopped).await;
    assert_eq!(
        (stopped.text.as_str(), stopped.finish),
        (before, FinishReason::Stop),
        "{middle:?}"
    );

    // Every way to sample that it knows.
    let mut varied = greedy(8);
    varied.sampling = Sampling {
        temperature: Some(1.2),
        top_p: Some(0.9),
        top_k: Some(50),
        min_p: Some(0.01),
        repetition_penalty: Some(1.1),
        presence_penalty: Some(0.2),
        seed: Some(5),
        ..varied.sampling
    };
    reply(&streaming, varied).await;

    likely(&streaming).await;
    held_to_a_schema(&server).await;
    called(&server).await;

    // A conversation that does not fit, with the numbers.
    let mut long = greedy(5);
    long.messages = vec![Message::User {
        text: "hello ".repeat(2_000),
    }];
    let error = whole.chat(long, DeltaSink::none()).await.unwrap_err();
    let EngineError::TooLong {
        prompt, context, ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(
        prompt > Some(2_000) && context == Some(CONTEXT),
        "{prompt:?} {context:?}"
    );
}

async fn likely(engine: &OpenAi) {
    let mut request = greedy(6);
    request.sampling.logprobs = Some(3);
    let reply = reply(engine, request).await;
    assert_eq!(reply.logprobs.len(), 6);
    let text: String = reply
        .logprobs
        .iter()
        .map(|token| token.token.as_str())
        .collect();
    assert_eq!(text, reply.text);
    for token in &reply.logprobs {
        assert!(token.logprob < 0.0 && token.top.len() >= 3, "{token:?}");
        assert_eq!(token.top[0].1, token.logprob, "greedy takes the likeliest");
    }
}

async fn held_to_a_schema(server: &Server) {
    let schema = json!({"type": "object", "required": ["kind", "on"], "additionalProperties": false,
        "properties": {"kind": {"$ref": "#/$defs/kind"}, "on": {"type": "boolean"}},
        "$defs": {"kind": {"enum": ["rope", "wire"]}}});
    let engine = server.engine(|_| {});
    for _ in 0..2 {
        let request = ChatRequest {
            response_schema: Some(schema.clone()),
            ..greedy(60)
        };
        let reply = reply(&engine, request).await;
        let value =
            serde_json::from_str(&reply.text).unwrap_or_else(|error| panic!("{error}: {reply:?}"));
        assert!(jsonschema::is_valid(&schema, &value), "{value}");
    }
}

async fn called(server: &Server) {
    let schema = json!({"type": "object", "required": ["kind", "on"],
        "properties": {"kind": {"enum": ["rope", "wire"]}, "on": {"type": "boolean"}}});
    for stream in [true, false] {
        // Random weights call nothing of themselves.
        let engine = server.engine(|config| {
            config.stream = stream;
            let choice = json!({"type": "function", "function": {"name": "docs_look"}});
            config.extra.insert("tool_choice".into(), choice);
        });
        let request = ChatRequest {
            tools: vec![
                tool("docs.look", schema.clone()),
                tool("other", json!({"type": "object"})),
            ],
            ..greedy(60)
        };
        let reply = engine.chat(request, DeltaSink::none()).await.unwrap();
        assert_eq!(reply.finish, FinishReason::ToolCalls, "{reply:?}");
        assert_eq!(reply.calls.len(), 1, "{:?}", reply.calls);
        assert_eq!(reply.calls[0].name, "docs.look");
        assert!(
            jsonschema::is_valid(&schema, &reply.calls[0].arguments),
            "{:?}",
            reply.calls
        );
    }
}
