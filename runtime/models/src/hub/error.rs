//! Why a model does not come from the hub.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::selection::Choice;

/// Why a model does not come from the hub. Each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A name that is none.
    #[error(
        "`{name}` does not name a model of the hub: {reason}; write OWNER/REPO, OWNER/REPO:Q4_K_M or OWNER/REPO:FILE.gguf"
    )]
    BadName {
        /// What was typed.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The token has characters that no token has.
    #[error("HF_TOKEN is not a token: it has characters that cannot be sent")]
    BadToken,
    /// The hub cannot be reached.
    #[error(
        "the hub at {endpoint} cannot be reached ({message}); HF_ENDPOINT names another one. A model file that you already have needs no hub: `ropewalk models bench PATH` tries it, and `[engine] kind = \"local\"` with `model = \"PATH\"` in ropewalk.toml answers with it"
    )]
    Unreachable {
        /// Where.
        endpoint: String,
        /// Why.
        message: String,
    },
    /// The hub does not let this person have it.
    #[error(
        "the hub does not give {what} ({status}): it does not exist, is private, or asks for consent. Look at {page}, accept its terms there, and set HF_TOKEN to a token that may read it"
    )]
    Refused {
        /// The model or file.
        what: String,
        /// The model's page.
        page: String,
        /// The HTTP status.
        status: u16,
    },
    /// There is no such model, revision or file.
    #[error("the hub at {endpoint} has no {what}; is the name right?")]
    NotFound {
        /// The model, revision or file.
        what: String,
        /// Where.
        endpoint: String,
    },
    /// A name that means several models.
    #[error(
        "{name} holds several models; add one of these to the name, as in `{name}:{}`:\n{}",
        first(choices),
        lines(choices)
    )]
    Ambiguous {
        /// The repository.
        name: String,
        /// What there is.
        choices: Vec<Choice>,
    },
    /// A choice that the repository does not have.
    #[error("{name} has no `{choice}`; it has:\n{}", lines(choices))]
    NoSuchChoice {
        /// The repository.
        name: String,
        /// What was asked for.
        choice: String,
        /// What there is.
        choices: Vec<Choice>,
    },
    /// A repository without a model that can be run.
    #[error("{name} holds no model that can be run here: {reason}")]
    NoModel {
        /// The repository.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// The disk does not hold the model.
    #[error(
        "{} is missing on the disk of {} ({} needed, {} free); make room, or set ROPEWALK_HOME to a folder on another disk",
        size(needed.saturating_sub(*free)), path.display(), size(*needed), size(*free)
    )]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The disk filled up meanwhile.
    #[error(
        "the disk is full after {} of {} of {}; what is there is kept: make room and run the same command again",
        size(*done), size(*total), path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// Bytes written.
        done: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// The file system refuses.
    #[error("{}: {message}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Somebody else is at it.
    #[error("another program is pulling {}; wait for it, or end it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The connection broke too often.
    #[error(
        "the connection broke after {} of {} of {file} ({message}); what is here is kept: run the same command again to go on",
        size(*done), size(*total)
    )]
    CutOff {
        /// The file.
        file: String,
        /// Bytes that are here.
        done: u64,
        /// Bytes of the whole file.
        total: u64,
        /// Why.
        message: String,
    },
    /// The file is not what the hub says it is.
    #[error(
        "{file} is not what the hub announced (SHA-256 {found}, not {expected}); it was removed: pull again, and if that does not help, the hub or something on the way changes it"
    )]
    Checksum {
        /// The file.
        file: String,
        /// What the hub announced.
        expected: String,
        /// What came.
        found: String,
    },
    /// Something that is not the hub's API.
    #[error("the hub at {endpoint} gave a reply that makes no sense: {message}")]
    BadReply {
        /// Where.
        endpoint: String,
        /// What.
        message: String,
    },
    /// A person ended it.
    #[error("interrupted; what is here is kept: run the same command again to go on")]
    Cancelled,
}

impl HubError {
    pub(super) fn disk(path: &Path, error: &std::io::Error) -> Self {
        Self::Disk {
            path: path.to_owned(),
            message: error.to_string(),
        }
    }

    /// An error while `done` of `total` bytes are written.
    pub(super) fn writing(path: &Path, done: u64, total: u64, error: &std::io::Error) -> Self {
        if matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        ) {
            Self::Full {
                path: path.to_owned(),
                done,
                total,
            }
        } else {
            Self::disk(path, error)
        }
    }
}

/// The innermost cause, which says more than the outer ones.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A size as people say it: `397 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut number = bytes as f64;
    let mut name = "bytes";
    for unit in UNITS {
        if number < 999.5 {
            break;
        }
        number /= 1000.0;
        name = unit;
    }
    if number < 9.95 {
        format!("{number:.1} {name}")
    } else {
        format!("{number:.0} {name}")
    }
}

fn first(choices: &[Choice]) -> &str {
    choices.first().map_or("FILE.gguf", |choice| &choice.name)
}

fn lines(choices: &[Choice]) -> String {
    let lines = choices
        .iter()
        .map(|choice| format!("  {}  {}", choice.name, size(choice.bytes)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [
            0,
            999,
            1000,
            9_949,
            396_219_744,
            999_600,
            1_317_833_856,
            u64::MAX,
        ];
        let said: Vec<String> = sizes.into_iter().map(size).collect();
        assert_eq!(
            said,
            [
                "0 bytes",
                "999 bytes",
                "1.0 kB",
                "9.9 kB",
                "396 MB",
                "1.0 MB",
                "1.3 GB",
                "18447 PB"
            ]
        );
    }
}
