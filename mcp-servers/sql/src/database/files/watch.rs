//! How far reading has come, and whether it may go on.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::database::files::FileError;
use crate::database::files::find::Source;

/// How often a file is read: to see what it is, to see what is in its columns, and to fill the
/// table.
const PASSES: u64 = 3;

/// Time between two words on how far it is.
const OFTEN: Duration = Duration::from_millis(100);

/// Most bytes of one row. A quote that is never closed would make the rest of the file one row.
pub(super) const MAX_ROW_BYTES: u64 = 64 << 20;

/// How much may be read from files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportLimits {
    /// Most bytes, of all files together and of what is compressed in one of them.
    pub bytes: u64,
    /// Most rows of all tables together.
    pub rows: u64,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self {
            bytes: 2 << 30,
            rows: 100_000_000,
        }
    }
}

/// How far reading has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The file that is read.
    pub path: PathBuf,
    /// Work that is done, in the unit of `total`.
    pub done: u64,
    /// All the work there is.
    pub total: u64,
    /// Rows that are in tables.
    pub rows: u64,
}

/// Why a reader was stopped, in its own kind of error.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(super) enum Stop {
    Cancelled,
    Row,
    Bytes,
}

/// Watches over an import.
pub(super) struct Watch<'a> {
    pub(super) limits: &'a ImportLimits,
    cancel: &'a CancellationToken,
    tell: &'a dyn Fn(Progress),
    path: PathBuf,
    /// Bytes of the file that is read.
    bytes: u64,
    total: u64,
    /// Work of the files before this one.
    before: u64,
    pass: Cell<u64>,
    read: Cell<u64>,
    row: Cell<u64>,
    rows: Cell<u64>,
    kept: Cell<u64>,
    told: Cell<Option<Instant>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        limits: &'a ImportLimits,
        cancel: &'a CancellationToken,
        tell: &'a dyn Fn(Progress),
        sources: &[Source],
    ) -> Self {
        let bytes = sources.iter().map(|source| source.bytes);
        let total = bytes.fold(0, u64::saturating_add).saturating_mul(PASSES);
        Self {
            limits,
            cancel,
            tell,
            path: PathBuf::new(),
            bytes: 0,
            total,
            before: 0,
            pass: Cell::new(0),
            read: Cell::new(0),
            row: Cell::new(0),
            rows: Cell::new(0),
            kept: Cell::new(0),
            told: Cell::new(None),
        }
    }

    pub(super) fn file(&mut self, source: &Source) {
        let passed = self.bytes.saturating_mul(PASSES);
        self.before = self.before.saturating_add(passed);
        self.path.clone_from(&source.path);
        self.bytes = source.bytes;
        self.pass(0);
    }

    pub(super) fn pass(&self, pass: u64) {
        self.pass.set(pass);
        self.read.set(0);
        self.row.set(0);
    }

    /// Says that some bytes of the file were read.
    pub(super) fn read(&self, bytes: u64) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let read = self.read.get().saturating_add(bytes);
        self.read.set(read.min(self.bytes));
        let due = self.told.get().is_none_or(|told| told.elapsed() >= OFTEN);
        if due {
            self.told.set(Some(Instant::now()));
            self.tell();
        }
        Ok(())
    }

    /// Says that some bytes were unpacked or decoded for the row that is read.
    pub(super) fn unpacked(&self, bytes: u64) -> Result<(), Stop> {
        let row = self.row.get().saturating_add(bytes);
        self.row.set(row);
        if row > MAX_ROW_BYTES {
            return Err(Stop::Row);
        }
        Ok(())
    }

    /// Says that a row was read.
    pub(super) fn row(&self) -> Result<(), FileError> {
        self.row.set(0);
        if self.cancel.is_cancelled() {
            return Err(FileError::Cancelled);
        }
        Ok(())
    }

    /// Says that a row goes into a table, with so many bytes of texts. They may be many more than
    /// are in the file, which says what is the same only once.
    pub(super) fn kept(&self, bytes: u64) -> Result<(), FileError> {
        let kept = self.kept.get().saturating_add(bytes);
        self.kept.set(kept);
        if kept > self.limits.bytes {
            return Err(self.error(&Stop::Bytes, 0));
        }
        let rows = self.rows.get().saturating_add(1);
        self.rows.set(rows);
        if rows > self.limits.rows {
            return Err(FileError::Rows {
                path: self.path.clone(),
                limit: self.limits.rows,
            });
        }
        Ok(())
    }

    /// Says that all is done.
    pub(super) fn end(&mut self) {
        self.before = self.total;
        self.bytes = 0;
        self.tell();
    }

    fn tell(&self) {
        let pass = self.pass.get().saturating_mul(self.bytes);
        let done = self.before.saturating_add(pass);
        (self.tell)(Progress {
            path: self.path.clone(),
            done: done.saturating_add(self.read.get()).min(self.total),
            total: self.total,
            rows: self.rows.get(),
        });
    }

    /// What stopped a reader, where it was this.
    pub(super) fn stopped(&self, error: &io::Error, line: u64) -> Option<FileError> {
        let stop = error.get_ref()?.downcast_ref::<Stop>()?;
        Some(self.error(stop, line))
    }

    pub(super) fn error(&self, stop: &Stop, line: u64) -> FileError {
        let path = self.path.clone();
        match stop {
            Stop::Cancelled => FileError::Cancelled,
            Stop::Bytes => FileError::Bytes {
                path,
                limit: self.limits.bytes,
            },
            Stop::Row => FileError::Line {
                path,
                line,
                reason: format!(
                    "the row that begins here is longer than {MAX_ROW_BYTES} bytes; look for a \
                     quote that is not closed"
                ),
            },
        }
    }
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        Self::other(stop)
    }
}
