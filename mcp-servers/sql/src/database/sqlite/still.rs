//! Files that nobody writes to: they can be read where nothing may be written beside them.
//!
//! A database with a write-ahead log needs files beside it even to be read. Where they cannot be
//! made, as on a disk that is only read, it can be read as it is if all of it is in the one file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Files in which SQLite keeps what is not in the database yet, or not for certain.
const BESIDE: [&str; 2] = ["-wal", "-journal"];

/// Whether all of a database is in its file.
pub(super) fn is_still(path: &Path) -> bool {
    BESIDE.iter().all(|ending| {
        let mut beside = OsString::from(path);
        beside.push(ending);
        std::fs::metadata(beside).map_or(true, |about| about.len() == 0)
    })
}

/// The address of a file that does not change while it is read.
pub(super) fn address(path: &Path) -> PathBuf {
    let path = path.to_string_lossy();
    let path = path.replace('%', "%25");
    let path = path.replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?immutable=1").into()
}
