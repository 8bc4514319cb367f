//! One settings file: what a change would make of it, and the change itself.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::client::Form;
use crate::edit::{self, EditError};
use crate::entry::Entry;
use crate::replace::{Turn, followed, replace};

/// Largest file that is read. Claude Code keeps its history in its settings.
const MOST_BYTES: u64 = 64 << 20;
/// How often a change begins anew because somebody else has written meanwhile.
const ATTEMPTS: usize = 5;
/// What the file as it was before the last change is called: its own name, and this.
const BACKUP: &str = ".before-ropewalk";

/// A client's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where they are, as the client knows it; this may be a link.
    pub path: PathBuf,
    /// Their form.
    pub form: Form,
}

/// What is to become of a file.
#[derive(Debug, Clone)]
pub enum Change {
    /// These entries are to be in it.
    Put(Vec<Entry>),
    /// No entries of these names are to be in it.
    Take(Vec<String>),
}

/// What a change makes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What is there, if anything.
    pub before: Option<String>,
    /// What is there afterwards. Nothing, if the file is removed, or was never there.
    pub after: Option<String>,
}

impl Outcome {
    /// Whether anything changes.
    pub fn changes(&self) -> bool {
        self.before != self.after
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The change.
    pub outcome: Outcome,
    /// Where the file as it was is kept, if it was there and has changed.
    pub backup: Option<PathBuf>,
}

/// Why a file was not changed.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// It could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is read-only.
    #[error("{} is read-only: make it writable, or put the entry in by hand", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// It could not be written. Nothing has changed.
    #[error("cannot write {}: {source}; nothing was changed", path.display())]
    Write {
        /// The file, or its folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its text cannot be changed.
    #[error("{}: {source}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: EditError,
    },
    /// Another program writes it again and again.
    #[error("{} is being written by another program: close the client and try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

impl Settings {
    /// What the change would make of the file. Nothing is written.
    ///
    /// # Errors
    /// When the file cannot be read or changed.
    pub fn preview(&self, change: &Change) -> Result<Outcome, SettingsError> {
        let target = self.target()?;
        let (before, _) = self.read(&target)?;
        self.outcome(&target, before, change)
    }

    /// Changes the file: in one step, after the file as it was has been copied beside it. A link
    /// stays a link, permissions stay as they are, and a file that changes meanwhile is read again.
    ///
    /// # Errors
    /// When the file cannot be read, changed or written; then it is as it was.
    pub fn apply(&self, change: &Change) -> Result<Applied, SettingsError> {
        let target = self.target()?;
        let outcome = self.preview(change)?;
        if !outcome.changes() {
            return Ok(Applied {
                outcome,
                backup: None,
            });
        }
        let folder = target.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|source| self.unwritten(folder, source))?;
        let _turn = Turn::take(folder).map_err(|source| self.unwritten(folder, source))?;
        for _ in 0..ATTEMPTS {
            let (before, metadata) = self.read(&target)?;
            let outcome = self.outcome(&target, before, change)?;
            if !outcome.changes() {
                return Ok(Applied {
                    outcome,
                    backup: None,
                });
            }
            if metadata
                .as_ref()
                .is_some_and(|now| now.permissions().readonly())
            {
                return Err(SettingsError::ReadOnly { path: target });
            }
            let backup = match &outcome.before {
                None => None,
                Some(before) => {
                    let backup = backup(&target);
                    replace(&backup, before, metadata.as_ref())
                        .map_err(|source| self.unwritten(&backup, source))?;
                    Some(backup)
                }
            };
            // The client may have written since; it does not wait for its turn.
            if self.read(&target)?.0 != outcome.before {
                continue;
            }
            let written = match &outcome.after {
                Some(after) => replace(&target, after, metadata.as_ref()),
                None => std::fs::remove_file(&target),
            };
            written.map_err(|source| self.unwritten(&target, source))?;
            return Ok(Applied { outcome, backup });
        }
        Err(SettingsError::Busy { path: target })
    }

    fn target(&self) -> Result<PathBuf, SettingsError> {
        followed(&self.path).map_err(|source| SettingsError::Read {
            path: self.path.clone(),
            source,
        })
    }

    fn read(&self, target: &Path) -> Result<(Option<String>, Option<Metadata>), SettingsError> {
        match read(target) {
            Ok(read) => Ok(read),
            Err(source) => Err(SettingsError::Read {
                path: target.to_owned(),
                source,
            }),
        }
    }

    fn unwritten(&self, path: &Path, source: io::Error) -> SettingsError {
        SettingsError::Write {
            path: path.to_owned(),
            source,
        }
    }

    fn outcome(
        &self,
        target: &Path,
        before: Option<String>,
        change: &Change,
    ) -> Result<Outcome, SettingsError> {
        let text = before.as_deref().unwrap_or_default();
        let after = match change {
            Change::Put(entries) => self.put(text, entries).map(Some),
            Change::Take(names) => self.take(target, text, names),
        };
        let after = after.map_err(|source| SettingsError::Edit {
            path: target.to_owned(),
            source,
        })?;
        // Nothing to take from a file that is not there.
        let after = if before.is_none() {
            after.filter(|after| !after.is_empty())
        } else {
            after
        };
        Ok(Outcome { before, after })
    }

    fn put(&self, text: &str, entries: &[Entry]) -> Result<String, EditError> {
        entries.iter().try_fold(text.to_owned(), |text, entry| {
            edit::put(&text, &self.form, entry)
        })
    }

    /// The text without these entries. If all that was ever done to it was to put them in, it is
    /// what it was before, to the byte; a file that was made for them goes.
    fn take(
        &self,
        target: &Path,
        text: &str,
        names: &[String],
    ) -> Result<Option<String>, EditError> {
        let mut entries = Vec::new();
        for name in names {
            entries.extend(edit::find(text, &self.form, name)?);
        }
        if !entries.is_empty() {
            if let Ok((Some(original), _)) = read(&backup(target))
                && self.lacks(&original, names)
                && self.put(&original, &entries).is_ok_and(|put| put == text)
            {
                return Ok(Some(original));
            }
            // What a link leads to is somebody's arrangement, and stays.
            if target == self.path && self.put("", &entries)? == text {
                return Ok(None);
            }
        }
        let taken = names.iter().try_fold(text.to_owned(), |text, name| {
            edit::take(&text, &self.form, name)
        });
        taken.map(Some)
    }

    fn lacks(&self, text: &str, names: &[String]) -> bool {
        names
            .iter()
            .all(|name| matches!(edit::find(text, &self.form, name), Ok(None)))
    }
}

/// Where a file as it was before the last change is kept.
fn backup(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(BACKUP);
    target.with_file_name(name)
}

fn read(path: &Path) -> io::Result<(Option<String>, Option<Metadata>)> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, None)),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if metadata.len() > MOST_BYTES {
        return Err(io::Error::other(format!(
            "it is larger than {} MiB",
            MOST_BYTES >> 20
        )));
    }
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok((Some(text), Some(metadata))),
            Err(_) => Err(io::Error::other("it is not UTF-8")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, None)),
        Err(error) => Err(error),
    }
}
