//! How much there is, and the sum of all digests: one row, read and written once a transaction.

use rusqlite::{Transaction, params};

use super::super::super::sum::Sum;
use super::super::fault::Fault;

/// How much there is.
#[derive(PartialEq, Eq, Clone)]
pub(super) struct Totals {
    pub(super) documents: i64,
    pub(super) passages: i64,
    pub(super) entities: i64,
    pub(super) mentions: i64,
    pub(super) statements: i64,
    pub(super) next_passage: i64,
    pub(super) sum: Sum,
    /// Whether it is not what is in the file.
    pub(super) changed: bool,
}

impl Totals {
    pub(super) fn read(transaction: &Transaction<'_>) -> Result<Self, Fault> {
        let (mut totals, sum) = transaction
            .prepare_cached(
                "SELECT documents, passages, entities, mentions, statements, next_passage, sum
                 FROM totals",
            )?
            .query_row([], |row| {
                let totals = Self {
                    documents: row.get(0)?,
                    passages: row.get(1)?,
                    entities: row.get(2)?,
                    mentions: row.get(3)?,
                    statements: row.get(4)?,
                    next_passage: row.get(5)?,
                    sum: Sum::empty(),
                    changed: false,
                };
                Ok((totals, row.get::<_, Vec<u8>>(6)?))
            })?;
        totals.sum = Sum::read(&sum)
            .ok_or_else(|| Fault::Damaged("the sum of its documents is cut".to_owned()))?;
        Ok(totals)
    }

    pub(super) fn write(&self, transaction: &Transaction<'_>) -> Result<(), Fault> {
        if !self.changed {
            return Ok(());
        }
        transaction
            .prepare_cached(
                "UPDATE totals SET documents = ?1, passages = ?2, entities = ?3, mentions = ?4,
                 statements = ?5, next_passage = ?6, sum = ?7",
            )?
            .execute(params![
                self.documents,
                self.passages,
                self.entities,
                self.mentions,
                self.statements,
                self.next_passage,
                self.sum.bytes()
            ])?;
        Ok(())
    }
}

/// Adds to a count.
pub(super) fn more(count: &mut i64, by: usize) {
    *count = count.saturating_add_unsigned(by as u64);
}

/// Takes from a count.
pub(super) fn less(count: &mut i64, by: usize) {
    *count = count.saturating_sub_unsigned(by as u64);
}
