//! `ropewalk models` as a user types it, with a hub of our own on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::{FloatType, Quant};
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use serde_json::json;

use crate::program::{Outcome, Place};

const NAME: &str = "owner/repo";

fn tiny() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let model = TinyModel::new(Shape::tiny(Architecture::Qwen3));
    model.write_gguf(&path, Quant::Q4KM).unwrap();
    std::fs::read(path).unwrap()
}

/// A hub with one model. While it stalls, half of a file comes and then nothing.
struct Hub {
    endpoint: String,
    stalls: Arc<AtomicBool>,
}

impl Hub {
    fn start(body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let stalls = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&stalls);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (body, stalls) = (body.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(connection, &body, &stalls));
            }
        });
        Self { endpoint, stalls }
    }

    fn command(&self, place: &Place, arguments: &[&str]) -> Command {
        let mut command = place.command(arguments);
        command.env("HF_ENDPOINT", &self.endpoint);
        command
    }

    fn run(&self, place: &Place, arguments: &[&str]) -> Outcome {
        Outcome::of(&self.command(place, arguments).output().unwrap())
    }
}

fn serve(mut connection: TcpStream, body: &[u8], stalls: &AtomicBool) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    let mut start = 0;
    for line in lines
        .by_ref()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap();
        }
    }
    let path = request.split(' ').nth(1).unwrap();
    let (status, content) = if path.starts_with("/api/models/owner/repo/tree/main") {
        let sum = ropewalk_sha256(body);
        let file = |name: &str| {
            json!({"type": "file", "oid": "0", "size": body.len(), "path": name,
                "lfs": {"oid": sum, "size": body.len()}})
        };
        let list = json!([file("tiny-Q4_K_M.gguf"), file("tiny-Q8_0.gguf")]);
        ("200 OK".to_owned(), list.to_string().into_bytes())
    } else if path.starts_with("/owner/repo/resolve/main/tiny-") {
        let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
        let status = match start {
            0 => "200 OK".to_owned(),
            _ => format!("206 Partial Content\r\ncontent-range: {range}"),
        };
        (status, body[start..].to_vec())
    } else {
        ("404 Not Found".to_owned(), Vec::new())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    let _ = connection.write_all(head.as_bytes());
    if stalls.load(Ordering::SeqCst) && path.contains("/resolve/") {
        let _ = connection.write_all(&content[..content.len() / 2]);
        std::thread::sleep(Duration::from_secs(60));
    }
    let _ = connection.write_all(&content);
}

fn ropewalk_sha256(body: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_model_is_pulled_and_listed() {
    let place = Place::new();
    let body = tiny();
    let hub = Hub::start(body.clone());
    let outcome = hub.run(&place, &["models", "pull", NAME]);
    outcome.failed_saying("owner/repo holds several models");
    assert!(
        outcome.err.contains("  Q4_K_M  1.9 MB\n  Q8_0  1.9 MB"),
        "{outcome:?}"
    );

    let outcome = hub.run(&place, &["models", "pull", "owner/repo:Q4_K_M"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let path = ".ropewalk/models/owner/repo/tiny-Q4_K_M.gguf";
    assert_eq!(outcome.out.trim(), path);
    assert_eq!(std::fs::read(place.path().join(path)).unwrap(), body);

    let outcome = hub.run(
        &place,
        &["models", "pull", "hf.co/owner/repo:q4_k_m", "--json"],
    );
    let pulled: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(pulled["downloaded"], 0);
    assert_eq!(pulled["path"], path);

    let listed = place.json(&["models", "list", "--json"]);
    let [model] = listed["models"].as_array().unwrap().as_slice() else {
        panic!("{listed}");
    };
    assert_eq!(model["name"], "owner/repo/tiny-Q4_K_M.gguf");
    assert_eq!(model["architecture"], "qwen3");
    assert_eq!(model["quantisation"], "Q4_K_M");
    assert_eq!(model["context_tokens"], 32_768);
    let outcome = place.run(&["models", "list"]);
    assert!(
        outcome.out.contains("1.9 MB  qwen3  Q4_K_M  32768 tokens"),
        "{outcome:?}"
    );
}

#[test]
fn models_elsewhere_are_listed_by_path() {
    let place = Place::new();
    let outcome = place.run(&["models", "list"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), ""));
    assert!(
        outcome.err.contains("ropewalk models pull OWNER/REPO"),
        "{outcome:?}"
    );

    let model = TinyModel::new(Shape::tiny(Architecture::Llama));
    model
        .write_folder(&place.path().join("here"), FloatType::Bf16)
        .unwrap();
    place.write("notes.gguf", "not a model");
    let outcome = place.run(&["models", "list", "here", "notes.gguf"]);
    assert!(
        outcome.out.contains("llama") && outcome.out.contains("BF16"),
        "{outcome:?}"
    );
    assert!(
        outcome.out.contains("notes.gguf is not a model"),
        "{outcome:?}"
    );
    place
        .run(&["models", "list", "nowhere"])
        .failed_saying("nowhere");
}

#[test]
fn an_interrupted_pull_goes_on_where_it_was() {
    let place = Place::new();
    let body = tiny();
    let hub = Hub::start(body.clone());
    hub.stalls.store(true, Ordering::SeqCst);
    let arguments = ["models", "pull", "owner/repo:Q8_0", "--json"];
    let mut child = hub
        .command(&place, &arguments)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = place.path().join(".ropewalk/models/owner/repo");
    let until = Instant::now() + Duration::from_secs(30);
    // The file is there as soon as the hub has been asked for it.
    while std::fs::read_dir(&folder).map_or(0, Iterator::count) == 0 {
        assert!(Instant::now() < until, "nothing came");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let kept = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    assert!(kept.file_name().to_string_lossy().ends_with(".part"));
    let kept = kept.metadata().unwrap().len();

    hub.stalls.store(false, Ordering::SeqCst);
    let outcome = hub.run(&place, &arguments);
    let pulled: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(pulled["downloaded"], body.len() as u64 - kept);
    assert_eq!(std::fs::read(folder.join("tiny-Q8_0.gguf")).unwrap(), body);
}

#[test]
fn what_goes_wrong_is_said_with_a_way_out() {
    let place = Place::new();
    let hub = Hub::start(Vec::new());
    hub.run(&place, &["models", "pull", "owner/other"])
        .failed_saying("has no owner/other");
    place
        .run(&["models", "pull", "just-a-name"])
        .failed_saying("OWNER/REPO");
    let mut command = place.command(&["models", "pull", NAME]);
    command.env("HF_ENDPOINT", "http://127.0.0.1:1");
    let outcome = Outcome::of(&command.output().unwrap());
    outcome.failed_saying("ropewalk models bench PATH");
}

#[test]
fn a_model_is_measured() {
    let place = Place::new();
    let model = TinyModel::new(Shape::tiny(Architecture::Qwen3)).with_chat_template("");
    std::fs::create_dir_all(place.path().join(".ropewalk/models/owner/repo")).unwrap();
    let pulled = place
        .path()
        .join(".ropewalk/models/owner/repo/tiny-Q4_K_M.gguf");
    model.write_gguf(&pulled, Quant::Q4KM).unwrap();
    model
        .write_folder(&place.path().join("here"), FloatType::Bf16)
        .unwrap();

    let short = ["--prompt", "40", "--generate", "4", "--rounds", "1"];
    let bench = |model: &str, more: &[&str]| {
        let arguments = [&["models", "bench", model][..], &short, more].concat();
        place.run(&arguments)
    };
    for (name, quantisation) in [("owner/repo:Q4_K_M", "Q4_K_M"), ("here", "BF16")] {
        let outcome = bench(name, &["--threads", "1", "--json"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let report: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!(report["architecture"], "qwen3");
        assert_eq!(report["quantisation"], quantisation);
        assert_eq!(report["device"], "cpu");
        assert_eq!(report["context_tokens"], 32_768);
        // Four layers with two heads of 64 keys and 64 values, two bytes each.
        assert_eq!(report["kv_bytes_per_token"], 4 * 2 * 64 * 2 * 2);
        for (field, value) in [
            ("threads", 1),
            ("prompt", 40),
            ("generate", 4),
            ("rounds", 1),
        ] {
            assert_eq!(report[field], value, "{field}: {report}");
        }
        let mut fields = vec![
            "parameters",
            "prompt_tokens_per_second",
            "decode_tokens_per_second",
            "first_token_cold_seconds",
            "first_token_warm_seconds",
            "weight_bytes",
        ];
        if cfg!(target_os = "linux") {
            fields.push("peak_memory_bytes");
        }
        for field in fields {
            let value = report[field].as_f64().unwrap_or_default();
            assert!(value > 0.0, "{field}: {report}");
        }
    }
    let outcome = bench("tiny-Q4_K_M", &[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(
        outcome.out.contains("qwen3 Q4_K_M") && outcome.out.contains("tokens/s"),
        "{outcome:?}"
    );

    bench("nowhere.gguf", &[]).failed_saying("`ropewalk models list` shows what there is");
    place.write("notes.gguf", "not a model");
    bench("notes.gguf", &[]).failed_saying("notes.gguf is not a model");
    place
        .run(&["models", "bench", "here", "--prompt", "32768"])
        .failed_saying("the model's context holds 32768");
    let outcome = place.run(&["models", "bench", "here", "--rounds", "0"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}

/// Waits until a process handles Ctrl-C, as Linux says; elsewhere for a while.
fn wait_for_handler(pid: u32) {
    let until = Instant::now() + Duration::from_secs(30);
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let mut lines = status.lines();
        let caught = lines.find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if caught & 0b10 != 0 {
            return;
        }
        assert!(Instant::now() < until, "it handles no Ctrl-C");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(1));
}

#[test]
fn an_interrupt_ends_measuring() {
    let place = Place::new();
    let path = place.path().join("tiny.gguf");
    let model = TinyModel::new(Shape::tiny(Architecture::Llama));
    model.write_gguf(&path, Quant::Q8_0).unwrap();
    let mut child = place
        .command(&["models", "bench", "tiny.gguf", "--rounds", "1000000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_handler(child.id());
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
