//! The one thread that writes.

mod log;
mod questions;
mod removal;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use ropewalk_core::interrupt::Reply;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value;
use tokio::sync::oneshot;

use super::super::{Durability, Stamped, StoreError, Tally};
use super::Place;
use crate::run_id::RunId;

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
}

/// SQLite's integers have a sign.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
