//! Recordings gone through again.

use std::sync::Arc;

use ropewalk_core::event::{Event, RunOutcome};
use ropewalk_core::graph::ir::Graph;

use super::resume::graph_of;
use super::{Resumed, RunEnd, RunError, RunOptions, RunResult, assembled, setup, work};
use crate::journal::header::{self, Told};
use crate::journal::past::Keep;
use crate::journal::{Mode, Setup, Unanswered, outputs_drift};
use crate::run_id::RunId;
use crate::services::Services;
use crate::store::{Durability, Stamped};

/// Runs a recording again, with nothing but what it holds: no model, no tool, no network. Every
/// request must be the recorded one.
///
/// # Errors
/// When the recording makes no sense, or the run differs from it.
pub async fn replay(
    services: &Services,
    events: Vec<Stamped>,
    graph: Option<Arc<Graph>>,
    options: RunOptions,
) -> Result<RunEnd, RunError> {
    let run = events
        .first()
        .map_or_else(RunId::generate, |first| first.run);
    let tools = events.iter().find_map(|stamped| match &stamped.event {
        Event::RunStarted { tools, .. } if !tools.is_empty() => Some(tools.clone()),
        _ => None,
    });
    let Told {
        header, mut past, ..
    } = header::read(None, events, Keep::All).map_err(|problem| RunError::Log { run, problem })?;
    // Everything is gone through again; only what comes from outside is taken from the log.
    past.ends.clear();
    past.items.clear();
    past.forget_costs();
    let (graph, _) = match graph {
        Some(graph) => (graph, None),
        None => graph_of(run, &header, Resumed::AsRecorded)?,
    };
    let tools = tools.unwrap_or_default();
    let tools = tools.into_iter().map(|tool| (tool.name.clone(), tool));
    let options = RunOptions {
        durability: Durability::Off,
        approver: None,
        unanswered: Unanswered::Suspend,
        ..options
    };
    let setup = Setup {
        mode: Mode::Replay,
        ..setup(services, &options, run, past)
    };
    let mut shared = assembled(services, options, &graph, setup, 0.0, tools.collect());
    shared.outside = header.outside.clone();
    let end = work(run, &shared, &graph, &header.inputs).await?;
    let recorded = match header.ended {
        Some(RunOutcome::Completed { outputs }) => outputs,
        _ => return Ok(end),
    };
    match &end.result {
        RunResult::Completed { outputs } if *outputs != recorded => {
            Err(RunError::Drift(outputs_drift(&recorded, outputs)))
        }
        _ => Ok(end),
    }
}
