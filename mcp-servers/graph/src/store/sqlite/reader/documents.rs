//! Documents, their passages and their pieces.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::super::digest::{extractor_of_code, kind_of_code, number_of};
use super::super::super::view::{DocumentInfo, FoundPassage, PassageRef};
use super::super::fault::Fault;
use super::{count, whole};
use crate::name::Key;
use crate::piece::{Document, Mention, Passage, Piece, Statement};

/// What [`info`] reads.
const INFO: &str = "SELECT source, title, date, digest, learned_at, changed_at, sequence, \
                    passages, mentions, statements FROM documents";

/// A document.
pub(in super::super) fn document(
    moment: &Transaction<'_>,
    source: &str,
) -> Result<Option<DocumentInfo>, Fault> {
    Ok(moment
        .prepare_cached(&format!("{INFO} WHERE source = ?1"))?
        .query_row([source], info)
        .optional()?)
}

/// Documents by source.
pub(in super::super) fn documents(
    moment: &Transaction<'_>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<DocumentInfo>, Fault> {
    let mut found = match after {
        Some(_) => moment.prepare_cached(&format!(
            "{INFO} WHERE source > ?1 ORDER BY source LIMIT ?2"
        ))?,
        None => {
            moment.prepare_cached(&format!("{INFO} WHERE ?1 IS NULL ORDER BY source LIMIT ?2"))?
        }
    };
    let found = found.query_map(params![after, whole(limit)], info)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn info(row: &Row<'_>) -> Result<DocumentInfo, rusqlite::Error> {
    Ok(DocumentInfo {
        source: row.get(0)?,
        title: row.get(1)?,
        date: row.get(2)?,
        digest: row.get(3)?,
        learned_ms: row.get(4)?,
        changed_ms: row.get(5)?,
        sequence: count(row, 6)?,
        passages: count(row, 7)?,
        mentions: count(row, 8)?,
        statements: count(row, 9)?,
    })
}

/// A piece as it was put.
pub(in super::super) fn piece(
    moment: &Transaction<'_>,
    source: &str,
) -> Result<Option<Piece>, Fault> {
    match document(moment, source)? {
        Some(info) => Ok(Some(piece_of(moment, info)?)),
        None => Ok(None),
    }
}

/// Pieces by source.
pub(in super::super) fn pieces(
    moment: &Transaction<'_>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Piece>, Fault> {
    let found = documents(moment, after, limit)?;
    found
        .into_iter()
        .map(|info| piece_of(moment, info))
        .collect()
}

/// The piece of a document.
pub(in super::super) fn piece_of(
    moment: &Transaction<'_>,
    info: DocumentInfo,
) -> Result<Piece, Fault> {
    let id = number_of(&info.source);
    Ok(Piece {
        mentions: mentions(moment, id)?,
        statements: statements(moment, id)?,
        document: Document {
            passages: passages(moment, id)?,
            source: info.source,
            title: info.title,
            date: info.date,
        },
    })
}

/// A passage with its document.
pub(in super::super) fn passage(
    moment: &Transaction<'_>,
    source: &str,
    number: u32,
) -> Result<Option<FoundPassage>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT first, past, headings, text, title, date
         FROM passages JOIN documents ON documents.id = document
         WHERE document = ?1 AND number = ?2 AND source = ?3",
    )?;
    let mut rows = found.query(params![number_of(source), number, source])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(FoundPassage {
        at: PassageRef {
            source: source.to_owned(),
            number,
        },
        title: row.get(4)?,
        date: row.get(5)?,
        passage: read_passage(row)?,
    }))
}

fn passages(moment: &Transaction<'_>, document: i64) -> Result<Vec<Passage>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT first, past, headings, text FROM passages WHERE document = ?1 ORDER BY number",
    )?;
    let mut rows = found.query([document])?;
    let mut passages = Vec::new();
    while let Some(row) = rows.next()? {
        passages.push(read_passage(row)?);
    }
    Ok(passages)
}

fn read_passage(row: &Row<'_>) -> Result<Passage, Fault> {
    let (first, past): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(Passage {
        headings: read_headings(row.get(2)?)?,
        text: row.get(3)?,
        span: first.cast_unsigned()..past.cast_unsigned(),
    })
}

/// Headings as they are kept.
pub(super) fn read_headings(headings: Option<String>) -> Result<Vec<String>, Fault> {
    let Some(headings) = headings else {
        return Ok(Vec::new());
    };
    serde_json::from_str(&headings)
        .map_err(|error| Fault::Damaged(format!("headings of a passage: {error}")))
}

fn mentions(moment: &Transaction<'_>, document: i64) -> Result<Vec<Mention>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT passage, key, name, kind, first, past
         FROM mentions LEFT JOIN entities ON id = entity WHERE document = ?1 ORDER BY number",
    )?;
    let mut rows = found.query([document])?;
    let mut mentions = Vec::new();
    while let Some(row) = rows.next()? {
        mentions.push(read_mention(row)?);
    }
    Ok(mentions)
}

/// A mention from `passage, key, name, kind, first, past`.
pub(super) fn read_mention(row: &Row<'_>) -> Result<Mention, Fault> {
    let kind: u8 = row.get(3)?;
    Ok(Mention {
        passage: row.get(0)?,
        entity: key(row, 1)?,
        name: row.get(2)?,
        kind: kind_of_code(kind)
            .ok_or_else(|| Fault::Damaged(format!("a mention is of kind {kind}")))?,
        span: row.get(4)?..row.get(5)?,
    })
}

fn statements(moment: &Transaction<'_>, document: i64) -> Result<Vec<Statement>, Fault> {
    let mut found = moment.prepare_cached(
        "SELECT passage, s.key, predicate, o.key, first, past, extractor, confidence,
         valid_from, valid_to
         FROM statements LEFT JOIN entities s ON s.id = subject LEFT JOIN entities o ON o.id = object
         WHERE document = ?1 ORDER BY number",
    )?;
    let mut rows = found.query([document])?;
    let mut statements = Vec::new();
    while let Some(row) = rows.next()? {
        statements.push(read_statement(row)?);
    }
    Ok(statements)
}

/// A statement from the columns in the order of its parts, each span as two.
pub(super) fn read_statement(row: &Row<'_>) -> Result<Statement, Fault> {
    let extractor: u8 = row.get(6)?;
    Ok(Statement {
        passage: row.get(0)?,
        subject: key(row, 1)?,
        predicate: row.get(2)?,
        object: key(row, 3)?,
        span: row.get(4)?..row.get(5)?,
        extractor: extractor_of_code(extractor)
            .ok_or_else(|| Fault::Damaged(format!("a statement is of extractor {extractor}")))?,
        confidence: row.get(7)?,
        valid_from: row.get(8)?,
        valid_to: row.get(9)?,
    })
}

fn key(row: &Row<'_>, column: usize) -> Result<Key, Fault> {
    let key: Option<String> = row.get(column)?;
    key.map(Key::stored)
        .ok_or_else(|| Fault::Damaged("an entity that is named is not there".to_owned()))
}
