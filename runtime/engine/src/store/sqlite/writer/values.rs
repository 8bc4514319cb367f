//! Events and snapshots as they are kept: small ones as they are, large values out of line.

use ropewalk_core::event::Event;
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use super::super::blobs::{self, INLINE};
use super::{Batch, whole};
use crate::run_id::RunId;

impl Batch<'_> {
    /// An event as it is kept.
    pub(super) fn body(
        &self,
        run: i64,
        event: &Event,
    ) -> Result<Result<Vec<u8>, String>, rusqlite::Error> {
        // Most events are small, and are written as they are.
        let mut small = Small(Vec::new());
        let fits = serde_json::to_writer(&mut small, event).is_ok();
        let Small(json) = small;
        if fits && !json.windows(2).any(|pair| pair == b"\"$") {
            return Ok(Ok(blobs::packed(&json).into_owned()));
        }
        let value = match serde_json::to_value(event) {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut found = Vec::new();
        let short = blobs::shorten(value, &mut found);
        for blob in &found {
            self.keep("blob_uses", run, blob)?;
        }
        Ok(Ok(blobs::packed(short.to_string().as_bytes()).into_owned()))
    }

    pub(super) fn keep(
        &self,
        uses: &str,
        run: i64,
        blob: &blobs::Blob,
    ) -> Result<(), rusqlite::Error> {
        let known = self
            .change
            .prepare_cached("SELECT key FROM blobs WHERE digest = ?1")?
            .query_row([&blob.digest[..]], |row| row.get::<_, i64>(0))
            .optional()?;
        let key = match known {
            Some(key) => key,
            None => {
                self.change
                    .prepare_cached("INSERT INTO blobs (digest, data) VALUES (?1, ?2)")?
                    .execute(params![&blob.digest[..], &*blobs::packed(&blob.json)])?;
                self.change.last_insert_rowid()
            }
        };
        self.change
            .prepare_cached(&format!("INSERT OR IGNORE INTO {uses} VALUES (?1, ?2)"))?
            .execute([run, key])?;
        Ok(())
    }

    /// Takes the place of the snapshot before.
    pub(super) fn snapshot(
        &mut self,
        run: RunId,
        seq: u64,
        snapshot: Value,
    ) -> Result<(), rusqlite::Error> {
        let Some(known) = self.known(run)?.filter(|_| !self.failed.contains_key(&run)) else {
            return Ok(());
        };
        let mut found = Vec::new();
        let short = blobs::shorten(snapshot, &mut found);
        // The old ones go first from the list of uses and last from the file, so that what both
        // snapshots share is written once.
        let old: Vec<i64> = self
            .change
            .prepare_cached("SELECT blob FROM snapshot_uses WHERE run = ?1")?
            .query_map([known.key], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        self.change
            .prepare_cached("DELETE FROM snapshot_uses WHERE run = ?1")?
            .execute([known.key])?;
        for blob in &found {
            self.keep("snapshot_uses", known.key, blob)?;
        }
        for blob in old {
            self.drop_unused(blob)?;
        }
        self.change
            .prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3)")?
            .execute(params![
                known.key,
                whole(seq),
                &*blobs::packed(short.to_string().as_bytes())
            ])?;
        Ok(())
    }

    pub(super) fn drop_unused(&self, blob: i64) -> Result<(), rusqlite::Error> {
        self.change
            .prepare_cached(
                "DELETE FROM blobs WHERE key = ?1 \
                 AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob = ?1) \
                 AND NOT EXISTS (SELECT 1 FROM snapshot_uses WHERE blob = ?1)",
            )?
            .execute([blob])?;
        Ok(())
    }
}

/// JSON that stays in line; more of it is refused.
struct Small(Vec<u8>);

impl std::io::Write for Small {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > INLINE {
            return Err(std::io::Error::other("it is large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
