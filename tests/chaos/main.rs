//! A host and its servers with everything between them that can go wrong.
//!
//! Five servers with 22 tools each. One is sound; two are behind a proxy that drops, delays,
//! repeats, cuts and garbles messages and kills its server; one is down at the start; one dies
//! again and again. Under load, no call hangs past its deadline, no result belongs to another call,
//! no effect comes twice, the sound server never fails, and memory stays flat.
//!
//! `cargo test --test chaos` takes some seconds; with `ROPEWALK_HEAVY=1`, ten minutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod chance;
mod proxy;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chance::Chance;
use ropewalk_core::tool::{ToolCall, ToolOutcome};
use ropewalk_host::consent::Granted;
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, ServerConfig};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const WORKERS: u64 = 16;

/// Seconds a call may take, and a server to start.
const TIMEOUT_S: u64 = 2;
const START_S: u64 = 5;

/// What a call may take in all: waiting for who goes first on its server, a start, itself twice.
const DEADLINE: Duration = Duration::from_secs(45);

/// Megabytes by which memory may grow once everything has been used.
const GROWTH_MB: f64 = 40.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let text: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match text.get(1..) {
        Some(["server", rest @ ..]) => server::run(rest),
        Some(["proxy", seed, rest @ ..]) => proxy::run(seed.parse().unwrap(), rest),
        // What the test runner asks of a test with a main of its own.
        Some(given) if given.contains(&"--list") => {}
        _ => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(chaos());
            println!(
                "\ntest chaos ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"
            );
        }
    }
}

/// What became of one kind of calls.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
}

struct Trial {
    host: Host,
    folder: PathBuf,
    stop: AtomicBool,
    next: AtomicU64,
    tallies: BTreeMap<&'static str, Tally>,
    /// Numbers of the effects that were answered.
    effects: Mutex<Vec<u64>>,
    slowest: Mutex<Duration>,
}

const SERVERS: [&str; 5] = ["sound", "shaken", "stirred", "late", "mortal"];

fn configured(name: &str, folder: &Path) -> ServerConfig {
    let effects = folder.join(name).display().to_string();
    let mut args: Vec<String> = vec!["server".to_owned(), name.to_owned(), effects];
    match name {
        "shaken" => args
            .splice(0..0, ["proxy".to_owned(), "11".to_owned()])
            .for_each(drop),
        "stirred" => args
            .splice(0..0, ["proxy".to_owned(), "12".to_owned()])
            .for_each(drop),
        _ => {}
    }
    ServerConfig {
        command: Some(std::env::current_exe().unwrap().display().to_string()),
        args,
        timeout_s: Some(TIMEOUT_S),
        max_timeout_s: Some(TIMEOUT_S * 2),
        start_timeout_s: Some(START_S),
        ..ServerConfig::default()
    }
}

async fn chaos() {
    let heavy = std::env::var_os("ROPEWALK_HEAVY").is_some_and(|value| value == "1");
    let lasts = Duration::from_secs(if heavy { 600 } else { 12 });
    let folder = tempfile::tempdir().unwrap();
    let servers = SERVERS.map(|name| {
        let endpoint = Endpoint::Config(configured(name, folder.path()));
        (name.to_owned(), endpoint)
    });
    let options = HostOptions {
        consent: Arc::new(Granted),
        ..HostOptions::default()
    };
    let (host, failures) = Host::start(servers.into(), options).await;
    assert!(
        failures.iter().any(|failure| failure.server == "late"),
        "{failures:?}"
    );
    let trial = Arc::new(Trial {
        host,
        folder: folder.path().to_owned(),
        stop: AtomicBool::new(false),
        next: AtomicU64::new(0),
        tallies: SERVERS.map(|name| (name, Tally::default())).into(),
        effects: Mutex::default(),
        slowest: Mutex::default(),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|seed| tokio::spawn(work(Arc::clone(&trial), Chance::new(seed + 1))))
        .collect();
    tokio::time::sleep(lasts / 6).await;
    // From now on the late one can start.
    std::fs::write(folder.path().join("late.ready"), "").unwrap();
    tokio::time::sleep(lasts / 6).await;
    let before = memory_mb();
    tokio::time::sleep(lasts * 4 / 6).await;
    let grown = memory_mb() - before;
    trial.stop.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    judge(&trial, grown).await;
}

async fn work(trial: Arc<Trial>, mut chance: Chance) {
    while !trial.stop.load(Ordering::SeqCst) {
        let name = SERVERS[chance.below(5)];
        let number = trial.next.fetch_add(1, Ordering::SeqCst);
        let tool = match chance.below(4) {
            0 => "bump".to_owned(),
            _ => format!("echo_{}", chance.below(20)),
        };
        once(&trial, name, &tool, number).await;
    }
}

/// One call, and what must be true of its outcome.
async fn once(trial: &Trial, name: &'static str, tool: &str, number: u64) -> bool {
    let call = ToolCall {
        id: number.to_string(),
        name: format!("{name}__{tool}"),
        arguments: json!({"number": number}),
    };
    let key = format!("chaos-{number}");
    let caller = Caller {
        key: Some(&key),
        cancel: &CancellationToken::new(),
        progress: Arc::new(|_| {}),
        desk: None,
        payer: None,
    };
    let began = Instant::now();
    let outcome = tokio::time::timeout(DEADLINE, trial.host.call(&call, caller)).await;
    let took = began.elapsed();
    let outcome = outcome.unwrap_or_else(|_| panic!("{} hung for {took:?}", call.name));
    {
        let mut slowest = trial.slowest.lock().unwrap();
        *slowest = took.max(*slowest);
    }
    let tally = &trial.tallies[name];
    match outcome {
        ToolOutcome::Ok { structured, .. } => {
            let expected = json!({"server": name, "tool": tool, "number": number});
            assert_eq!(structured, Some(expected), "another call's result");
            if tool == "bump" {
                trial.effects.lock().unwrap().push(number);
            }
            tally.answered.fetch_add(1, Ordering::SeqCst);
            true
        }
        ToolOutcome::Error { message } => {
            assert_ne!(name, "sound", "a sound server failed: {message}");
            tally.failed.fetch_add(1, Ordering::SeqCst);
            // Failures of servers that are down come at once, and would only fill the time.
            tokio::time::sleep(Duration::from_millis(20)).await;
            false
        }
    }
}

async fn judge(trial: &Trial, grown_mb: f64) {
    for (name, tally) in &trial.tallies {
        let (answered, failed) = (
            tally.answered.load(Ordering::SeqCst),
            tally.failed.load(Ordering::SeqCst),
        );
        println!("{name}: {answered} answered, {failed} failed");
        assert!(answered > 0, "{name} never answered");
    }
    println!("slowest call: {:?}", trial.slowest.lock().unwrap());
    println!("memory grew by {grown_mb:.1} MB");
    assert!(grown_mb < GROWTH_MB, "memory grew by {grown_mb} MB");
    // Every effect that was answered happened once, and no other more than once.
    let mut happened: BTreeMap<u64, u32> = BTreeMap::new();
    for name in SERVERS {
        let lines = std::fs::read_to_string(trial.folder.join(name)).unwrap_or_default();
        for line in lines.lines() {
            *happened.entry(line.parse().unwrap()).or_default() += 1;
        }
    }
    for (number, times) in &happened {
        assert_eq!(*times, 1, "the effect {number} happened {times} times");
    }
    let effects = trial.effects.lock().unwrap().clone();
    for number in &effects {
        assert!(
            happened.contains_key(number),
            "the effect {number} was lost"
        );
    }
    println!(
        "{} effects answered, {} happened",
        effects.len(),
        happened.len()
    );
    // Everything comes back, however it was left.
    for name in SERVERS {
        let began = Instant::now();
        loop {
            let number = trial.next.fetch_add(1, Ordering::SeqCst);
            if once(trial, name, "echo_0", number).await {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_secs(150),
                "{name} did not come back"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    assert_eq!(trial.host.tools().len(), 110);
}

/// Resident memory of this process.
fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.map_or(0.0, |number| number.parse::<f64>().unwrap() / 1024.0)
}
