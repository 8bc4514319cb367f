//! Where the logs of runs are kept.
//!
//! A store keeps events in order, tells what runs there are, and makes sure that one process at
//! a time works on a run. [`memory`] is for tests and for runs that nobody will resume;
//! [`sqlite`] is the default. Whatever else becomes a store must pass [`conformance`].

pub mod conformance;
pub mod memory;
pub mod sqlite;

use std::fmt;

use async_trait::async_trait;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event, RunOutcome};
use ropewalk_core::interrupt::{Interrupt, Reply};
use serde::{Deserialize, Serialize};

use crate::run_id::RunId;

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// The run.
    pub run: RunId,
    /// Position in the run's log, from 0.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What a run survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Nothing: its log is in memory only.
    Off,
    /// The end of the process, by `kill -9` too.
    #[default]
    Process,
    /// A power failure.
    Full,
}

impl std::str::FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "process" => Ok(Self::Process),
            "full" => Ok(Self::Full),
            _ => Err(format!("`{text}` is none of off, process and full")),
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process works on it.
    Running,
    /// The process that worked on it has ended without a word; it can be resumed.
    Interrupted,
    /// It waits for somebody; it can be resumed.
    Suspended,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
}

impl RunState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Interrupted => "interrupted",
            RunState::Suspended => "suspended",
            RunState::Completed => "completed",
            RunState::Failed => "failed",
        }
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// Its graph.
    pub graph: String,
    /// Where it stands.
    pub state: RunState,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Milliseconds since 1970.
    pub updated_ms: u64,
    /// Events in its log.
    pub events: u64,
    /// Questions that are open.
    pub waiting: u64,
    /// Calls of models.
    pub model_calls: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Tokens read and written.
    pub tokens: u64,
    /// The run it shares its past with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<RunId>,
}

/// What an event adds to its run's summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) waiting: i64,
    pub(crate) model_calls: u64,
    pub(crate) tool_calls: u64,
    pub(crate) tokens: u64,
    pub(crate) state: Option<RunState>,
}

impl Tally {
    pub(crate) fn of(event: &Event) -> Self {
        let mut tally = Self::default();
        match event {
            Event::RunStarted { .. } | Event::RunResumed { .. } => {
                tally.state = Some(RunState::Running);
            }
            Event::EffectStarted {
                request: EffectRequest::Model { .. },
                ..
            } => tally.model_calls = 1,
            Event::EffectStarted {
                request: EffectRequest::Tool { .. },
                ..
            } => tally.tool_calls = 1,
            Event::EffectSampled { usage, .. } => {
                tally.model_calls = 1;
                tally.tokens = usage.input_tokens.saturating_add(usage.output_tokens);
            }
            Event::EffectEnded {
                outcome: EffectOutcome::Reply { reply },
                ..
            } => {
                let usage = reply.usage;
                tally.tokens = usage.input_tokens.saturating_add(usage.output_tokens);
            }
            Event::InterruptRaised { .. } => tally.waiting = 1,
            Event::InterruptAnswered { reply, .. } => {
                tally.waiting = -i64::from(!matches!(reply, Reply::Escalate { .. }));
            }
            Event::Suspended { .. } => tally.state = Some(RunState::Suspended),
            Event::RunEnded { outcome } => {
                tally.state = Some(match outcome {
                    RunOutcome::Completed { .. } => RunState::Completed,
                    RunOutcome::Failed { .. } => RunState::Failed,
                });
            }
            _ => {}
        }
        tally
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            waiting: self.waiting.saturating_add(other.waiting),
            model_calls: self.model_calls.saturating_add(other.model_calls),
            tool_calls: self.tool_calls.saturating_add(other.tool_calls),
            tokens: self.tokens.saturating_add(other.tokens),
            state: other.state.or(self.state),
        }
    }
}

/// What to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListQuery {
    /// Only runs that stand like this.
    pub state: Option<RunState>,
    /// Only runs before this one: the next page.
    pub before: Option<RunId>,
    /// How many at most.
    pub limit: usize,
}

/// A question that is open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenInterrupt {
    /// The run that waits.
    pub run: RunId,
    /// Names the question within it.
    pub id: String,
    /// The question.
    pub interrupt: Interrupt,
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such run.
    #[error("there is no run {0}; `ropewalk runs list` shows those that are there")]
    NoRun(RunId),
    /// A run of this name is there already.
    #[error("the run {0} exists already")]
    Exists(RunId),
    /// Another process works on it.
    #[error(
        "the run {0} is being worked on by another process; wait until that ends, or end that \
         process"
    )]
    Busy(RunId),
    /// There is no room.
    #[error(
        "{place}: no room is left ({message}); free some and resume the run, nothing of it is lost"
    )]
    Full {
        /// The store.
        place: String,
        /// What the system said.
        message: String,
    },
    /// What is there cannot be read.
    #[error("{place}: {message}")]
    Corrupt {
        /// The store, and the part of it.
        place: String,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// The store was written by a later version.
    #[error(
        "{place} has form {found}; this program knows forms up to {known}: use the program that \
         wrote it, or a later one"
    )]
    TooNew {
        /// The store.
        place: String,
        /// Its form.
        found: u32,
        /// The latest form known here.
        known: u32,
    },
    /// Something else failed.
    #[error("{place}: {message}")]
    Failed {
        /// The store.
        place: String,
        /// What failed.
        message: String,
    },
}

/// The right to work on a run, until it is dropped or the process ends.
pub struct Claim(#[allow(dead_code)] Box<dyn Send + Sync>);

impl Claim {
    /// A claim that ends when this is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}

/// Where the logs of runs are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// The right to work on a run, whether it exists yet or not.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another holds it.
    async fn claim(&self, run: RunId) -> Result<Claim, StoreError>;

    /// Puts events at the end of a log, without waiting. The first event of a log makes the run.
    /// Events of one run are kept in the order of the calls; once one cannot be kept, those after
    /// it are not either, and [`Store::flush`] says why.
    fn append(&self, durability: Durability, events: Vec<Stamped>);

    /// Waits until everything that was appended to a run is as durable as was asked.
    ///
    /// # Errors
    /// What kept an event from being kept.
    async fn flush(&self, run: RunId) -> Result<(), StoreError>;

    /// The log of a run from a position on, its shared past included.
    ///
    /// # Errors
    /// When there is no such run, or a part of its log cannot be read.
    async fn events_from(&self, run: RunId, from: u64) -> Result<Vec<Stamped>, StoreError>;

    /// The whole log of a run, its shared past included.
    ///
    /// # Errors
    /// As [`Store::events_from`].
    async fn events(&self, run: RunId) -> Result<Vec<Stamped>, StoreError> {
        self.events_from(run, 0).await
    }

    /// Keeps what a run comes to at a position of its log, in place of what was kept before,
    /// without waiting. It may be lost: the log says it all.
    fn snapshot(&self, run: RunId, seq: u64, snapshot: serde_json::Value);

    /// The latest snapshot, and its position.
    ///
    /// # Errors
    /// When there is no such run, or the snapshot cannot be read.
    async fn latest_snapshot(
        &self,
        run: RunId,
    ) -> Result<Option<(u64, serde_json::Value)>, StoreError>;

    /// One run.
    ///
    /// # Errors
    /// When there is no such run.
    async fn summary(&self, run: RunId) -> Result<RunSummary, StoreError>;

    /// Runs, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self, query: ListQuery) -> Result<Vec<RunSummary>, StoreError>;

    /// Questions that are open: of one run, or of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn open_interrupts(&self, run: Option<RunId>) -> Result<Vec<OpenInterrupt>, StoreError>;

    /// Leaves an answer for whoever works on the run next. An answer may be replaced until it is
    /// taken.
    ///
    /// # Errors
    /// When there is no such run, or no room.
    async fn answer(&self, run: RunId, id: &str, reply: &Reply) -> Result<(), StoreError>;

    /// Takes the answers that were left.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn take_answers(&self, run: RunId) -> Result<Vec<(String, Reply)>, StoreError>;

    /// Removes a run and gives its room back. What forks share with it stays until they go.
    ///
    /// # Errors
    /// When there is no such run, or it is being worked on.
    async fn remove(&self, run: RunId) -> Result<(), StoreError>;

    /// Removes runs that ended longer ago than this, in milliseconds since 1970. Returns how
    /// many.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn remove_ended_before(&self, at_ms: u64) -> Result<usize, StoreError>;

    /// A result that was kept under a key and is still good.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn cached(&self, key: &str, now_ms: u64)
    -> Result<Option<serde_json::Value>, StoreError>;

    /// Keeps a result under a key until a time, in milliseconds since 1970.
    ///
    /// # Errors
    /// When there is no room.
    async fn cache(
        &self,
        key: &str,
        value: &serde_json::Value,
        until_ms: u64,
    ) -> Result<(), StoreError>;
}

/// The questions of a log that nobody has answered.
pub(crate) fn open_in(run: RunId, events: &[Stamped]) -> Vec<OpenInterrupt> {
    let mut open: Vec<OpenInterrupt> = Vec::new();
    for stamped in events {
        match &stamped.event {
            Event::InterruptRaised { id, interrupt } => open.push(OpenInterrupt {
                run,
                id: id.clone(),
                interrupt: interrupt.clone(),
            }),
            Event::InterruptAnswered { id, reply } => match reply {
                Reply::Escalate { to, .. } => {
                    if let Some(found) = open.iter_mut().find(|found| found.id == *id) {
                        found.interrupt.who = Some(to.clone());
                    }
                }
                _ => open.retain(|found| found.id != *id),
            },
            _ => {}
        }
    }
    open
}
