//! Every store does what runs rely on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ropewalk_core::graph::compile_text;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::library::Empty;
use ropewalk_core::interrupt::{InterruptKind, Reply};
use ropewalk_engine::RunId;
use ropewalk_engine::run::{self, Resumed, RunError, RunOptions, RunResult};
use ropewalk_engine::services::{FunctionCall, Functions, NoEngine, NoTools, Services};
use ropewalk_engine::store::conformance;
use ropewalk_engine::store::memory::MemoryStore;
use ropewalk_engine::store::sqlite::SqliteStore;
use ropewalk_engine::store::{ListQuery, RunState, Store, StoreError};
use serde_json::{Map, json};

#[tokio::test]
async fn memory_conforms() {
    conformance::check(&MemoryStore::new()).await.unwrap();
}

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("runs.db")).unwrap();
    conformance::check(&store).await.unwrap();
}

const GRAPH: &str = "
name: grows
channels: {n: {type: integer, default: 0}, texts: {type: array, reducer: append}}
nodes:
  write: {function: write, reads: [n], writes: {n: result.n, texts: result.text}}
edges: [{from: write, to: write, when: n < 20, max_visits: 20}]
";

fn graph() -> Arc<Graph> {
    let compiled = compile_text("grows.yaml", GRAPH, &Empty);
    compiled
        .graph
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// A function that touches the world and returns a text of 20 KB that does not compress.
fn services(file: &Path, most_bytes: Option<u64>, calls: &Arc<AtomicUsize>) -> Services {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_bounded(file, most_bytes).unwrap());
    let calls = Arc::clone(calls);
    let functions = Functions::new().with_effect("write", false, move |call: FunctionCall| {
        calls.fetch_add(1, Ordering::SeqCst);
        async move {
            let n = call.arguments["n"].as_u64().unwrap();
            let mut state = n + 1;
            let word = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                format!("{state:016x}")
            };
            let text: String = std::iter::repeat_with(word).take(1_250).collect();
            Ok(json!({"n": n + 1, "text": text}))
        }
    });
    Services {
        engines: Arc::new(NoEngine),
        tools: Arc::new(NoTools),
        functions: Arc::new(functions),
        store: Some(store),
    }
}

#[tokio::test]
async fn a_full_disk_suspends_the_run_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let calls = Arc::new(AtomicUsize::new(0));
    let small = services(&file, Some(200_000), &calls);
    let started = run::start(&small, &graph(), &Map::new(), RunOptions::default()).await;
    let RunError::Store(StoreError::Full { .. }) = started.as_ref().unwrap_err() else {
        panic!("{started:?}")
    };
    let before = calls.load(Ordering::SeqCst);
    assert!(before > 2 && before < 20, "{before} effects were begun");
    drop(small);
    let roomy = services(&file, None, &calls);
    let store = roomy.store.clone().unwrap();
    let query = ListQuery {
        limit: 9,
        ..ListQuery::default()
    };
    let runs = store.list(query).await.unwrap();
    assert_eq!(runs[0].state, RunState::Interrupted);
    let run = runs[0].run;
    let mut end = run::resume(&roomy, run, Resumed::With(graph()), RunOptions::default())
        .await
        .unwrap();
    if let RunResult::Suspended { .. } = end.result {
        // The last effect had begun and its end could not be kept: that is asked, not guessed.
        let open = store.open_interrupts(Some(run)).await.unwrap();
        assert_eq!(open[0].interrupt.kind, InterruptKind::Ambiguous);
        run::answer(&*store, run, None, &Reply::Approve)
            .await
            .unwrap();
        end = run::resume(&roomy, run, Resumed::AsRecorded, RunOptions::default())
            .await
            .unwrap();
    }
    let RunResult::Completed { outputs } = end.result else {
        panic!("{end:?}")
    };
    assert_eq!(outputs["texts"].as_array().unwrap().len(), 20);
    assert!(calls.load(Ordering::SeqCst) <= 21);
}

#[tokio::test]
async fn a_damaged_log_is_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let calls = Arc::default();
    let mut ids = Vec::new();
    {
        let services = services(&file, None, &calls);
        for _ in 0..3 {
            let end = run::start(&services, &graph(), &Map::new(), RunOptions::default()).await;
            ids.push(end.unwrap().run);
        }
    }
    let damage = rusqlite::Connection::open(&file).unwrap();
    let key = |id: &RunId| -> i64 {
        let id = id.to_string();
        damage
            .query_row("SELECT key FROM runs WHERE id = ?1", [id], |row| row.get(0))
            .unwrap()
    };
    damage
        .execute(
            "UPDATE events SET body = x'7b22' WHERE run = ?1 AND seq = 3",
            [key(&ids[0])],
        )
        .unwrap();
    // The runs share their texts; one that only the second uses is damaged.
    damage
        .execute(
            "UPDATE blobs SET data = x'2222' WHERE key = (SELECT max(key) FROM blobs)",
            [],
        )
        .unwrap();
    drop(damage);
    let store = SqliteStore::open(&file).unwrap();
    let error = store.events(ids[0]).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("run {}, event 3", ids[0])),
        "{error}"
    );
    assert!(error.contains("other runs can still be read"), "{error}");
    let query = ListQuery {
        limit: 9,
        ..ListQuery::default()
    };
    assert_eq!(store.list(query).await.unwrap().len(), 3);
    let error = store.events(ids[1]).await.unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    store.remove(ids[0]).await.unwrap();
    assert_eq!(store.list(query).await.unwrap().len(), 2);
}

#[test]
fn what_is_no_store_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    std::fs::write(
        &file,
        "this is no database at all, whatever its name says".repeat(99),
    )
    .unwrap();
    let error = SqliteStore::open(&file).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("not a database"), "{error}");
    let error = SqliteStore::open(Path::new("/dev/null/runs.db")).unwrap_err();
    assert!(
        error.to_string().contains("cannot make its folder"),
        "{error}"
    );
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    drop(SqliteStore::open(&file).unwrap());
    let later = rusqlite::Connection::open(&file).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    drop(later);
    let error = SqliteStore::open(&file).unwrap_err();
    assert!(
        matches!(error, StoreError::TooNew { found: 99, .. }),
        "{error}"
    );
}

/// A store as form 1 was written: it is read, and brought to the current form.
#[tokio::test]
async fn every_form_that_was_ever_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/form-1.sql");
    let sql = std::fs::read_to_string(&fixture).unwrap();
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(&sql)
        .unwrap();
    let store = SqliteStore::open(&file).unwrap();
    let query = ListQuery {
        limit: 9,
        ..ListQuery::default()
    };
    let runs = store.list(query).await.unwrap();
    assert_eq!(runs.len(), 1);
    let services = services(&folder.path().join("other.db"), None, &Arc::default());
    let services = Services {
        store: Some(Arc::new(store)),
        ..services
    };
    let store = services.store.clone().unwrap();
    run::answer(
        &*store,
        runs[0].run,
        None,
        &Reply::Reply {
            value: json!("yes"),
        },
    )
    .await
    .unwrap();
    let end = run::resume(
        &services,
        runs[0].run,
        Resumed::AsRecorded,
        RunOptions::default(),
    )
    .await;
    let RunResult::Completed { outputs } = end.unwrap().result else {
        panic!("not done")
    };
    assert_eq!(outputs["answer"], json!("yes"));
    assert_eq!(outputs["long"].as_str().unwrap().len(), 9_000);
}

#[tokio::test]
async fn removed_runs_give_their_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let services = services(&file, None, &Arc::default());
    let store = services.store.clone().unwrap();
    let end = run::start(&services, &graph(), &Map::new(), RunOptions::default())
        .await
        .unwrap();
    // What is in the write-ahead log comes into the file when it is next written to.
    let size = || std::fs::metadata(&file).unwrap().len();
    store.remove(end.run).await.unwrap();
    let after = size();
    assert!(after < 150_000, "{after} bytes are left of an empty store");
}

/// A long loop: resuming reads a snapshot and what came after it, and comes to the same end as a
/// resumption from the whole log.
#[tokio::test]
async fn a_snapshot_stands_for_the_log_before_it() {
    let text = "
name: long
channels: {n: {type: integer, default: 0}, log: {type: array, reducer: append}, said: string}
nodes:
  step: {set: {n: n + 1, log: n}}
  ask: {human: {ask: go on?}, writes: said}
edges:
  - {from: step, to: step, when: n < 2600, max_visits: 3000}
  - step -> ask
";
    let compiled = compile_text("long.yaml", text, &Empty);
    let graph = compiled.graph.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let services = services(&file, None, &Arc::default());
    let store = services.store.clone().unwrap();
    let end = run::start(&services, &graph, &Map::new(), RunOptions::default())
        .await
        .unwrap();
    assert!(matches!(end.result, RunResult::Suspended { .. }), "{end:?}");
    let (seq, snapshot) = store.latest_snapshot(end.run).await.unwrap().unwrap();
    assert!(seq >= 2_000, "{seq}");
    assert!(snapshot["past"]["ends"].as_object().unwrap().is_empty());
    let fork = run::fork(
        &*store,
        end.run,
        store.summary(end.run).await.unwrap().events,
    )
    .await
    .unwrap();
    let mut results = Vec::new();
    for run in [end.run, fork] {
        let from_snapshot = store.latest_snapshot(run).await.unwrap().is_some();
        assert_eq!(from_snapshot, run == end.run);
        run::answer(
            &*store,
            run,
            None,
            &Reply::Reply {
                value: json!("yes"),
            },
        )
        .await
        .unwrap();
        let end = run::resume(&services, run, Resumed::AsRecorded, RunOptions::default()).await;
        results.push(end.unwrap().result);
    }
    assert_eq!(results[0], results[1]);
    let RunResult::Completed { outputs } = &results[0] else {
        panic!("{results:?}")
    };
    assert_eq!(outputs["log"].as_array().unwrap().len(), 2_600);
}
