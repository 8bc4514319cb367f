//! Servers that are down, hang, come back and change their tools, and what the others notice of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ropewalk_host::{Endpoint, Host, HostOptions, ServerConfig, ServerState};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::scripted::{
    Website, at, call, caller, free_port, modern, said, start, stream, to, tool, trusting, until,
    website,
};

fn names(host: &Host) -> Vec<String> {
    host.tools().into_iter().map(|tool| tool.name).collect()
}

fn state(host: &Host, name: &str) -> ServerState {
    let servers = host.servers();
    let server = servers.into_iter().find(|server| server.name == name);
    server.unwrap().state
}

async fn plain(port: u16, tools: &[&str]) -> Website {
    let tools: Value = tools.iter().map(|name| tool(name)).collect();
    website(port, move |method, parameters, _| match method {
        "tools/call" => said(parameters["name"].as_str().unwrap()),
        _ => modern(method, tools.clone()),
    })
    .await
}

#[tokio::test]
async fn a_server_that_was_down_at_the_start_is_used_when_it_comes() {
    let port = free_port().await;
    let url = format!("http://127.0.0.1:{port}/mcp");
    let (host, failures) = start(at(&url), HostOptions::default()).await;
    assert_eq!(failures.len(), 1);
    assert_eq!(names(&host), Vec::<String>::new());
    assert!(matches!(state(&host, "s"), ServerState::Down { .. }));
    let _site = plain(port, &["late"]).await;
    until("its tools appear", || names(&host) == ["s__late"]).await;
    assert_eq!(state(&host, "s"), ServerState::Up);
    assert_eq!(call(&host, "s__late", json!({})).await.text(), "late");
}

#[tokio::test]
async fn a_server_that_gives_no_answers_is_left_in_peace_and_tried_again() {
    let silent = Arc::new(AtomicBool::new(true));
    let quiet = Arc::clone(&silent);
    let site = website(0, move |method, _, _| match method {
        "tools/call" => {
            if quiet.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_secs(3));
            }
            said("here")
        }
        _ => modern(method, json!([tool("a")])),
    })
    .await;
    let config = ServerConfig {
        timeout_s: Some(1),
        ..at(&site.url)
    };
    let other = plain(0, &["b"]).await;
    let servers = vec![
        ("s".to_owned(), Endpoint::Config(config)),
        ("other".to_owned(), Endpoint::Config(at(&other.url))),
    ];
    let (host, failures) = Host::start(servers, HostOptions::default()).await;
    assert_eq!(failures, []);
    for _ in 0..5 {
        let outcome = call(&host, "s__a", json!({})).await;
        assert!(
            outcome.text().contains("no answer within 1 s"),
            "{outcome:?}"
        );
    }
    assert!(
        matches!(state(&host, "s"), ServerState::Down { reason, .. } if reason.contains("no answer"))
    );
    let asked = site.count("tools/call");
    let outcome = call(&host, "s__a", json!({})).await;
    assert!(outcome.text().contains("the server is down"), "{outcome:?}");
    assert_eq!(site.count("tools/call"), asked, "it is not asked");
    assert_eq!(call(&host, "other__b", json!({})).await.text(), "b");
    silent.store(false, Ordering::SeqCst);
    let mut outcome = call(&host, "s__a", json!({})).await;
    for _ in 0..500 {
        if outcome.text() == "here" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        outcome = call(&host, "s__a", json!({})).await;
    }
    assert_eq!(outcome.text(), "here");
    assert_eq!(state(&host, "s"), ServerState::Up);
}

/// A server whose tools say how many calls ran beside each other at most.
async fn crowded(hint: bool) -> (Website, Arc<AtomicUsize>) {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let site = website(0, move |method, _, _| match method {
        "tools/call" => {
            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
            seen.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            inside.fetch_sub(1, Ordering::SeqCst);
            said("done")
        }
        _ => modern(
            method,
            json!([{"name": "a", "inputSchema": {"type": "object"},
                "annotations": {"readOnlyHint": hint}}]),
        ),
    })
    .await;
    (site, most)
}

#[tokio::test]
async fn calls_run_one_after_another_where_nobody_vouches_that_they_only_read() {
    for hint in [false, true] {
        let (site, most) = crowded(hint).await;
        let (host, _) = start(at(&site.url), HostOptions::default()).await;
        let calls = (0..6).map(|_| call(&host, "s__a", json!({})));
        for outcome in futures::future::join_all(calls).await {
            assert_eq!(outcome.text(), "done");
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }
}

/// A server in this process that answers a call when told; it counts those that wait.
fn waiting(
    hint: bool,
    inside: Arc<AtomicUsize>,
    open: CancellationToken,
) -> tokio::io::DuplexStream {
    stream(move |message, out| {
        let Some(id) = message.get("id").cloned() else {
            return;
        };
        let method = message["method"].as_str().unwrap();
        if method == "tools/call" {
            inside.fetch_add(1, Ordering::SeqCst);
            let open = open.clone();
            tokio::spawn(async move {
                open.cancelled().await;
                let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result": said("done")}));
            });
            return;
        }
        let tools = json!([{"name": "a", "inputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": hint}}]);
        let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result": modern(method, tools)}));
    })
}

#[tokio::test]
async fn our_own_reading_tools_run_beside_each_other_and_changing_ones_do_not() {
    for (hint, together) in [(true, 4), (false, 1)] {
        let (inside, open) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let io = waiting(hint, Arc::clone(&inside), open.clone());
        let servers = vec![("s".to_owned(), Endpoint::BuiltIn(io))];
        let (host, failures) = Host::start(servers, HostOptions::default()).await;
        assert_eq!(failures, []);
        let calls = futures::future::join_all((0..4).map(|_| call(&host, "s__a", json!({}))));
        let looked = async {
            until("calls arrive", || inside.load(Ordering::SeqCst) >= together).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let arrived = inside.load(Ordering::SeqCst);
            open.cancel();
            arrived
        };
        let (outcomes, arrived) = tokio::join!(calls, looked);
        assert_eq!(arrived, together);
        assert!(outcomes.iter().all(|outcome| outcome.text() == "done"));
    }
}

#[tokio::test]
async fn a_run_that_ends_leaves_the_servers_to_the_others() {
    let (inside, open) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let io = waiting(true, Arc::clone(&inside), open.clone());
    let servers = vec![("s".to_owned(), Endpoint::BuiltIn(io))];
    let (host, _) = Host::start(servers, HostOptions::default()).await;
    let host = Arc::new(host);
    let session = Arc::clone(&host);
    let run = tokio::spawn(async move { call(&session, "s__a", json!({})).await });
    let other = tokio::spawn({
        let host = Arc::clone(&host);
        async move { call(&host, "s__a", json!({})).await }
    });
    until("both calls arrive", || inside.load(Ordering::SeqCst) == 2).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    open.cancel();
    assert_eq!(other.await.unwrap().text(), "done");
    assert_eq!(call(&host, "s__a", json!({})).await.text(), "done");
    assert_eq!(state(&host, "s"), ServerState::Up);
}

/// What a test does to a server whose tools change.
struct Changing {
    tools: Arc<Mutex<Vec<&'static str>>>,
    /// The request that listens, in the newer protocol.
    subscription: Arc<Mutex<Option<Value>>>,
    /// Where its messages go.
    ways: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Value>>,
}

/// A server of the older or the newer protocol that says when its tools change.
fn changing(modern_era: bool) -> (tokio::io::DuplexStream, Changing) {
    let tools = Arc::new(Mutex::new(vec!["first"]));
    let listed = Arc::clone(&tools);
    let subscription = Arc::new(Mutex::new(None));
    let subscribed = Arc::clone(&subscription);
    let (way_out, ways) = mpsc::unbounded_channel();
    let io = stream(move |message, out| {
        let Some(id) = message.get("id").cloned() else {
            return;
        };
        let reply = |result: Value| {
            let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result": result}));
        };
        let tools: Value = listed
            .lock()
            .unwrap()
            .iter()
            .map(|name| tool(name))
            .collect();
        match message["method"].as_str().unwrap() {
            "initialize" => {
                let _ = way_out.send(out.clone());
                reply(json!({"protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {"listChanged": true}},
                    "serverInfo": {"name": "changing", "version": "1"}}));
            }
            "server/discover" if modern_era => {
                let _ = way_out.send(out.clone());
                let mut result = modern("server/discover", json!([]));
                result["capabilities"] = json!({"tools": {"listChanged": true}});
                reply(result);
            }
            "subscriptions/listen" => {
                *subscribed.lock().unwrap() = Some(id.clone());
                let _ = out.send(json!({"jsonrpc": "2.0",
                    "method": "notifications/subscriptions/acknowledged", "params":
                    {"_meta": {"io.modelcontextprotocol/subscriptionId": id},
                    "notifications": {"toolsListChanged": true}}}));
            }
            "tools/list" if modern_era => reply(modern("tools/list", tools)),
            "tools/list" => reply(json!({"tools": tools})),
            _ => {
                let _ = out.send(json!({"jsonrpc": "2.0", "id": id,
                    "error": {"code": -32601, "message": "no such method"}}));
            }
        }
    });
    let changing = Changing {
        tools,
        subscription,
        ways,
    };
    (io, changing)
}

#[tokio::test]
async fn tools_that_change_are_listed_anew_in_both_protocols() {
    for modern_era in [false, true] {
        let (io, mut server) = changing(modern_era);
        let servers = vec![("s".to_owned(), Endpoint::BuiltIn(io))];
        let (host, failures) = Host::start(servers, HostOptions::default()).await;
        assert_eq!(failures, []);
        assert_eq!(names(&host), ["s__first"]);
        if modern_era {
            until("it is listened to", || {
                server.subscription.lock().unwrap().is_some()
            })
            .await;
        }
        *server.tools.lock().unwrap() = vec!["second", "third"];
        let meta =
            json!({"io.modelcontextprotocol/subscriptionId": *server.subscription.lock().unwrap()});
        let mut note = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
        if modern_era {
            note["params"] = json!({"_meta": meta});
        }
        server.ways.recv().await.unwrap().send(note).unwrap();
        until("the new tools are there", || {
            names(&host) == ["s__second", "s__third"]
        })
        .await;
    }
}

#[tokio::test]
async fn tools_are_listed_again_when_the_time_is_over_for_which_they_are_good() {
    let site = website(0, |method, _, _| match method {
        "tools/list" => {
            let mut listed = modern(method, json!([tool("a")]));
            listed["ttlMs"] = json!(300);
            listed
        }
        _ => modern(method, json!([])),
    })
    .await;
    let (host, _) = start(at(&site.url), HostOptions::default()).await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(names(&host), ["s__a"]);
    }
    if began.elapsed() < Duration::from_millis(250) {
        assert_eq!(site.count("tools/list"), 1, "it is good for a while");
    }
    until("it is listed again", || {
        host.tools();
        site.count("tools/list") >= 2
    })
    .await;
}

#[tokio::test]
async fn what_was_read_is_kept_as_long_as_it_is_good() {
    let site = website(0, |method, parameters, _| match method {
        "server/discover" => {
            let mut discovered = modern(method, json!([]));
            discovered["capabilities"] = json!({"tools": {}, "resources": {}});
            discovered
        }
        "resources/list" => json!({"resultType": "complete", "ttlMs": 60_000,
            "cacheScope": "private", "resources": [{"uri": "rope:long", "name": "long"},
            {"uri": "rope:short", "name": "short"}]}),
        "resources/read" => {
            let uri = parameters["uri"].as_str().unwrap();
            let good = if uri == "rope:long" { 60_000 } else { 0 };
            json!({"resultType": "complete", "ttlMs": good, "cacheScope": "private",
                "contents": [{"uri": uri, "text": uri}]})
        }
        _ => modern(method, json!([])),
    })
    .await;
    let (host, failures) = start(at(&site.url), HostOptions::default()).await;
    assert_eq!(failures, Vec::<String>::new());
    let cancel = CancellationToken::new();
    for _ in 0..3 {
        let listed = host.resources("s", caller(&cancel)).await.unwrap();
        assert_eq!(listed.len(), 2);
        for resource in listed {
            let read = host
                .read_resource("s", &resource.uri, caller(&cancel))
                .await;
            assert_eq!(read.unwrap(), resource.uri);
        }
    }
    assert_eq!(site.count("resources/list"), 1);
    assert_eq!(site.count("resources/read"), 1 + 3);
    let missing = host.read_resource("t", "rope:long", caller(&cancel)).await;
    assert!(missing.unwrap_err().contains("there is no server `t`"));
}

#[tokio::test]
async fn progress_puts_the_end_of_a_call_off_up_to_a_limit() {
    let speaking = || {
        stream(|message, out| {
            let Some(id) = message.get("id").cloned() else {
                return;
            };
            let method = message["method"].as_str().unwrap().to_owned();
            if method != "tools/call" {
                let result = modern(&method, json!([tool("a")]));
                let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result": result}));
                return;
            }
            let token = message["params"]["_meta"]["progressToken"].clone();
            tokio::spawn(async move {
                for done in 0..14 {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    let _ = out.send(json!({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": token, "progress": done}}));
                }
                let _ = out.send(json!({"jsonrpc": "2.0", "id": id, "result": said("done")}));
            });
        })
    };
    // The script as a child would be: through a socket, so that it has timeouts.
    for (limit, expected) in [(None, "done"), (Some(1), "no answer within 1 s")] {
        let (ours, theirs) = (speaking(), free_port().await);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", theirs))
            .await
            .unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut ours = ours;
            let _ = tokio::io::copy_bidirectional(&mut socket, &mut ours).await;
        });
        let bridge = "exec 3<>/dev/tcp/127.0.0.1/$0; cat <&3 & cat >&3";
        let config = ServerConfig {
            command: Some("bash".to_owned()),
            args: vec!["-c".to_owned(), bridge.to_owned(), theirs.to_string()],
            timeout_s: Some(1),
            max_timeout_s: limit,
            ..ServerConfig::default()
        };
        let (host, failures) = start(config, trusting()).await;
        assert_eq!(failures, Vec::<String>::new());
        let outcome = call(&host, "s__a", json!({})).await;
        assert!(outcome.text().contains(expected), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_call_does_not_outlive_its_deadline_while_it_waits_for_its_turn() {
    let site = website(0, |method, _, _| match method {
        "tools/call" => {
            std::thread::sleep(Duration::from_secs(2));
            said("late")
        }
        _ => modern(method, json!([tool("a")])),
    })
    .await;
    let config = ServerConfig {
        timeout_s: Some(1),
        ..at(&site.url)
    };
    let (host, _) = start(config, trusting()).await;
    let calls = (0..3).map(|_| call(&host, "s__a", json!({})));
    for outcome in futures::future::join_all(calls).await {
        assert!(outcome.text().contains("within 1 s"), "{outcome:?}");
    }
    assert!(
        site.count("tools/call") < 3,
        "they did not wait for each other's end"
    );
    let token = CancellationToken::new();
    token.cancel();
    let outcome = host.call(&to("s__a", json!({})), caller(&token)).await;
    assert!(outcome.text().contains("cancelled"), "{outcome:?}");
}
