//! A piece in place of another.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::super::super::digest;
use super::super::super::view::{self, Receipt};
use super::super::fault::Fault;
use super::super::prepared::{Footprint, Prepared, same};
use super::totals::{less, more};
use super::{Change, whole};
use crate::piece::Statement;

/// What makes two statements of a document one that was learned once.
type Said = (i64, String, i64, Option<String>, Option<String>, u8);

/// A document as it is kept.
struct Kept {
    digest: [u8; 32],
    sequence: i64,
    learned: i64,
}

impl Change<'_> {
    /// Puts a piece in place of the one before.
    pub(in super::super) fn put(&mut self, new: &Prepared) -> Result<Receipt, Fault> {
        let document = &new.piece.document;
        self.transaction
            .prepare_cached("DELETE FROM queue WHERE source = ?1")?
            .execute([&document.source])?;
        let kept = self.kept(new.id, &document.source)?;
        let receipt = |change, sequence: i64| Receipt {
            source: document.source.clone(),
            change,
            sequence: sequence.cast_unsigned(),
        };
        if let Some(kept) = &kept
            && kept.digest == new.digest
        {
            return Ok(receipt(view::Change::Unchanged, kept.sequence));
        }
        let (before, learned) = match &kept {
            Some(_) => (self.footprint(new.id)?, self.learned(new.id)?),
            None => (Footprint::default(), HashMap::new()),
        };
        let mut ids = match &kept {
            Some(kept) => self.take_rows(new.id, &kept.digest)?,
            None => HashMap::new(),
        };
        let sequence = self.note(new.id, &document.source, kept.as_ref(), false)?;
        self.transaction
            .prepare_cached(
                "INSERT INTO documents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (id) DO UPDATE SET title = ?3, date = ?4, digest = ?5,
                 changed_at = ?7, sequence = ?8, passages = ?9, mentions = ?10, statements = ?11",
            )?
            .execute(params![
                new.id,
                document.source,
                document.title,
                document.date,
                new.digest,
                kept.as_ref().map_or(self.now, |kept| kept.learned),
                self.now,
                sequence,
                whole(document.passages.len()),
                whole(new.piece.mentions.len()),
                whole(new.piece.statements.len())
            ])?;
        self.passages(new, &mut ids)?;
        self.enter(&new.entities, &before)?;
        self.mentions(new)?;
        self.statements(new, &learned)?;
        self.step(new.id, &before, &new.print)?;
        more(&mut self.totals.documents, 1);
        self.totals.sum.add(&new.digest);
        self.totals.changed = true;
        let change = match kept {
            Some(_) => view::Change::Replaced,
            None => view::Change::Added,
        };
        Ok(receipt(change, sequence))
    }

    /// Takes a document out; whether there was one.
    pub(in super::super) fn remove(&mut self, source: &str) -> Result<bool, Fault> {
        self.transaction
            .prepare_cached("DELETE FROM queue WHERE source = ?1")?
            .execute([source])?;
        let id = digest::number_of(source);
        let Some(kept) = self.kept(id, source)? else {
            return Ok(false);
        };
        let before = self.footprint(id)?;
        let ids = self.take_rows(id, &kept.digest)?;
        self.forget_passages(ids.into_values().flatten())?;
        self.step(id, &before, &Footprint::default())?;
        self.transaction
            .prepare_cached("DELETE FROM documents WHERE id = ?1")?
            .execute([id])?;
        self.note(id, source, Some(&kept), true)?;
        self.totals.changed = true;
        Ok(true)
    }

    fn kept(&self, id: i64, source: &str) -> Result<Option<Kept>, Fault> {
        let found = self
            .transaction
            .prepare_cached(
                "SELECT source, digest, sequence, learned_at FROM documents WHERE id = ?1",
            )?
            .query_row([id], |row| {
                let kept = Kept {
                    digest: row.get(1)?,
                    sequence: row.get(2)?,
                    learned: row.get(3)?,
                };
                Ok((row.get::<_, String>(0)?, kept))
            })
            .optional()?;
        let Some((known, kept)) = found else {
            return Ok(None);
        };
        same(id, &known, source)?;
        Ok(Some(kept))
    }

    /// When statements were first learned.
    fn learned(&self, document: i64) -> Result<HashMap<Said, i64>, Fault> {
        let mut learned: HashMap<Said, i64> = HashMap::new();
        let mut statements = self.transaction.prepare_cached(
            "SELECT subject, predicate, object, valid_from, valid_to, extractor, learned_at
             FROM statements WHERE document = ?1",
        )?;
        let mut rows = statements.query([document])?;
        while let Some(row) = rows.next()? {
            let said = (
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            );
            let at: i64 = row.get(6)?;
            let first = learned.entry(said).or_insert(at);
            *first = at.min(*first);
        }
        Ok(learned)
    }

    /// Takes the rows of a document out; numbers of its passages by their marks, for those that
    /// are there again: what hangs on them, their words and vectors, is left until then.
    fn take_rows(
        &mut self,
        id: i64,
        digest: &[u8; 32],
    ) -> Result<HashMap<[u8; 16], Vec<i64>>, Fault> {
        let mut ids: HashMap<[u8; 16], Vec<i64>> = HashMap::new();
        let mut passages = self
            .transaction
            .prepare_cached("SELECT id, words FROM passages WHERE document = ?1 ORDER BY number")?;
        let mut rows = passages.query([id])?;
        let mut count = 0_usize;
        while let Some(row) = rows.next()? {
            ids.entry(row.get(1)?).or_default().push(row.get(0)?);
            count = count.saturating_add(1);
        }
        less(&mut self.totals.passages, count);
        for (table, total) in [
            ("passages", None),
            ("mentions", Some(&mut self.totals.mentions)),
            ("statements", Some(&mut self.totals.statements)),
        ] {
            let taken = self
                .transaction
                .prepare_cached(&format!("DELETE FROM {table} WHERE document = ?1"))?
                .execute([id])?;
            if let Some(total) = total {
                less(total, taken);
            }
        }
        less(&mut self.totals.documents, 1);
        self.totals.sum.take(digest);
        Ok(ids)
    }

    fn passages(
        &mut self,
        new: &Prepared,
        ids: &mut HashMap<[u8; 16], Vec<i64>>,
    ) -> Result<(), Fault> {
        let transaction = self.transaction;
        let mut put = transaction
            .prepare_cached("INSERT INTO passages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        let mut index = transaction
            .prepare_cached("INSERT INTO words (rowid, head, body) VALUES (?1, ?2, ?3)")?;
        let passages = new.piece.document.passages.iter();
        for (number, (passage, words)) in passages.zip(&new.passages).enumerate() {
            let kept = ids.get_mut(&words.mark).and_then(Vec::pop);
            let id = kept.unwrap_or(self.totals.next_passage);
            put.execute(params![
                id,
                new.id,
                whole(number),
                words.mark,
                passage.span.start.cast_signed(),
                passage.span.end.cast_signed(),
                words.headings,
                passage.text
            ])?;
            if kept.is_none() {
                more(&mut self.totals.next_passage, 1);
                index.execute(params![id, words.head, words.body])?;
            }
        }
        more(&mut self.totals.passages, new.passages.len());
        let gone: Vec<i64> = ids.drain().flat_map(|(_, ids)| ids).collect();
        self.forget_passages(gone)
    }

    /// Takes out what hangs on passages that are gone.
    fn forget_passages(&self, ids: impl IntoIterator<Item = i64>) -> Result<(), Fault> {
        let mut words = self
            .transaction
            .prepare_cached("DELETE FROM words WHERE rowid = ?1")?;
        let mut vector = self
            .transaction
            .prepare_cached("DELETE FROM passage_vectors WHERE passage = ?1")?;
        for id in ids {
            words.execute([id])?;
            vector.execute([id])?;
        }
        Ok(())
    }

    fn mentions(&mut self, new: &Prepared) -> Result<(), Fault> {
        let mut put = self
            .transaction
            .prepare_cached("INSERT INTO mentions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        for (number, mention) in new.piece.mentions.iter().enumerate() {
            put.execute(params![
                new.id,
                whole(number),
                mention.passage,
                digest::number_of(mention.entity.as_str()),
                digest::code_of_kind(mention.kind),
                mention.span.start,
                mention.span.end,
                mention.name
            ])?;
        }
        more(&mut self.totals.mentions, new.piece.mentions.len());
        Ok(())
    }

    fn statements(&mut self, new: &Prepared, learned: &HashMap<Said, i64>) -> Result<(), Fault> {
        let mut put = self.transaction.prepare_cached(
            "INSERT INTO statements
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        for (number, statement) in new.piece.statements.iter().enumerate() {
            let (subject, object) = ends(statement);
            let extractor = digest::code_of_extractor(statement.extractor);
            let at = if learned.is_empty() {
                self.now
            } else {
                let said = (
                    subject,
                    statement.predicate.clone(),
                    object,
                    statement.valid_from.clone(),
                    statement.valid_to.clone(),
                    extractor,
                );
                learned.get(&said).copied().unwrap_or(self.now)
            };
            put.execute(params![
                new.id,
                whole(number),
                statement.passage,
                subject,
                object,
                extractor,
                statement.span.start,
                statement.span.end,
                at,
                f64::from(statement.confidence),
                statement.predicate,
                statement.valid_from,
                statement.valid_to
            ])?;
        }
        more(&mut self.totals.statements, new.piece.statements.len());
        Ok(())
    }

    /// Notes a change of a document in place of its last one; its number.
    fn note(
        &self,
        document: i64,
        source: &str,
        kept: Option<&Kept>,
        removed: bool,
    ) -> Result<i64, Fault> {
        // The last number is never free again: what had it goes when there is a later one.
        let sequence = self
            .transaction
            .prepare_cached("SELECT ifnull(max(sequence), 0) + 1 FROM changes")?
            .query_row([], |row| row.get(0))?;
        let stale = match kept {
            Some(_) => "DELETE FROM changes WHERE sequence = ?1",
            None => "DELETE FROM changes WHERE document = ?1 AND removed",
        };
        self.transaction
            .prepare_cached(stale)?
            .execute([kept.map_or(document, |kept| kept.sequence)])?;
        self.transaction
            .prepare_cached("INSERT INTO changes VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![sequence, document, source, removed])?;
        Ok(sequence)
    }
}

fn ends(statement: &Statement) -> (i64, i64) {
    (
        digest::number_of(statement.subject.as_str()),
        digest::number_of(statement.object.as_str()),
    )
}
