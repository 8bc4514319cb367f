//! Pulling from a hub of our own that breaks off, lies, refuses, and is not there.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use ropewalk_models::hub::{Hub, HubError, ModelName, Pulled, registry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What the hub has and how it behaves.
#[derive(Default)]
struct Behaviour {
    files: HashMap<String, Vec<u8>>,
    /// Announced instead of the true checksum.
    checksum: Option<String>,
    /// Announced instead of the true size.
    size: Option<u64>,
    /// For each file request in turn: the connection ends after so many bytes of the body.
    cuts: Vec<usize>,
    /// A body without end instead: one piece, then nothing more.
    stalls: bool,
    ignores_ranges: bool,
    /// Answered to everything: status and error code.
    refuses: Option<(u16, &'static str)>,
    /// `Range` of each file request.
    ranges: Vec<Option<String>>,
    tokens: Vec<Option<String>>,
}

struct FakeHub {
    endpoint: String,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl FakeHub {
    async fn start(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let owned = files
            .iter()
            .map(|(path, body)| ((*path).to_owned(), body.to_vec()));
        let behaviour = Arc::new(Mutex::new(Behaviour {
            files: owned.collect(),
            ..Behaviour::default()
        }));
        let shared = Arc::clone(&behaviour);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&shared)));
            }
        });
        Self {
            endpoint,
            behaviour,
        }
    }

    fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.behaviour.lock().unwrap().ranges.clone()
    }

    async fn pull(&self, name: &str, folder: &Path) -> Result<Pulled, HubError> {
        let hub = Hub::new(&self.endpoint, Some("hf_secret")).unwrap();
        let name: ModelName = name.parse().unwrap();
        hub.pull(&name, folder, &CancellationToken::new(), |_| {})
            .await
    }
}

async fn serve(mut connection: TcpStream, behaviour: Arc<Mutex<Behaviour>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if connection.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let header = |name: &str| {
        let lines = request.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    };
    let (range, token) = (header("range"), header("authorization"));
    let (head, body, stalls) = {
        let mut behaviour = behaviour.lock().unwrap();
        behaviour.tokens.push(token);
        answer(&mut behaviour, &path, range)
    };
    let _ = connection.write_all(head.as_bytes()).await;
    let _ = connection.write_all(&body).await;
    if stalls {
        std::future::pending::<()>().await;
    }
}

fn answer(behaviour: &mut Behaviour, path: &str, range: Option<String>) -> (String, Vec<u8>, bool) {
    let head = |status: u16, length: usize, more: &str| {
        format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n"
        )
    };
    if let Some((status, code)) = behaviour.refuses {
        return (
            head(status, 0, &format!("x-error-code: {code}\r\n")),
            Vec::new(),
            false,
        );
    }
    if path.starts_with("/api/models/owner/repo/tree/main") {
        let tree: Vec<Value> = behaviour
            .files
            .iter()
            .map(|(path, body)| {
                let size = behaviour.size.unwrap_or(body.len() as u64);
                let sum = behaviour.checksum.clone().unwrap_or_else(|| sha256(body));
                let large = path.ends_with(".gguf") || path.ends_with(".safetensors");
                let lfs = large.then(|| json!({"oid": sum, "size": size, "pointerSize": 134}));
                json!({"type": "file", "oid": "0", "size": size, "path": path, "lfs": lfs})
            })
            .chain([json!({"type": "directory", "oid": "0", "size": 0, "path": "folder"})])
            .collect();
        let body = json!(tree).to_string().into_bytes();
        return (head(200, body.len(), ""), body, false);
    }
    let file = path.strip_prefix("/owner/repo/resolve/main/");
    let Some(body) = file.and_then(|file| behaviour.files.get(file)).cloned() else {
        return (
            head(404, 0, "x-error-code: EntryNotFound\r\n"),
            Vec::new(),
            false,
        );
    };
    behaviour.ranges.push(range.clone());
    let start = range
        .filter(|_| !behaviour.ignores_ranges)
        .map(|range| range[6..range.len() - 1].parse::<usize>().unwrap());
    let rest = body[start.unwrap_or(0)..].to_vec();
    let head = match start {
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
            head(206, rest.len(), &format!("content-range: {range}\r\n"))
        }
        None => head(200, rest.len(), ""),
    };
    let sent = if behaviour.cuts.is_empty() {
        rest.len()
    } else {
        behaviour.cuts.remove(0).min(rest.len())
    };
    (head, rest[..sent].to_vec(), behaviour.stalls)
}

fn sha256(body: &[u8]) -> String {
    Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Three pieces and a bit of bytes that do not repeat.
fn weights() -> Vec<u8> {
    (0..800_000u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("owner/repo")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_model_arrives_and_is_not_fetched_twice() {
    let body = weights();
    let hub = FakeHub::start(&[("model-q8_0.gguf", &body), ("README.md", b"x")]).await;
    let folder = tempfile::tempdir().unwrap();
    let client = Hub::new(&hub.endpoint, Some("hf_secret")).unwrap();
    assert!(!format!("{client:?}").contains("hf_secret"));
    let name: ModelName = "owner/repo".parse().unwrap();
    let mut seen = Vec::new();
    let pulled = client
        .pull(&name, folder.path(), &CancellationToken::new(), |at| {
            assert_eq!((at.file, at.total), ("model-q8_0.gguf", body.len() as u64));
            seen.push(at.done);
        })
        .await
        .unwrap();
    assert_eq!(std::fs::read(&pulled.path).unwrap(), body);
    assert_eq!(pulled.downloaded, body.len() as u64);
    assert!(seen.is_sorted() && seen.len() > 3);
    assert_eq!(seen.last(), Some(&(body.len() as u64)));
    assert_eq!(names(folder.path()), ["model-q8_0.gguf"]);
    hub.set(|hub| {
        let token = Some("Bearer hf_secret".to_owned());
        assert!(hub.tokens.iter().all(|sent| *sent == token));
    });

    let again = hub.pull("owner/repo", folder.path()).await.unwrap();
    assert_eq!(
        (again.path.as_path(), again.downloaded),
        (pulled.path.as_path(), 0)
    );
    assert_eq!(hub.ranges(), [None]);

    // A file that was damaged since is fetched again.
    let mut damaged = body.clone();
    damaged[1_000_000] ^= 1;
    std::fs::write(&pulled.path, damaged).unwrap();
    hub.pull("owner/repo", folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&pulled.path).unwrap(), body);
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let body = weights();
    let hub = FakeHub::start(&[("model.gguf", &body)]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| hub.cuts = vec![1_500_000, 700_000]);
    let pulled = hub.pull("owner/repo", folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&pulled.path).unwrap(), body);
    assert_eq!(pulled.downloaded, body.len() as u64);
    let ranges: Vec<String> = hub.ranges().into_iter().flatten().collect();
    assert_eq!(ranges, ["bytes=1500000-", "bytes=2200000-"]);
}

#[tokio::test]
async fn what_is_left_of_a_broken_pull_is_taken_up_by_the_next() {
    let body = weights();
    let hub = FakeHub::start(&[("model.gguf", &body)]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| hub.cuts = vec![1_500_000, 0, 0, 0, 0]);
    let error = hub
        .pull("owner/repo", folder.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1.5 MB of 3.2 MB") && error.contains("run the same command"),
        "{error}"
    );
    assert!(names(folder.path())[0].ends_with(".part"));

    hub.set(|hub| hub.cuts.clear());
    let pulled = hub.pull("owner/repo", folder.path()).await.unwrap();
    assert_eq!(pulled.downloaded, body.len() as u64 - 1_500_000);
    assert_eq!(std::fs::read(&pulled.path).unwrap(), body);
    assert_eq!(names(folder.path()), ["model.gguf"]);
}

#[tokio::test]
async fn a_hub_without_ranges_sends_the_file_anew() {
    let body = weights();
    let hub = FakeHub::start(&[("model.gguf", &body)]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| {
        hub.cuts = vec![1_500_000];
        hub.ignores_ranges = true;
    });
    let pulled = hub.pull("owner/repo", folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&pulled.path).unwrap(), body);
}

#[tokio::test]
async fn another_version_of_a_file_is_not_put_onto_the_old_one() {
    let old = weights();
    let hub = FakeHub::start(&[("model.gguf", &old)]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| hub.cuts = vec![1_500_000, 0, 0, 0, 0]);
    hub.pull("owner/repo", folder.path()).await.unwrap_err();
    let new: Vec<u8> = old.iter().map(|byte| !byte).collect();
    hub.set(|hub| {
        hub.cuts.clear();
        hub.files.insert("model.gguf".to_owned(), new.clone());
    });
    let pulled = hub.pull("owner/repo", folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&pulled.path).unwrap(), new);
    assert_eq!(pulled.downloaded, new.len() as u64);
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_nothing_is_left() {
    let hub = FakeHub::start(&[("model.gguf", &weights())]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| hub.checksum = Some(sha256(b"something else")));
    let error = hub.pull("owner/repo", folder.path()).await.unwrap_err();
    assert!(matches!(error, HubError::Checksum { .. }), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn more_bytes_than_announced_are_not_written() {
    let hub = FakeHub::start(&[("model.gguf", &weights())]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| hub.size = Some(1_000));
    let error = hub.pull("owner/repo", folder.path()).await.unwrap_err();
    assert!(
        error.to_string().contains("longer than announced"),
        "{error}"
    );
    let part = folder
        .path()
        .join("owner/repo")
        .join(&names(folder.path())[0]);
    assert!(std::fs::metadata(part).unwrap().len() <= 1_000);
}

#[tokio::test]
async fn a_model_that_does_not_fit_is_refused_before_it_is_fetched() {
    let hub = FakeHub::start(&[("model.gguf", b"x")]).await;
    let folder = tempfile::tempdir().unwrap();
    hub.set(|hub| hub.size = Some(1 << 60));
    let error = hub.pull("owner/repo", folder.path()).await.unwrap_err();
    assert!(matches!(error, HubError::NoSpace { .. }), "{error}");
    assert!(
        error.to_string().contains("is missing on the disk"),
        "{error}"
    );
    assert!(hub.ranges().is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_fills_up_keeps_what_is_there() {
    let body = weights();
    let hub = FakeHub::start(&[("model.gguf", &body)]).await;
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("owner/repo");
    std::fs::create_dir_all(&below).unwrap();
    // Every write to this device says that the disk is full.
    let part = below.join(format!("model.gguf.{}.part", &sha256(&body)[..12]));
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = hub.pull("owner/repo", folder.path()).await.unwrap_err();
    assert!(matches!(error, HubError::Full { .. }), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert!(part.is_symlink() && !below.join("model.gguf").exists());
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_said_with_a_way_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let hub = Hub::new(&endpoint, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let name: ModelName = "owner/repo".parse().unwrap();
    let pulled = hub
        .pull(&name, folder.path(), &CancellationToken::new(), |_| {})
        .await;
    let error = pulled.unwrap_err().to_string();
    for words in [
        &endpoint,
        "HF_ENDPOINT",
        "ropewalk models bench PATH",
        "kind = \"local\"",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let hub = FakeHub::start(&[("model.gguf", b"x")]).await;
    let folder = tempfile::tempdir().unwrap();
    for (refusal, words) in [
        ((401, "RepoNotFound"), "HF_TOKEN"),
        ((403, "GatedRepo"), "accept its terms"),
        ((404, "RepoNotFound"), "no owner/repo"),
        ((404, "RevisionNotFound"), "revision main"),
        ((500, ""), "makes no sense"),
    ] {
        hub.set(|hub| hub.refuses = Some(refusal));
        let error = hub
            .pull("owner/repo", folder.path())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{refusal:?}: {error}");
        assert!(!error.contains("hf_secret"), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_means_several_lists_them() {
    let hub = FakeHub::start(&[("m-Q4_K_M.gguf", b"four"), ("m-Q8_0.gguf", b"eightbit")]).await;
    let folder = tempfile::tempdir().unwrap();
    let error = hub
        .pull("owner/repo", folder.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("  Q4_K_M  4 bytes\n  Q8_0  8 bytes"),
        "{error}"
    );
    let pulled = hub.pull("owner/repo:q8_0", folder.path()).await.unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), b"eightbit");
    let error = hub
        .pull("owner/repo:Q2_K", folder.path())
        .await
        .unwrap_err();
    assert!(matches!(error, HubError::NoSuchChoice { .. }), "{error}");
}

#[tokio::test]
async fn a_pull_that_is_ended_keeps_what_came() {
    let hub = FakeHub::start(&[("model.gguf", &weights())]).await;
    hub.set(|hub| {
        hub.cuts = vec![500_000];
        hub.stalls = true;
    });
    let folder = tempfile::tempdir().unwrap();
    let client = Hub::new(&hub.endpoint, None).unwrap();
    let name: ModelName = "owner/repo".parse().unwrap();
    let cancel = CancellationToken::new();
    let pulled = client
        .pull(&name, folder.path(), &cancel, |at| {
            if at.done == 500_000 {
                cancel.cancel();
            }
        })
        .await;
    assert!(matches!(pulled, Err(HubError::Cancelled)), "{pulled:?}");
    let part = folder
        .path()
        .join("owner/repo")
        .join(&names(folder.path())[0]);
    assert_eq!(std::fs::metadata(part).unwrap().len(), 500_000);
}

#[tokio::test]
async fn two_pulls_of_one_file_do_not_mix() {
    let body = weights();
    let hub = FakeHub::start(&[("model.gguf", &body)]).await;
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("owner/repo");
    std::fs::create_dir_all(&below).unwrap();
    let part = below.join(format!("model.gguf.{}.part", &sha256(&body)[..12]));
    let held = std::fs::File::create(&part).unwrap();
    held.lock().unwrap();
    let error = hub.pull("owner/repo", folder.path()).await.unwrap_err();
    assert!(matches!(error, HubError::Busy { .. }), "{error}");
    drop(held);
    hub.pull("owner/repo", folder.path()).await.unwrap();
}

#[tokio::test]
async fn pulled_models_are_listed_with_what_they_say_of_themselves() {
    let made = tempfile::tempdir().unwrap();
    let path = made.path().join("tiny.gguf");
    let model = TinyModel::new(Shape::tiny(Architecture::Qwen3));
    model.write_gguf(&path, Quant::Q4KM).unwrap();
    let hub = FakeHub::start(&[("tiny-Q4_K_M.gguf", &std::fs::read(path).unwrap())]).await;
    let folder = tempfile::tempdir().unwrap();
    let pulled = hub.pull("owner/repo", folder.path()).await.unwrap();
    std::fs::write(folder.path().join("broken.gguf"), "GGUF").unwrap();
    let found = registry::list(folder.path());
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.name.as_str(), found))
        .collect();
    let [
        ("broken.gguf", broken),
        ("owner/repo/tiny-Q4_K_M.gguf", tiny),
    ] = found[..]
    else {
        panic!("{found:?}");
    };
    assert!(broken.about.is_none() && broken.problem.is_some());
    let about = tiny.about.as_ref().unwrap();
    assert_eq!(
        (about.architecture.as_str(), about.quantisation.as_str()),
        ("qwen3", "Q4_K_M")
    );
    assert_eq!(
        (about.context_tokens, about.bytes),
        (Some(32_768), pulled.bytes)
    );
    for name in [
        "owner/repo",
        "owner/repo:q4_k_m",
        "tiny-Q4_K_M",
        "tiny-Q4_K_M.gguf",
    ] {
        assert_eq!(
            registry::find(folder.path(), name),
            Some(pulled.path.clone()),
            "{name}"
        );
    }
    assert_eq!(registry::find(folder.path(), "owner/repo:Q8_0"), None);
    assert_eq!(registry::find(folder.path(), "nothing"), None);
}
