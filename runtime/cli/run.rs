//! `ropewalk run`: a workflow from start to end, or to a question.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ropewalk_core::graph::definition::ValueType;
use ropewalk_core::graph::ir::Graph;
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::run::{self, Resumed, RunEnd, RunError, RunOptions, RunResult};
use ropewalk_engine::services::{Functions, Services};
use ropewalk_engine::store::{Durability, Stamped};
use ropewalk_engine::{RunId, Unanswered};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::Ending;
use crate::arguments::running::{Level, Run, Running};
use crate::progress::{self, print, say};
use crate::session::{self, Needs, Session};
use crate::terminal::{AtTerminal, value_of};
use crate::watch::Watch;

pub(crate) async fn run(options: Run, cancel: CancellationToken) -> anyhow::Result<Ending> {
    // The program registers no functions: a graph that needs some runs from Rust.
    let definitions = Definitions::new(session::folders()).with_functions(&Functions::default());
    let graph = session::graph(&options.graph, &definitions)?;
    let inputs = inputs(&options, &graph)?;
    let needs = Needs::of(&graph);
    let running = &options.running;
    let session = Session::open(&running.means, running.yes, needs, &cancel).await?;
    // Once more, now that it is known what tools and engines there are.
    let graph = if needs.names_tools || needs.engine {
        session::graph(&options.graph, &session.definitions())?
    } else {
        graph
    };
    let work = Work::Start { graph, inputs };
    let ending = at_work(&session.services, &options.running, work, cancel).await;
    session.close().await;
    ending
}

/// What is to be done with a run.
pub(crate) enum Work {
    Start {
        graph: Arc<Graph>,
        inputs: Map<String, Value>,
    },
    Resume {
        run: RunId,
        graph: Resumed,
    },
}

/// Works on a run, shows what happens, and says how it stands then.
pub(crate) async fn at_work(
    services: &Services,
    running: &Running,
    work: Work,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    let watch = running.watch.then(Watch::new);
    let line = match &watch {
        Some(watch) => watch.bar(),
        None => progress::waiting(),
    };
    let (json, shown, watched) = (running.json, line.clone(), watch.clone());
    let on_event = move |stamped: &Stamped| {
        if json {
            match serde_json::to_string(stamped) {
                Ok(text) => print(&text),
                Err(error) => say(&format!("an event cannot be shown: {error}")),
            }
        } else if let Some(watch) = &watched {
            watch.take(stamped);
        } else {
            progress::follow(&shown, &stamped.event);
        }
    };
    // With JSON, whoever reads it answers; otherwise the person at the terminal does.
    let asks = running.yes || (!running.json && std::io::stdin().is_terminal());
    let options = RunOptions {
        durability: match running.durability {
            Level::Off => Durability::Off,
            Level::Process => Durability::Process,
            Level::Full => Durability::Full,
        },
        approver: asks.then(|| AtTerminal::approver(running.yes, line.clone())),
        unanswered: Unanswered::Suspend,
        on_event: Some(Arc::new(on_event)),
        cancel: cancel.clone(),
        ..RunOptions::default()
    };
    let end = match work {
        Work::Start { graph, inputs } => run::start(services, &graph, &inputs, options).await,
        Work::Resume { run, graph } => run::resume(services, run, graph, options).await,
    };
    match &watch {
        Some(watch) => watch.finish(),
        None => line.finish_and_clear(),
    }
    ended(services, running, &end?, &cancel).await
}

async fn ended(
    services: &Services,
    running: &Running,
    end: &RunEnd,
    cancel: &CancellationToken,
) -> anyhow::Result<Ending> {
    let id = end.run;
    match &end.result {
        RunResult::Completed { outputs } => {
            if !running.json {
                show(outputs);
            }
            Ok(Ending::Done)
        }
        RunResult::Failed { node, error } => {
            say(&format!("error: `{node}` failed: {error}"));
            say(&format!("to try it again: ropewalk runs resume {id}"));
            Ok(Ending::Failed)
        }
        RunResult::Suspended { reason } => {
            say(&format!("run {id} is suspended: {reason}"));
            if let Some(store) = &services.store
                && let Ok(open) = store.open_interrupts(Some(id)).await
            {
                for question in open {
                    say(&format!(
                        "  {}: {}",
                        question.id, question.interrupt.question
                    ));
                }
            }
            if cancel.is_cancelled() {
                say(&format!("to go on: ropewalk runs resume {id}"));
                return Ok(Ending::Interrupted);
            }
            say(&format!(
                "to answer: ropewalk runs answer {id} ANSWER, then: ropewalk runs resume {id}"
            ));
            Ok(Ending::Waiting)
        }
    }
}

/// A result for people: a single text as it is, anything else by name.
pub(crate) fn show(outputs: &Map<String, Value>) {
    if let (1, Some(Value::String(text))) = (outputs.len(), outputs.values().next()) {
        print(text);
        return;
    }
    for (name, value) in outputs {
        match value {
            Value::String(text) if text.contains('\n') => print(&format!("{name}:\n{text}\n")),
            Value::String(text) => print(&format!("{name}: {text}")),
            other => print(&format!("{name}: {other}")),
        }
    }
}

fn inputs(options: &Run, graph: &Graph) -> anyhow::Result<Map<String, Value>> {
    let mut inputs = match &options.input {
        None => Map::new(),
        Some(path) => object(path)?,
    };
    for given in &options.inputs {
        let (name, value) = given
            .split_once('=')
            .with_context(|| format!("`{given}` is no input; write NAME=VALUE"))?;
        let text = match value.strip_prefix('@') {
            None => value.to_owned(),
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?
            }
        };
        let channel = graph
            .channel_named(name)
            .and_then(|id| graph.channels().get(id.0 as usize));
        let value = match channel.map(|channel| channel.value_type) {
            Some(ValueType::String) => Value::String(text),
            _ => value_of(&text),
        };
        inputs.insert(name.to_owned(), value);
    }
    Ok(inputs)
}

fn object(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let name = path.display();
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
    } else {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(inputs)) => Ok(inputs),
        Ok(_) => anyhow::bail!("{name} holds no JSON object of inputs"),
        Err(error) => anyhow::bail!("{name} holds no JSON: {error}"),
    }
}

/// What a replay differs in is the result, not a failure of the program.
pub(crate) fn drift(error: &RunError) -> Option<&str> {
    match error {
        RunError::Drift(difference) => Some(difference),
        _ => None,
    }
}
