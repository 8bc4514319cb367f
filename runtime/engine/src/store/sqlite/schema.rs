//! The tables, and how an older form becomes the current one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Place, StoreError};

/// How long a process waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each brings the form before it to the next: the first makes form 1 of an empty file.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE runs (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        graph TEXT NOT NULL,
        state TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        next_seq INTEGER NOT NULL,
        waiting INTEGER NOT NULL,
        model_calls INTEGER NOT NULL,
        tool_calls INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        parent INTEGER REFERENCES runs(key),
        parent_seq INTEGER,
        hidden INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX runs_by_state ON runs(state, id);
    CREATE INDEX runs_waiting ON runs(key) WHERE waiting > 0;
    CREATE INDEX runs_by_parent ON runs(parent) WHERE parent IS NOT NULL;
    CREATE TABLE events (
        run INTEGER NOT NULL REFERENCES runs(key),
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID;
    CREATE TABLE interrupts (
        run INTEGER NOT NULL REFERENCES runs(key),
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run, id)
    ) WITHOUT ROWID;
    CREATE TABLE answers (
        run INTEGER NOT NULL REFERENCES runs(key),
        id TEXT NOT NULL,
        reply TEXT NOT NULL,
        PRIMARY KEY (run, id)
    ) WITHOUT ROWID;
    CREATE TABLE blobs (
        key INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        data BLOB NOT NULL
    );
    CREATE TABLE blob_uses (
        run INTEGER NOT NULL REFERENCES runs(key),
        blob INTEGER NOT NULL REFERENCES blobs(key),
        PRIMARY KEY (run, blob)
    ) WITHOUT ROWID;
    CREATE INDEX uses_by_blob ON blob_uses(blob);
    CREATE TABLE cache (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        until_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
",
    "
    CREATE TABLE snapshots (
        run INTEGER PRIMARY KEY REFERENCES runs(key),
        seq INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE snapshot_uses (
        run INTEGER NOT NULL REFERENCES runs(key),
        blob INTEGER NOT NULL REFERENCES blobs(key),
        PRIMARY KEY (run, blob)
    ) WITHOUT ROWID;
    CREATE INDEX snapshot_uses_by_blob ON snapshot_uses(blob);
",
];

/// Why a file cannot be used.
pub(super) enum SchemaError {
    Sqlite(rusqlite::Error),
    TooNew(u32),
}

impl SchemaError {
    pub(super) fn at(&self, place: &Place) -> StoreError {
        match self {
            SchemaError::Sqlite(error) => place.error(error),
            SchemaError::TooNew(found) => StoreError::TooNew {
                place: place.name(),
                found: *found,
                known: known(),
            },
        }
    }
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Brings a file to the current form, and sets the connection up for writing.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), SchemaError> {
    connection.busy_timeout(PATIENCE)?;
    // Room that removed runs leave is given back without a pause. It can only be set before the
    // first table is made.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    connection.set_prepared_statement_cache_capacity(32);
    // Two processes may open an empty file at the same time.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known() {
        return Err(SchemaError::TooNew(found));
    }
    for migration in MIGRATIONS.iter().skip(found as usize) {
        change.execute_batch(migration)?;
    }
    if found < known() {
        change.pragma_update(None, "user_version", known())?;
    }
    change.commit()?;
    Ok(())
}

/// Keeps the file from growing beyond so many bytes.
pub(super) fn bound(connection: &Connection, most_bytes: u64) -> Result<(), rusqlite::Error> {
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let most = i64::try_from(most_bytes).unwrap_or(i64::MAX) / page.max(1);
    // The pragma answers with the bound that holds.
    connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
}

/// A connection that only reads.
pub(super) fn reader(file: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(connection)
}
