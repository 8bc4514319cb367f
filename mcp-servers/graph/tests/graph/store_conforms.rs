//! The store in a file does what every store must.

use ropewalk_graph::store::{GraphStore, SqliteStore, StoreError, conformance};

/// A store whose file goes with it.
struct Own {
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

impl AsRef<dyn GraphStore> for Own {
    fn as_ref(&self) -> &(dyn GraphStore + 'static) {
        &self.store
    }
}

#[test]
fn sqlite_conforms() {
    let checked = conformance::check(|| -> Result<Own, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        Ok(Own {
            store: SqliteStore::open(&folder.path().join("graph.db"))?,
            _folder: folder,
        })
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}
