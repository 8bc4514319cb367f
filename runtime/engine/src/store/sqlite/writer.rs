//! The one thread that writes.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use ropewalk_core::event::Event;
use ropewalk_core::interrupt::Reply;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;
use tokio::sync::oneshot;

use super::super::{Durability, Stamped, StoreError, Tally};
use super::blobs::{self, INLINE};
use super::{Place, reader, state_word};
use crate::run_id::{NoRunId, RunId};

/// Commands that become one transaction at most.
const MOST_AT_ONCE: usize = 4096;

type Done<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the thread is asked to do.
pub(super) enum Command {
    Append(Durability, Vec<Stamped>),
    Snapshot(RunId, u64, Value),
    Flush(RunId, Done<()>),
    /// A new worker has the run: what failed for the one before is forgotten.
    Forgive(RunId),
    Answer(RunId, String, Reply, Done<()>),
    TakeAnswers(RunId, Done<Vec<(String, Reply)>>),
    Remove(RunId, Done<()>),
    RemoveBefore(u64, Done<usize>),
    Cache(String, Value, u64, Done<()>),
}

/// What is told once the transaction is through.
type Answer = Box<dyn FnOnce(Result<(), StoreError>, &HashMap<RunId, StoreError>) + Send>;

pub(super) struct Writer {
    connection: Connection,
    place: Arc<Place>,
    durability: Durability,
    /// Runs whose log has a hole: nothing more of them is written.
    failed: HashMap<RunId, StoreError>,
    known: HashMap<RunId, Known>,
}

/// A run that is being written.
#[derive(Clone, Copy)]
struct Known {
    key: i64,
    next_seq: u64,
}

/// One batch of commands in one transaction.
struct Batch<'a> {
    change: &'a Transaction<'a>,
    place: &'a Place,
    failed: &'a mut HashMap<RunId, StoreError>,
    known: &'a mut HashMap<RunId, Known>,
    tallies: HashMap<RunId, (Tally, u64)>,
    answers: Vec<Answer>,
    removed: bool,
}

impl Writer {
    pub(super) fn new(connection: Connection, place: Arc<Place>) -> Self {
        Self {
            connection,
            place,
            durability: Durability::Process,
            failed: HashMap::new(),
            known: HashMap::new(),
        }
    }

    pub(super) fn run(mut self, queue: &mpsc::Receiver<Command>) {
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            while batch.len() < MOST_AT_ONCE
                && let Ok(next) = queue.try_recv()
            {
                batch.push(next);
            }
            self.batch(batch);
        }
    }

    fn batch(&mut self, commands: Vec<Command>) {
        let runs: Vec<RunId> = commands.iter().filter_map(appended_to).collect();
        let mut answers = Vec::new();
        let outcome = self.transact(commands, &mut answers);
        let outcome = outcome.map_err(|error| self.place.error(&error));
        if let Err(error) = &outcome {
            // What the transaction held is gone, so that these logs would have holes.
            for run in runs {
                self.known.remove(&run);
                self.failed.entry(run).or_insert_with(|| error.clone());
            }
            self.known.clear();
        }
        for answer in answers {
            answer(
                outcome.as_ref().map(|_| ()).map_err(Clone::clone),
                &self.failed,
            );
        }
        if matches!(outcome, Ok(true)) {
            self.give_back();
        }
    }

    /// Returns whether runs were removed.
    fn transact(
        &mut self,
        commands: Vec<Command>,
        answers: &mut Vec<Answer>,
    ) -> Result<bool, rusqlite::Error> {
        let wanted = commands.iter().map(durability).max().unwrap_or_default();
        let wanted = wanted.max(Durability::Process);
        if wanted != self.durability {
            let level = if wanted == Durability::Full {
                "FULL"
            } else {
                "NORMAL"
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.durability = wanted;
        }
        let only_flushes = commands
            .iter()
            .all(|command| matches!(command, Command::Flush(..) | Command::Forgive(_)));
        let change = self.connection.transaction_with_behavior(if only_flushes {
            TransactionBehavior::Deferred
        } else {
            TransactionBehavior::Immediate
        });
        let change = match change {
            Ok(change) => change,
            Err(error) => {
                for command in commands {
                    refuse(command, &self.place.error(&error), answers);
                }
                return Err(error);
            }
        };
        let mut batch = Batch {
            change: &change,
            place: &self.place,
            failed: &mut self.failed,
            known: &mut self.known,
            tallies: HashMap::new(),
            answers: Vec::new(),
            removed: false,
        };
        let mut outcome = Ok(());
        for command in commands {
            if outcome.is_ok() {
                outcome = batch.command(command);
            } else {
                refuse(
                    command,
                    &self.place.failed("an earlier write failed".to_owned()),
                    answers,
                );
            }
        }
        let outcome = outcome.and_then(|()| batch.count());
        answers.append(&mut batch.answers);
        let removed = batch.removed;
        outcome?;
        change.commit()?;
        Ok(removed)
    }

    /// The room that removed runs leave goes back to the system.
    fn give_back(&self) {
        let given = self
            .connection
            .execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);");
        if let Err(error) = given {
            tracing::warn!(%error, "room of removed runs is given back later");
        }
    }
}

fn durability(command: &Command) -> Durability {
    match command {
        Command::Append(durability, _) => *durability,
        _ => Durability::Process,
    }
}

fn appended_to(command: &Command) -> Option<RunId> {
    match command {
        Command::Append(_, events) => events.first().map(|event| event.run),
        _ => None,
    }
}

/// Says no to whoever waits.
fn refuse(command: Command, error: &StoreError, answers: &mut Vec<Answer>) {
    let error = error.clone();
    match command {
        Command::Append(..) | Command::Snapshot(..) | Command::Forgive(_) => {}
        Command::Flush(_, done)
        | Command::Answer(_, _, _, done)
        | Command::Remove(_, done)
        | Command::Cache(_, _, _, done) => answers.push(Box::new(move |outcome, _| {
            let _ = done.send(outcome.and(Err(error)));
        })),
        Command::TakeAnswers(_, done) => answers.push(Box::new(move |outcome, _| {
            let _ = done.send(outcome.and(Err(error)));
        })),
        Command::RemoveBefore(_, done) => answers.push(Box::new(move |outcome, _| {
            let _ = done.send(outcome.and(Err(error)));
        })),
    }
}

impl Batch<'_> {
    fn command(&mut self, command: Command) -> Result<(), rusqlite::Error> {
        match command {
            Command::Append(_, events) => {
                for event in events {
                    self.append(event)?;
                }
            }
            Command::Snapshot(run, seq, snapshot) => self.snapshot(run, seq, snapshot)?,
            Command::Flush(run, done) => self.answers.push(Box::new(move |outcome, failed| {
                let outcome = outcome.and_then(|()| match failed.get(&run) {
                    None => Ok(()),
                    Some(error) => Err(error.clone()),
                });
                let _ = done.send(outcome);
            })),
            Command::Forgive(run) => {
                self.failed.remove(&run);
                self.known.remove(&run);
            }
            Command::Answer(run, id, reply, done) => {
                let value = self.answer(run, &id, &reply)?;
                self.later(done, value);
            }
            Command::TakeAnswers(run, done) => {
                let value = self.take_answers(run)?;
                self.later(done, value);
            }
            Command::Remove(run, done) => {
                let value = self.remove(run)?;
                self.later(done, value);
            }
            Command::RemoveBefore(at_ms, done) => {
                let value = self.remove_before(at_ms)?;
                self.later(done, Ok(value));
            }
            Command::Cache(key, value, until_ms, done) => {
                self.change
                    .prepare_cached(
                        "INSERT INTO cache VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET \
                         value = excluded.value, until_ms = excluded.until_ms",
                    )?
                    .execute(params![key, value.to_string(), whole(until_ms)])?;
                self.later(done, Ok(()));
            }
        }
        Ok(())
    }

    /// The answer is given once the transaction is through.
    fn later<T: Send + 'static>(&mut self, done: Done<T>, value: Result<T, StoreError>) {
        self.answers.push(Box::new(move |outcome, _| {
            let _ = done.send(outcome.and(value));
        }));
    }

    fn append(&mut self, stamped: Stamped) -> Result<(), rusqlite::Error> {
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
    fn begin(&mut self, stamped: &Stamped) -> Result<Option<StoreError>, rusqlite::Error> {
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
            open = super::super::open_in(run, &past);
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

    fn known(&mut self, run: RunId) -> Result<Option<Known>, rusqlite::Error> {
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

    /// An event as it is kept.
    fn body(&self, run: i64, event: &Event) -> Result<Result<Vec<u8>, String>, rusqlite::Error> {
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

    fn keep(&self, uses: &str, run: i64, blob: &blobs::Blob) -> Result<(), rusqlite::Error> {
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
    fn snapshot(&mut self, run: RunId, seq: u64, snapshot: Value) -> Result<(), rusqlite::Error> {
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

    fn drop_unused(&self, blob: i64) -> Result<(), rusqlite::Error> {
        self.change
            .prepare_cached(
                "DELETE FROM blobs WHERE key = ?1 \
                 AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob = ?1) \
                 AND NOT EXISTS (SELECT 1 FROM snapshot_uses WHERE blob = ?1)",
            )?
            .execute([blob])?;
        Ok(())
    }

    fn interrupts(&self, run: i64, event: &Event) -> Result<(), rusqlite::Error> {
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

    fn raise(
        &self,
        run: i64,
        id: &str,
        interrupt: &ropewalk_core::interrupt::Interrupt,
    ) -> Result<(), rusqlite::Error> {
        let body = serde_json::to_string(interrupt)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.change
            .prepare_cached("INSERT OR REPLACE INTO interrupts VALUES (?1, ?2, ?3)")?
            .execute(params![run, id, body])?;
        Ok(())
    }

    /// Brings the summaries up to date, once for all events of a run.
    fn count(&mut self) -> Result<(), rusqlite::Error> {
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

    fn answer(
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

    fn take_answers(
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

    fn remove(&mut self, run: RunId) -> Result<Result<(), StoreError>, rusqlite::Error> {
        let Some(known) = self.known(run)? else {
            return Ok(Err(StoreError::NoRun(run)));
        };
        self.remove_key(known.key)?;
        self.known.clear();
        Ok(Ok(()))
    }

    fn remove_before(&mut self, at_ms: u64) -> Result<usize, rusqlite::Error> {
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
    fn remove_key(&mut self, key: i64) -> Result<(), rusqlite::Error> {
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

fn unnamed(place: &Place, error: &NoRunId) -> StoreError {
    place.failed(error.to_string())
}

/// SQLite's integers have a sign.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
