//! Runs taken up again, by whoever comes next.

use std::sync::{Arc, Mutex};

use ropewalk_core::event::{EVENT_VERSION, Event, RunOutcome};
use ropewalk_core::graph::bundle::Bundle;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::signature::Signature;

use super::{RunEnd, RunError, RunOptions, assembled, offered, outside, setup, work};
use crate::journal::Setup;
use crate::journal::header::{self, Header, Snapshot, Told};
use crate::journal::past::Keep;
use crate::run_id::RunId;
use crate::services::Services;
use crate::store::{Stamped, Store};

/// Which graph a run goes on with.
#[derive(Clone)]
pub enum Resumed {
    /// The one it began with.
    AsRecorded,
    /// This one, if it differs only where the run has not been.
    With(Arc<Graph>),
}

/// Takes a run up again: what has ended is not done again.
///
/// # Errors
/// When there is no such run, it is over or being worked on, or the graph has changed too much.
pub async fn resume(
    services: &Services,
    run: RunId,
    graph: Resumed,
    options: RunOptions,
) -> Result<RunEnd, RunError> {
    let store = services.store.as_ref().ok_or(RunError::NoStore)?;
    store.summary(run).await?;
    let _claim = store.claim(run).await?;
    let Told {
        header,
        mut past,
        machine,
    } = log_of(&**store, run, &graph).await?;
    if let Some(RunOutcome::Completed { .. }) = header.ended {
        return Err(RunError::Completed(run));
    }
    let (graph, changed) = graph_of(run, &header, graph)?;
    past.answers = store.take_answers(run).await?.into_iter().collect();
    let setup = Setup {
        next_seq: header.next_seq,
        header: Some(header.clone()),
        ..setup(services, &options, run, past)
    };
    let worked = header.worked() as f64 / 1000.0;
    let tools = offered(services);
    let mut shared = assembled(services, options, &graph, setup, worked, tools);
    shared.machine = Mutex::new(machine);
    let outside: Vec<String> = outside(services)
        .into_iter()
        .filter(|tool| !header.outside.contains(tool))
        .collect();
    shared.outside = header.outside.iter().chain(&outside).cloned().collect();
    shared.journal.record(Event::RunResumed {
        engine: services.engine_name(),
        changed: changed.map(Box::new),
        outside,
    });
    work(run, &shared, &graph, &header.inputs).await
}

/// The log of a run: from its latest snapshot on, if the graph is still the very same.
async fn log_of(store: &dyn Store, run: RunId, graph: &Resumed) -> Result<Told, RunError> {
    let snapshot = store.latest_snapshot(run).await?;
    let snapshot = snapshot.and_then(|(seq, value)| {
        let snapshot: Snapshot = serde_json::from_value(value).ok()?;
        let same = snapshot.version == EVENT_VERSION
            && match graph {
                Resumed::AsRecorded => true,
                // Places in a snapshot are numbers: even the order must be the same.
                Resumed::With(graph) => {
                    let text = |bundle: &Bundle| serde_json::to_string(bundle).ok();
                    text(&Bundle::of(graph)) == text(&snapshot.header.bundle)
                }
            };
        same.then_some((seq, snapshot))
    });
    let told = match snapshot {
        Some((seq, snapshot)) => {
            let events = store.events_from(run, seq).await?;
            header::read(Some(snapshot), events, Keep::ToGoOn)
        }
        None => header::read(None, store.events(run).await?, Keep::ToGoOn),
    };
    told.map_err(|problem| RunError::Log { run, problem })
}

/// The graph that a log carries.
///
/// # Errors
/// When the log makes no sense, or its graph cannot be used here.
pub fn recorded_graph(run: RunId, events: &[Stamped]) -> Result<Arc<Graph>, RunError> {
    let Told { header, .. } = header::read(None, events.to_vec(), Keep::ToGoOn)
        .map_err(|problem| RunError::Log { run, problem })?;
    Ok(graph_of(run, &header, Resumed::AsRecorded)?.0)
}

type Chosen = (Arc<Graph>, Option<(Signature, Bundle)>);

pub(super) fn graph_of(run: RunId, header: &Header, graph: Resumed) -> Result<Chosen, RunError> {
    if let Resumed::With(graph) = graph {
        let now = Signature::of(&graph);
        if now == header.signature {
            return Ok((graph, None));
        }
        let difference = header.signature.difference(&now);
        if !difference.is_compatible(&header.started) {
            let lines = difference.lines;
            return Err(RunError::Changed { run, lines });
        }
        let bundle = Bundle::of(&graph);
        return Ok((graph, Some((now, bundle))));
    }
    let compiled = header.bundle.compile();
    let problem = || {
        let first = compiled.diagnostics.first();
        first.map_or_else(String::new, ToString::to_string)
    };
    match &compiled.graph {
        Some(graph) => Ok((Arc::clone(graph), None)),
        None => Err(RunError::Graph {
            run,
            problem: problem(),
        }),
    }
}
