//! Servers written by hand, message by message: over HTTP, over a stream in this process, and as
//! children that are the test program itself.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_host::consent::Granted;
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio_util::sync::CancellationToken;

/// Answers a request: its method, its parameters, and what it was sent with.
pub type Play = dyn Fn(&str, &Value, &HeaderMap) -> Value + Send + Sync;

/// A server over HTTP that speaks the newer protocol, stateless.
pub struct Website {
    pub url: String,
    pub seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    pub stop: CancellationToken,
}

impl Website {
    pub fn count(&self, method: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(own, _)| own == method).count()
    }
}

struct Stage {
    play: Box<Play>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

/// A port that nobody listens at.
pub async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

pub async fn website(
    port: u16,
    play: impl Fn(&str, &Value, &HeaderMap) -> Value + Send + Sync + 'static,
) -> Website {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let stage = Arc::new(Stage {
        play: Box::new(play),
        seen: Arc::clone(&seen),
    });
    let router = Router::new().route("/mcp", any(answer)).with_state(stage);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        tokio::select! {
            served = axum::serve(listener, router) => served.unwrap(),
            () = stopped => {}
        }
    });
    Website { url, seen, stop }
}

async fn answer(State(stage): State<Arc<Stage>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    };
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    stage
        .seen
        .lock()
        .unwrap()
        .push((method.clone(), headers.clone()));
    let Some(id) = message.get("id").cloned() else {
        return StatusCode::ACCEPTED.into_response();
    };
    // Off the runtime's own thread: a script may block.
    let played =
        tokio::task::spawn_blocking(move || (stage.play)(&method, &message["params"], &headers));
    let mut reply = json!({"jsonrpc": "2.0", "id": id});
    let played = played.await.unwrap();
    let field = if played.get("code").is_some() {
        "error"
    } else {
        "result"
    };
    reply[field] = played;
    axum::Json(reply).into_response()
}

/// What any server of the newer protocol answers, with these tools.
pub fn modern(method: &str, tools: Value) -> Value {
    match method {
        "server/discover" => json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": "1"}}),
        "tools/list" => json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            "tools": tools}),
        _ => json!({"code": -32601, "message": "no such method"}),
    }
}

/// A tool without arguments.
pub fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

/// A result with this text.
pub fn said(text: &str) -> Value {
    json!({"resultType": "complete", "content": [{"type": "text", "text": text}]})
}

/// A server at the other end of a stream: it gets each line and sends lines.
pub fn stream(
    play: impl Fn(Value, tokio::sync::mpsc::UnboundedSender<Value>) + Send + 'static,
) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, mut write) = tokio::io::split(theirs);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Value>();
    tokio::spawn(async move {
        while let Some(message) = receiver.recv().await {
            let line = format!("{message}\n");
            if write.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            play(serde_json::from_str(&line).unwrap(), sender.clone());
        }
    });
    ours
}

pub fn caller(cancel: &CancellationToken) -> Caller<'_> {
    Caller {
        key: None,
        cancel,
        progress: Arc::new(|_| {}),
        desk: None,
        payer: None,
    }
}

pub fn to(name: &str, arguments: Value) -> ToolCall {
    ToolCall {
        id: "1".to_owned(),
        name: name.to_owned(),
        arguments,
    }
}

pub async fn call(host: &Host, name: &str, arguments: Value) -> ToolOutcome {
    host.call(&to(name, arguments), caller(&CancellationToken::new()))
        .await
}

pub fn at(url: &str) -> ServerConfig {
    ServerConfig {
        url: Some(url.to_owned()),
        start_timeout_s: Some(5),
        ..ServerConfig::default()
    }
}

/// Options for a test that chose the commands itself.
pub fn trusting() -> HostOptions {
    HostOptions {
        consent: Arc::new(Granted),
        ..HostOptions::default()
    }
}

pub async fn start(config: ServerConfig, options: HostOptions) -> (Host, Vec<String>) {
    let servers = vec![("s".to_owned(), Endpoint::Config(config))];
    let (host, failures) = Host::start(servers, options).await;
    let failures = failures.iter().map(ToString::to_string).collect();
    (host, failures)
}

/// Waits until something is so; the test fails if it is not within seconds.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}: not within ten seconds");
}
