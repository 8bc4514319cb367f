//! The tools over HTTP: who is let in, what is refused, when calls end.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use ropewalk_mcp_kit::KitError;
use ropewalk_mcp_kit::http::{Access, HttpOptions, Rate};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Seen, reaches, server};

struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), KitError>>,
}

fn options(address: SocketAddr, bearer: Option<&str>) -> HttpOptions {
    let open = HttpOptions::local(address);
    HttpOptions {
        access: bearer.map_or(Access::Open, |token| Access::Token(token.to_owned())),
        hosts: vec!["tools.example".to_owned()],
        origins: vec!["https://app.example:*".to_owned()],
        ..open
    }
}

async fn serve(seen: &Seen, bearer: Option<&str>) -> Served {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server(seen.clone()).serve_http(
        options("127.0.0.1:0".parse().unwrap(), bearer),
        move |address| sender.send(address).unwrap(),
        shutdown.clone(),
    ));
    Served {
        address: receiver.await.unwrap(),
        shutdown,
        serving,
    }
}

impl Served {
    fn post(&self, body: &Value) -> RequestBuilder {
        Client::new()
            .post(format!("http://{}/mcp", self.address))
            .header("accept", "application/json, text/event-stream")
            .json(body)
    }
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments}})
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_call_is_answered_in_plain_json_without_a_session() {
    let served = serve(&Seen::default(), None).await;
    let answer = served
        .post(&call("echo", json!({"message": "hi"})))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(answer.headers().get("mcp-session-id").is_none());
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"], json!({"said": "hi"}));
}

#[tokio::test]
async fn only_known_hosts_and_origins_are_let_in() {
    let served = serve(&Seen::default(), None).await;
    let body = call("echo", json!({"message": "hi"}));
    let host = |name: &str| served.post(&body).header("host", name);
    let origin = |name: &str| served.post(&body).header("origin", name);
    for allowed in ["localhost", "localhost:9", "[::1]:9", "tools.example"] {
        assert_eq!(status(host(allowed)).await, 200, "host {allowed}");
    }
    for refused in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
    ] {
        assert_eq!(status(host(refused)).await, 403, "host {refused}");
    }
    for allowed in [
        "http://localhost:3000",
        "http://127.0.0.1",
        "https://app.example",
    ] {
        assert_eq!(status(origin(allowed)).await, 200, "origin {allowed}");
    }
    for refused in [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "garbage",
    ] {
        assert_eq!(status(origin(refused)).await, 403, "origin {refused}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_when_one_is_set() {
    let served = serve(&Seen::default(), Some("right")).await;
    let body = call("echo", json!({"message": "hi"}));
    assert_eq!(status(served.post(&body)).await, 401);
    for wrong in ["wrong", "righ", "rightt", ""] {
        assert_eq!(
            status(served.post(&body).bearer_auth(wrong)).await,
            401,
            "{wrong:?}"
        );
    }
    let basic = served.post(&body).header("authorization", "Basic right");
    assert_eq!(status(basic).await, 401);
    assert_eq!(status(served.post(&body).bearer_auth("right")).await, 200);
    let lower = served.post(&body).header("authorization", "bearer right");
    assert_eq!(status(lower).await, 200);
    let health = Client::new().get(format!("http://{}/health", served.address));
    assert_eq!(health.send().await.unwrap().text().await.unwrap(), "ok");
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_request_is_refused() {
    let served = serve(&Seen::default(), None).await;
    let large = call("echo", json!({"message": "x".repeat(17 << 20)}));
    assert_eq!(status(served.post(&large)).await, 413);
    let text = served
        .post(&json!({}))
        .header("content-type", "application/json")
        .body("{broken");
    assert!((400..500).contains(&status(text).await));
    let body = call("echo", json!({"message": "x".repeat(5 << 20)}));
    assert_eq!(
        status(served.post(&body)).await,
        200,
        "five megabytes are within the limit"
    );
}

#[tokio::test]
async fn one_caller_cannot_ask_for_everything() {
    let mut options = options("127.0.0.1:0".parse().unwrap(), None);
    options.rate = Some(Rate {
        per_second: 1.try_into().unwrap(),
        burst: 3.try_into().unwrap(),
    });
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let told = move |address| sender.send(address).unwrap();
    let tools = server(Seen::default());
    tokio::spawn(tools.serve_http(options, told, CancellationToken::new()));
    let address = receiver.await.unwrap();
    let client = Client::new();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let request = client
            .post(format!("http://{address}/mcp"))
            .header("accept", "application/json, text/event-stream")
            .json(&call("echo", json!({"message": "hi"})));
        let answer = request.send().await.unwrap();
        let wait = answer.headers().contains_key("retry-after");
        statuses.push((answer.status().as_u16(), wait));
    }
    assert_eq!(statuses[..3], [(200, false); 3]);
    assert!(statuses[3..].contains(&(429, true)), "{statuses:?}");
}

#[tokio::test]
async fn a_body_that_is_nested_without_end_is_refused() {
    let served = serve(&Seen::default(), None).await;
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let body =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{deep}}}");
    let request = served.post(&json!({})).body(body);
    assert!((400..500).contains(&status(request).await));
    let next = served.post(&call("echo", json!({"message": "hi"})));
    assert_eq!(status(next).await, 200);
}

#[tokio::test]
async fn a_call_ends_when_its_caller_hangs_up() {
    let seen = Seen::default();
    let served = serve(&seen, None).await;
    let request = served
        .post(&call("wait", json!({})))
        .timeout(Duration::from_millis(200));
    assert!(request.send().await.unwrap_err().is_timeout());
    reaches(&seen.cancelled, 1).await;
}

#[tokio::test]
async fn a_shutdown_ends_the_service_while_a_call_runs() {
    let seen = Seen::default();
    let served = serve(&seen, None).await;
    let request = served.post(&call("wait", json!({})));
    let waiting = tokio::spawn(async move { request.send().await });
    reaches(&seen.started, 1).await;
    served.shutdown.cancel();
    served.serving.await.unwrap().unwrap();
    let answered = waiting
        .await
        .unwrap()
        .is_ok_and(|answer| answer.status().is_success());
    assert!(!answered);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let served = serve(&Seen::default(), None).await;
    let address = served.address;
    let second = server(Seen::default());
    let error = second
        .serve_http(options(address, None), |_| {}, CancellationToken::new())
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&format!("cannot listen on {address}")),
        "{message}"
    );
}
