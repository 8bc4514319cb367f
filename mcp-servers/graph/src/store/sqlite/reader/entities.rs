//! Entities, where they are named, and what is said of them.
//!
//! Pages go document by document: an entity may be named a hundred thousand times, in one document
//! or in as many.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::super::digest::{kind_of_code, number_of};
use super::super::super::view::{Cursor, Entity, Page, Spelling, StoredMention, StoredStatement};
use super::super::fault::Fault;
use super::super::prepared::SPOKEN_OF;
use super::documents::{read_mention, read_statement};
use super::{begin, count, whole};
use crate::name::Key;

/// Ways to write an entity that are told.
const MOST_NAMES: usize = 100;

/// Documents of an entity that are asked for at a time.
const DOCUMENTS_AT_ONCE: i64 = 256;

const MENTIONS: &str = "SELECT passage, key, name, kind, first, past, number
    FROM mentions JOIN entities ON id = entity
    WHERE document = ?1 AND number >= ?2 AND entity = ?3 ORDER BY number LIMIT ?4";

const STATEMENTS: &str = "SELECT passage, s.key, predicate, o.key, first, past, extractor,
    confidence, valid_from, valid_to, number, learned_at
    FROM statements JOIN entities s ON s.id = subject JOIN entities o ON o.id = object
    WHERE document = ?1 AND number >= ?2 AND (?3 IS NULL OR subject = ?3 OR object = ?3)
    ORDER BY number LIMIT ?4";

/// An entity with its names.
pub(in super::super) fn entity(
    moment: &Transaction<'_>,
    key: &Key,
) -> Result<Option<Entity>, Fault> {
    let id = number_of(key.as_str());
    let known: Option<String> = moment
        .prepare_cached("SELECT key FROM entities WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if known.as_deref() != Some(key.as_str()) {
        return Ok(None);
    }
    let mut entity = Entity {
        key: key.clone(),
        names: Vec::new(),
        spellings: 0,
        mentions: 0,
        documents: 0,
        statements: 0,
    };
    let mut names: HashMap<(String, u8), u64> = HashMap::new();
    let mut document: Option<i64> = None;
    let mut places = moment
        .prepare_cached("SELECT document, kind, count, name FROM places WHERE entity = ?1")?;
    let mut rows = places.query([id])?;
    while let Some(row) = rows.next()? {
        let (at, kind, more): (i64, u8, u64) = (row.get(0)?, row.get(1)?, count(row, 2)?);
        // Those of one document lie together.
        if document.replace(at) != Some(at) {
            entity.documents = entity.documents.saturating_add(1);
        }
        if kind == SPOKEN_OF {
            entity.statements = entity.statements.saturating_add(more);
            continue;
        }
        entity.mentions = entity.mentions.saturating_add(more);
        let counted = names.entry((row.get(3)?, kind)).or_default();
        *counted = counted.saturating_add(more);
    }
    entity.spellings = names.len() as u64;
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
    names.truncate(MOST_NAMES);
    for ((name, kind), mentions) in names {
        let kind = kind_of_code(kind)
            .ok_or_else(|| Fault::Damaged(format!("a name is of kind {kind}")))?;
        entity.names.push(Spelling {
            name,
            kind,
            mentions,
        });
    }
    Ok(Some(entity))
}

/// Entities by their numbers.
pub(in super::super) fn entities(
    moment: &Transaction<'_>,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Key>, Fault> {
    let begin = begin(after.map(|key| number_of(key.as_str())));
    let mut found =
        moment.prepare_cached("SELECT key FROM entities WHERE id >= ?1 ORDER BY id LIMIT ?2")?;
    let found = found.query_map([begin, whole(limit)], |row| row.get(0).map(Key::stored))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Where an entity is named.
pub(in super::super) fn mentions_of(
    moment: &Transaction<'_>,
    key: &Key,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<StoredMention>, Fault> {
    let entity = number_of(key.as_str());
    let places = "SELECT DISTINCT document FROM places
        WHERE entity = ?1 AND document >= ?2 AND kind < 100 ORDER BY document LIMIT ?3";
    walk(moment, entity, places, after, limit, |asked, items| {
        let mut found = moment.prepare_cached(MENTIONS)?;
        let mut rows = found.query(params![asked.document, asked.number, entity, asked.limit])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            last = Some(row.get(6)?);
            items.push(StoredMention {
                source: asked.source.clone(),
                title: asked.title.clone(),
                mention: read_mention(row)?,
            });
        }
        Ok(last)
    })
}

/// Statements with an entity.
pub(in super::super) fn statements_of(
    moment: &Transaction<'_>,
    key: &Key,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<StoredStatement>, Fault> {
    let entity = number_of(key.as_str());
    let places = "SELECT document FROM places
        WHERE entity = ?1 AND document >= ?2 AND kind = 100 ORDER BY document LIMIT ?3";
    walk(moment, entity, places, after, limit, |asked, items| {
        statements(moment, asked, Some(entity), items)
    })
}

/// Statements of a document.
pub(in super::super) fn statements_in(
    moment: &Transaction<'_>,
    source: &str,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<StoredStatement>, Fault> {
    let document = number_of(source);
    let documents = "SELECT id FROM documents WHERE id = ?1 AND id >= ?2 LIMIT ?3";
    walk(moment, document, documents, after, limit, |asked, items| {
        statements(moment, asked, None, items)
    })
}

fn statements(
    moment: &Transaction<'_>,
    asked: &Asked,
    entity: Option<i64>,
    items: &mut Vec<StoredStatement>,
) -> Result<Option<i64>, Fault> {
    let mut found = moment.prepare_cached(STATEMENTS)?;
    let mut rows = found.query(params![asked.document, asked.number, entity, asked.limit])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        last = Some(row.get(10)?);
        items.push(StoredStatement {
            source: asked.source.clone(),
            title: asked.title.clone(),
            date: asked.date.clone(),
            learned_ms: row.get(11)?,
            statement: read_statement(row)?,
        });
    }
    Ok(last)
}

/// What is asked of one document.
struct Asked {
    document: i64,
    /// From which number on.
    number: i64,
    limit: i64,
    source: String,
    title: String,
    date: Option<String>,
}

/// Goes through documents, from where the last page ended, until a page is full. `take` adds what
/// it finds in one of them, and answers with the number of the last.
fn walk<T>(
    moment: &Transaction<'_>,
    whose: i64,
    documents: &str,
    after: Option<Cursor>,
    limit: usize,
    take: impl Fn(&Asked, &mut Vec<T>) -> Result<Option<i64>, Fault>,
) -> Result<Page<T>, Fault> {
    let mut items = Vec::new();
    let mut at = after;
    let mut from = after.map_or(i64::MIN, |after| after.document);
    loop {
        let mut found = moment.prepare_cached(documents)?;
        let found = found.query_map([whose, from, DOCUMENTS_AT_ONCE], |row| row.get(0))?;
        let found: Vec<i64> = found.collect::<Result<_, _>>()?;
        let Some(last) = found.last().copied() else {
            return Ok(Page { items, next: None });
        };
        for document in found {
            let room = limit.saturating_sub(items.len());
            if room == 0 {
                return Ok(Page { items, next: at });
            }
            let number = begin(at.filter(|at| at.document == document).map(|at| at.number));
            let asked = asked(moment, document, number, whole(room))?;
            if let Some(number) = take(&asked, &mut items)? {
                at = Some(Cursor { document, number });
            }
        }
        if items.len() >= limit {
            return Ok(Page { items, next: at });
        }
        let Some(next) = last.checked_add(1) else {
            return Ok(Page { items, next: None });
        };
        from = next;
    }
}

fn asked(moment: &Transaction<'_>, document: i64, number: i64, limit: i64) -> Result<Asked, Fault> {
    let read = |row: &Row<'_>| {
        Ok(Asked {
            document,
            number,
            limit,
            source: row.get(0)?,
            title: row.get(1)?,
            date: row.get(2)?,
        })
    };
    Ok(moment
        .prepare_cached("SELECT source, title, date FROM documents WHERE id = ?1")?
        .query_row([document], read)?)
}
