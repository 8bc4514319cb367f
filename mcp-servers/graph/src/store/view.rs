//! What a store answers with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Key;
use crate::piece::{Kind, Mention, Passage, Statement};

/// What putting a piece did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Source of the document.
    pub source: String,
    /// What changed.
    pub change: Change,
    /// Number of the change by which the document is as it is.
    pub sequence: u64,
}

/// What changed when a piece was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There was no document of this source.
    Added,
    /// There was another one.
    Replaced,
    /// There was the same.
    Unchanged,
}

/// What became of a document that was to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingestion {
    /// Its source.
    pub source: String,
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub error: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub at_ms: i64,
}

/// How far a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits.
    Queued,
    /// It is there.
    Done,
    /// It could not be put.
    Failed,
}

/// How much there is in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Documents.
    pub documents: u64,
    /// Their passages.
    pub passages: u64,
    /// What is named or spoken of.
    pub entities: u64,
    /// How often something is named.
    pub mentions: u64,
    /// Statements.
    pub statements: u64,
    /// Documents that wait.
    pub queued: u64,
    /// Documents that could not be put.
    pub failed: u64,
    /// Version of the form of the store.
    pub schema: u32,
    /// Bytes it takes.
    pub bytes: u64,
    /// Number of the last change.
    pub sequence: u64,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentInfo {
    /// Path or URL.
    pub source: String,
    /// Its title.
    pub title: String,
    /// From when on what it says holds.
    pub date: Option<String>,
    /// Hash of its piece.
    pub digest: [u8; 32],
    /// When it was first put, in milliseconds since 1970.
    pub learned_ms: i64,
    /// When it last changed.
    pub changed_ms: i64,
    /// Number of its last change.
    pub sequence: u64,
    /// How many passages it has.
    pub passages: u64,
    /// How many mentions.
    pub mentions: u64,
    /// How many statements.
    pub statements: u64,
}

/// Where a passage is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PassageRef {
    /// Source of its document.
    pub source: String,
    /// Its number there, from 0.
    pub number: u32,
}

/// A passage with what is said about it when it is cited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPassage {
    /// Where it is.
    pub at: PassageRef,
    /// Title of its document.
    pub title: String,
    /// Date of its document.
    pub date: Option<String>,
    /// The passage.
    pub passage: Passage,
}

/// A passage that was found by words.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it is.
    pub at: PassageRef,
    /// Its BM25, more is better.
    pub score: f64,
}

/// A passage with the same words, in one store: it lasts as long as title, headings and text stay
/// as they are, and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassageId(pub(super) i64);

/// A passage that waits for a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What its vector is kept by.
    pub id: PassageId,
    /// Title of its document.
    pub title: String,
    /// Headings it stands below.
    pub headings: Vec<String>,
    /// Its text.
    pub text: String,
}

/// The vector of a passage.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageVector {
    /// What it is kept by.
    pub id: PassageId,
    /// Where the passage is.
    pub at: PassageRef,
    /// Its numbers, rounded to 16 bits.
    pub vector: Vec<f32>,
}

/// An entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What it is known by.
    pub key: Key,
    /// How it is written, the most used first; no more than a hundred ways.
    pub names: Vec<Spelling>,
    /// How many ways there are to write it.
    pub spellings: u64,
    /// How often it is named.
    pub mentions: u64,
    /// In how many documents it is named or spoken of.
    pub documents: u64,
    /// How many statements it is in.
    pub statements: u64,
}

/// One way to write the name of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    /// As it is written.
    pub name: String,
    /// What it looks like.
    pub kind: Kind,
    /// How often it is written so.
    pub mentions: u64,
}

/// An entity that is written like another.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// What it is known by.
    pub key: Key,
    /// How alike they are, from 0 to 1.
    pub likeness: f64,
}

/// A part of many.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The part.
    pub items: Vec<T>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Where a part ends. It stays good when the store changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    pub(super) document: i64,
    pub(super) number: i64,
}

/// A mention and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMention {
    /// Source of its document.
    pub source: String,
    /// Title of its document.
    pub title: String,
    /// The mention.
    pub mention: Mention,
}

/// A statement and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredStatement {
    /// Source of its document.
    pub source: String,
    /// Title of its document.
    pub title: String,
    /// Date of its document.
    pub date: Option<String>,
    /// The statement.
    pub statement: Statement,
    /// When it was first learned, in milliseconds since 1970: while its document stays, a
    /// statement that says the same in the next version is not new.
    pub learned_ms: i64,
}

/// That a document was put or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Its number; later ones are greater.
    pub sequence: u64,
    /// Source of the document.
    pub source: String,
    /// What happened.
    pub what: What,
}

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was put.
    Put,
    /// It was removed.
    Removed,
}

/// Hash of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GraphHash(pub [u8; 32]);

impl fmt::Display for GraphHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// What an audit looked at and found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Documents that were looked at.
    pub documents: u64,
    /// What is kept and does not follow from the pieces, or follows and is not kept; empty if all
    /// is well.
    pub differences: Vec<String>,
}
