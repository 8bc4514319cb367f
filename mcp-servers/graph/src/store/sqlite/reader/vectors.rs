//! Vectors, and what has none.

use rusqlite::{Transaction, params};

use super::super::super::digest::number_of;
use super::super::super::view::{PassageId, PassageRef, PassageVector, Waiting};
use super::super::fault::Fault;
use super::super::unpacked;
use super::documents::read_headings;
use super::{begin, whole};
use crate::name::Key;

/// Passages that wait for a vector.
pub(in super::super) fn passages_without_vector(
    moment: &Transaction<'_>,
    embedder: &str,
    after: Option<PassageId>,
    limit: usize,
) -> Result<Vec<Waiting>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT passages.id, title, headings, text
         FROM passages JOIN documents ON documents.id = document
         WHERE passages.id >= ?1 AND NOT EXISTS (
             SELECT 1 FROM passage_vectors WHERE passage = passages.id
             AND embedder = (SELECT id FROM embedders WHERE name = ?2))
         ORDER BY passages.id LIMIT ?3",
    )?;
    let begin = begin(after.map(|id| id.0));
    let mut rows = found.query(params![begin, embedder, whole(limit)])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        waiting.push(Waiting {
            id: PassageId(row.get(0)?),
            title: row.get(1)?,
            headings: read_headings(row.get(2)?)?,
            text: row.get(3)?,
        });
    }
    Ok(waiting)
}

/// Vectors of passages.
pub(in super::super) fn passage_vectors(
    moment: &Transaction<'_>,
    embedder: &str,
    after: Option<PassageId>,
    limit: usize,
) -> Result<Vec<PassageVector>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT passage, source, number, vector FROM passage_vectors
         JOIN passages ON passages.id = passage JOIN documents ON documents.id = document
         WHERE passage >= ?1 AND embedder = (SELECT id FROM embedders WHERE name = ?2)
         ORDER BY passage LIMIT ?3",
    )?;
    let begin = begin(after.map(|id| id.0));
    let found = found.query_map(params![begin, embedder, whole(limit)], |row| {
        Ok(PassageVector {
            id: PassageId(row.get(0)?),
            at: PassageRef {
                source: row.get(1)?,
                number: row.get(2)?,
            },
            vector: unpacked(row.get_ref(3)?.as_blob()?),
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Entities that wait for a vector.
pub(in super::super) fn entities_without_vector(
    moment: &Transaction<'_>,
    embedder: &str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Key>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT key FROM entities
         WHERE id >= ?1 AND NOT EXISTS (
             SELECT 1 FROM entity_vectors WHERE entity = entities.id
             AND embedder = (SELECT id FROM embedders WHERE name = ?2))
         ORDER BY id LIMIT ?3",
    )?;
    let begin = begin(after.map(|key| number_of(key.as_str())));
    let found = found.query_map(params![begin, embedder, whole(limit)], |row| {
        row.get(0).map(Key::stored)
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Vectors of entities.
pub(in super::super) fn entity_vectors(
    moment: &Transaction<'_>,
    embedder: &str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, Vec<f32>)>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT key, vector FROM entity_vectors JOIN entities ON id = entity
         WHERE entity >= ?1 AND embedder = (SELECT id FROM embedders WHERE name = ?2)
         ORDER BY entity LIMIT ?3",
    )?;
    let begin = begin(after.map(|key| number_of(key.as_str())));
    let found = found.query_map(params![begin, embedder, whole(limit)], |row| {
        let key = Key::stored(row.get(0)?);
        Ok((key, unpacked(row.get_ref(1)?.as_blob()?)))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
