//! How a store fails, in words a person can act on.

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No collection of that name.
    #[error("no collection `{collection}`; there {}", existing(.known))]
    NoCollection {
        /// The name asked for.
        collection: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// A vector has another size than its collection.
    #[error(
        "collection `{collection}` holds vectors of size {expected} in `{vector}`, but the embedding model makes size {found}; use the model the collection was made with, or another collection"
    )]
    SizeMismatch {
        /// The collection.
        collection: String,
        /// The vector's name.
        vector: String,
        /// The collection's size.
        expected: u64,
        /// The size that was offered.
        found: u64,
    },
    /// Another process has the data folder open.
    #[error(
        "the vector data in {path} is in use by another process{}; stop it, or set another folder with ROPEWALK_HOME",
        holder(.pid)
    )]
    Locked {
        /// The folder.
        path: String,
        /// The process that holds it, where known.
        pid: Option<u32>,
    },
    /// A name that cannot be a collection's.
    #[error(
        "`{name}` cannot name a collection: use letters, digits, `-`, `_` and `.`, not leading, at most 128 of them"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A collection has no vector of that name.
    #[error("collection `{collection}` has no vector `{vector}`; it has: {}", .known.join(", "))]
    NoVector {
        /// The collection.
        collection: String,
        /// The name asked for.
        vector: String,
        /// Names it has.
        known: Vec<String>,
    },
    /// A collection exists with another shape.
    #[error("collection `{collection}` exists with another shape: {difference}")]
    ShapeMismatch {
        /// The collection.
        collection: String,
        /// What differs.
        difference: String,
    },
    /// The engine refused or failed.
    #[error("{engine}: {action} failed: {message}")]
    Engine {
        /// Which engine.
        engine: &'static str,
        /// What was being done.
        action: String,
        /// What it said.
        message: String,
    },
    /// A Qdrant server could not be reached.
    #[error(
        "no Qdrant server answers at {url}: {message}; check the URL, and that the server runs"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What the connection said.
        message: String,
    },
    /// A file operation failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which path.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

fn existing(known: &[String]) -> String {
    if known.is_empty() {
        "are none yet; ingest something first".to_owned()
    } else {
        format!("are: {}", known.join(", "))
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}
