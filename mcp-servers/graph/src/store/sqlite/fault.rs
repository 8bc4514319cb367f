//! What goes wrong with a database, before it is said which one.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use super::super::StoreError;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    NotAGraph(String),
    TooNew {
        found: u32,
        known: u32,
    },
    /// What is kept makes no sense.
    Damaged(String),
    Refused {
        document: String,
        why: String,
    },
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// The error of a file that was waited for as long as that.
    pub(super) fn at(self, file: &Path, patience: Duration) -> StoreError {
        let place = file.display().to_string();
        let error = match self {
            Self::Sqlite(error) => error,
            Self::NotAGraph(message) => return StoreError::NotAGraph { place, message },
            Self::TooNew { found, known } => {
                return StoreError::TooNew {
                    place,
                    found,
                    known,
                };
            }
            Self::Damaged(message) => return StoreError::Damaged { place, message },
            Self::Refused { document, why } => return StoreError::Refused { document, why },
        };
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full { place, message },
            Some(ErrorCode::SystemIoFailure) if message.contains("full") => {
                StoreError::Full { place, message }
            }
            Some(ErrorCode::NotADatabase) => StoreError::NotAGraph { place, message },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { place, message },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy {
                place,
                seconds: patience.as_secs(),
            },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                StoreError::ReadOnly { place, message }
            }
            Some(ErrorCode::CannotOpen) => StoreError::CannotOpen { place, message },
            Some(ErrorCode::TooBig) => StoreError::TooLarge { place },
            _ => StoreError::Failed { place, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_the_database_says_becomes_what_can_be_done() {
        let said = |code: std::ffi::c_int| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            Fault::from(error).at(Path::new("g.db"), Duration::from_secs(3))
        };
        assert!(matches!(said(ffi::SQLITE_FULL), StoreError::Full { .. }));
        assert!(matches!(
            said(ffi::SQLITE_READONLY),
            StoreError::ReadOnly { .. }
        ));
        assert!(matches!(
            said(ffi::SQLITE_PERM),
            StoreError::ReadOnly { .. }
        ));
        assert!(matches!(
            said(ffi::SQLITE_CORRUPT),
            StoreError::Damaged { .. }
        ));
        assert!(matches!(
            said(ffi::SQLITE_TOOBIG),
            StoreError::TooLarge { .. }
        ));
        assert!(matches!(
            said(ffi::SQLITE_BUSY),
            StoreError::Busy { seconds: 3, .. }
        ));
        assert!(said(ffi::SQLITE_CANTOPEN).to_string().contains("g.db"));
    }
}
