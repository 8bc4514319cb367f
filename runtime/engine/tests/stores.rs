//! Every store does what runs rely on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use ropewalk_engine::store::conformance;
use ropewalk_engine::store::memory::MemoryStore;
use ropewalk_engine::store::sqlite::SqliteStore;

#[tokio::test]
async fn memory_conforms() {
    conformance::check(&MemoryStore::new()).await.unwrap();
}

#[tokio::test]
async fn sqlite_conforms_and_conforms_again_when_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    conformance::check(&SqliteStore::open(&file).unwrap())
        .await
        .unwrap();
    let again = SqliteStore::open(&file).unwrap();
    let fresh = folder.path().join("other.db");
    assert!(
        conformance::check(&SqliteStore::open(&fresh).unwrap())
            .await
            .is_ok()
    );
    drop(again);
}
