//! What is kept of entities, from what a document added before to what it adds now.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::super::fault::Fault;
use super::super::prepared::{Footprint, same};
use super::Change;
use super::totals::{less, more};

/// Places that wait at most.
const MOST_PLACES: usize = 1_000_000;

impl Change<'_> {
    /// What a document adds as it is kept.
    pub(super) fn footprint(&self, document: i64) -> Result<Footprint, Fault> {
        let mut print = Footprint::default();
        let mut named = self.transaction.prepare_cached(
            "SELECT entity, kind, name, count(*) FROM mentions WHERE document = ?1
             GROUP BY entity, kind, name",
        )?;
        let mut rows = named.query([document])?;
        while let Some(row) = rows.next()? {
            let at = (row.get(0)?, row.get(1)?, row.get(2)?);
            print.0.insert(at, row.get(3)?);
        }
        let mut ends = self
            .transaction
            .prepare_cached("SELECT subject, object FROM statements WHERE document = ?1")?;
        let mut rows = ends.query([document])?;
        while let Some(row) = rows.next()? {
            print.speak(row.get(0)?, row.get(1)?);
        }
        Ok(print)
    }

    /// Entities that were not there.
    pub(super) fn enter(
        &mut self,
        entities: &BTreeMap<i64, String>,
        before: &Footprint,
    ) -> Result<(), Fault> {
        let mut known = self
            .transaction
            .prepare_cached("SELECT key FROM entities WHERE id = ?1")?;
        let mut insert = self
            .transaction
            .prepare_cached("INSERT INTO entities VALUES (?1, ?2)")?;
        for (id, key) in entities {
            if before.has(*id) {
                continue;
            }
            let found: Option<String> = known.query_row([id], |row| row.get(0)).optional()?;
            if let Some(found) = found {
                same(*id, &found, key)?;
            } else {
                insert.execute(params![id, key])?;
                more(&mut self.totals.entities, 1);
            }
        }
        Ok(())
    }

    /// Places as they are now. Entities that have none any more go.
    pub(super) fn step(
        &mut self,
        document: i64,
        before: &Footprint,
        now: &Footprint,
    ) -> Result<(), Fault> {
        if !before.0.is_empty() {
            // Some that wait may be of this document.
            self.settle()?;
        }
        for (at, count) in &now.0 {
            if before.0.get(at) != Some(count) {
                let place = (at.0, document, at.1, at.2.clone(), *count);
                self.places.push(place);
            }
        }
        if !before.0.is_empty() || self.places.len() > MOST_PLACES {
            self.settle()?;
        }
        let mut take = self.transaction.prepare_cached(
            "DELETE FROM places WHERE entity = ?1 AND document = ?2 AND kind = ?3 AND name = ?4",
        )?;
        let mut gone = Vec::new();
        for at in before.0.keys() {
            if now.0.contains_key(at) {
                continue;
            }
            take.execute(params![at.0, document, at.1, at.2])?;
            if gone.last() != Some(&at.0) && !now.has(at.0) {
                gone.push(at.0);
            }
        }
        self.forget(&gone)
    }

    /// Writes places that wait: sorted, so that those of a batch go through the file once, where
    /// each document would go all over it.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        self.places.sort_unstable();
        let mut put = self
            .transaction
            .prepare_cached("INSERT OR REPLACE INTO places VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for place in self.places.drain(..) {
            put.execute(params![place.0, place.1, place.2, place.3, place.4])?;
        }
        Ok(())
    }

    /// Takes out those of some entities that have no place.
    fn forget(&mut self, entities: &[i64]) -> Result<(), Fault> {
        let mut placed = self
            .transaction
            .prepare_cached("SELECT 1 FROM places WHERE entity = ?1 LIMIT 1")?;
        let mut vector = self
            .transaction
            .prepare_cached("DELETE FROM entity_vectors WHERE entity = ?1")?;
        let mut forget = self
            .transaction
            .prepare_cached("DELETE FROM entities WHERE id = ?1")?;
        for entity in entities {
            if !placed.exists([entity])? {
                vector.execute([entity])?;
                forget.execute([entity])?;
                less(&mut self.totals.entities, 1);
            }
        }
        Ok(())
    }
}
