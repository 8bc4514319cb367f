//! What came, what waits, and how much there is.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::super::sum::Sum;
use super::super::super::view::{GraphHash, Happening, Ingestion, State, Status, What};
use super::super::fault::Fault;
use super::{count, whole};

/// Whether a document waits or has failed.
pub(in super::super) fn is_queued(moment: &Transaction<'_>, source: &str) -> Result<bool, Fault> {
    Ok(moment
        .prepare_cached("SELECT 1 FROM queue WHERE source = ?1")?
        .exists([source])?)
}

/// What became of a document.
pub(in super::super) fn ingestion(
    moment: &Transaction<'_>,
    source: &str,
) -> Result<Option<Ingestion>, Fault> {
    let waits = moment
        .prepare_cached("SELECT source, failed, error, at FROM queue WHERE source = ?1")?
        .query_row([source], queued)
        .optional()?;
    if waits.is_some() {
        return Ok(waits);
    }
    Ok(moment
        .prepare_cached("SELECT source, changed_at FROM documents WHERE source = ?1")?
        .query_row([source], done)
        .optional()?)
}

/// Documents in a state.
pub(in super::super) fn ingestions(
    moment: &Transaction<'_>,
    state: State,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Ingestion>, Fault> {
    if state == State::Done {
        let mut found = moment.prepare_cached(
            "SELECT source, changed_at FROM documents
             WHERE (?1 IS NULL OR source > ?1) AND source NOT IN (SELECT source FROM queue)
             ORDER BY source LIMIT ?2",
        )?;
        let found = found.query_map(params![after, whole(limit)], done)?;
        return Ok(found.collect::<Result<_, _>>()?);
    }
    let mut found = moment.prepare_cached(
        "SELECT source, failed, error, at FROM queue
         WHERE (?1 IS NULL OR source > ?1) AND failed = ?2 ORDER BY source LIMIT ?3",
    )?;
    let failed = state == State::Failed;
    let found = found.query_map(params![after, failed, whole(limit)], queued)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn queued(row: &Row<'_>) -> Result<Ingestion, rusqlite::Error> {
    Ok(Ingestion {
        source: row.get(0)?,
        state: if row.get(1)? {
            State::Failed
        } else {
            State::Queued
        },
        error: row.get(2)?,
        at_ms: row.get(3)?,
    })
}

fn done(row: &Row<'_>) -> Result<Ingestion, rusqlite::Error> {
    Ok(Ingestion {
        source: row.get(0)?,
        state: State::Done,
        error: None,
        at_ms: row.get(1)?,
    })
}

/// How much there is.
pub(in super::super) fn status(moment: &Transaction<'_>) -> Result<Status, Fault> {
    let sequence = sequence(moment)?;
    Ok(moment
        .prepare_cached(
            "SELECT documents, passages, entities, mentions, statements,
             (SELECT count(*) FROM queue WHERE NOT failed),
             (SELECT count(*) FROM queue WHERE failed),
             (SELECT user_version FROM pragma_user_version),
             (SELECT page_count FROM pragma_page_count)
                 * (SELECT page_size FROM pragma_page_size)
             FROM totals",
        )?
        .query_row([], |row| {
            Ok(Status {
                documents: count(row, 0)?,
                passages: count(row, 1)?,
                entities: count(row, 2)?,
                mentions: count(row, 3)?,
                statements: count(row, 4)?,
                queued: count(row, 5)?,
                failed: count(row, 6)?,
                schema: row.get(7)?,
                bytes: count(row, 8)?,
                sequence,
            })
        })?)
}

/// The hash of the graph.
pub(in super::super) fn hash(moment: &Transaction<'_>) -> Result<GraphHash, Fault> {
    let sum: Vec<u8> = moment
        .prepare_cached("SELECT sum FROM totals")?
        .query_row([], |row| row.get(0))?;
    let sum = Sum::read(&sum);
    let sum = sum.ok_or_else(|| Fault::Damaged("the sum of its documents is cut".to_owned()))?;
    Ok(GraphHash(sum.hash()))
}

/// The number of the last change.
pub(in super::super) fn sequence(moment: &Transaction<'_>) -> Result<u64, Fault> {
    let last: i64 = moment
        .prepare_cached("SELECT ifnull(max(sequence), 0) FROM changes")?
        .query_row([], |row| row.get(0))?;
    Ok(last.cast_unsigned())
}

/// What changed after a change.
pub(in super::super) fn changes(
    moment: &Transaction<'_>,
    since: u64,
    limit: usize,
) -> Result<Vec<Happening>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT sequence, source, removed FROM changes WHERE sequence > ?1
         ORDER BY sequence LIMIT ?2",
    )?;
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let found = found.query_map(params![since, whole(limit)], |row| {
        Ok(Happening {
            sequence: count(row, 0)?,
            source: row.get(1)?,
            what: if row.get(2)? {
                What::Removed
            } else {
                What::Put
            },
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
