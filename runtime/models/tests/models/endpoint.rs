//! An endpoint of ours that answers each request as it was told to, down to the bytes.

use std::sync::{Arc, Mutex};

use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Message};
use ropewalk_core::tool::{ToolHints, ToolSpec};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::openai::{OpenAi, OpenAiConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The key that engines of these tests have.
pub const KEY: &str = "sk-very-secret-1234";

/// A step of an answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends the same bytes over and over, until the other side has had enough.
    Repeat(Vec<u8>, std::time::Duration),
    /// Ends the connection with a reset.
    Reset,
    /// Keeps the connection open and says nothing.
    Hold,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: Value,
}

/// An endpoint of ours.
pub struct Endpoint {
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Endpoint {
    /// Answers the first request by the first script, and so on; the last one answers the rest.
    pub async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let requests = seen.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(socket, scripts.clone(), requests.clone()));
            }
        });
        Self { base, seen }
    }

    /// Answers with these statuses and JSON bodies.
    pub async fn json(answers: Vec<(u16, Value)>) -> Self {
        let scripts = answers
            .into_iter()
            .map(|(status, body)| vec![Act::Send(json_answer(status, "", &body))]);
        Self::start(scripts.collect()).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The body of the nth request, from 0.
    pub fn body(&self, number: usize) -> Value {
        self.seen()[number].body.clone()
    }

    /// A configuration that reaches it, with limits that keep tests short.
    pub fn config(&self) -> OpenAiConfig {
        OpenAiConfig {
            base_url: self.base.clone(),
            model: "test-model".into(),
            max_retries: 0,
            first_token_timeout: 20,
            idle_timeout: 20,
            ..OpenAiConfig::default()
        }
    }
}

async fn answer(mut socket: TcpStream, scripts: Vec<Vec<Act>>, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut read = Vec::new();
    let mut block = vec![0; 65536];
    let (head, length) = loop {
        let count = socket.read(&mut block).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        read.extend_from_slice(&block[..count]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_string();
            let length = head.to_lowercase();
            let length = length
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            break (
                head.clone(),
                end + 4 + length.map_or(0, |l| l.trim().parse().unwrap()),
            );
        }
    };
    while read.len() < length {
        let count = socket.read(&mut block).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        read.extend_from_slice(&block[..count]);
    }
    let body = serde_json::from_slice(&read[head.len() + 4..]).unwrap_or_default();
    let script = {
        let mut seen = seen.lock().unwrap();
        seen.push(Seen { head, body });
        scripts[(seen.len() - 1).min(scripts.len() - 1)].clone()
    };
    for act in script {
        match act {
            Act::Send(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
                let _ = socket.flush().await;
                tokio::task::yield_now().await;
            }
            Act::Repeat(bytes, pause) => loop {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            },
            Act::Reset => {
                // Let what was sent arrive: a reset takes back what has not been read.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                socket.set_zero_linger().unwrap();
                return;
            }
            Act::Hold => std::future::pending().await,
        }
    }
    let _ = socket.shutdown().await;
}

/// An answer of JSON with further header lines.
pub fn json_answer(status: u16, headers: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of a stream that ends with its connection.
pub fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec()
}

/// A whole stream of events.
pub fn streamed(events: &[Value]) -> Vec<Act> {
    let mut bytes = stream_head();
    bytes.extend(sse(events).into_bytes());
    vec![Act::Send(bytes)]
}

/// `data:` events, closed by `[DONE]`.
pub fn sse(events: &[Value]) -> String {
    let events: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    events + "data: [DONE]\n\n"
}

/// An event with a piece of the reply.
pub fn piece(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta}]})
}

/// The event that says why the reply ended.
pub fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// A short reply.
pub fn hi() -> Vec<Act> {
    streamed(&[piece(json!({"content": "hi"})), end("stop")])
}

/// A greeting to answer.
pub fn ask() -> ChatRequest {
    ChatRequest {
        messages: vec![Message::User {
            text: "hello".into(),
        }],
        ..ChatRequest::default()
    }
}

/// A tool with this schema for its arguments.
pub fn tool(name: &str, input_schema: Value) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: String::new(),
        input_schema,
        output_schema: None,
        hints: ToolHints::default(),
    }
}

/// An engine with the tests' key.
pub fn engine(config: OpenAiConfig) -> OpenAi {
    OpenAi::with_key(config, Some(KEY.into())).unwrap()
}

/// A reply or a failure, and the text and calls that the listener was shown.
pub async fn listen(
    engine: &dyn Engine,
    request: ChatRequest,
) -> (Result<ChatReply, EngineError>, String) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let outcome = engine.chat(request, DeltaSink::new(sender)).await;
    let mut shown = String::new();
    while let Some(delta) = receiver.recv().await {
        if let Delta::Text { text } = delta {
            shown += &text;
        }
    }
    if let Ok(reply) = &outcome {
        assert!(
            reply.text.starts_with(&shown),
            "{shown:?}: {:?}",
            reply.text
        );
    }
    (outcome, shown)
}
