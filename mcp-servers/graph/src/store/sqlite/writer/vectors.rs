//! Vectors of passages and of entities.

use rusqlite::params;

use super::super::fault::Fault;
use super::Change;

impl Change<'_> {
    /// Keeps vectors of passages; of how many there still was the passage.
    pub(in super::super) fn passage_vectors(
        &mut self,
        embedder: &str,
        vectors: &[(i64, Vec<u8>)],
    ) -> Result<usize, Fault> {
        self.vectors(
            embedder,
            vectors,
            "INSERT OR REPLACE INTO passage_vectors SELECT id, ?2, ?3 FROM passages WHERE id = ?1",
        )
    }

    /// Keeps vectors of entities; of how many there still was the entity.
    pub(in super::super) fn entity_vectors(
        &mut self,
        embedder: &str,
        vectors: &[(i64, Vec<u8>)],
    ) -> Result<usize, Fault> {
        self.vectors(
            embedder,
            vectors,
            "INSERT OR REPLACE INTO entity_vectors SELECT id, ?2, ?3 FROM entities WHERE id = ?1",
        )
    }

    fn vectors(
        &mut self,
        embedder: &str,
        vectors: &[(i64, Vec<u8>)],
        put: &str,
    ) -> Result<usize, Fault> {
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO embedders (name) VALUES (?1)")?
            .execute([embedder])?;
        let embedder: i64 = self
            .transaction
            .prepare_cached("SELECT id FROM embedders WHERE name = ?1")?
            .query_row([embedder], |row| row.get(0))?;
        let mut put = self.transaction.prepare_cached(put)?;
        let mut kept = 0_usize;
        for (id, vector) in vectors {
            kept = kept.saturating_add(put.execute(params![id, embedder, vector])?);
        }
        Ok(kept)
    }
}
