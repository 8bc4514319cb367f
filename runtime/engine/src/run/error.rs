//! Why a run does not start or go on.

use ropewalk_core::graph::machine::InputError;
use ropewalk_core::interrupt::UnfitReply;

use crate::journal::header::LogError;
use crate::run_id::RunId;
use crate::store::StoreError;

/// Why a run does not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The inputs do not fit the graph.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Its log cannot be read or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its log makes no sense.
    #[error("the run {run} cannot be resumed: {problem}")]
    Log {
        /// The run.
        run: RunId,
        /// What is wrong.
        problem: LogError,
    },
    /// There is no store to take it from.
    #[error("runs are kept nowhere here, so that none can be resumed; give the services a store")]
    NoStore,
    /// It is over.
    #[error("the run {0} has completed; there is nothing to resume. `ropewalk runs show {0}`")]
    Completed(RunId),
    /// The graph has changed where the run has already been.
    #[error(
        "the graph has changed since the run {run} began, in parts that it has already \
         started:\n{}\nResume it with the graph it began with (--as-recorded), or start a new run",
        .lines.join("\n")
    )]
    Changed {
        /// The run.
        run: RunId,
        /// What changed: one line each.
        lines: Vec<String>,
    },
    /// The graph it carries does not compile any more.
    #[error("the graph that the run {run} carries cannot be used here: {problem}")]
    Graph {
        /// The run.
        run: RunId,
        /// Why.
        problem: String,
    },
    /// There is no such place to fork from.
    #[error("the run {run} has no event {seq}; it has {events}")]
    NoEvent {
        /// The run.
        run: RunId,
        /// The event.
        seq: u64,
        /// How many there are.
        events: u64,
    },
    /// Nothing of this name is asked.
    #[error("the run {run} {problem}")]
    NotAsked {
        /// The run.
        run: RunId,
        /// What it asks instead.
        problem: String,
    },
    /// The answer does not fit.
    #[error(transparent)]
    Unfit(#[from] UnfitReply),
    /// A replay took another way than its recording.
    #[error("the replay differs from the recording: {0}")]
    Drift(String),
}
