//! Files that are no store, and places where none can be.

use std::path::Path;
use std::time::Duration;

use ropewalk_graph::store::sqlite::Settings;
use ropewalk_graph::store::{GraphStore, SqliteStore, StoreError};
use rusqlite::Connection;

use crate::store_pieces::made_up;

fn refused(file: &Path) -> StoreError {
    match SqliteStore::open(file) {
        Ok(_) => panic!("{} is a store", file.display()),
        Err(error) => error,
    }
}

#[test]
fn files_that_are_something_else_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    let notes = "These are notes, and they are longer than a header. ".repeat(100);
    std::fs::write(&file, &notes).unwrap();
    assert!(matches!(refused(&file), StoreError::NotAGraph { .. }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), notes);

    let other = folder.path().join("other.db");
    let connection = Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(matches!(refused(&other), StoreError::NotAGraph { .. }));
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    drop(SqliteStore::open(&file).unwrap());
    let connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let StoreError::TooNew { found, known, .. } = refused(&file) else {
        panic!("it is opened");
    };
    assert_eq!((found, known), (99, 1));
}

#[test]
fn where_no_file_can_be_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/graph.db");
    assert!(matches!(refused(&missing), StoreError::CannotOpen { .. }));
    assert!(matches!(
        refused(folder.path()),
        StoreError::CannotOpen { .. }
    ));
}

#[cfg(unix)]
#[test]
fn a_folder_that_must_not_be_written_is_said_to_be_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let allow = |mode| {
        let rights = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), rights).unwrap();
    };
    allow(0o555);
    let probe = std::fs::write(folder.path().join("probe"), "");
    let opened = SqliteStore::open(&folder.path().join("graph.db"));
    allow(0o755);
    if probe.is_ok() {
        // Nothing is forbidden to who runs this test.
        drop(opened.unwrap());
    } else {
        assert!(matches!(
            opened,
            Err(StoreError::CannotOpen { .. } | StoreError::ReadOnly { .. })
        ));
    }
}

#[test]
fn a_file_that_another_process_holds_is_waited_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    let settings = Settings {
        patience: Duration::from_millis(50),
        ..Settings::default()
    };
    let store = SqliteStore::open_with(&file, settings).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(
        store.put(made_up(1, 4)),
        Err(StoreError::Busy { .. })
    ));
    assert_eq!(store.status().unwrap().documents, 0);
    // To open a store that is being written takes no patience.
    let second = SqliteStore::open_with(&file, settings).unwrap();
    assert_eq!(second.sequence().unwrap(), 0);
    other.execute_batch("ROLLBACK").unwrap();
    store.put(made_up(1, 4)).unwrap();
}

#[test]
fn a_new_file_can_be_opened_by_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let file = &file;
            scope.spawn(move || {
                let store = SqliteStore::open(file).unwrap();
                store.put(made_up(number, 4)).unwrap();
            });
        }
    });
    let store = SqliteStore::open(&file).unwrap();
    assert_eq!(store.status().unwrap().documents, 8);
    assert_eq!(store.audit().unwrap().differences, Vec::<String>::new());
}

#[test]
fn a_store_that_is_full_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    let settings = Settings {
        most_bytes: Some(600_000),
        ..Settings::default()
    };
    let store = SqliteStore::open_with(&file, settings).unwrap();
    let mut kept = 0;
    let error = loop {
        match store.put(made_up(kept, 40)) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(kept > 2);
    assert_eq!(store.status().unwrap().documents, kept);
    assert_eq!(store.audit().unwrap().differences, Vec::<String>::new());
    // What is taken out makes room.
    assert!(store.remove("made/0").unwrap());
    assert!(store.remove("made/1").unwrap());
    store.put(made_up(1, 4)).unwrap();
}

#[test]
fn an_audit_says_every_difference() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("graph.db");
    let store = SqliteStore::open(&file).unwrap();
    store
        .put_all((0..5).map(|number| made_up(number, 8)).collect())
        .unwrap();
    assert_eq!(store.audit().unwrap().differences, Vec::<String>::new());
    let broken = Connection::open(&file).unwrap();
    broken.pragma_update(None, "foreign_keys", "OFF").unwrap();
    let breaks = [
        ("UPDATE places SET count = count + 1", "place"),
        (
            "DELETE FROM places WHERE document = (SELECT min(id) FROM documents)",
            "place",
        ),
        ("INSERT INTO entities VALUES (1, 'nobody')", "entity"),
        ("UPDATE totals SET mentions = 3", "said to be"),
        (
            "UPDATE passages SET text = 'forged' WHERE id = 2",
            "is not as it was put",
        ),
        (
            "DELETE FROM words WHERE rowid = 3",
            "words of passage 3 are missing",
        ),
        (
            "INSERT INTO words (rowid, body) VALUES (77, 'x')",
            "words of passage 77 belong to none",
        ),
        (
            "UPDATE totals SET sum = zeroblob(2048)",
            "hash of the graph",
        ),
        ("DELETE FROM changes WHERE sequence = 1", "change"),
    ];
    for (statement, said) in breaks {
        broken
            .execute_batch(&format!("SAVEPOINT s; {statement}; RELEASE s"))
            .unwrap();
        let found = store.audit().unwrap().differences;
        assert!(
            found.iter().any(|one| one.contains(said)),
            "{statement}: {found:?}"
        );
    }
}
