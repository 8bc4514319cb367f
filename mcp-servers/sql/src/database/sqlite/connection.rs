//! One connection, and everything that keeps it from doing more than read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{ErrorCode, OpenFlags};
use tokio_util::sync::CancellationToken;

use crate::database::asking::late;
use crate::database::rows::{Collector, bytes, real, text, whole};
use crate::database::sqlite::state::State;
use crate::database::sqlite::still;
use crate::database::sqlite::views::Views;
use crate::database::{Cell, DatabaseError, Head, Limits, Plan, Rows};
use crate::guard::{Rules, may_call, may_read};

/// Steps of SQLite's machine between two looks at the clock; about a millisecond.
const STEPS: i32 = 10_000;

/// How long to wait for another program to let go of the file, in milliseconds.
const BUSY_MS: u64 = 2_000;

/// Largest value that is read, in bytes. A larger one is an error of the statement.
pub(super) const MAX_VALUE_BYTES: i32 = 16 << 20;

/// What a running statement is watched by.
struct Watch {
    deadline: Instant,
    cancel: CancellationToken,
}

pub(super) struct Connection {
    inner: rusqlite::Connection,
    watch: Arc<Mutex<Option<Watch>>>,
    state: State,
}

/// Opens a file for reading alone. A file is what somebody else wrote: nothing in it may be larger
/// than is read, and its views may not call what could do harm.
pub(super) fn open(path: &Path) -> Result<rusqlite::Connection, DatabaseError> {
    let failed = |error: rusqlite::Error| opening(path, &error);
    if !path.is_file() {
        let reason = if path.exists() {
            "it is no file; name a SQLite file"
        } else {
            "there is no such file; check the path"
        };
        return Err(DatabaseError::Open {
            name: path.display().to_string(),
            reason: reason.to_owned(),
        });
    }
    // What begins with `file:` SQLite would take for an address with settings in it.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let connection = match opened(&whole, OpenFlags::empty()) {
        Err(error) if is_kept_out(&error) && still::is_still(&whole) => {
            let address = still::address(&whole);
            opened(&address, OpenFlags::SQLITE_OPEN_URI).map_err(|_| failed(error))?
        }
        opened => opened.map_err(failed)?,
    };
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    ] {
        connection.set_db_config(config, on).map_err(failed)?;
    }
    connection
        .pragma_update(None, "query_only", true)
        .map_err(failed)?;
    // Sorting and intermediate results go to files beyond this many kibibytes.
    connection
        .pragma_update(None, "cache_size", -16_384)
        .map_err(failed)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value).map_err(failed)?;
    }
    Ok(connection)
}

fn opened(path: &Path, flags: OpenFlags) -> rusqlite::Result<rusqlite::Connection> {
    let reading = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, reading | flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    // Reads the head of the file: what is no database fails here.
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
    Ok(connection)
}

/// Whether something beside the file would have to be written to read it.
fn is_kept_out(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

impl Connection {
    pub(super) fn open(path: &Path, rules: &Arc<Rules>) -> Result<Self, DatabaseError> {
        let failed = |error: rusqlite::Error| opening(path, &error);
        // Looked at first: what comes in its place after that is seen to be another.
        let state = State::of(path);
        let mut inner = open(path)?;
        let views = Views::learn(&mut inner, rules).map_err(failed)?;
        let rules = Arc::clone(rules);
        inner
            .authorizer(Some(move |context: AuthContext<'_>| {
                authorize(&context, &rules, &views)
            }))
            .map_err(failed)?;
        let watch = Arc::new(Mutex::new(None::<Watch>));
        let seen = Arc::clone(&watch);
        inner
            .progress_handler(
                STEPS,
                Some(move || {
                    let watch = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    watch.as_ref().is_some_and(|watch| {
                        watch.cancel.is_cancelled() || watch.deadline <= Instant::now()
                    })
                }),
            )
            .map_err(failed)?;
        Ok(Self {
            inner,
            watch,
            state,
        })
    }

    /// Whether the file is still the one that was opened: another may have come in its place.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        State::of(path) == self.state
    }

    pub(super) fn plan(
        &self,
        sql: &str,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Plan, DatabaseError> {
        self.watched(limits, cancel, || {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let mut prepared = self.inner.prepare(&explain)?;
            let steps = prepared
                .query_map([], |row| row.get::<_, String>(3))
                .and_then(Iterator::collect)?;
            // SQLite tells how it goes about, not how much it expects.
            Ok(Plan { steps, rows: None })
        })
    }

    pub(super) fn query(
        &self,
        sql: &str,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        self.watched(limits, cancel, || self.rows(sql, limits))
    }

    /// Does something that is stopped when it takes too long, or when nobody wants it any more.
    fn watched<T>(
        &self,
        limits: &Limits,
        cancel: &CancellationToken,
        work: impl FnOnce() -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        let watch = |watch| *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
        let deadline = Instant::now()
            .checked_add(limits.time)
            .unwrap_or_else(Instant::now);
        watch(Some(Watch {
            deadline,
            cancel: cancel.clone(),
        }));
        let outcome = work();
        watch(None);
        outcome.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if cancel.is_cancelled() => {
                DatabaseError::Cancelled
            }
            Some(ErrorCode::OperationInterrupted) => late(limits.time),
            _ => statement(&error),
        })
    }

    fn rows(&self, sql: &str, limits: &Limits) -> rusqlite::Result<Rows> {
        let mut prepared = self.inner.prepare(sql)?;
        let columns: Vec<Head> = prepared
            .columns()
            .map(|column| Head {
                name: column.name().to_owned(),
                kind: column.decl_type().unwrap_or_default().to_owned(),
            })
            .collect();
        let mut collector = Collector::new(limits);
        let mut rows = prepared.query([])?;
        while let Some(row) = rows.next()? {
            let cells = (0..columns.len())
                .map(|place| {
                    row.get_ref(place)
                        .map(|value| cell(value, limits.cell_bytes))
                })
                .collect::<rusqlite::Result<Vec<Cell>>>()?;
            if !collector.take(cells) {
                break;
            }
        }
        Ok(collector.rows(columns))
    }
}

fn cell(value: ValueRef<'_>, limit: usize) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => whole(number),
        ValueRef::Real(number) => real(number),
        ValueRef::Text(raw) => text(&String::from_utf8_lossy(raw), limit),
        ValueRef::Blob(raw) => bytes(raw, limit),
    }
}

/// What SQLite itself asks before it prepares a statement: the guard's rules once more, by another
/// reader of the statement than the guard's.
fn authorize(context: &AuthContext<'_>, rules: &Rules, views: &Views) -> Authorization {
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. } => may_read(table_name, rules) || views.read(context),
        AuthAction::Function { function_name } => may_call(function_name, rules),
        _ => false,
    };
    if allowed {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

fn opening(path: &Path, error: &rusqlite::Error) -> DatabaseError {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is no SQLite database".to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            return DatabaseError::Locked;
        }
        Some(ErrorCode::CannotOpen) if std::fs::File::open(path).is_ok() => {
            "another program keeps what it wrote in a file beside it, which this user may not use; \
             let this user write in that folder, or name a copy"
                .to_owned()
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "this user may not read it".to_owned()
        }
        Some(ErrorCode::ReadOnly) => {
            "a program was ended while it wrote to it, which has to be undone first; open it once \
             with a program that may write"
                .to_owned()
        }
        _ => error.to_string(),
    };
    DatabaseError::Open {
        name: path.display().to_string(),
        reason,
    }
}

pub(super) fn statement(error: &rusqlite::Error) -> DatabaseError {
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => DatabaseError::Size {
            bytes: MAX_VALUE_BYTES.unsigned_abs() as usize,
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DatabaseError::Locked,
        _ => {
            let reason = match error {
                rusqlite::Error::SqlInputError { msg, .. }
                | rusqlite::Error::SqliteFailure(_, Some(msg)) => msg.clone(),
                other => other.to_string(),
            };
            DatabaseError::Statement { reason }
        }
    }
}
