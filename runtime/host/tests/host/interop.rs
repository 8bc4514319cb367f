//! Our host against other people's servers: the Python and the TypeScript SDK, and the reference
//! server that exercises everything, over standard input and output and over HTTP.
//!
//! They are installed below `target/` the first time. Where Python 3 or Node is missing, or their
//! packages cannot be had, the test says so and passes, except in CI.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use ropewalk_core::message::Usage;
use ropewalk_core::tool::ToolOutcome;
use ropewalk_host::consent::Granted;
use ropewalk_host::inquiry::{Answer, Desk, Inquiry, Wants};
use ropewalk_host::sampling::{SampleAsked, Sampled, Sampler};
use ropewalk_host::{Endpoint, Host, HostOptions, ServerConfig};
use serde_json::{Map, Value, json};

use crate::scripted::{at, call, free_port};

const PYTHON_SDK: &str = "mcp==2.3.0";
const NODE_PACKAGES: [&str; 3] = [
    "@modelcontextprotocol/server@2.4.0",
    "@modelcontextprotocol/server-everything@2026.8.31",
    "zod@4",
];

/// A folder below `target/` in which `install` was once done.
fn installed(
    name: &str,
    what: &str,
    install: impl Fn(&Path) -> Result<(), String>,
) -> Option<PathBuf> {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let ready = folder.join("ready");
    if std::fs::read_to_string(&ready).is_ok_and(|was| was == what) {
        return Some(folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    if let Err(why) = install(&folder) {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs {name} for this test: {why}"
        );
        eprintln!("skipped: {name} cannot be installed: {why}");
        return None;
    }
    std::fs::write(ready, what).unwrap();
    Some(folder)
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn python() -> Option<PathBuf> {
    let folder = installed("python-sdk", PYTHON_SDK, |folder| {
        done(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let python = folder.join("bin/python");
        done(Command::new(python).args(["-m", "pip", "install", "--quiet", PYTHON_SDK]))
    })?;
    Some(folder.join("bin/python"))
}

fn packages() -> Option<PathBuf> {
    installed("npm-packages", &NODE_PACKAGES.join(" "), |folder| {
        done(Command::new("node").arg("--version"))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"]);
        done(npm.arg(folder).args(NODE_PACKAGES))
    })
}

/// A person who is called Ada, and takes every default.
struct Ada;

#[async_trait]
impl Desk for Ada {
    async fn ask(&self, inquiry: Inquiry) -> Answer {
        match inquiry.wants {
            Wants::Form { .. } => {
                Answer::Accepted(Map::from_iter([("name".to_owned(), json!("Ada"))]))
            }
            Wants::Url { .. } => Answer::Declined,
        }
    }
}

struct Parrot;

#[async_trait]
impl Sampler for Parrot {
    async fn complete(&self, asked: SampleAsked) -> Result<Sampled, String> {
        Ok(Sampled {
            text: format!("you said: {}", asked.messages[0].text),
            model: "parrot".to_owned(),
            usage: Usage::default(),
            cut: false,
        })
    }
}

async fn host(config: ServerConfig) -> Host {
    let options = HostOptions {
        desk: Arc::new(Ada),
        sampler: Some(Arc::new(Parrot)),
        consent: Arc::new(Granted),
        ..HostOptions::default()
    };
    let config = ServerConfig {
        start_timeout_s: Some(60),
        ..config
    };
    let servers = vec![("s".to_owned(), Endpoint::Config(config))];
    let (host, failures) = Host::start(servers, options).await;
    assert_eq!(failures, []);
    host
}

fn child(command: &Path, args: &[&str]) -> ServerConfig {
    ServerConfig {
        command: Some(command.to_str().unwrap().to_owned()),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        ..ServerConfig::default()
    }
}

/// A server over HTTP, killed when this is dropped.
struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn served(command: &mut Command, port: u16) -> (Served, ServerConfig) {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let served = Served(quiet.spawn().unwrap());
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    (served, at(&format!("http://127.0.0.1:{port}/mcp")))
}

/// What both SDKs' servers must do with us. Returns the protocol that was agreed on.
async fn adds_fails_and_greets(host: Host) -> String {
    let names: Vec<String> = host.tools().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["s__add", "s__fail", "s__greet"]);
    let sum = call(&host, "s__add", json!({"a": 2, "b": 3})).await;
    assert_eq!(sum.structured(), Some(&json!({"sum": 5})), "{sum:?}");
    let refused = call(&host, "s__add", json!({"a": "two"})).await;
    assert!(refused.text().contains("do not fit"), "{refused:?}");
    let failed = call(&host, "s__fail", json!({})).await;
    assert!(matches!(failed, ToolOutcome::Error { .. }), "{failed:?}");
    let greeting = call(&host, "s__greet", json!({})).await;
    assert!(greeting.text().contains("hello Ada"), "{greeting:?}");
    let protocol = host.servers()[0].protocol.clone();
    host.shutdown().await;
    protocol
}

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/interop");
    folder.join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_on_the_python_sdk() {
    let Some(python) = python() else { return };
    let server = script("server.py");
    let protocol = adds_fails_and_greets(host(child(&python, &[&server])).await).await;
    assert!(!protocol.is_empty());
    let port = free_port().await;
    let mut command = Command::new(&python);
    let (_served, config) = served(command.args([&server, &port.to_string()]), port).await;
    adds_fails_and_greets(host(config).await).await;
}

#[tokio::test]
async fn a_server_on_the_typescript_sdk() {
    let Some(packages) = packages() else { return };
    let server = script("server.mjs");
    let place = packages.to_str().unwrap().to_owned();
    let mut config = child(Path::new("node"), &[&server]);
    config.env.insert("RW_PACKAGES".to_owned(), place.clone());
    assert_eq!(
        adds_fails_and_greets(host(config).await).await,
        "2026-07-28"
    );
    let port = free_port().await;
    let mut command = Command::new("node");
    command
        .args([&server, &port.to_string()])
        .env("RW_PACKAGES", &place);
    let (_served, config) = served(&mut command, port).await;
    assert_eq!(
        adds_fails_and_greets(host(config).await).await,
        "2026-07-28"
    );
}

/// What the reference server must do with us.
async fn does_everything(host: Host) {
    let said = call(&host, "s__echo", json!({"message": "ahoy"})).await;
    assert!(said.text().contains("ahoy"), "{said:?}");
    let sum = call(&host, "s__get-sum", json!({"a": 2, "b": 3})).await;
    assert!(sum.text().contains('5'), "{sum:?}");
    let weather = call(
        &host,
        "s__get-structured-content",
        json!({"location": "Chicago"}),
    )
    .await;
    assert!(
        weather.structured().is_some_and(Value::is_object),
        "{weather:?}"
    );
    let image = call(&host, "s__get-tiny-image", json!({})).await;
    assert!(image.text().contains("[image image/png"), "{image:?}");
    let long = json!({"duration": 1, "steps": 4});
    let long = call(&host, "s__trigger-long-running-operation", long).await;
    assert!(long.text().contains("completed"), "{long:?}");
    let asked = call(&host, "s__trigger-elicitation-request", json!({})).await;
    assert!(asked.text().contains("Ada"), "{asked:?}");
    let sampled = json!({"prompt": "ahoy", "maxTokens": 9});
    let sampled = call(&host, "s__trigger-sampling-request", sampled).await;
    assert!(sampled.text().contains("you said"), "{sampled:?}");
    let roots = call(&host, "s__get-roots-list", json!({})).await;
    assert!(roots.text().contains("file:///"), "{roots:?}");
    host.shutdown().await;
}

#[tokio::test]
async fn the_reference_server_that_exercises_everything() {
    let Some(packages) = packages() else { return };
    let server =
        packages.join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    let server = server.to_str().unwrap();
    let allowed = |config: ServerConfig| ServerConfig {
        sampling: true,
        roots: vec![packages.clone()],
        ..config
    };
    does_everything(host(allowed(child(Path::new("node"), &[server, "stdio"]))).await).await;
    let port = free_port().await;
    let mut command = Command::new("node");
    command
        .args([server, "streamableHttp"])
        .env("PORT", port.to_string());
    let (_served, config) = served(&mut command, port).await;
    does_everything(host(allowed(config)).await).await;
}
