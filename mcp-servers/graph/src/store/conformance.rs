//! What every store must do. A store passes when [`check`] returns.

mod following;
mod keeping;
mod questions;

use super::view::Page;
use super::{Cursor, GraphStore, StoreError};
use crate::name::Key;
use crate::piece::{Document, Extractor, Kind, Mention, Passage, Piece, Statement};

/// What a store did that it must not, or did not that it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store does not conform: {0}")]
pub struct Nonconforming(String);

impl From<StoreError> for Nonconforming {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

type Checked = Result<(), Nonconforming>;

fn must(holds: bool, what: &str) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Nonconforming(what.to_owned()))
    }
}

/// Puts stores through everything that is relied on. Each that is opened must be empty, and its
/// own.
///
/// # Errors
/// What a store does wrong.
pub fn check<S, E>(open: impl Fn() -> Result<S, E>) -> Result<(), Nonconforming>
where
    S: AsRef<dyn GraphStore>,
    E: std::fmt::Display,
{
    let rules: [fn(&dyn GraphStore) -> Checked; 14] = [
        keeping::pieces_come_back_as_they_were,
        keeping::what_is_there_is_not_put_again,
        keeping::what_is_submitted_is_put_in_order,
        keeping::a_batch_is_put_whole_or_not_at_all,
        keeping::what_cannot_be_is_refused,
        keeping::what_is_taken_out_leaves_nothing,
        questions::names_are_counted,
        questions::pages_are_complete,
        questions::statements_are_kept_side_by_side,
        questions::words_are_found,
        questions::unknown_names_have_near_ones,
        following::what_waits_and_what_failed_is_told,
        following::changes_are_told_in_order,
        following::vectors_follow_their_passages,
    ];
    let fresh = || open().map_err(|error| Nonconforming(error.to_string()));
    for rule in rules {
        let store = fresh()?;
        rule(store.as_ref())?;
        let audit = store.as_ref().audit()?;
        must(
            audit.differences.is_empty(),
            &format!("an audit finds {:?}", audit.differences),
        )?;
    }
    let (one, other) = (fresh()?, fresh()?);
    keeping::order_does_not_matter(one.as_ref(), other.as_ref())
}

/// The key of a name that has one.
fn key(name: &str) -> Result<Key, Nonconforming> {
    Key::of(name).ok_or_else(|| Nonconforming(format!("`{name}` has no key")))
}

/// A document of one passage for each text.
fn document(source: &str, title: &str, texts: &[&str]) -> Piece {
    let mut at = 0_u64;
    let passages = texts.iter().map(|text| {
        let start = at;
        at = at.saturating_add(text.len() as u64);
        Passage {
            headings: Vec::new(),
            text: (*text).to_owned(),
            span: start..at,
        }
    });
    Piece {
        document: Document {
            source: source.to_owned(),
            title: title.to_owned(),
            date: None,
            passages: passages.collect(),
        },
        mentions: Vec::new(),
        statements: Vec::new(),
    }
}

impl Piece {
    /// With one more mention, in its first passage.
    fn naming(mut self, name: &str) -> Result<Self, Nonconforming> {
        self.mentions.push(Mention {
            passage: 0,
            entity: key(name)?,
            name: name.to_owned(),
            kind: Kind::Name,
            span: 0..0,
        });
        Ok(self)
    }

    /// With one more statement, in its first passage.
    fn saying(
        mut self,
        subject: &str,
        predicate: &str,
        object: &str,
    ) -> Result<Self, Nonconforming> {
        self.statements.push(Statement {
            passage: 0,
            subject: key(subject)?,
            predicate: predicate.to_owned(),
            object: key(object)?,
            span: 0..0,
            extractor: Extractor::Given,
            confidence: 1.0,
            valid_from: None,
            valid_to: None,
        });
        Ok(self)
    }
}

/// Everything of pages.
fn all<T>(
    mut page: impl FnMut(Option<Cursor>) -> Result<Page<T>, StoreError>,
) -> Result<Vec<T>, Nonconforming> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let mut found = page(after)?;
        let none = found.items.is_empty();
        items.append(&mut found.items);
        if found.next.is_none() {
            return Ok(items);
        }
        must(!none, "a page is empty, and not the last")?;
        after = found.next;
    }
}
