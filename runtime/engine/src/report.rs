//! What a run leaves behind.

use std::fmt;

use ropewalk_core::answer::Answer;
use ropewalk_core::event::Event;
use ropewalk_core::message::Usage;
use serde::Serialize;
use ulid::Ulid;

/// Names a run; later runs sort after earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(Ulid);

impl RunId {
    /// A new name, from the clock and chance.
    pub(crate) fn generate() -> Self {
        Self(Ulid::generate())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stamped {
    /// The run.
    pub run: RunId,
    /// Position in the run's log, from 0.
    pub seq: u64,
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What kind of work a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A call of the model.
    Model,
    /// A call of a tool.
    Tool,
    /// A question to a person.
    Approval,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// What kind of work it was.
    pub kind: StepKind,
    /// The engine or the tool.
    pub name: String,
    /// Index of the step that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Milliseconds since the run began.
    pub started_ms: u64,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// Tokens it cost.
    pub usage: Usage,
    /// What it was asked, shortened.
    pub asked: String,
    /// What it came to, shortened.
    pub outcome: String,
    /// Whether it failed.
    pub failed: bool,
}

/// The end of a run and the way there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// What it came to.
    pub answer: Answer,
    /// The engine that reasoned.
    pub engine: String,
    /// Steps in the order they started.
    pub steps: Vec<StepRecord>,
    /// Milliseconds from question to answer.
    pub took_ms: u64,
}
