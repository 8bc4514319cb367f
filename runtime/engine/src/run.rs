//! Runs: started, taken up again, forked.

mod agent;
mod attempt;
mod error;
mod fan;
mod fork;
mod graph;
mod human;
mod judgement;
mod model;
mod offer;
mod plain;
mod purse;
mod replay;
mod resume;
mod sampled;
mod sources;
pub(crate) mod spans;
mod tool;
mod window;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ropewalk_core::budget::{Budget, BudgetLimits};
use ropewalk_core::event::{EVENT_VERSION, Event, RunOutcome};
use ropewalk_core::graph::bundle::Bundle;
use ropewalk_core::graph::ir::Graph;
use ropewalk_core::graph::machine::{MachineState, NodeError};
use ropewalk_core::graph::signature::Signature;
use ropewalk_core::message::Delta;
use ropewalk_core::secret;
use ropewalk_core::tool::ToolSpec;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(crate) use self::attempt::Cancel;
pub use self::error::RunError;
pub use self::fork::{answer, fork};
use self::graph::GraphEnd;
pub(crate) use self::purse::{MODEL_CALL, granted, spent_on};
pub use self::replay::replay;
pub use self::resume::{Resumed, recorded_graph, resume};
use self::sampled::Worked;
use self::sources::Sources;
use crate::journal::past::Past;
use crate::journal::{Approver, Journal, Listener, Mode, Setup, Stop, Unanswered};
use crate::run_id::RunId;
use crate::services::Services;
use crate::store::Durability;

/// Told of every piece of a reply while it is written, with the path of the node.
pub type DeltaListener = Arc<dyn Fn(&str, &Delta) + Send + Sync>;

/// How a run is run.
#[derive(Clone, Default)]
pub struct RunOptions {
    /// The name of a run that is started, where it must be known beforehand.
    pub id: Option<RunId>,
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

/// What all parts of a run share while a process works on it.
pub(crate) struct Shared {
    pub(crate) services: Services,
    pub(crate) journal: Journal,
    pub(crate) budget: Arc<Mutex<Budget>>,
    pub(crate) on_delta: Option<DeltaListener>,
    pub(crate) tools: HashMap<String, ToolSpec>,
    /// Tools whose results nobody vouches for.
    pub(crate) outside: BTreeSet<String>,
    /// The graph as a snapshot had it, until it goes on from there.
    pub(crate) machine: Mutex<Option<MachineState>>,
    worked: Worked,
}

impl Shared {
    /// Seconds that processes have worked on the run.
    pub(crate) fn worked(&self) -> f64 {
        self.worked.seconds()
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
    let run = options.id.unwrap_or_else(RunId::generate);
    // A run never holds a secret: what is in its log is all that it goes by.
    let cleaned = secret::redactor().cleaned(inputs);
    let inputs = cleaned.as_ref().unwrap_or(inputs);
    check_inputs(graph, inputs, services)?;
    let store = services.store.as_ref();
    let _claim = match store.filter(|_| options.durability != Durability::Off) {
        Some(store) => Some(store.claim(run).await?),
        None => None,
    };
    let tools = offered(services);
    let setup = setup(services, &options, run, Past::default());
    let mut shared = assembled(services, options, graph, setup, 0.0, tools);
    shared.outside = outside(services).into_iter().collect();
    if !shared.journal.is_silent() {
        let mut tools: Vec<ToolSpec> = shared.tools.values().cloned().collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        shared.journal.record(Event::RunStarted {
            version: EVENT_VERSION,
            graph: graph.name().to_owned(),
            signature: Signature::of(graph),
            bundle: Box::new(Bundle::of(graph)),
            inputs: Arc::new(inputs.clone()),
            engine: services.engine_name(),
            tools,
            outside: shared.outside.iter().cloned().collect(),
            forked: None,
        });
    }
    work(run, &shared, graph, inputs).await
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

fn offered(services: &Services) -> HashMap<String, ToolSpec> {
    let tools = services.tools.tools().into_iter();
    tools.map(|spec| (spec.name.clone(), spec)).collect()
}

/// Tools whose results nobody vouches for.
fn outside(services: &Services) -> Vec<String> {
    let tools = services.tools.tools().into_iter().map(|spec| spec.name);
    tools
        .filter(|tool| services.tools.is_outside(tool))
        .collect()
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
    tools: HashMap<String, ToolSpec>,
) -> Shared {
    let limits = graph.definition().budget.unwrap_or_default();
    let budget = purse::opened(options.budget, limits, &setup.past);
    Shared {
        services: services.clone(),
        journal: Journal::new(setup),
        budget: Arc::new(Mutex::new(budget)),
        on_delta: options.on_delta,
        tools,
        outside: BTreeSet::new(),
        machine: Mutex::new(None),
        worked: Worked {
            since: Instant::now(),
            before: worked_before,
        },
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
    let sources = Sources::of(graph, &Sources::default());
    let end = graph::run(shared, graph, inputs, "", account, &cancel, &sources)
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
