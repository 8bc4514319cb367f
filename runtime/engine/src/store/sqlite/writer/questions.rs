//! Open questions, and the answers that are left for them.

use ropewalk_core::event::Event;
use ropewalk_core::interrupt::{Interrupt, Reply};
use rusqlite::params;

use super::super::super::StoreError;
use super::Batch;
use crate::run_id::RunId;

impl Batch<'_> {
    pub(super) fn interrupts(&self, run: i64, event: &Event) -> Result<(), rusqlite::Error> {
        match event {
            Event::InterruptRaised { id, interrupt } => self.raise(run, id, interrupt),
            Event::InterruptAnswered {
                id,
                reply: Reply::Escalate { to, .. },
            } => {
                self.change
                    .prepare_cached(
                        "UPDATE interrupts SET body = json_set(body, '$.who', ?3) \
                         WHERE run = ?1 AND id = ?2",
                    )?
                    .execute(params![run, id, to])?;
                Ok(())
            }
            Event::InterruptAnswered { id, .. } => {
                self.change
                    .prepare_cached("DELETE FROM interrupts WHERE run = ?1 AND id = ?2")?
                    .execute(params![run, id])?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn raise(
        &self,
        run: i64,
        id: &str,
        interrupt: &Interrupt,
    ) -> Result<(), rusqlite::Error> {
        let body = serde_json::to_string(interrupt)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.change
            .prepare_cached("INSERT OR REPLACE INTO interrupts VALUES (?1, ?2, ?3)")?
            .execute(params![run, id, body])?;
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        run: RunId,
        id: &str,
        reply: &Reply,
    ) -> Result<Result<(), StoreError>, rusqlite::Error> {
        let Some(known) = self.known(run)? else {
            return Ok(Err(StoreError::NoRun(run)));
        };
        let reply = match serde_json::to_string(reply) {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(self.place.failed(error.to_string()))),
        };
        self.change
            .prepare_cached("INSERT OR REPLACE INTO answers VALUES (?1, ?2, ?3)")?
            .execute(params![known.key, id, reply])?;
        Ok(Ok(()))
    }

    pub(super) fn take_answers(
        &mut self,
        run: RunId,
    ) -> Result<Result<Vec<(String, Reply)>, StoreError>, rusqlite::Error> {
        let Some(known) = self.known(run)? else {
            return Ok(Ok(Vec::new()));
        };
        let mut query = self
            .change
            .prepare_cached("SELECT id, reply FROM answers WHERE run = ?1 ORDER BY id")?;
        let found = query.query_map([known.key], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut answers = Vec::new();
        for answer in found {
            let (id, reply) = answer?;
            match serde_json::from_str(&reply) {
                Ok(reply) => answers.push((id, reply)),
                Err(error) => {
                    let message = format!("the answer to {id} cannot be read: {error}");
                    return Ok(Err(self.place.failed(message)));
                }
            }
        }
        self.change
            .prepare_cached("DELETE FROM answers WHERE run = ?1")?
            .execute([known.key])?;
        Ok(Ok(answers))
    }
}
