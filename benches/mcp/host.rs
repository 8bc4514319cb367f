//! What a call costs our host: over standard input and output, and with the server in this process.

use std::sync::Arc;

use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_host::consent::Granted;
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, ServerConfig};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::driver::cpu_ticks_of;
use super::echo;

/// Prints the processor time of this process per call, in microseconds: on one thread, as the
/// Python client's loop has, or on as many as there are cores, as `ropewalk` itself runs.
pub fn measure(program: &str, threads: &str, count: u32) {
    let mut builder = match threads {
        "one" => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().unwrap();
    println!("{}", runtime.block_on(calls(program, count)));
    std::process::exit(0);
}

async fn calls(program: &str, count: u32) -> f64 {
    let endpoint = if !program.is_empty() {
        Endpoint::Config(ServerConfig {
            command: Some(program.to_owned()),
            ..ServerConfig::default()
        })
    } else {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(echo::server().serve_io(theirs, CancellationToken::new()));
        Endpoint::BuiltIn(ours)
    };
    let options = HostOptions {
        consent: Arc::new(Granted),
        ..HostOptions::default()
    };
    let (host, failures) = Host::start(vec![("s".to_owned(), endpoint)], options).await;
    assert!(failures.is_empty(), "{failures:?}");
    let call = ToolCall {
        id: "1".to_owned(),
        name: "s__echo".to_owned(),
        arguments: json!({"message": "hello"}),
    };
    let cancel = CancellationToken::new();
    let mut before = 0;
    for number in 0..count + 200 {
        if number == 200 {
            before = cpu_ticks_of(std::process::id());
        }
        let caller = Caller {
            key: None,
            cancel: &cancel,
            progress: Arc::new(|_| {}),
            desk: None,
            payer: None,
        };
        let outcome = host.call(&call, caller).await;
        assert!(matches!(&outcome, ToolOutcome::Ok { text, .. } if text == "hello"));
    }
    let ticks = cpu_ticks_of(std::process::id()) - before;
    host.shutdown().await;
    ticks as f64 * 10_000.0 / f64::from(count)
}
