//! Why a store cannot do something.

use thiserror::Error;

/// Why a store cannot do something, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// A piece that says what cannot be.
    #[error("the document `{document}` cannot be kept: {why}")]
    Refused {
        /// Its source.
        document: String,
        /// What is wrong with it.
        why: String,
    },
    /// A text longer than the database takes.
    #[error("{place}: a text is too long to be kept; cut the document into shorter passages")]
    TooLarge {
        /// The store.
        place: String,
    },
    /// The file is something else.
    #[error("{place} is not a graph ({message}); name another file, or move this one away")]
    NotAGraph {
        /// The file.
        place: String,
        /// What it is.
        message: String,
    },
    /// The file was written by a later version.
    #[error(
        "{place} has form {found}, and this program knows forms up to {known}; use a newer program"
    )]
    TooNew {
        /// The file.
        place: String,
        /// Its form.
        found: u32,
        /// The last form that is known.
        known: u32,
    },
    /// What is in the file does not fit together.
    #[error(
        "{place} is damaged: {message}; put a copy back, or move it away and ingest the documents \
         again"
    )]
    Damaged {
        /// The file.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// Another process holds the file.
    #[error("{place} is being written by another process, for {seconds} s and more; try again")]
    Busy {
        /// The file.
        place: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The file must not be written.
    #[error("{place} cannot be written: {message}; allow it, or name another file")]
    ReadOnly {
        /// The file.
        place: String,
        /// What the system says.
        message: String,
    },
    /// There is no room left.
    #[error(
        "{place}: no room left ({message}); what was acknowledged is kept, make room and retry"
    )]
    Full {
        /// The file.
        place: String,
        /// What the system says.
        message: String,
    },
    /// The file cannot be opened.
    #[error("{place} cannot be opened: {message}; look at its path and its rights")]
    CannotOpen {
        /// The file.
        place: String,
        /// What the system says.
        message: String,
    },
    /// Anything else.
    #[error("{place}: {message}")]
    Failed {
        /// The file.
        place: String,
        /// What happened.
        message: String,
    },
}
