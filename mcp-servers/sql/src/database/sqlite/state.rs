//! What tells a file from another that comes in its place.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::SystemTime;

use crate::database::sqlite::still;

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Which file of the system it is, where the system has numbers for them.
    number: Option<(u64, u64)>,
    /// How it was, where it may be taken for one that does not change.
    written: Option<(u64, Option<SystemTime>)>,
}

impl State {
    pub(super) fn of(path: &Path) -> Self {
        let about = fs::metadata(path).ok();
        let written = about.as_ref().filter(|_| still::is_still(path));
        Self {
            number: about.as_ref().and_then(number),
            written: written.map(|about| (about.len(), about.modified().ok())),
        }
    }
}

#[cfg(unix)]
fn number(about: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> Option<(u64, u64)> {
    None
}
