//! The host against servers that misbehave: as children, over HTTP, and in what they answer.
//!
//! The children are this test program itself: started with `RW_ACT` set, [`acting`] plays the
//! server that the variable names instead of testing anything.

#![allow(clippy::print_stdout, reason = "a child speaks on standard output")]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::any;
use ropewalk_core::policy::Exposure;
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome};
use ropewalk_host::consent::Granted;
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, ServerConfig};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The server: written by hand, since a proper one does none of this.
#[test]
fn acting() {
    let Ok(role) = std::env::var("RW_ACT") else {
        return;
    };
    let folder = std::env::var("RW_FOLDER").unwrap();
    let folder = Path::new(&folder);
    std::fs::write(folder.join("pid"), std::process::id().to_string()).unwrap();
    let note = |line: &str| {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"));
        writeln!(log.unwrap(), "{line}").unwrap();
    };
    note("start");
    eprintln!("the server {role} has started");
    if role == "mute" {
        std::thread::sleep(Duration::from_secs(60));
    }
    // The test harness has begun a line of its own: end it, as a banner before the protocol.
    println!();
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let method = message["method"].as_str().unwrap_or_default();
        note(method);
        if let Some(key) = message["params"]["_meta"]["ropewalk/idempotencyKey"].as_str() {
            note(&format!("key {key}"));
        }
        if method == "notifications/cancelled" {
            note(&format!(
                "cancelled {}",
                message["params"]["reason"].as_str().unwrap()
            ));
        }
        let Some(id) = message.get("id") else {
            continue;
        };
        let result = match method {
            "initialize" => json!({"protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}}, "serverInfo": {"name": "acting", "version": "1"}}),
            "tools/list" => page(message["params"]["cursor"].as_str(), &role),
            "tools/call" => match play(message["params"]["name"].as_str().unwrap(), folder) {
                Some(result) => result,
                None => continue,
            },
            _ => {
                let error = json!({"code": -32601, "message": "no such method"});
                println!("{}", json!({"jsonrpc": "2.0", "id": id, "error": error}));
                continue;
            }
        };
        println!("{}", json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }
    if role == "stubborn" {
        std::thread::sleep(Duration::from_secs(60));
    }
    // Not back into the test harness, which would report on standard output.
    std::process::exit(0);
}

/// Two pages of tools; the second never ends for one role.
fn page(cursor: Option<&str>, role: &str) -> Value {
    let mut page = page_in_order(cursor, role);
    if role == "shuffled" {
        page["tools"].as_array_mut().unwrap().reverse();
    }
    page
}

fn page_in_order(cursor: Option<&str>, role: &str) -> Value {
    let open = json!({"type": "object"});
    let read_only = json!({"readOnlyHint": true});
    match cursor {
        None => json!({"nextCursor": "2", "tools": [
            {"name": "huge", "inputSchema": open},
            {"name": "liar", "inputSchema": open, "outputSchema": {"type": "object",
                "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
            {"name": "silent", "inputSchema": open, "outputSchema": {"type": "object"}},
            {"name": "mixed", "inputSchema": open},
        ]}),
        Some(_) if role == "endless" => json!({"nextCursor": "2", "tools": []}),
        Some(_) => json!({"tools": [
            {"name": "die", "inputSchema": open},
            {"name": "die once", "inputSchema": open, "annotations": read_only},
            {"name": "die.once", "inputSchema": open},
            {"name": "slow", "inputSchema": open, "annotations": read_only},
            {"name": "strict", "inputSchema": {"type": "object", "properties": {
                "mode": {"enum": ["a", "b"]}, "count": {"type": "integer"},
                "any": {}}, "required": ["mode"]}},
            {"name": "wordy", "inputSchema": open},
        ]}),
    }
}

fn play(tool: &str, folder: &Path) -> Option<Value> {
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    Some(match tool {
        "huge" => json!({"content": text(&"x".repeat(17 << 20))}),
        "wordy" => json!({"content": text(&"x".repeat(5 << 20))}),
        "liar" => json!({"content": text("1"), "structuredContent": {"n": "one"}}),
        "silent" => json!({"content": text("no data")}),
        "mixed" => json!({"content": [
            {"type": "text", "text": "see:"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
        ]}),
        "die" => std::process::exit(7),
        "die once" => {
            let mark = folder.join("died");
            if !mark.exists() {
                std::fs::write(mark, "").unwrap();
                std::process::exit(7);
            }
            json!({"content": text("alive again")})
        }
        "slow" => return None,
        _ => json!({"content": text("fine")}),
    })
}

fn actor(role: &str, folder: &Path) -> ServerConfig {
    ServerConfig {
        command: Some(std::env::current_exe().unwrap().display().to_string()),
        args: [
            "unruly_servers::acting",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ]
        .map(str::to_owned)
        .to_vec(),
        env: BTreeMap::from([
            ("RW_ACT".to_owned(), role.to_owned()),
            ("RW_FOLDER".to_owned(), folder.display().to_string()),
        ]),
        start_timeout_s: Some(10),
        timeout_s: Some(1),
        ..ServerConfig::default()
    }
}

async fn start(config: ServerConfig) -> (Host, Vec<String>) {
    let (host, failures) =
        Host::start(vec![("s".to_owned(), Endpoint::Config(config))], trusting()).await;
    (
        host,
        failures.into_iter().map(|failure| failure.reason).collect(),
    )
}

async fn started(folder: &Path) -> Host {
    let (host, failures) = start(actor("player", folder)).await;
    assert_eq!(failures, Vec::<String>::new());
    host
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

async fn call(host: &Host, name: &str, arguments: Value) -> ToolOutcome {
    let call = ToolCall {
        id: "1".to_owned(),
        name: name.to_owned(),
        arguments,
    };
    host.call(&call, caller(&CancellationToken::new())).await
}

async fn refused(host: &Host, name: &str, arguments: Value) -> String {
    match call(host, name, arguments).await {
        ToolOutcome::Error { message } => message,
        ToolOutcome::Ok { text, .. } => panic!("expected an error, got {text}"),
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap()
}

/// Waits until the child's log contains a text.
async fn logged(folder: &Path, text: &str) {
    for _ in 0..300 {
        if log(folder).contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{text:?} is not in {:?}", log(folder));
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

#[tokio::test]
async fn a_child_of_the_older_protocol_is_listed_over_all_pages_and_called() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path()).await;
    let names: Vec<String> = host.tools().into_iter().map(|tool| tool.name).collect();
    let expected = [
        "s__die",
        "s__die_once",
        "s__die_once_2",
        "s__huge",
        "s__liar",
        "s__mixed",
        "s__silent",
        "s__slow",
        "s__strict",
        "s__wordy",
    ];
    assert_eq!(names, expected);
    let summary = &host.servers()[0];
    assert_eq!(
        (summary.protocol.as_str(), summary.tools),
        ("2025-06-18", 10)
    );
    assert!(!summary.built_in);
    assert_eq!(permission(&host, "s__slow"), Permission::Ask);
    let outcome = call(&host, "s__mixed", Value::Null).await;
    assert_eq!(outcome.text(), "see:\n[image image/png 3 bytes]\ninside");
    host.shutdown().await;
}

#[tokio::test]
async fn tools_have_the_same_names_in_whatever_order_the_server_lists_them() {
    let folder = tempfile::tempdir().unwrap();
    let (shuffled, failures) = start(actor("shuffled", folder.path())).await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(shuffled.tools(), started(folder.path()).await.tools());
}

#[tokio::test]
async fn arguments_are_checked_before_the_server_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path()).await;
    let message = refused(&host, "s__strict", json!({"mode": "c", "count": "3"})).await;
    assert!(
        message.contains("`/mode`: \"c\" is not one of \"a\" or \"b\""),
        "{message}"
    );
    assert!(
        message.contains("`/count`: \"3\" is not of type \"integer\""),
        "{message}"
    );
    let message = refused(&host, "s__strict", json!({"mode": null})).await;
    assert!(
        message.contains("null is not one of"),
        "a required null is no null left out"
    );
    assert!(!log(folder.path()).contains("tools/call"));
    let arguments = json!({"mode": "a", "count": null, "any": null});
    assert_eq!(call(&host, "s__strict", arguments).await.text(), "fine");
}

#[tokio::test]
async fn results_that_are_too_large_or_break_their_schema_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path()).await;
    let message = refused(&host, "s__liar", json!({})).await;
    let expected = "server `s` broke its own output schema for `s__liar`: `/n`: \"one\" is not";
    assert!(message.contains(expected), "{message}");
    let message = refused(&host, "s__silent", json!({})).await;
    assert!(message.contains("gave no structured result"), "{message}");
    let message = refused(&host, "s__wordy", json!({})).await;
    assert!(message.contains("answered with 5242880 bytes"), "{message}");
    let message = refused(&host, "s__huge", json!({})).await;
    assert!(
        message.contains("message of more than 16777216 bytes"),
        "{message}"
    );
    assert_eq!(
        call(&host, "s__strict", json!({"mode": "a"})).await.text(),
        "fine"
    );
}

#[tokio::test]
async fn a_slow_call_is_cancelled_at_the_server_which_lives() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path()).await;
    let message = refused(&host, "s__slow", json!({})).await;
    assert!(message.contains("no answer within 1 s"), "{message}");
    logged(folder.path(), "cancelled the call took too long").await;
    assert_eq!(
        call(&host, "s__strict", json!({"mode": "a"})).await.text(),
        "fine"
    );
    let cancel = CancellationToken::new();
    cancel.cancel();
    let slow = ToolCall {
        id: "1".to_owned(),
        name: "s__slow".to_owned(),
        arguments: json!({}),
    };
    let outcome = host.call(&slow, caller(&cancel)).await;
    assert!(outcome.text().contains("cancelled"), "{}", outcome.text());
    assert_eq!(
        log(folder.path()).matches("start").count(),
        1,
        "the server was started again"
    );
}

#[tokio::test]
async fn a_server_that_dies_is_started_again_and_only_harmless_calls_are_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path()).await;
    let message = refused(&host, "s__die", json!({})).await;
    assert!(
        message.contains("whether the call took effect is unknown"),
        "{message}"
    );
    assert_eq!(
        log(folder.path()).matches("tools/call").count(),
        1,
        "a call was repeated"
    );
    assert_eq!(
        call(&host, "s__strict", json!({"mode": "a"})).await.text(),
        "fine"
    );
    assert_eq!(
        call(&host, "s__die_once", json!({})).await.text(),
        "alive again"
    );
    assert_eq!(log(folder.path()).matches("start").count(), 3);
}

/// So that a server that remembers it can answer without doing it again.
#[tokio::test]
async fn the_name_of_an_effect_reaches_the_server_and_is_the_same_when_it_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let host = started(folder.path()).await;
    let once = ToolCall {
        id: "1".to_owned(),
        name: "s__die_once".to_owned(),
        arguments: json!({}),
    };
    let cancel = CancellationToken::new();
    let outcome = host
        .call(
            &once,
            Caller {
                key: Some("effect-7"),
                ..caller(&cancel)
            },
        )
        .await;
    assert_eq!(outcome.text(), "alive again");
    assert_eq!(log(folder.path()).matches("key effect-7").count(), 2);
    call(&host, "s__strict", json!({"mode": "a"})).await;
    assert_eq!(log(folder.path()).matches("key ").count(), 2);
}

#[tokio::test]
async fn a_server_that_does_not_come_back_is_reported_and_left_in_peace() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("broken");
    let mut config = actor("player", folder.path());
    let program = config.command.take().unwrap();
    let script = format!("test -e {} && exit 9; exec \"$0\" \"$@\"", flag.display());
    config.args.splice(0..0, ["-c".to_owned(), script, program]);
    config.command = Some("sh".to_owned());
    let (host, failures) = start(config).await;
    assert_eq!(failures, Vec::<String>::new());
    std::fs::write(&flag, "").unwrap();
    refused(&host, "s__die", json!({})).await;
    let message = refused(&host, "s__strict", json!({"mode": "a"})).await;
    assert!(message.contains("did not start again") && message.contains("exit status: 9"));
    let message = refused(&host, "s__strict", json!({"mode": "a"})).await;
    assert!(
        message.contains("the server is down") && message.contains("next attempt"),
        "{message}"
    );
}

/// Starts a server that stays when its standard input is closed, ends the host, and waits until
/// the server's process is gone.
async fn is_gone_with_its_host(config: ServerConfig, folder: &Path, politely: bool) {
    let (host, failures) = start(config).await;
    assert_eq!(failures, Vec::<String>::new());
    let id = std::fs::read_to_string(folder.join("pid")).unwrap();
    let process = format!("/proc/{id}/stat");
    if !Path::new(&process).exists() {
        return; // No such file system here.
    }
    if politely {
        host.shutdown().await;
    } else {
        drop(host);
    }
    // A dead process that nobody has waited for yet shows as a zombie.
    let alive = || {
        let stat = std::fs::read_to_string(&process).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    for _ in 0..300 {
        if !alive() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {id} is left, politely: {politely}");
}

#[tokio::test]
async fn children_are_gone_after_a_shutdown_and_after_a_drop() {
    for politely in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let config = actor("stubborn", folder.path());
        is_gone_with_its_host(config, folder.path(), politely).await;
    }
}

#[tokio::test]
async fn what_a_child_started_is_gone_with_it() {
    for politely in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        // A shell that stays between us and the server, as npx does.
        let mut wrapped = actor("stubborn", folder.path());
        let inner = wrapped.command.take().unwrap();
        let words = std::iter::once(inner).chain(wrapped.args.drain(..));
        let quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
        wrapped.command = Some("sh".to_owned());
        wrapped.args = vec!["-c".to_owned(), format!("{}; true", quoted.join(" "))];
        is_gone_with_its_host(wrapped, folder.path(), politely).await;
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_or_never_ends_its_list_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mute = ServerConfig {
        start_timeout_s: Some(1),
        ..actor("mute", folder.path())
    };
    let (_, failures) = start(mute).await;
    assert!(
        failures[0].contains("the server mute has started"),
        "{failures:?}"
    );
    let (_, failures) = start(actor("endless", folder.path())).await;
    assert!(
        failures[0].contains("its list of tools never ends"),
        "{failures:?}"
    );
}

#[tokio::test]
async fn a_program_that_cannot_run_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    let (_, failures) = start(ServerConfig {
        command: Some(plain.display().to_string()),
        ..ServerConfig::default()
    })
    .await;
    assert!(failures[0].contains("may not be executed"), "{failures:?}");
    let (_, failures) = start(ServerConfig {
        command: Some("sh".to_owned()),
        cwd: Some(folder.path().join("missing")),
        ..ServerConfig::default()
    })
    .await;
    assert!(failures[0].contains("there is no folder"), "{failures:?}");
}

#[tokio::test]
async fn two_servers_of_one_name_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let twice = [1, 2].map(|_| {
        (
            "s".to_owned(),
            Endpoint::Config(actor("player", folder.path())),
        )
    });
    let (host, failures) = Host::start(twice.into(), trusting()).await;
    assert_eq!(host.tools().len(), 10);
    assert!(
        failures[0].reason.contains("another server of that name"),
        "{failures:?}"
    );
}

/// Serves HTTP that is not MCP.
async fn website(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/mcp")
}

fn at(url: &str) -> ServerConfig {
    ServerConfig {
        url: Some(url.to_owned()),
        start_timeout_s: Some(1),
        ..ServerConfig::default()
    }
}

#[tokio::test]
async fn addresses_without_a_server_are_explained() {
    let page = || async { Html("<html>Welcome</html>") };
    let html = website(Router::new().route("/mcp", any(page))).await;
    let missing = website(Router::new()).await;
    let stall = || async { tokio::time::sleep(Duration::from_secs(60)).await };
    let stalled = website(Router::new().route("/mcp", any(stall))).await;
    for (url, expected) in [
        (html.as_str(), "text/html"),
        (missing.as_str(), "404"),
        (stalled.as_str(), "did not start within 1 s"),
        ("http://127.0.0.1:1/mcp", "refused"),
        ("http://no such host/mcp", "`url` is no address"),
        ("ftp://localhost/mcp", "must start with http"),
    ] {
        let (_, failures) = start(at(url)).await;
        assert!(
            failures[0].contains(expected),
            "{url}: {failures:?} does not say {expected:?}"
        );
    }
    let unset = ServerConfig {
        bearer_env: Some("RW_NO_TOKEN".to_owned()),
        ..at(&html)
    };
    assert!(start(unset).await.1[0].contains("RW_NO_TOKEN"));
    let header = BTreeMap::from([("bad name".to_owned(), "x".to_owned())]);
    let header = ServerConfig {
        headers: header,
        ..at(&html)
    };
    assert!(start(header).await.1[0].contains("`bad name` is not a usable HTTP header"));
}
