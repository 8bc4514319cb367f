//! Runs: started, taken up again, forked.

mod agent;
mod attempt;
mod fan;
mod graph;
mod human;
mod model;
mod plain;
mod purse;
mod spans;
mod tool;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ropewalk_core::agent::OfferedTool;
use ropewalk_core::budget::{Budget, BudgetLimits};
use ropewalk_core::event::{EVENT_VERSION, Event, Origin, RunOutcome};
use ropewalk_core::graph::bundle::Bundle;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::machine::{InputError, MachineState, NodeError};
use ropewalk_core::graph::signature::Signature;
use ropewalk_core::interrupt::{Reply, UnfitReply};
use ropewalk_core::message::Delta;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(crate) use self::attempt::Cancel;
use self::graph::GraphEnd;
pub(crate) use self::purse::granted;
use crate::journal::header::{self, Header, LogError, Snapshot, Told};
use crate::journal::past::{Keep, Past};
use crate::journal::{Approver, Journal, Listener, Mode, Setup, Stop, Unanswered, outputs_drift};
use crate::run_id::RunId;
use crate::services::Services;
use crate::store::{Durability, OpenInterrupt, Store, StoreError};

/// Told of every piece of a reply while it is written, with the path of the node.
pub type DeltaListener = Arc<dyn Fn(&str, &Delta) + Send + Sync>;

/// How a run is run.
#[derive(Clone, Default)]
pub struct RunOptions {
    /// What it survives.
    pub durability: Durability,
    /// Who is asked while it runs.
    pub approver: Option<Arc<dyn Approver>>,
    /// What happens to questions that nobody answers now.
    pub unanswered: Unanswered,
    /// Told of every event, in order.
    pub on_event: Option<Listener>,
    /// Told of every piece of a reply.
    pub on_delta: Option<DeltaListener>,
    /// What it may spend, beside what the graph says.
    pub budget: BudgetLimits,
    /// Stops the run, so that it can be resumed.
    pub cancel: CancellationToken,
}

/// Where a run stands when its process lets go of it.
#[derive(Debug, Clone, PartialEq)]
pub enum RunResult {
    /// Every node that was needed has run.
    Completed {
        /// The result, by channel.
        outputs: Arc<Map<String, Value>>,
    },
    /// A node failed, and nothing in the graph took care of it. Resuming tries that node again.
    Failed {
        /// The node.
        node: String,
        /// Why.
        error: NodeError,
    },
    /// It waits for answers, or was stopped. Resuming goes on.
    Suspended {
        /// Why.
        reason: String,
    },
}

/// The end of one process's work on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// The run.
    pub run: RunId,
    /// Where it stands.
    pub result: RunResult,
}

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

/// What all parts of a run share while a process works on it.
pub(crate) struct Shared {
    pub(crate) services: Services,
    pub(crate) journal: Journal,
    pub(crate) budget: Mutex<Budget>,
    pub(crate) on_delta: Option<DeltaListener>,
    pub(crate) tools: HashMap<String, OfferedTool>,
    /// The graph as a snapshot had it, until it goes on from there.
    pub(crate) machine: Mutex<Option<MachineState>>,
    began: Instant,
    worked_before: f64,
}

impl Shared {
    /// Seconds that processes have worked on the run.
    pub(crate) fn worked(&self) -> f64 {
        self.worked_before + self.began.elapsed().as_secs_f64()
    }
}

/// Starts a run, and works on it until it ends or must wait.
///
/// # Errors
/// When it cannot start, or its log cannot be kept.
pub async fn start(
    services: &Services,
    graph: &Arc<Graph>,
    inputs: &Map<String, Value>,
    options: RunOptions,
) -> Result<RunEnd, RunError> {
    let run = RunId::generate();
    check_inputs(graph, inputs, services)?;
    let store = services.store.as_ref();
    let _claim = match store.filter(|_| options.durability != Durability::Off) {
        Some(store) => Some(store.claim(run).await?),
        None => None,
    };
    let tools = offered(services);
    let setup = setup(services, &options, run, Past::default());
    let shared = assembled(services, options, graph, setup, 0.0, tools);
    if !shared.journal.is_silent() {
        let mut tools: Vec<OfferedTool> = shared.tools.values().cloned().collect();
        tools.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        shared.journal.record(Event::RunStarted {
            version: EVENT_VERSION,
            graph: graph.name().to_owned(),
            signature: Signature::of(graph),
            bundle: Box::new(Bundle::of(graph)),
            inputs: Arc::new(inputs.clone()),
            engine: services.engine_name(),
            tools,
            forked: None,
        });
    }
    work(run, &shared, graph, inputs).await
}

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
    shared.journal.record(Event::RunResumed {
        engine: services.engine_name(),
        changed: changed.map(Box::new),
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
pub fn recorded_graph(
    run: RunId,
    events: &[crate::store::Stamped],
) -> Result<Arc<Graph>, RunError> {
    let Told { header, .. } = header::read(None, events.to_vec(), Keep::ToGoOn)
        .map_err(|problem| RunError::Log { run, problem })?;
    Ok(graph_of(run, &header, Resumed::AsRecorded)?.0)
}

type Chosen = (Arc<Graph>, Option<(Signature, Bundle)>);

fn graph_of(run: RunId, header: &Header, graph: Resumed) -> Result<Chosen, RunError> {
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

/// Makes a new run that shares the past of another up to a place in its log. It stands still
/// until it is resumed.
///
/// # Errors
/// When there is no such run or place.
pub async fn fork(store: &dyn Store, run: RunId, at: u64) -> Result<RunId, RunError> {
    let mut events = store.events(run).await?;
    let count = events.len() as u64;
    if at == 0 || at > count {
        return Err(RunError::NoEvent {
            run,
            seq: at,
            events: count,
        });
    }
    events.truncate(usize::try_from(at).unwrap_or(usize::MAX));
    let Told { header, .. } = header::read(None, events, Keep::ToGoOn)
        .map_err(|problem| RunError::Log { run, problem })?;
    let fork = RunId::generate();
    let _claim = store.claim(fork).await?;
    let stamp = |seq, event| crate::store::Stamped {
        run: fork,
        seq,
        at_ms: crate::journal::now_ms(),
        event,
    };
    let first = Event::RunStarted {
        version: EVENT_VERSION,
        graph: header.graph,
        signature: header.signature,
        bundle: Box::new(header.bundle),
        inputs: header.inputs,
        engine: header.engine,
        tools: Vec::new(),
        forked: Some(Origin {
            run: run.to_string(),
            seq: at,
        }),
    };
    let second = Event::Suspended {
        reason: format!("forked from {run} at event {at}"),
    };
    store.append(
        Durability::Full,
        vec![stamp(at, first), stamp(at + 1, second)],
    );
    store.flush(fork).await?;
    Ok(fork)
}

/// Leaves an answer to an open question; the run takes it when it is resumed.
///
/// # Errors
/// When there is no such run or question, or the answer does not fit.
pub async fn answer(
    store: &dyn Store,
    run: RunId,
    id: Option<&str>,
    reply: &Reply,
) -> Result<OpenInterrupt, RunError> {
    let open = store.open_interrupts(Some(run)).await?;
    let found = match id {
        Some(id) => open.iter().find(|open| open.id == id),
        // With one question open, it is that one.
        None => open.first().filter(|_| open.len() == 1),
    };
    let Some(found) = found else {
        let ids: Vec<&str> = open.iter().map(|open| open.id.as_str()).collect();
        let problem = match (id, ids.is_empty()) {
            (_, true) => "asks nothing now; resume it to go on".to_owned(),
            (None, false) => format!("asks several questions, name one: {}", ids.join(", ")),
            (Some(id), false) => format!("does not ask `{id}`; it asks: {}", ids.join(", ")),
        };
        return Err(RunError::NotAsked { run, problem });
    };
    found.interrupt.check(reply)?;
    store.answer(run, &found.id, reply).await?;
    Ok(found.clone())
}

/// Runs a recording again, with nothing but what it holds: no model, no tool, no network. Every
/// request must be the recorded one.
///
/// # Errors
/// When the recording makes no sense, or the run differs from it.
pub async fn replay(
    services: &Services,
    events: Vec<crate::store::Stamped>,
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
    let tools = tools.into_iter().map(|tool| (tool.spec.name.clone(), tool));
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
    let shared = assembled(services, options, &graph, setup, 0.0, tools.collect());
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

fn check_inputs(
    graph: &Arc<Graph>,
    inputs: &Map<String, Value>,
    services: &Services,
) -> Result<(), RunError> {
    let reducers = Arc::clone(&services.functions);
    ropewalk_core::graph::machine::GraphMachine::new(Arc::clone(graph), inputs, reducers)?;
    Ok(())
}

fn offered(services: &Services) -> HashMap<String, OfferedTool> {
    let tools = services.tools.tools().into_iter().map(|spec| {
        let permission = services.tools.permission(&spec.name);
        (spec.name.clone(), OfferedTool { spec, permission })
    });
    tools.collect()
}

fn setup(services: &Services, options: &RunOptions, run: RunId, past: Past) -> Setup {
    Setup {
        run,
        store: services.store.clone(),
        durability: options.durability,
        listener: options.on_event.clone(),
        mode: Mode::Live,
        approver: options.approver.clone(),
        unanswered: options.unanswered,
        cancel: options.cancel.clone(),
        next_seq: 0,
        past,
        header: None,
    }
}

fn assembled(
    services: &Services,
    options: RunOptions,
    graph: &Graph,
    setup: Setup,
    worked_before: f64,
    tools: HashMap<String, OfferedTool>,
) -> Shared {
    let limits = graph.definition().budget.unwrap_or_default();
    let budget = purse::opened(options.budget, limits, &setup.past);
    Shared {
        services: services.clone(),
        journal: Journal::new(setup),
        budget: Mutex::new(budget),
        on_delta: options.on_delta,
        tools,
        machine: Mutex::new(None),
        began: Instant::now(),
        worked_before,
    }
}

/// Works on a run until it ends or must wait, and logs how that came out.
async fn work(
    run: RunId,
    shared: &Shared,
    graph: &Arc<Graph>,
    inputs: &Map<String, Value>,
) -> Result<RunEnd, RunError> {
    let journal = &shared.journal;
    let account = {
        let budget = shared.budget.lock();
        budget
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .root()
    };
    let span = spans::run(run, graph.name());
    let cancel = attempt::Cancel::of_run(journal.run_cancel());
    let end = graph::run(shared, graph, inputs, "", account, &cancel)
        .instrument(span)
        .await;
    let result = match end {
        Ok(GraphEnd::Done(outputs)) => RunResult::Completed {
            outputs: Arc::new(outputs),
        },
        Ok(GraphEnd::Failed { node, error }) => RunResult::Failed { node, error },
        Err(Stop::Waiting) => RunResult::Suspended {
            reason: "it waits for an answer".to_owned(),
        },
        Err(Stop::Cancelled) => RunResult::Suspended {
            reason: "it was interrupted".to_owned(),
        },
        Err(Stop::Store(error)) => return Err(error.into()),
        Err(Stop::Drift(problem)) => return Err(RunError::Drift(problem)),
    };
    journal.record(match &result {
        RunResult::Completed { outputs } => Event::RunEnded {
            outcome: RunOutcome::Completed {
                outputs: Arc::clone(outputs),
            },
        },
        RunResult::Failed { node, error } => Event::RunEnded {
            outcome: RunOutcome::Failed {
                node: node.clone(),
                error: error.clone(),
            },
        },
        RunResult::Suspended { reason } => Event::Suspended {
            reason: reason.clone(),
        },
    });
    match journal.flush().await {
        Err(Stop::Store(error)) => Err(error.into()),
        _ => Ok(RunEnd { run, result }),
    }
}
