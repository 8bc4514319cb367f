//! A store in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ropewalk_core::event::{Event, Origin};
use ropewalk_core::interrupt::Reply;
use serde_json::Value;

use super::{
    Claim, Durability, ListQuery, OpenInterrupt, RunState, RunSummary, Stamped, Store, StoreError,
    Tally,
};
use crate::run_id::RunId;

/// Logs in memory, gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    logs: BTreeMap<RunId, Log>,
    claimed: HashSet<RunId>,
    failed: HashMap<RunId, StoreError>,
    answers: HashMap<RunId, BTreeMap<String, Reply>>,
    cache: HashMap<String, (Value, u64)>,
}

#[derive(Debug, Default)]
struct Log {
    graph: String,
    origin: Option<(RunId, u64)>,
    first: u64,
    events: Vec<Stamped>,
    tally: Tally,
    created_ms: u64,
    updated_ms: u64,
    snapshot: Option<(u64, Value)>,
    /// Removed, and still part of a fork's past.
    hidden: bool,
}

struct Claimed {
    inner: Arc<Mutex<Inner>>,
    run: RunId,
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.claimed.remove(&self.run);
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn log(&self, run: RunId) -> Result<&Log, StoreError> {
        let found = self.logs.get(&run).filter(|log| !log.hidden);
        found.ok_or(StoreError::NoRun(run))
    }

    fn append(&mut self, stamped: Stamped) {
        let run = stamped.run;
        if self.failed.contains_key(&run) {
            return;
        }
        if let Event::RunStarted { graph, forked, .. } = &stamped.event {
            if self.logs.contains_key(&run) {
                self.failed.insert(run, StoreError::Exists(run));
                return;
            }
            let origin = match forked.as_ref().map(|origin| self.origin(origin)) {
                None => None,
                Some(Ok(origin)) => Some(origin),
                Some(Err(error)) => {
                    self.failed.insert(run, error);
                    return;
                }
            };
            let past = origin.map_or_else(Vec::new, |(parent, at)| self.past(parent, at));
            let tally = past.iter().map(|stamped| Tally::of(&stamped.event));
            let log = Log {
                graph: graph.clone(),
                first: stamped.seq,
                tally: tally.fold(Tally::default(), Tally::plus),
                origin,
                created_ms: stamped.at_ms,
                ..Log::default()
            };
            self.logs.insert(run, log);
        }
        let Some(log) = self.logs.get_mut(&run) else {
            self.failed.insert(run, StoreError::NoRun(run));
            return;
        };
        let next = log.first + log.events.len() as u64;
        if stamped.seq != next {
            self.failed.insert(run, StoreError::Busy(run));
            return;
        }
        log.tally = log.tally.plus(Tally::of(&stamped.event));
        log.updated_ms = stamped.at_ms;
        log.events.push(stamped);
    }

    fn origin(&self, origin: &Origin) -> Result<(RunId, u64), StoreError> {
        let run = origin
            .run
            .parse()
            .map_err(|error: crate::run_id::NoRunId| StoreError::Failed {
                place: "memory".to_owned(),
                message: error.to_string(),
            })?;
        self.log(run)?;
        Ok((run, origin.seq))
    }

    fn past(&self, run: RunId, before: u64) -> Vec<Stamped> {
        let Some(log) = self.logs.get(&run) else {
            return Vec::new();
        };
        let mut events = match log.origin {
            Some((parent, at)) => self.past(parent, at.min(before)),
            None => Vec::new(),
        };
        events.extend(
            log.events
                .iter()
                .filter(|event| event.seq < before)
                .cloned(),
        );
        events
    }

    fn summary(&self, run: RunId, log: &Log) -> RunSummary {
        let stands = log.tally.state.unwrap_or(RunState::Running);
        let state = if stands == RunState::Running && !self.claimed.contains(&run) {
            RunState::Interrupted
        } else {
            stands
        };
        RunSummary {
            run,
            graph: log.graph.clone(),
            state,
            created_ms: log.created_ms,
            updated_ms: log.updated_ms,
            events: log.first + log.events.len() as u64,
            waiting: u64::try_from(log.tally.waiting).unwrap_or(0),
            model_calls: log.tally.model_calls,
            tool_calls: log.tally.tool_calls,
            tokens: log.tally.tokens,
            forked_from: log.origin.map(|(run, _)| run),
        }
    }

    fn remove(&mut self, run: RunId) {
        let shared = |logs: &BTreeMap<RunId, Log>, run| {
            logs.values()
                .any(|log| log.origin.is_some_and(|(parent, _)| parent == run))
        };
        self.answers.remove(&run);
        let mut next = Some(run);
        while let Some(run) = next.take() {
            if shared(&self.logs, run) {
                if let Some(log) = self.logs.get_mut(&run) {
                    log.hidden = true;
                }
                return;
            }
            let gone = self.logs.remove(&run);
            let parent = gone.and_then(|log| log.origin).map(|(parent, _)| parent);
            next = parent.filter(|parent| self.logs.get(parent).is_some_and(|log| log.hidden));
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, run: RunId) -> Result<Claim, StoreError> {
        let mut inner = self.inner();
        if !inner.claimed.insert(run) {
            return Err(StoreError::Busy(run));
        }
        inner.failed.remove(&run);
        Ok(Claim::new(Claimed {
            inner: Arc::clone(&self.inner),
            run,
        }))
    }

    fn append(&self, _: Durability, events: Vec<Stamped>) {
        let mut inner = self.inner();
        for event in events {
            inner.append(event);
        }
    }

    async fn flush(&self, run: RunId) -> Result<(), StoreError> {
        match self.inner().failed.get(&run) {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    async fn events_from(&self, run: RunId, from: u64) -> Result<Vec<Stamped>, StoreError> {
        let inner = self.inner();
        inner.log(run)?;
        let mut events = inner.past(run, u64::MAX);
        events.retain(|event| event.seq >= from);
        Ok(events)
    }

    fn snapshot(&self, run: RunId, seq: u64, snapshot: Value) {
        if let Some(log) = self.inner().logs.get_mut(&run) {
            log.snapshot = Some((seq, snapshot));
        }
    }

    async fn latest_snapshot(&self, run: RunId) -> Result<Option<(u64, Value)>, StoreError> {
        Ok(self.inner().log(run)?.snapshot.clone())
    }

    async fn summary(&self, run: RunId) -> Result<RunSummary, StoreError> {
        let inner = self.inner();
        let log = inner.log(run)?;
        Ok(inner.summary(run, log))
    }

    async fn list(&self, query: ListQuery) -> Result<Vec<RunSummary>, StoreError> {
        let inner = self.inner();
        let runs = inner.logs.iter().rev();
        let runs = runs
            .filter(|(run, log)| !log.hidden && query.before.is_none_or(|before| **run < before))
            .map(|(run, log)| inner.summary(*run, log))
            .filter(|summary| query.state.is_none_or(|state| summary.state == state));
        Ok(runs.take(query.limit).collect())
    }

    async fn open_interrupts(&self, run: Option<RunId>) -> Result<Vec<OpenInterrupt>, StoreError> {
        let inner = self.inner();
        if let Some(run) = run {
            inner.log(run)?;
        }
        let mut open = Vec::new();
        for (id, log) in &inner.logs {
            if log.hidden || run.is_some_and(|run| run != *id) || log.tally.waiting <= 0 {
                continue;
            }
            open.extend(super::open_in(*id, &inner.past(*id, u64::MAX)));
        }
        Ok(open)
    }

    async fn answer(&self, run: RunId, id: &str, reply: &Reply) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.log(run)?;
        let answers = inner.answers.entry(run).or_default();
        answers.insert(id.to_owned(), reply.clone());
        Ok(())
    }

    async fn take_answers(&self, run: RunId) -> Result<Vec<(String, Reply)>, StoreError> {
        let answers = self.inner().answers.remove(&run).unwrap_or_default();
        Ok(answers.into_iter().collect())
    }

    async fn remove(&self, run: RunId) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.log(run)?;
        if inner.claimed.contains(&run) {
            return Err(StoreError::Busy(run));
        }
        inner.remove(run);
        Ok(())
    }

    async fn remove_ended_before(&self, at_ms: u64) -> Result<usize, StoreError> {
        let mut inner = self.inner();
        let old: Vec<RunId> = inner
            .logs
            .iter()
            .filter(|(run, log)| {
                let ended = matches!(
                    log.tally.state,
                    Some(RunState::Completed | RunState::Failed)
                );
                ended && !log.hidden && log.updated_ms < at_ms && !inner.claimed.contains(run)
            })
            .map(|(run, _)| *run)
            .collect();
        for run in &old {
            inner.remove(*run);
        }
        Ok(old.len())
    }

    async fn cached(&self, key: &str, now_ms: u64) -> Result<Option<Value>, StoreError> {
        let inner = self.inner();
        let found = inner.cache.get(key).filter(|(_, until)| *until > now_ms);
        Ok(found.map(|(value, _)| value.clone()))
    }

    async fn cache(&self, key: &str, value: &Value, until_ms: u64) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner
            .cache
            .insert(key.to_owned(), (value.clone(), until_ms));
        Ok(())
    }
}
