//! What is read, each at one moment of the store.

mod arrivals;
mod documents;
mod entities;
mod near;
mod search;
mod vectors;

use rusqlite::Row;

use super::whole;

pub(super) use self::arrivals::{
    changes, hash, ingestion, ingestions, is_queued, sequence, status,
};
pub(super) use self::documents::{document, documents, passage, piece, piece_of, pieces};
pub(super) use self::entities::{entities, entity, mentions_of, statements_in, statements_of};
pub(super) use self::near::near;
pub(super) use self::search::search;
pub(super) use self::vectors::{
    entities_without_vector, entity_vectors, passage_vectors, passages_without_vector,
};

/// A count.
fn count(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Where a page by number begins.
fn begin(after: Option<i64>) -> i64 {
    after.map_or(i64::MIN, |after| after.saturating_add(1))
}
