//! Events: put at the end of their log, and counted in their run's summary.

use ropewalk_core::event::Event;
use rusqlite::{OptionalExtension, params};

use super::super::super::{Stamped, StoreError, Tally, open_in};
use super::super::{Place, reader, state_word};
use super::{Batch, Known, whole};
use crate::run_id::{NoRunId, RunId};

impl Batch<'_> {
    pub(super) fn append(&mut self, stamped: Stamped) -> Result<(), rusqlite::Error> {
        let run = stamped.run;
        if self.failed.contains_key(&run) {
            return Ok(());
        }
        if let Event::RunStarted { .. } = &stamped.event
            && let Some(error) = self.begin(&stamped)?
        {
            self.failed.insert(run, error);
            return Ok(());
        }
        let Some(known) = self.known(run)? else {
            self.failed.insert(run, StoreError::NoRun(run));
            return Ok(());
        };
        if known.next_seq != stamped.seq {
            self.failed.insert(run, StoreError::Busy(run));
            return Ok(());
        }
        self.interrupts(known.key, &stamped.event)?;
        let (tally, _) = self.tallies.remove(&run).unwrap_or_default();
        let tally = tally.plus(Tally::of(&stamped.event));
        self.tallies.insert(run, (tally, stamped.at_ms));
        let body = match self.body(known.key, &stamped.event)? {
            Ok(body) => body,
            Err(message) => {
                self.failed.insert(run, self.place.failed(message));
                return Ok(());
            }
        };
        self.change
            .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                known.key,
                whole(stamped.seq),
                whole(stamped.at_ms),
                body
            ])?;
        if let Some(known) = self.known.get_mut(&run) {
            known.next_seq += 1;
        }
        Ok(())
    }

    /// Makes the run, or says why not.
    pub(super) fn begin(
        &mut self,
        stamped: &Stamped,
    ) -> Result<Option<StoreError>, rusqlite::Error> {
        let Event::RunStarted { graph, forked, .. } = &stamped.event else {
            return Ok(None);
        };
        let run = stamped.run;
        if self.known(run)?.is_some() {
            return Ok(Some(StoreError::Exists(run)));
        }
        let mut parent = None;
        let mut tally = Tally::default();
        let mut open = Vec::new();
        if let Some(origin) = forked {
            let id = match origin.run.parse::<RunId>() {
                Ok(id) => id,
                Err(error) => return Ok(Some(unnamed(self.place, &error))),
            };
            let Some(known) = self.known(id)? else {
                return Ok(Some(StoreError::NoRun(id)));
            };
            let past = match reader::events_between(self.change, self.place, id, (0, origin.seq)) {
                Ok(past) => past,
                Err(error) => return Ok(Some(error)),
            };
            let tallies = past.iter().map(|stamped| Tally::of(&stamped.event));
            tally = tallies.fold(tally, Tally::plus);
            open = open_in(run, &past);
            parent = Some((known.key, origin.seq));
        }
        self.change
            .prepare_cached(
                "INSERT INTO runs (id, graph, state, created_ms, updated_ms, next_seq, waiting, \
                 model_calls, tool_calls, tokens, parent, parent_seq) \
                 VALUES (?1, ?2, 'running', ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                run.to_string(),
                graph,
                whole(stamped.at_ms),
                whole(stamped.seq),
                tally.waiting,
                whole(tally.model_calls),
                whole(tally.tool_calls),
                whole(tally.tokens),
                parent.map(|(key, _)| key),
                parent.map(|(_, seq)| whole(seq)),
            ])?;
        let key = self.change.last_insert_rowid();
        for question in open {
            self.raise(key, &question.id, &question.interrupt)?;
        }
        let known = Known {
            key,
            next_seq: stamped.seq,
        };
        self.known.insert(run, known);
        Ok(None)
    }

    pub(super) fn known(&mut self, run: RunId) -> Result<Option<Known>, rusqlite::Error> {
        if let Some(known) = self.known.get(&run) {
            return Ok(Some(*known));
        }
        let found = self
            .change
            .prepare_cached("SELECT key, next_seq FROM runs WHERE id = ?1 AND hidden = 0")?
            .query_row([run.to_string()], |row| {
                Ok(Known {
                    key: row.get(0)?,
                    next_seq: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
                })
            })
            .optional()?;
        if let Some(known) = found {
            self.known.insert(run, known);
        }
        Ok(found)
    }

    /// Brings the summaries up to date, once for all events of a run.
    pub(super) fn count(&mut self) -> Result<(), rusqlite::Error> {
        for (run, (tally, at_ms)) in std::mem::take(&mut self.tallies) {
            let Some(known) = self.known.get(&run) else {
                continue;
            };
            self.change
                .prepare_cached(
                    "UPDATE runs SET state = coalesce(?2, state), updated_ms = ?3, next_seq = ?4, \
                     waiting = max(0, waiting + ?5), model_calls = model_calls + ?6, \
                     tool_calls = tool_calls + ?7, tokens = tokens + ?8 WHERE key = ?1",
                )?
                .execute(params![
                    known.key,
                    tally.state.map(state_word),
                    whole(at_ms),
                    whole(known.next_seq),
                    tally.waiting,
                    whole(tally.model_calls),
                    whole(tally.tool_calls),
                    whole(tally.tokens),
                ])?;
        }
        Ok(())
    }
}

fn unnamed(place: &Place, error: &NoRunId) -> StoreError {
    place.failed(error.to_string())
}
