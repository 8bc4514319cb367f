//! The host against real servers: in this process, as a child, over HTTP.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ropewalk_core::policy::Exposure;
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome};
use ropewalk_host::consent::Granted;
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, ServerConfig, ServerState};
use ropewalk_mcp_kit::http::{Access, HttpOptions};
use ropewalk_mcp_kit::{CallContext, ServerIdentity, ToolError, ToolMeta, ToolServer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to say back.
    message: String,
    times: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Said {
    said: String,
}

/// How a call without arguments comes out for somebody who has read nothing.
fn permission(host: &Host, tool: &str) -> Permission {
    let call = ToolCall {
        id: "1".to_owned(),
        name: tool.to_owned(),
        arguments: json!({}),
    };
    host.judge(&call, &Exposure::default()).verdict.permission
}

fn meta(name: &'static str, read_only: bool) -> ToolMeta {
    ToolMeta {
        read_only,
        idempotent: false,
        ..ToolMeta::reading(name, name, "A tool for tests.")
    }
}

/// Tools that echo, fail, crash and wait; `cancelled` counts the waits that were cancelled.
fn server(cancelled: Arc<AtomicUsize>) -> ToolServer {
    let identity = ServerIdentity {
        name: "fixture".to_owned(),
        title: "Fixture".to_owned(),
        version: "1".to_owned(),
        instructions: String::new(),
    };
    ToolServer::new(identity)
        .tool(
            meta("echo", true),
            |echo: Echo, context: CallContext| async move {
                for done in 0..=3 {
                    context
                        .progress
                        .report(f64::from(done), Some(3.0), "echoing");
                }
                Ok(Said {
                    said: echo.message.repeat(echo.times.unwrap_or(1)),
                })
            },
        )
        .tool(meta("fail", false), |_: Echo, _| async move {
            Err::<Said, _>(ToolError::new("the well is dry", "dig deeper"))
        })
        .tool(meta("crash", false), |echo: Echo, _| async move {
            assert!(echo.message.is_empty(), "crashing as asked");
            Ok(Said {
                said: String::new(),
            })
        })
        .tool(meta("wait", true), move |_: Echo, context: CallContext| {
            let cancelled = Arc::clone(&cancelled);
            async move {
                context.cancel.cancelled().await;
                cancelled.fetch_add(1, Ordering::SeqCst);
                Ok(Said {
                    said: "woken".to_owned(),
                })
            }
        })
}

async fn in_process() -> (Host, Arc<AtomicUsize>) {
    let cancelled = Arc::new(AtomicUsize::new(0));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(server(Arc::clone(&cancelled)).serve_io(theirs, CancellationToken::new()));
    let (host, failures) =
        Host::start(vec![("fx".to_owned(), Endpoint::BuiltIn(ours))], trusting()).await;
    assert_eq!(failures, []);
    (host, cancelled)
}

fn trusting() -> HostOptions {
    HostOptions {
        consent: Arc::new(Granted),
        ..HostOptions::default()
    }
}

fn caller(cancel: &CancellationToken) -> Caller<'_> {
    Caller {
        key: None,
        cancel,
        progress: Arc::new(|_| {}),
        desk: None,
        payer: None,
    }
}

async fn call(host: &Host, name: &str, arguments: serde_json::Value) -> ToolOutcome {
    let call = ToolCall {
        id: "1".to_owned(),
        name: name.to_owned(),
        arguments,
    };
    host.call(&call, caller(&CancellationToken::new())).await
}

fn error(outcome: ToolOutcome) -> String {
    match outcome {
        ToolOutcome::Error { message } => message,
        ToolOutcome::Ok { text, .. } => panic!("expected an error, got {text}"),
    }
}

#[tokio::test]
async fn a_server_in_this_process_is_listed_and_called() {
    let (host, _) = in_process().await;
    let names: Vec<String> = host.tools().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["fx__crash", "fx__echo", "fx__fail", "fx__wait"]);
    assert_eq!(permission(&host, "fx__echo"), Permission::Allow);
    assert_eq!(permission(&host, "fx__fail"), Permission::Ask);
    assert_eq!(permission(&host, "nothing"), Permission::Deny);
    let outcome = call(&host, "fx__echo", json!({"message": "ho", "times": 2})).await;
    assert_eq!(outcome.structured(), Some(&json!({"said": "hoho"})));
    assert_eq!(outcome.text(), r#"{"said":"hoho"}"#);
    host.shutdown().await;
}

#[tokio::test]
async fn progress_reaches_the_caller() {
    let (host, _) = in_process().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let call = ToolCall {
        id: "1".to_owned(),
        name: "fx__echo".to_owned(),
        arguments: json!({"message": "x"}),
    };
    let progress = move |report: ropewalk_host::ToolProgress| {
        sink.lock().unwrap().push((report.done, report.total));
    };
    let cancel = CancellationToken::new();
    let caller = Caller {
        progress: Arc::new(progress),
        ..caller(&cancel)
    };
    host.call(&call, caller).await;
    let seen = seen.lock().unwrap().clone();
    assert!(seen.contains(&(3.0, Some(3.0))), "{seen:?}");
}

#[tokio::test]
async fn bad_calls_say_what_is_wrong() {
    let (host, _) = in_process().await;
    let message = error(call(&host, "fx__ecko", json!({})).await);
    assert!(message.contains("there is no tool `fx__ecko`") && message.contains("fx__echo"));
    let message = error(call(&host, "fx__echo", json!({"message": 1})).await);
    assert!(
        message.contains("`/message`: 1 is not of type \"string\""),
        "{message}"
    );
    let message = error(call(&host, "fx__echo", json!({"message": "x", "time": 1})).await);
    assert!(message.contains("time"), "{message}");
    let message = error(call(&host, "fx__echo", json!("x")).await);
    assert!(message.contains("must be a JSON object"), "{message}");
    let message = error(call(&host, "fx__fail", json!({"message": "x"})).await);
    assert_eq!(message, "the well is dry (dig deeper)");
}

#[tokio::test]
async fn a_tool_that_crashes_fails_its_call_and_not_the_server() {
    let (host, _) = in_process().await;
    let message = error(call(&host, "fx__crash", json!({"message": "x"})).await);
    assert!(message.contains("`crash` crashed"), "{message}");
    assert!(matches!(
        call(&host, "fx__echo", json!({"message": "x"})).await,
        ToolOutcome::Ok { .. }
    ));
}

#[tokio::test]
async fn cancelling_a_call_reaches_the_server_and_leaves_it_alive() {
    let (host, cancelled) = in_process().await;
    let token = CancellationToken::new();
    let waiting = ToolCall {
        id: "1".to_owned(),
        name: "fx__wait".to_owned(),
        arguments: json!({"message": ""}),
    };
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.cancel();
    });
    let message = error(host.call(&waiting, caller(&token)).await);
    assert!(message.contains("cancelled"), "{message}");
    reaches(&cancelled, 1).await;
    assert!(matches!(
        call(&host, "fx__echo", json!({"message": "x"})).await,
        ToolOutcome::Ok { .. }
    ));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_cancelled_at_the_server() {
    let (host, cancelled) = in_process().await;
    let waiting = call(&host, "fx__wait", json!({"message": ""}));
    // Dropped, as a run is that a caller gives up.
    let given_up = tokio::time::timeout(Duration::from_millis(200), waiting).await;
    assert!(given_up.is_err());
    reaches(&cancelled, 1).await;
    let outcome = call(&host, "fx__echo", json!({"message": "still there"})).await;
    assert!(outcome.text().contains("still there"), "{outcome:?}");
    assert_eq!(
        cancelled.load(Ordering::SeqCst),
        1,
        "answered calls are not cancelled"
    );
}

async fn over_http(bearer: Option<&str>) -> std::net::SocketAddr {
    listening(server(Arc::new(AtomicUsize::new(0))), "127.0.0.1:0", bearer)
        .await
        .0
}

async fn listening(
    tools: ToolServer,
    address: &str,
    bearer: Option<&str>,
) -> (std::net::SocketAddr, CancellationToken) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut options = HttpOptions::local(address.parse().unwrap());
    if let Some(token) = bearer {
        options.access = Access::Token(token.to_owned());
    }
    let shutdown = CancellationToken::new();
    let told = move |address| sender.send(address).unwrap();
    tokio::spawn(tools.serve_http(options, told, shutdown.clone()));
    (receiver.await.unwrap(), shutdown)
}

async fn reaches(counter: &AtomicUsize, wanted: usize) {
    for _ in 0..500 {
        if counter.load(Ordering::SeqCst) >= wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server never heard of it");
}

async fn start(config: ServerConfig) -> (Host, Vec<String>) {
    let (host, failures) =
        Host::start(vec![("s".to_owned(), Endpoint::Config(config))], trusting()).await;
    (
        host,
        failures.into_iter().map(|failure| failure.reason).collect(),
    )
}

#[tokio::test]
async fn a_server_over_http_is_called_and_a_slow_call_times_out() {
    let address = over_http(None).await;
    let config = ServerConfig {
        url: Some(format!("http://{address}/mcp")),
        timeout_s: Some(1),
        allow: vec!["echo".to_owned()],
        ..ServerConfig::default()
    };
    let (host, failures) = start(config).await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(permission(&host, "s__echo"), Permission::Allow);
    assert_eq!(
        permission(&host, "s__wait"),
        Permission::Ask,
        "a server's own hint is not enough"
    );
    let outcome = call(&host, "s__echo", json!({"message": "hi"})).await;
    assert_eq!(outcome.structured(), Some(&json!({"said": "hi"})));
    let message = error(call(&host, "s__wait", json!({"message": ""})).await);
    assert!(message.contains("no answer within 1 s"), "{message}");
}

#[tokio::test]
async fn calls_over_http_are_cancelled_at_the_server() {
    let cancelled = Arc::new(AtomicUsize::new(0));
    let (address, _) = listening(server(Arc::clone(&cancelled)), "127.0.0.1:0", None).await;
    let config = ServerConfig {
        url: Some(format!("http://{address}/mcp")),
        timeout_s: Some(1),
        ..ServerConfig::default()
    };
    let (host, failures) = start(config).await;
    assert_eq!(failures, Vec::<String>::new());
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.cancel();
    });
    let waiting = ToolCall {
        id: "1".to_owned(),
        name: "s__wait".to_owned(),
        arguments: json!({"message": ""}),
    };
    let message = error(host.call(&waiting, caller(&token)).await);
    assert!(message.contains("cancelled"), "{message}");
    reaches(&cancelled, 1).await;
    let message = error(call(&host, "s__wait", json!({"message": ""})).await);
    assert!(message.contains("no answer within 1 s"), "{message}");
    reaches(&cancelled, 2).await;
}

#[tokio::test]
async fn a_server_over_http_that_comes_back_is_used_again() {
    let tools = server(Arc::new(AtomicUsize::new(0)));
    let (address, shutdown) = listening(tools.clone(), "127.0.0.1:0", Some("secret")).await;
    let config = ServerConfig {
        url: Some(format!("http://{address}/mcp")),
        headers: BTreeMap::from([("Authorization".to_owned(), "Bearer secret".to_owned())]),
        ..ServerConfig::default()
    };
    let (host, failures) = start(config).await;
    assert_eq!(failures, Vec::<String>::new());
    shutdown.cancel();
    let mut message = String::new();
    for _ in 0..100 {
        message = match call(&host, "s__echo", json!({"message": "hi"})).await {
            ToolOutcome::Error { message } => message,
            // A connection that was open is served to its end.
            ToolOutcome::Ok { .. } => String::new(),
        };
        if !message.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(message.contains("no MCP server answers"), "{message}");
    let (again, _) = listening(tools, &address.to_string(), Some("secret")).await;
    assert_eq!(again, address);
    // After a failed attempt the next one is a second away.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let outcome = call(&host, "s__echo", json!({"message": "hi"})).await;
    assert_eq!(outcome.structured(), Some(&json!({"said": "hi"})));
}

#[tokio::test]
async fn strangers_are_kept_out_of_http() {
    let address = over_http(Some("secret")).await;
    let url = format!("http://{address}/mcp");
    let client = reqwest::Client::new();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let post = |token: &str| client.post(&url).bearer_auth(token).json(&body);
    assert_eq!(post("wrong").send().await.unwrap().status(), 401);
    let foreign = post("secret")
        .header("origin", "http://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    let rebound = post("secret")
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status(), 403);
    let health = client
        .get(format!("http://{address}/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.text().await.unwrap(), "ok");
}

fn shell(script: &str) -> ServerConfig {
    ServerConfig {
        command: Some("sh".to_owned()),
        args: vec!["-c".to_owned(), script.to_owned()],
        start_timeout_s: Some(1),
        ..ServerConfig::default()
    }
}

#[tokio::test]
async fn servers_that_do_not_start_are_reported_and_left_out() {
    let missing = ServerConfig {
        command: Some("no-such-program-here".to_owned()),
        ..ServerConfig::default()
    };
    let refused = ServerConfig {
        url: Some("http://127.0.0.1:1/mcp".to_owned()),
        ..ServerConfig::default()
    };
    for (config, expected) in [
        (missing, "there is no program `no-such-program-here`"),
        (
            shell("echo hello there; sleep 30"),
            "its first line was `hello there`",
        ),
        (shell("echo no licence >&2; exit 3"), "no licence"),
        (refused, "no MCP server answers at http://127.0.0.1:1/mcp"),
        (ServerConfig::default(), "write either `command` or `url`"),
    ] {
        let (host, failures) = start(config).await;
        assert_eq!(host.tools(), []);
        assert!(
            failures[0].contains(expected),
            "{failures:?} does not say {expected:?}"
        );
    }
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let tools = server(Arc::new(AtomicUsize::new(0)));
    tokio::spawn(tools.serve_io(theirs, CancellationToken::new()));
    let both = vec![
        ("bad".to_owned(), Endpoint::Config(shell("exit 1"))),
        ("good".to_owned(), Endpoint::BuiltIn(ours)),
    ];
    let (host, failures) = Host::start(both, trusting()).await;
    assert_eq!(failures.len(), 1);
    let states: Vec<_> = host.servers().into_iter().map(|one| one.state).collect();
    assert!(
        matches!(&states[..], [ServerState::Down { reason, .. }, ServerState::Up]
            if reason.contains("exit status: 1")),
        "{states:?}"
    );
    assert_eq!(host.tools().len(), 4);
}

#[tokio::test]
async fn a_child_gets_only_the_environment_it_was_given() {
    let mut config = shell("env | grep -E 'RW_GIVEN|CARGO_' >&2; exit 1");
    config.env = BTreeMap::from([("RW_GIVEN".to_owned(), "yes".to_owned())]);
    let (_, failures) = start(config).await;
    assert!(failures[0].contains("RW_GIVEN=yes"), "{failures:?}");
    assert!(!failures[0].contains("CARGO_PKG_NAME"), "{failures:?}");
}
