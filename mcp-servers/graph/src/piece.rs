//! What one document adds to the graph. The graph is the sum of the pieces of its documents and of
//! nothing else, so that it does not matter in which order they came, and so that a document that
//! is taken out leaves nothing behind.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::name::Key;

/// A document as it was read, cut into passages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Path or URL; one document of a source.
    pub source: String,
    /// Its title.
    pub title: String,
    /// `YYYY-MM-DD`, from when on what it says holds, where it says so.
    pub date: Option<String>,
    /// Its passages in reading order.
    pub passages: Vec<Passage>,
}

/// A passage: what is found, and what is cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Headings it stands below, outermost first, without the title of the document.
    pub headings: Vec<String>,
    /// Its text.
    pub text: String,
    /// Where it stands in the text of the document, in bytes.
    pub span: Range<u64>,
}

/// A document with everything that was found in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The document.
    pub document: Document,
    /// What its passages name.
    pub mentions: Vec<Mention>,
    /// What its passages say.
    pub statements: Vec<Statement>,
}

/// What something that is named looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What a whole document is about: its title.
    Title,
    /// A section of a document.
    Section,
    /// A name: words with capitals.
    Name,
    /// Words in quotation marks.
    Quoted,
    /// An acronym.
    Acronym,
    /// A day, a month or a year.
    Date,
    /// A number with its unit.
    Quantity,
    /// A name from a program.
    Code,
    /// Where a link leads.
    Link,
    /// Given by whoever gave the statements.
    Given,
}

/// That a passage names something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// Number of the passage in the document, from 0.
    pub passage: u32,
    /// What is named.
    pub entity: Key,
    /// As it is written there.
    pub name: String,
    /// What it looks like.
    pub kind: Kind,
    /// Where it stands in the text of the passage, in bytes; empty where it stands in a title or
    /// a heading.
    pub span: Range<u32>,
}

/// That a passage says something: subject, predicate, object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Number of the passage that says it, from 0.
    pub passage: u32,
    /// Of what it is said.
    pub subject: Key,
    /// What is said: `directed by`, `section of`, `modifies`.
    pub predicate: String,
    /// What the predicate leads to.
    pub object: Key,
    /// The words that say it, in bytes of the text of the passage.
    pub span: Range<u32>,
    /// Who found it.
    pub extractor: Extractor,
    /// How certain it is, from 0 to 1.
    pub confidence: f32,
    /// `YYYY-MM-DD`, from when on it holds, where that is said.
    pub valid_from: Option<String>,
    /// `YYYY-MM-DD`, the first day on which it does not hold any more, where that is said.
    pub valid_to: Option<String>,
}

/// Who found a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extractor {
    /// How the document is built: sections, links.
    Structure,
    /// Words between two names in a sentence.
    Pattern,
    /// A language model.
    Model,
    /// Given from outside.
    Given,
}
