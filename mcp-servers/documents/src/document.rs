//! A document as loaders hand it over: a title, some metadata, and blocks in reading order.

use serde_json::{Map, Value};

/// What a block is, which decides where it may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Running text.
    Prose,
    /// A heading; belongs with what follows.
    Heading,
    /// A list.
    List,
    /// A table.
    Table,
    /// Code, or anything whose lines must stay as they are.
    Code,
    /// One record of a table or a stream of records.
    Record,
}

/// A piece of a document that is cut only when it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text.
    pub text: String,
    /// Headings it stands below, outermost first; a heading's own path ends with itself.
    pub heading_path: Vec<String>,
    /// Byte offset of its text in the document's extracted text.
    pub start: u64,
}

impl Block {
    /// Byte offset one past its text.
    pub fn end(&self) -> u64 {
        self.start + self.text.len() as u64
    }
}

/// Blocks one after the other; a file that turns out bad half-way ends with an error.
pub type Blocks = Box<dyn Iterator<Item = Result<Block, LoadError>> + Send>;

/// A document that is being read.
pub struct Document {
    /// From the document itself, or from its file name.
    pub title: String,
    /// `YYYY-MM-DD`, where the document says.
    pub date: Option<String>,
    /// Short name of the format: `markdown`, `pdf`, ...
    pub format: &'static str,
    /// Front matter and the like.
    pub metadata: Map<String, Value>,
    /// Its text.
    pub blocks: Blocks,
}

/// Why a file cannot be read. Other files go on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened or read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing in it.
    #[error("{path}: is empty")]
    Empty {
        /// The file.
        path: String,
    },
    /// No loader for it.
    #[error(
        "{path}: files of this kind are not read; convert it to one of: {}",
        crate::load::FORMATS
    )]
    Unsupported {
        /// The file.
        path: String,
    },
    /// Not text, whatever its name says.
    #[error("{path}: looks like a binary file{}, not like text", .kind.map_or(String::new(), |kind| format!(" ({kind})")))]
    Binary {
        /// The file.
        path: String,
        /// What it looks like, where that is known.
        kind: Option<&'static str>,
    },
    /// Not UTF-8.
    #[error(
        "{path}: line {line}: byte {offset} is not valid UTF-8; convert the file, for example with iconv"
    )]
    Encoding {
        /// The file.
        path: String,
        /// Line, from 1.
        line: u64,
        /// Offset of the first bad byte.
        offset: u64,
    },
    /// More than is read at once.
    #[error(
        "{path}: has {found} bytes, and files of this kind are read up to {limit}; split it, or raise --max-file-mib"
    )]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A line that never ends.
    #[error(
        "{path}: line {line} has more than {limit} bytes; break it into lines, or convert the file"
    )]
    LongLine {
        /// The file.
        path: String,
        /// Line, from 1.
        line: u64,
        /// The limit.
        limit: u64,
    },
    /// The format is broken.
    #[error("{path}: {place}{message}")]
    Malformed {
        /// The file.
        path: String,
        /// `line 3: `, where known.
        place: String,
        /// What is wrong and what to do.
        message: String,
    },
}
