//! Runs that go, and the room they leave.

use rusqlite::OptionalExtension;

use super::super::super::StoreError;
use super::{Batch, whole};
use crate::run_id::RunId;

impl Batch<'_> {
    pub(super) fn remove(&mut self, run: RunId) -> Result<Result<(), StoreError>, rusqlite::Error> {
        let Some(known) = self.known(run)? else {
            return Ok(Err(StoreError::NoRun(run)));
        };
        self.remove_key(known.key)?;
        self.known.clear();
        Ok(Ok(()))
    }

    pub(super) fn remove_before(&mut self, at_ms: u64) -> Result<usize, rusqlite::Error> {
        let mut query = self.change.prepare_cached(
            "SELECT key, id FROM runs WHERE hidden = 0 AND state IN ('completed', 'failed') \
             AND updated_ms < ?1",
        )?;
        let found = query.query_map([whole(at_ms)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut keys = Vec::new();
        for row in found {
            let (key, id) = row?;
            let busy = id.parse().is_ok_and(|run| self.place.is_claimed(run));
            if !busy {
                keys.push(key);
            }
        }
        for key in &keys {
            self.remove_key(*key)?;
        }
        self.known.clear();
        Ok(keys.len())
    }

    /// Removes a run, and what only it was still there for.
    pub(super) fn remove_key(&mut self, key: i64) -> Result<(), rusqlite::Error> {
        self.removed = true;
        let change = self.change;
        let mut next = Some(key);
        while let Some(key) = next.take() {
            for table in ["interrupts", "answers"] {
                change.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [key])?;
            }
            let shared: bool = change.query_row(
                "SELECT EXISTS (SELECT 1 FROM runs WHERE parent = ?1)",
                [key],
                |row| row.get(0),
            )?;
            if shared {
                change.execute(
                    "UPDATE runs SET hidden = 1, waiting = 0 WHERE key = ?1",
                    [key],
                )?;
                return Ok(());
            }
            let used: Vec<i64> = change
                .prepare_cached(
                    "SELECT blob FROM blob_uses WHERE run = ?1 \
                     UNION SELECT blob FROM snapshot_uses WHERE run = ?1",
                )?
                .query_map([key], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for table in ["blob_uses", "snapshot_uses", "snapshots"] {
                change.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [key])?;
            }
            for blob in used {
                self.drop_unused(blob)?;
            }
            change.execute("DELETE FROM events WHERE run = ?1", [key])?;
            next = change
                .query_row(
                    "SELECT parent.key FROM runs JOIN runs AS parent ON parent.key = runs.parent \
                     WHERE runs.key = ?1 AND parent.hidden = 1",
                    [key],
                    |row| row.get(0),
                )
                .optional()?;
            change.execute("DELETE FROM runs WHERE key = ?1", [key])?;
        }
        Ok(())
    }
}
