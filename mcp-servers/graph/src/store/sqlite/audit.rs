//! Everything that follows from the pieces, made anew and held against what is kept.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use rusqlite::types::ValueRef;
use rusqlite::{Row, Transaction};

use super::super::view::{Audit, DocumentInfo};
use super::super::{StoreError, digest, stems, sum::Sum};
use super::fault::Fault;
use super::place::Place;
use super::reader;
use super::{schema, whole};

/// Documents that are read at a time.
const AT_ONCE: usize = 256;

/// What follows, as SQL says it, that is nowhere kept; then what is kept and does not follow.
/// Written apart from what keeps it, so that they are not wrong alike.
const FOLLOWS: [(&str, &str, &str); 3] = [
    (
        "place",
        "SELECT entity, document, kind, name, count(*) FROM mentions GROUP BY 1, 2, 3, 4
         UNION ALL SELECT entity, document, 100, '', count(*) FROM (
             SELECT subject AS entity, document FROM statements
             UNION ALL SELECT object, document FROM statements WHERE object <> subject
         ) GROUP BY 1, 2",
        "SELECT entity, document, kind, name, count FROM places",
    ),
    (
        "entity",
        "SELECT entity FROM mentions UNION SELECT subject FROM statements
         UNION SELECT object FROM statements",
        "SELECT id FROM entities",
    ),
    (
        "change",
        "SELECT id, source, sequence FROM documents",
        "SELECT document, source, sequence FROM changes WHERE NOT removed",
    ),
];

/// Looks at a whole store, as it is at one moment.
pub(super) fn audit(place: &Place) -> Result<Audit, StoreError> {
    let looked = || -> Result<Audit, Fault> {
        let connection = schema::reader(&place.file, place.patience)?;
        // Full text is read through a table that is made for it, beside the file.
        connection.pragma_update(None, "query_only", "OFF")?;
        connection.execute_batch(
            "CREATE VIRTUAL TABLE temp.heard USING fts5vocab (main, words, instance)",
        )?;
        let moment = connection.unchecked_transaction()?;
        let mut audit = Audit::default();
        sound(&moment, &mut audit)?;
        for (what, follows, kept) in FOLLOWS {
            differ(&moment, &mut audit, what, (follows, kept), "is missing")?;
            differ(
                &moment,
                &mut audit,
                what,
                (kept, follows),
                "does not follow",
            )?;
        }
        keys(&moment, &mut audit)?;
        documents(&moment, &mut audit)?;
        Ok(audit)
    };
    looked().map_err(|fault| place.error(fault))
}

fn sound(moment: &Transaction<'_>, audit: &mut Audit) -> Result<(), Fault> {
    let mut check = moment.prepare("PRAGMA quick_check")?;
    let said = check.query_map([], |row| row.get::<_, String>(0))?;
    for said in said {
        let said = said?;
        if said != "ok" {
            audit.differences.push(format!("file: {said}"));
        }
    }
    let mut check = moment.prepare("PRAGMA foreign_key_check")?;
    let said = check.query_map([], |row| row.get::<_, String>(0))?;
    for table in said {
        let table = table?;
        audit
            .differences
            .push(format!("a row of {table} hangs on nothing"));
    }
    Ok(())
}

fn differ(
    moment: &Transaction<'_>,
    audit: &mut Audit,
    what: &str,
    (one, other): (&str, &str),
    how: &str,
) -> Result<(), Fault> {
    let mut rows = moment.prepare(&format!(
        "SELECT * FROM ({one}) EXCEPT SELECT * FROM ({other})"
    ))?;
    let columns = rows.column_count();
    let told = |row: &Row<'_>| {
        let parts = (0..columns).map(|column| {
            row.get_ref(column).map(|part| match part {
                ValueRef::Text(text) => format!("`{}`", String::from_utf8_lossy(text)),
                ValueRef::Integer(number) => number.to_string(),
                other => format!("{other:?}"),
            })
        });
        let parts: Vec<String> = parts.collect::<Result<_, _>>()?;
        Ok(format!("{what} {} {how}", parts.join(", ")))
    };
    let found = rows.query_map([], told)?;
    for difference in found {
        audit.differences.push(difference?);
    }
    Ok(())
}

fn keys(moment: &Transaction<'_>, audit: &mut Audit) -> Result<(), Fault> {
    let mut entities = moment.prepare("SELECT id, key FROM entities")?;
    let mut rows = entities.query([])?;
    while let Some(row) = rows.next()? {
        let (id, key): (i64, String) = (row.get(0)?, row.get(1)?);
        if digest::number_of(&key) != id {
            audit
                .differences
                .push(format!("entity `{key}` has the number {id}"));
        }
    }
    Ok(())
}

/// Reads each document back, adds up what there is, and hears whether its words are the ones that
/// are searched.
fn documents(moment: &Transaction<'_>, audit: &mut Audit) -> Result<(), Fault> {
    let mut sum = Sum::empty();
    let mut counts = [0_u64; 4];
    let mut said: HashMap<i64, u64> = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let found = reader::documents(moment, after.as_deref(), AT_ONCE)?;
        let Some(last) = found.last() else { break };
        after = Some(last.source.clone());
        for info in found {
            audit.documents = audit.documents.saturating_add(1);
            sum.add(&info.digest);
            let parts = [1, info.passages, info.mentions, info.statements];
            for (count, part) in counts.iter_mut().zip(parts) {
                *count = count.saturating_add(part);
            }
            document(moment, audit, info, &mut said)?;
        }
    }
    heard(moment, audit, said)?;
    if reader::hash(moment)?.0 != sum.hash() {
        let text = "the hash of the graph is not the one of its documents";
        audit.differences.push(text.to_owned());
    }
    let status = reader::status(moment)?;
    let kept = [
        status.documents,
        status.passages,
        status.mentions,
        status.statements,
    ];
    if kept != counts {
        audit.differences.push(format!(
            "documents, passages, mentions and statements are {counts:?}, and said to be {kept:?}"
        ));
    }
    let entities: i64 = moment.query_row("SELECT count(*) FROM entities", [], |row| row.get(0))?;
    let entities = entities.cast_unsigned();
    if status.entities != entities {
        audit.differences.push(format!(
            "entities are {entities}, and said to be {}",
            status.entities
        ));
    }
    Ok(())
}

fn document(
    moment: &Transaction<'_>,
    audit: &mut Audit,
    info: DocumentInfo,
    said: &mut HashMap<i64, u64>,
) -> Result<(), Fault> {
    let source = info.source.clone();
    let counts = [info.passages, info.mentions, info.statements];
    let kept = info.digest;
    let piece = match reader::piece_of(moment, info) {
        Ok(piece) => piece,
        Err(Fault::Damaged(message)) => {
            audit.differences.push(format!("`{source}`: {message}"));
            return Ok(());
        }
        Err(fault) => return Err(fault),
    };
    if digest::of_piece(&piece) != kept {
        audit
            .differences
            .push(format!("`{source}` is not as it was put"));
    }
    let read = [
        piece.document.passages.len() as u64,
        piece.mentions.len() as u64,
        piece.statements.len() as u64,
    ];
    if read != counts {
        audit.differences.push(format!(
            "`{source}` has {read:?} passages, mentions and statements, and is said to have \
             {counts:?}"
        ));
    }
    let mut ids = moment
        .prepare_cached("SELECT id, words FROM passages WHERE document = ?1 ORDER BY number")?;
    let mut rows = ids.query([digest::number_of(&source)])?;
    let title = stems::line(&piece.document.title);
    let mut passages = piece.document.passages.iter().enumerate();
    while let (Some(row), Some((number, passage))) = (rows.next()?, passages.next()) {
        let mark: [u8; 16] = row.get(1)?;
        if mark != digest::of_words(&piece.document.title, passage) {
            audit.differences.push(format!(
                "passage {number} of `{source}` is marked as another one"
            ));
        }
        let mut head = title.clone();
        for heading in &passage.headings {
            stems::append(&mut head, heading);
        }
        let mut total = 0_u64;
        for (column, line) in [("head", head), ("body", stems::line(&passage.text))] {
            for (offset, stem) in line.split_ascii_whitespace().enumerate() {
                total = total.wrapping_add(instance(stem, column, whole(offset)));
            }
        }
        said.insert(row.get(0)?, total);
    }
    Ok(())
}

/// Holds the words that are searched against those that the passages say.
fn heard(
    moment: &Transaction<'_>,
    audit: &mut Audit,
    said: HashMap<i64, u64>,
) -> Result<(), Fault> {
    let mut heard: HashMap<i64, u64> = HashMap::new();
    let mut words = moment.prepare("SELECT term, doc, col, \"offset\" FROM temp.heard")?;
    let mut rows = words.query([])?;
    while let Some(row) = rows.next()? {
        let term = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let column = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let one = instance(term, column, row.get(3)?);
        let total = heard.entry(row.get(1)?).or_default();
        *total = total.wrapping_add(one);
    }
    let mut ids = moment.prepare("SELECT rowid FROM words")?;
    for id in ids.query_map([], |row| row.get::<_, i64>(0))? {
        heard.entry(id?).or_default();
    }
    let mut wrong: Vec<String> = Vec::new();
    for (id, total) in &said {
        match heard.remove(id) {
            None => wrong.push(format!("words of passage {id} are missing")),
            Some(found) if found != *total => {
                wrong.push(format!("words of passage {id} are others"));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        heard
            .keys()
            .map(|id| format!("words of passage {id} belong to none")),
    );
    wrong.sort_unstable();
    audit.differences.append(&mut wrong);
    Ok(())
}

/// What one word at one place adds to the sum of a passage.
fn instance(term: &str, column: &str, offset: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (term, column, offset).hash(&mut hasher);
    hasher.finish()
}
