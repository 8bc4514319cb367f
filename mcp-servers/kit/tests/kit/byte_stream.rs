//! The tools over a byte stream, spoken to line by line as any client would.

use std::sync::atomic::Ordering;

use ropewalk_mcp_kit::{Body, KitError, ResourceMeta, ToolServer};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Seen, reaches, server};

struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: WriteHalf<DuplexStream>,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), KitError>>,
}

impl Client {
    fn connect(seen: &Seen) -> Self {
        Self::of(server(seen.clone()))
    }

    fn of(server: ToolServer) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(server.serve_io(theirs, shutdown.clone()));
        let (read, write) = tokio::io::split(ours);
        Self {
            lines: BufReader::new(read).lines(),
            write,
            shutdown,
            serving,
        }
    }

    /// With the handshake of 2025-11-25 done.
    async fn start(seen: &Seen) -> Self {
        let mut client = Self::connect(seen);
        let answer = client
            .ask(json!({"id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"}}}))
            .await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        assert_eq!(answer["result"]["instructions"], "For tests.");
        client
            .send(json!({"method": "notifications/initialized"}))
            .await;
        client
    }

    async fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        self.write
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn next(&mut self) -> Value {
        let next = self.lines.next_line();
        let line = tokio::time::timeout(std::time::Duration::from_secs(10), next).await;
        serde_json::from_str(&line.expect("no answer").unwrap().expect("closed")).unwrap()
    }

    /// Sends and reads the next message, which must be the answer.
    async fn ask(&mut self, message: Value) -> Value {
        let id = message["id"].clone();
        self.send(message).await;
        let answer = self.next().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let parameters = json!({"name": tool, "arguments": arguments});
        let call = json!({"id": 9, "method": "tools/call", "params": parameters});
        self.ask(call).await["result"].take()
    }
}

fn refusal(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn the_definitions_say_what_every_client_needs() {
    let mut client = Client::start(&Seen::default()).await;
    let answer = client.ask(json!({"id": "a", "method": "tools/list"})).await;
    let tools = answer["result"]["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["bump", "count", "crash", "echo", "fail", "wait"]);
    let echo = &tools[3];
    assert_eq!(echo["inputSchema"]["additionalProperties"], false);
    assert_eq!(
        echo["inputSchema"]["properties"]["times"],
        json!({"type": "integer", "minimum": 0})
    );
    assert_eq!(echo["inputSchema"]["required"], json!(["message"]));
    assert_eq!(echo["outputSchema"]["properties"]["said"]["type"], "string");
    assert_eq!(echo["annotations"]["readOnlyHint"], true);
    assert_eq!(echo["annotations"]["openWorldHint"], false);
}

#[tokio::test]
async fn a_call_that_comes_twice_under_one_key_has_one_effect() {
    let seen = Seen::default();
    let mut client = Client::start(&seen).await;
    let mut said = Vec::new();
    for key in ["a", "a", "b", "a"] {
        let meta = json!({"ropewalk/idempotencyKey": key});
        let parameters = json!({"name": "bump", "arguments": {}, "_meta": meta});
        let call = json!({"id": 9, "method": "tools/call", "params": parameters});
        let answer = client.ask(call).await;
        said.push(answer["result"]["structuredContent"]["said"].clone());
    }
    assert_eq!(said, ["1", "1", "2", "1"]);
    assert_eq!(
        client.call("bump", json!({})).await["structuredContent"]["said"],
        "3"
    );
    assert_eq!(seen.bumped.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_as_soon_as_a_subscription_is_acknowledged_is_heard() {
    let rounds = ResourceMeta {
        uri: "test://{round}".to_owned(),
        name: "Rounds".to_owned(),
        description: "What is watched in each round.".to_owned(),
        mime_type: "text/plain".to_owned(),
    };
    let server = server(Seen::default())
        .resource(rounds, |_, _| async { Ok(Body::Text(String::new())) })
        .with_changes();
    let mut client = Client::of(server.clone());
    for round in 0..200 {
        let uri = format!("test://{round}");
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {}});
        let wanted = json!({"notifications": {"resourceSubscriptions": [uri]}, "_meta": meta});
        let listen = json!({"id": round, "method": "subscriptions/listen", "params": wanted});
        client.send(listen).await;
        let acknowledged = client.next().await;
        assert_eq!(
            acknowledged["method"],
            "notifications/subscriptions/acknowledged"
        );
        server.resource_changed(&uri);
        let heard = client.next().await;
        assert_eq!(heard["method"], "notifications/resources/updated");
        assert_eq!(heard["params"]["uri"], uri, "{heard}");
        let left = json!({"requestId": round, "_meta": meta});
        client
            .send(json!({"method": "notifications/cancelled", "params": left}))
            .await;
    }
}

#[tokio::test]
async fn what_is_nested_without_end_is_refused_and_the_next_request_served() {
    let mut client = Client::start(&Seen::default()).await;
    for deep in [
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
    ] {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{deep}}}\n"
        );
        client.write.write_all(line.as_bytes()).await.unwrap();
    }
    let result = loop {
        client.send(json!({"id": 9, "method": "ping"})).await;
        let answer = client.next().await;
        if answer["id"] == 9 {
            break answer;
        }
        assert!(answer["error"]["code"].is_i64(), "{answer}");
    };
    assert_eq!(result["result"], json!({}));
}

#[tokio::test]
async fn the_newer_protocol_needs_no_handshake() {
    let mut client = Client::connect(&Seen::default());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discover = json!({"id": 1, "method": "server/discover", "params": {"_meta": meta}});
    let answer = client.ask(discover).await;
    let versions = answer["result"]["supportedVersions"].to_string();
    assert!(versions.contains("2026-07-28"), "{answer}");
    let call = json!({"id": 2, "method": "tools/call", "params": {
        "_meta": meta, "name": "echo", "arguments": {"message": "hi"}}});
    let answer = client.ask(call).await;
    assert_eq!(
        answer["result"]["structuredContent"],
        json!({"said": "hi"}),
        "{answer}"
    );
}

#[tokio::test]
async fn a_result_is_data_and_the_same_as_text() {
    let mut client = Client::start(&Seen::default()).await;
    let result = client
        .call("echo", json!({"message": "ho", "times": 2}))
        .await;
    assert_eq!(result["structuredContent"], json!({"said": "hoho"}));
    assert_eq!(result["content"][0]["text"], r#"{"said":"hoho"}"#);
    let result = client
        .call("echo", json!({"message": "ho", "times": null}))
        .await;
    assert_eq!(
        result["structuredContent"],
        json!({"said": "ho"}),
        "null counts as left out"
    );
}

#[tokio::test]
async fn a_bad_call_is_refused_with_the_reason_and_the_server_lives() {
    let mut client = Client::start(&Seen::default()).await;
    let result = client
        .call("echo", json!({"message": "x", "tims": 2}))
        .await;
    let expected =
        "unknown argument `tims`; did you mean `times`? (the arguments are: message, times)";
    assert_eq!(refusal(&result), expected);
    let result = client
        .call("echo", json!({"message": "x", "times": -1}))
        .await;
    assert!(
        refusal(&result).contains("`/times`: -1 is less than"),
        "{result}"
    );
    assert_eq!(
        refusal(&client.call("fail", json!({})).await),
        "the well is dry (dig deeper)"
    );
    let result = client.call("count", json!({"by": 1})).await;
    assert_eq!(
        refusal(&result),
        "unknown argument `by` (the tool takes no arguments)"
    );
    let call = json!({"id": 1, "method": "tools/call", "params": {"name": "ecko"}});
    let answer = client.ask(call).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("unknown tool `ecko`; did you mean `echo`?"),
        "{message}"
    );
    let result = client.call("crash", json!({})).await;
    assert!(
        refusal(&result).contains("the tool `crash` crashed"),
        "{result}"
    );
    assert_eq!(
        client.call("echo", json!({"message": "x"})).await["isError"],
        false
    );
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_that_says_so() {
    let mut client = Client::start(&Seen::default()).await;
    let result = client
        .call("echo", json!({"message": "0123456789", "times": 500_000}))
        .await;
    assert!(refusal(&result).contains("ask for less"), "{result}");
}

#[tokio::test]
async fn progress_is_sent_thinned_to_who_asked() {
    let mut client = Client::start(&Seen::default()).await;
    // Without a token the next message is the answer itself.
    client.call("count", json!({})).await;
    let call = json!({"id": 5, "method": "tools/call", "params": {
        "_meta": {"progressToken": "p"}, "name": "count", "arguments": {}}});
    client.send(call).await;
    let mut reports = Vec::new();
    let answer = loop {
        let message = client.next().await;
        if message["id"] == 5 {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "p");
        reports.push(message["params"]["progress"].as_f64().unwrap());
    };
    assert_eq!(answer["result"]["structuredContent"]["said"], "1000");
    assert_eq!(reports.last(), Some(&1000.0), "{reports:?}");
    assert!(
        reports.len() < 100,
        "{} of 1000 reports were sent",
        reports.len()
    );
}

#[tokio::test]
async fn a_cancelled_call_stops_and_the_server_lives() {
    let seen = Seen::default();
    let mut client = Client::start(&seen).await;
    client
        .send(json!({"id": 3, "method": "tools/call", "params": {"name": "wait"}}))
        .await;
    reaches(&seen.started, 1).await;
    client
        .send(json!({"method": "notifications/cancelled", "params": {"requestId": 3}}))
        .await;
    reaches(&seen.cancelled, 1).await;
    assert_eq!(
        client.call("echo", json!({"message": "x"})).await["isError"],
        false
    );
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_and_can_be_cancelled_while_they_wait() {
    let seen = Seen::default();
    let mut client = Client::start(&seen).await;
    for id in 100..166 {
        client
            .send(json!({"id": id, "method": "tools/call", "params": {"name": "wait"}}))
            .await;
    }
    reaches(&seen.started, 64).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(seen.started.load(Ordering::SeqCst), 64);
    // Requests start in any order, so both a running and a waiting one end here or run on: after
    // ten cancellations of 66 calls at least eight running ones were woken.
    for id in 100..110 {
        let cancel = json!({"requestId": id});
        client
            .send(json!({"method": "notifications/cancelled", "params": cancel}))
            .await;
    }
    reaches(&seen.cancelled, 8).await;
    assert_eq!(
        client.call("echo", json!({"message": "x"})).await["isError"],
        false
    );
}

#[tokio::test]
async fn a_request_that_is_too_long_is_answered_and_the_next_one_too() {
    let mut client = Client::start(&Seen::default()).await;
    let message = "x".repeat(17 << 20);
    let call = json!({"id": 77, "method": "tools/call", "params": {
        "name": "echo", "arguments": {"message": message}}});
    let answer = client.ask(call).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("longer than the 16777216 bytes allowed"),
        "{message}"
    );
    client
        .write
        .write_all(b"this is not JSON\n\n{\"half\": \n")
        .await
        .unwrap();
    assert_eq!(
        client.call("echo", json!({"message": "x"})).await["isError"],
        false
    );
}

#[tokio::test]
async fn a_shutdown_ends_the_service_and_its_calls() {
    let seen = Seen::default();
    let mut client = Client::start(&seen).await;
    client
        .send(json!({"id": 3, "method": "tools/call", "params": {"name": "wait"}}))
        .await;
    reaches(&seen.started, 1).await;
    client.shutdown.cancel();
    reaches(&seen.cancelled, 1).await;
    client.serving.await.unwrap().unwrap();
    assert!(
        client
            .lines
            .next_line()
            .await
            .unwrap_or_default()
            .is_none_or(|line| line.contains('3'))
    );
}

#[tokio::test]
async fn the_service_ends_when_its_client_leaves() {
    let client = Client::start(&Seen::default()).await;
    let Client {
        lines,
        write,
        serving,
        ..
    } = client;
    drop((lines, write));
    serving.await.unwrap().unwrap();
}
