//! What an ingestion is asked for, how far it is, and what it came to.

use ropewalk_documents::chunk::ChunkSettings;
use ropewalk_documents::files::{FailedFile, FilesError};
use ropewalk_documents::load::LoadLimits;
use ropewalk_embed::EmbedError;

use crate::store::StoreError;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Where the chunks go.
    pub collection: String,
    /// Patterns that file names must match; none takes every supported file.
    pub globs: Vec<String>,
    /// How documents are cut.
    pub chunks: ChunkSettings,
    /// How much of a file is read.
    pub limits: LoadLimits,
}

/// What happened to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOutcome {
    /// Written; how many chunks it has, and how many had to be embedded.
    Written {
        /// Chunks in all.
        chunks: u64,
        /// Chunks that were embedded; the others were known.
        embedded: u64,
    },
    /// The collection already holds it as it is.
    Unchanged,
    /// It could not be read; what the collection held of it is kept.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
    /// It is gone, and so are its chunks.
    Removed,
}

/// How far an ingestion is. Sent after each file and each batch.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestProgress {
    /// Files finished.
    pub files_done: usize,
    /// Files in all.
    pub files_total: usize,
    /// Chunks embedded so far.
    pub embedded: u64,
    /// The file at hand.
    pub file: String,
}

/// What an ingestion came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct IngestReport {
    /// Files that were written.
    pub written: usize,
    /// Files that were as they are.
    pub unchanged: usize,
    /// Documents that were removed.
    pub removed: usize,
    /// Chunks that were embedded.
    pub embedded: u64,
    /// Chunks the collection holds now.
    pub chunks: u64,
    /// Files that failed, and why.
    pub failed: Vec<FailedFile>,
    /// Files that were passed over because nothing reads their kind.
    pub skipped: usize,
    /// Whether it was cancelled before the end.
    pub cancelled: bool,
}

/// Why an ingestion ends early.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The files cannot be listed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedding model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The work was torn down.
    #[error("the ingestion stopped: {0}")]
    Stopped(String),
}
