//! Why files were not read as tables.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::database::DatabaseError;
use crate::database::files::find::KNOWN;

/// Why files were not read as tables.
#[derive(Debug, Error)]
pub enum FileError {
    /// Nobody named any.
    #[error("no file was named; name files or folders that hold tables: {KNOWN}")]
    Nothing,
    /// There is none.
    #[error("there is no file `{path}`; check the path")]
    Missing {
        /// What was named.
        path: PathBuf,
    },
    /// The system did not give it.
    #[error("`{path}` cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder without any.
    #[error("the folder `{path}` holds no tables; they would be files of these kinds: {KNOWN}")]
    NoTables {
        /// The folder.
        path: PathBuf,
    },
    /// A file whose name says nothing of how to read it.
    #[error("`{path}` is of no kind that is read as a table: {KNOWN}")]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A file with nothing in it.
    #[error("`{path}` has nothing in it; export it again, or leave it out")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file that is not what its name says.
    #[error("`{path}` cannot be read as {kind}: {reason}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// What its name says.
        kind: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// One line that is wrong.
    #[error("`{path}`, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, counted from one.
        line: u64,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// One sheet that is wrong.
    #[error("`{path}`, sheet `{sheet}`: {reason}")]
    Sheet {
        /// The file.
        path: PathBuf,
        /// Its sheet.
        sheet: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A file nobody may read without a password.
    #[error("`{path}` is protected by a password; save a copy without one and name that")]
    Password {
        /// The file.
        path: PathBuf,
    },
    /// More than may be read.
    #[error(
        "with `{path}` there are more than {limit} bytes to read; name fewer files, or raise the limit"
    )]
    Bytes {
        /// The file with which it was too much.
        path: PathBuf,
        /// How many there may be.
        limit: u64,
    },
    /// More rows than may be read.
    #[error("with `{path}` there are more than {limit} rows; name fewer files, or raise the limit")]
    Rows {
        /// The file with which it was too much.
        path: PathBuf,
        /// How many there may be.
        limit: u64,
    },
    /// More columns than a table may have.
    #[error(
        "`{path}` has more than {limit} columns, more than a table may have; split it, or turn it on its side"
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// How many there may be.
        limit: usize,
    },
    /// Somebody wrote to it meanwhile.
    #[error("`{path}` changed while it was read; try again when nobody writes to it")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The tables found no room.
    #[error(
        "the tables cannot be kept in `{path}`: {reason}; see that there is room and that this user may write there"
    )]
    Keep {
        /// Where they were to be kept.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// What was kept cannot be opened.
    #[error(transparent)]
    Database(DatabaseError),
    /// The caller gave up.
    #[error("cancelled")]
    Cancelled,
}

impl From<FileError> for DatabaseError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Cancelled => Self::Cancelled,
            FileError::Database(error) => error,
            error => Self::Open {
                name: "files".to_owned(),
                reason: error.to_string(),
            },
        }
    }
}
