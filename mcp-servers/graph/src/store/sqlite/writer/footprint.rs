//! What is kept of entities, from what a document added before to what it adds now.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::super::fault::Fault;
use super::super::prepared::{Footprint, same};
use super::Change;
use super::totals::{less, more};

impl Change<'_> {
    /// What a document adds as it is kept.
    pub(super) fn footprint(&self, document: i64) -> Result<Footprint, Fault> {
        let mut print = Footprint::default();
        let mut names = self.transaction.prepare_cached(
            "SELECT entity, name, kind, count(*) FROM mentions WHERE document = ?1
             GROUP BY entity, name, kind",
        )?;
        let mut rows = names.query([document])?;
        while let Some(row) = rows.next()? {
            let (entity, count): (i64, i64) = (row.get(0)?, row.get(3)?);
            print
                .names
                .insert((entity, row.get(1)?, row.get(2)?), count);
            let place = print.places.entry(entity).or_default();
            place.0 = place.0.saturating_add(count);
        }
        let mut ends = self
            .transaction
            .prepare_cached("SELECT subject, object FROM statements WHERE document = ?1")?;
        let mut rows = ends.query([document])?;
        while let Some(row) = rows.next()? {
            let (subject, object): (i64, i64) = (row.get(0)?, row.get(1)?);
            for entity in [Some(subject), (object != subject).then_some(object)] {
                let Some(entity) = entity else { continue };
                let place = print.places.entry(entity).or_default();
                place.1 = place.1.saturating_add(1);
            }
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
            if before.places.contains_key(id) {
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

    /// Names and places as they are now. Entities that nothing names any more go.
    pub(super) fn step(
        &mut self,
        document: i64,
        before: &Footprint,
        now: &Footprint,
    ) -> Result<(), Fault> {
        self.names(before, now)?;
        let mut put = self
            .transaction
            .prepare_cached("INSERT OR REPLACE INTO places VALUES (?1, ?2, ?3, ?4)")?;
        for (entity, place) in &now.places {
            if before.places.get(entity) != Some(place) {
                put.execute(params![entity, document, place.0, place.1])?;
            }
        }
        let mut take = self
            .transaction
            .prepare_cached("DELETE FROM places WHERE entity = ?1 AND document = ?2")?;
        let mut named = self
            .transaction
            .prepare_cached("SELECT 1 FROM places WHERE entity = ?1 LIMIT 1")?;
        let mut forget_vector = self
            .transaction
            .prepare_cached("DELETE FROM entity_vectors WHERE entity = ?1")?;
        let mut forget = self
            .transaction
            .prepare_cached("DELETE FROM entities WHERE id = ?1")?;
        for entity in before.places.keys() {
            if now.places.contains_key(entity) {
                continue;
            }
            take.execute(params![entity, document])?;
            if !named.exists([entity])? {
                forget_vector.execute([entity])?;
                forget.execute([entity])?;
                less(&mut self.totals.entities, 1);
            }
        }
        Ok(())
    }

    fn names(&self, before: &Footprint, now: &Footprint) -> Result<(), Fault> {
        let mut add = self.transaction.prepare_cached(
            "INSERT INTO names VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (entity, name, kind) DO UPDATE SET mentions = mentions + ?4",
        )?;
        for (at, count) in &now.names {
            let more = count.saturating_sub(before.names.get(at).copied().unwrap_or_default());
            if more != 0 {
                add.execute(params![at.0, at.1, at.2, more])?;
            }
        }
        let mut lower = self.transaction.prepare_cached(
            "UPDATE names SET mentions = mentions - ?4
             WHERE entity = ?1 AND name = ?2 AND kind = ?3",
        )?;
        let mut take = self.transaction.prepare_cached(
            "DELETE FROM names WHERE entity = ?1 AND name = ?2 AND kind = ?3 AND mentions <= 0",
        )?;
        for (at, count) in &before.names {
            if !now.names.contains_key(at) {
                lower.execute(params![at.0, at.1, at.2, count])?;
                take.execute(params![at.0, at.1, at.2])?;
            }
        }
        Ok(())
    }
}
