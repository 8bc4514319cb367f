//! Entries are put into the text of a settings file, and taken out of it. Whatever else is in the
//! text stays as it is, byte for byte: comments, order, indentation, line ends.
//!
//! An edit is checked before it is handed out: read as data, the new text must be the old one with
//! the entry in it, or without it. A text for which that does not hold is refused.

mod json;
mod toml;

use std::ops::Range;

use thiserror::Error;

use crate::client::{Form, Syntax};
use crate::entry::Entry;

/// Why a text is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("line {line}, column {column}: {problem}; mend that first, nothing was changed")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// Something else stands where a table of servers, or a server, should be.
    #[error("line {line}: `{name}` holds no table; nothing was changed")]
    NoTable {
        /// Counted from 1.
        line: usize,
        /// What holds something else.
        name: String,
    },
    /// A name is there more than once, so that it is not clear which one counts.
    #[error("line {line}: `{name}` is there twice: remove one of them, nothing was changed")]
    Twice {
        /// Of the second one, counted from 1.
        line: usize,
        /// What is there twice.
        name: String,
    },
    /// A server of that name is somebody else's.
    #[error(
        "line {line}: the server `{name}` is not one of Ropewalk's ({starts}): choose another --name, nothing was changed"
    )]
    Foreign {
        /// Counted from 1.
        line: usize,
        /// The name.
        name: String,
        /// What it starts or calls.
        starts: String,
    },
    /// The text is too unusual to be changed with certainty.
    #[error("{reason}; put the entry in by hand, nothing was changed")]
    Unsafe {
        /// What is unusual.
        reason: String,
    },
}

/// The text with this entry in it. Of an entry that is there already only what starts the server
/// is renewed; what a user added to it stays.
///
/// # Errors
/// When the text cannot be read, or cannot be changed with certainty.
pub fn put(text: &str, form: &Form, entry: &Entry) -> Result<String, EditError> {
    whole(text, |text| match form.syntax {
        Syntax::Toml => toml::put(text, form, entry),
        Syntax::Json | Syntax::JsonWithComments => json::put(text, form, entry),
    })
}

/// The text without the entry of this name; the text itself if there is none.
///
/// # Errors
/// When the text cannot be read, or cannot be changed with certainty.
pub fn take(text: &str, form: &Form, name: &str) -> Result<String, EditError> {
    whole(text, |text| match form.syntax {
        Syntax::Toml => toml::take(text, form, name),
        Syntax::Json | Syntax::JsonWithComments => json::take(text, form, name),
    })
}

/// The entry of this name, if there is one and it is ours.
///
/// # Errors
/// When the text cannot be read.
pub fn find(text: &str, form: &Form, name: &str) -> Result<Option<Entry>, EditError> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    match form.syntax {
        Syntax::Toml => toml::find(text, form, name),
        Syntax::Json | Syntax::JsonWithComments => json::find(text, form, name),
    }
}

/// Some editors begin a file with it; parsers do not like it.
const BOM: char = '\u{feff}';

fn whole(
    text: &str,
    change: impl Fn(&str) -> Result<String, EditError>,
) -> Result<String, EditError> {
    match text.strip_prefix(BOM) {
        None => change(text),
        Some(rest) => Ok(format!("{BOM}{}", change(rest)?)),
    }
}

/// The line a byte is on, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    1 + before.matches('\n').count()
}

/// The column a byte is in, counted from 1, in characters.
fn column_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    1 + line.chars().count()
}

/// The text with other words in some places. The places must not overlap.
fn spliced(text: &str, mut splices: Vec<(Range<usize>, String)>) -> String {
    splices.sort_by_key(|(place, _)| place.start);
    let mut made = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for (place, words) in splices {
        made.push_str(text.get(done..place.start).unwrap_or_default());
        made.push_str(&words);
        done = place.end;
    }
    made.push_str(text.get(done..).unwrap_or_default());
    made
}
