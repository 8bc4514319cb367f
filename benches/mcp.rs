//! Our tool servers beside those on the Python and TypeScript SDKs: the same echo tool, called one
//! call after another by the same driver, servers in turn.
//!
//! One JSON line per figure and peer: the medians over rounds, and the median of the rounds' own
//! ratios. Linux only: processor time and memory are read from /proc.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a benchmark may panic"
)]

#[path = "mcp/driver.rs"]
mod driver;
#[allow(dead_code, reason = "it is a program of its own")]
#[path = "../mcp-servers/kit/examples/echo.rs"]
mod echo;
#[path = "mcp/host.rs"]
mod host;
mod peer;

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use driver::{Cost, Driven, Era};

const ROUNDS: usize = 5;
const WARM: usize = 200;
const CALLS: usize = 2_000;

/// Says that this process is to be the host whose calls are measured: with the program of the
/// server, or with nothing where the server is in this process as well.
const CALL: &str = "ROPEWALK_BENCH_HOST";

/// On how many threads that host runs: `one` or `all`.
const THREADS: &str = "ROPEWALK_BENCH_THREADS";

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// How a server is started; with a port over HTTP.
type Start = Box<dyn Fn(Option<u16>) -> Command>;

/// The echo server on our kit and nothing else, as the peers' stand on their SDKs alone: a program
/// of its own, so that its memory is not that of this benchmark.
fn echo_server() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--workspace"])
        .args(["--example", "echo"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "no echo server");
    // Beside `deps`, in which a benchmark lies.
    let program = std::env::current_exe().unwrap();
    let release = program.parent().and_then(Path::parent).unwrap();
    release.with_file_name("release").join("examples/echo")
}

fn ours(program: PathBuf) -> Start {
    Box::new(move |port| {
        let mut command = Command::new(&program);
        command.args(port.map(|port| format!("127.0.0.1:{port}")));
        command
    })
}

fn arguments(port: Option<u16>) -> Vec<String> {
    match port {
        None => vec!["stdio".to_owned()],
        Some(port) => vec!["http".to_owned(), port.to_string()],
    }
}

fn python() -> Option<Start> {
    peer::install("mcp", &["mcp>=2.3,<3"]);
    peer::command("mcp.server", "mcp_echo.py", &arguments(None))?;
    Some(Box::new(|port| {
        peer::command("mcp.server", "mcp_echo.py", &arguments(port)).unwrap()
    }))
}

/// Node and the packages lie in a folder beside the virtual environment of the Python peers.
fn typescript() -> Option<Start> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    let folder = benches.join(".npm");
    let node = folder.join("node_modules/.bin/node");
    if !node.is_file() {
        eprintln!("installing the TypeScript SDK into benches/.npm");
        std::fs::create_dir_all(&folder).unwrap();
        let npm = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .args([
                "@modelcontextprotocol/server@2",
                "@modelcontextprotocol/node@2",
                "zod",
                "node@22",
            ])
            .status();
        if !npm.is_ok_and(|status| status.success()) {
            eprintln!("no peer: npm cannot install the TypeScript SDK");
            return None;
        }
    }
    // Modules are looked for beside the script.
    let script: PathBuf = folder.join("mcp_echo.mjs");
    std::fs::copy(benches.join("peers/mcp_echo.mjs"), &script).unwrap();
    Some(Box::new(move |port| {
        let mut command = Command::new(&node);
        command.arg(&script).args(arguments(port));
        command
    }))
}

/// What is measured in one round of one server.
struct Round {
    cold_ms: f64,
    cost: Cost,
}

fn round(start: &Start, over_http: bool, era: Era) -> Round {
    let port = over_http.then(free_port);
    let mut driven = Driven::start(start(port), port, era);
    let cold_ms = driven.cold.as_secs_f64() * 1e3;
    let cost = driven.calls(WARM, CALLS);
    Round { cold_ms, cost }
}

fn main() {
    if let Ok(program) = std::env::var(CALL) {
        let threads = std::env::var(THREADS).unwrap_or_default();
        host::measure(&program, &threads, CALLS as u32);
    }
    let program = echo_server();
    let servers = [
        ("ours", Some(ours(program.clone()))),
        ("python", python()),
        ("typescript", typescript()),
    ];
    for (way, over_http) in [("stdio", false), ("http", true)] {
        for (version, era) in [("2025-11-25", Era::Older), ("2026-07-28", Era::Newer)] {
            let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
            for _ in 0..ROUNDS {
                for ((_, start), rounds) in servers.iter().zip(&mut rounds) {
                    if let Some(start) = start {
                        rounds.push(round(start, over_http, era));
                    }
                }
            }
            let (ours, peers) = rounds.split_first().unwrap();
            for ((peer, _), theirs) in servers[1..].iter().zip(peers) {
                let compare = |what: &str, unit: &str, of: fn(&Round) -> f64| {
                    let values = |rounds: &[Round]| rounds.iter().map(of).collect::<Vec<f64>>();
                    let name = format!("mcp_{way}_{version}_{what}_beside_{peer}");
                    peer::figure(&name, unit, &values(ours), &values(theirs));
                };
                compare("calls", "calls/s", |round| round.cost.calls_per_s);
                compare("cpu", "us/call", |round| round.cost.cpu_us_per_call);
                compare("memory", "MB", |round| round.cost.memory_mb);
                compare("cold_start", "ms", |round| round.cold_ms);
            }
        }
    }
    for (way, threads) in [
        ("stdio", "one"),
        ("inside", "one"),
        ("stdio", "all"),
        ("inside", "all"),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let mut arguments = vec![CALLS.to_string()];
            command.env(
                CALL,
                if way == "stdio" {
                    program.as_os_str()
                } else {
                    OsStr::new("")
                },
            );
            ours.push(printed(command.env(THREADS, threads)));
            if way == "stdio" {
                arguments.push(program.display().to_string());
            }
            if let Some(mut command) = peer::command("mcp", "mcp_client.py", &arguments) {
                theirs.push(printed(&mut command));
            }
        }
        let name = format!("mcp_host_{way}_{threads}_threads_cpu_beside_python");
        peer::figure(&name, "us/call", &ours, &theirs);
    }
}

/// The number a process prints.
fn printed(command: &mut Command) -> f64 {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.trim().parse();
    number.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}
