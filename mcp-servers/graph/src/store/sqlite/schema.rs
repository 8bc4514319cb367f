//! The tables, and how an older form becomes the current one.
//!
//! `documents`, `passages`, `mentions` and `statements` are the pieces, with `entities` for the
//! keys that they name by number; `places`, `words` and `totals` follow from them and are kept for
//! questions. An index of statements or mentions by entity would have an entry for each of them;
//! `places` has one for each way in which a document names an entity, and one if its statements
//! speak of it. Names of an entity are added up from its places, which lie together: a table of
//! counts would be one more page to write for each name of each document.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::fault::Fault;

/// "RWkg": the file is one of ours.
const APPLICATION: i32 = 0x5257_6b67;

/// Pages of the write-ahead log after which they are brought into the file: hot pages are written
/// there once for many commits.
const LOG_PAGES: u32 = 16_000;

/// Each brings the form before it to the next: the first makes form 1 of an empty file. Stems are
/// kept as they were made: to make them differently takes a step that makes `words` anew.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        date TEXT,
        digest BLOB NOT NULL,
        learned_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        passages INTEGER NOT NULL,
        mentions INTEGER NOT NULL,
        statements INTEGER NOT NULL
    );
    CREATE TABLE passages (
        id INTEGER PRIMARY KEY,
        document INTEGER NOT NULL REFERENCES documents(id),
        number INTEGER NOT NULL,
        words BLOB NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        headings TEXT,
        text TEXT NOT NULL,
        UNIQUE (document, number)
    );
    CREATE TABLE entities (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL
    );
    CREATE TABLE mentions (
        document INTEGER NOT NULL REFERENCES documents(id),
        number INTEGER NOT NULL,
        passage INTEGER NOT NULL,
        entity INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (document, number)
    ) WITHOUT ROWID;
    CREATE TABLE statements (
        document INTEGER NOT NULL REFERENCES documents(id),
        number INTEGER NOT NULL,
        passage INTEGER NOT NULL,
        subject INTEGER NOT NULL,
        object INTEGER NOT NULL,
        extractor INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        learned_at INTEGER NOT NULL,
        confidence REAL NOT NULL,
        predicate TEXT NOT NULL,
        valid_from TEXT,
        valid_to TEXT,
        PRIMARY KEY (document, number)
    ) WITHOUT ROWID;
    CREATE TABLE places (
        entity INTEGER NOT NULL REFERENCES entities(id),
        document INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        name TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (entity, document, kind, name)
    ) WITHOUT ROWID;
    CREATE VIRTUAL TABLE words USING fts5 (
        head, body, content = '', contentless_delete = 1, tokenize = 'ascii'
    );
    CREATE TABLE embedders (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    );
    CREATE TABLE passage_vectors (
        passage INTEGER PRIMARY KEY REFERENCES passages(id) DEFERRABLE INITIALLY DEFERRED,
        embedder INTEGER NOT NULL,
        vector BLOB NOT NULL
    );
    CREATE TABLE entity_vectors (
        entity INTEGER PRIMARY KEY REFERENCES entities(id),
        embedder INTEGER NOT NULL,
        vector BLOB NOT NULL
    );
    CREATE TABLE queue (
        source TEXT PRIMARY KEY,
        failed INTEGER NOT NULL,
        error TEXT,
        at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE changes (
        sequence INTEGER PRIMARY KEY,
        document INTEGER NOT NULL,
        source TEXT NOT NULL,
        removed INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX changes_removed ON changes(document) WHERE removed;
    CREATE TABLE totals (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        documents INTEGER NOT NULL,
        passages INTEGER NOT NULL,
        entities INTEGER NOT NULL,
        mentions INTEGER NOT NULL,
        statements INTEGER NOT NULL,
        next_passage INTEGER NOT NULL,
        sum BLOB NOT NULL
    );
    INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 1, zeroblob(2048));
"];

/// A connection that writes, to a file of the current form.
pub(super) fn writer(file: &Path, patience: Duration) -> Result<Connection, Fault> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(patience)?;
    checked(&connection, &MIGRATIONS)?;
    log_ahead(&connection, patience)?;
    // A commit is on the disk before it is acknowledged: power may be lost.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -128 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection, &MIGRATIONS)?;
    Ok(connection)
}

/// Has changes written to a log first. Where two processes make the same file, one of them is told
/// at once that it is busy, however patient it is.
fn log_ahead(connection: &Connection, patience: Duration) -> Result<(), rusqlite::Error> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < patience =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

/// A connection that only reads.
pub(super) fn reader(file: &Path, patience: Duration) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Keeps the file from growing beyond so many bytes.
pub(super) fn bound(connection: &Connection, most_bytes: u64) -> Result<(), rusqlite::Error> {
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let most = i64::try_from(most_bytes).unwrap_or(i64::MAX) / page.max(1);
    // The pragma answers with the bound that holds.
    connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
}

/// Looks at a file as it is at one moment: another process may be making it just now.
fn checked(connection: &Connection, migrations: &[&str]) -> Result<u32, Fault> {
    let moment = connection.unchecked_transaction()?;
    let found = check(&moment, migrations)?;
    moment.finish()?;
    Ok(found)
}

/// Looks at a file before anything is changed in it; its form.
fn check(connection: &Connection, migrations: &[&str]) -> Result<u32, Fault> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (tables > 0 || found > 0 || application != 0) {
        return Err(Fault::NotAGraph("a database of something else".to_owned()));
    }
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(Fault::TooNew { found, known });
    }
    Ok(found)
}

/// Brings a file to the last form, all of it or nothing. Two processes may open it at a time.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Fault> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if checked(connection, migrations)? == known {
        // Whoever only opens a store does not wait for one that writes.
        return Ok(());
    }
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = check(&change, migrations)?;
    for migration in migrations.iter().skip(found as usize) {
        change.execute_batch(migration)?;
    }
    if found < known {
        change.pragma_update(None, "application_id", APPLICATION)?;
        change.pragma_update(None, "user_version", known)?;
    }
    change.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_form_goes_forward_and_a_newer_one_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS).unwrap();
        connection
            .execute("INSERT INTO queue VALUES ('a', 1, 'no such file', 7)", [])
            .unwrap();
        let mut later = MIGRATIONS.to_vec();
        later.push("ALTER TABLE queue ADD COLUMN tries INTEGER NOT NULL DEFAULT 1");
        later.push("UPDATE queue SET tries = 2");
        migrate(&mut connection, &later).unwrap();
        let tries: i64 = connection
            .query_row(
                "SELECT tries FROM queue WHERE error = 'no such file'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(tries, 2);
        migrate(&mut connection, &later).unwrap();
        let refused = migrate(&mut connection, &MIGRATIONS);
        assert!(matches!(
            refused,
            Err(Fault::TooNew { found, known }) if found == known + 2
        ));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = ["CREATE TABLE one (a); CREATE TABLE one (a);"];
        assert!(migrate(&mut connection, &broken).is_err());
        migrate(&mut connection, &MIGRATIONS).unwrap();
    }
}
