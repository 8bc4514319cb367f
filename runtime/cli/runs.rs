//! `ropewalk runs`: everything that ever ran.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ropewalk_core::event::{Event, RunOutcome};
use ropewalk_core::interrupt::Reply;
use ropewalk_core::secret;
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::report::{Steps, outcome_in_words};
use ropewalk_engine::run::{self, Resumed, RunOptions, RunResult};
use ropewalk_engine::services::{Engines, NoTools, Services, StandIn};
use ropewalk_engine::store::{ListQuery, RunState, RunSummary, Stamped, Store};
use ropewalk_engine::{RunId, step_lines};
use ropewalk_models::scripted::Scripted;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::Ending;
use crate::arguments::running::{AnswerRun, Running, Runs, Stands};
use crate::progress::{print, say};
use crate::run::{Work, at_work, drift, show};
use crate::session::{self, Needs, Session};
use crate::terminal::value_of;

pub(crate) async fn run(runs: Runs, cancel: CancellationToken) -> anyhow::Result<Ending> {
    match runs {
        Runs::List { state, limit, json } => list(state, limit, json).await,
        Runs::Show {
            run,
            tree,
            events,
            json,
        } => {
            let run = run.parse()?;
            let store = session::runs()?;
            if events {
                return print_events(&*store, run).await;
            }
            if tree {
                return print_tree(&*store, run).await;
            }
            print_run(&*store, run, json).await
        }
        Runs::Resume {
            run,
            graph,
            as_recorded,
            running,
        } => resume(run.parse()?, graph, as_recorded, running, cancel).await,
        Runs::Fork { run, at, json } => {
            let fork = run::fork(&*session::runs()?, run.parse()?, at).await?;
            if json {
                print(&json!({"run": fork, "forked_from": run, "at": at}).to_string());
            } else {
                print(&fork.to_string());
                say(&format!("to go on with it: ropewalk runs resume {fork}"));
            }
            Ok(Ending::Done)
        }
        Runs::Approve { run, question } => leave(&run, question.as_deref(), Reply::Approve).await,
        Runs::Answer(answer) => {
            let reply = reply_of(&answer)?;
            leave(&answer.run, answer.question.as_deref(), reply).await
        }
        Runs::Export { run, output } => export(run.parse()?, output.as_deref()).await,
        Runs::Replay { file, graph, json } => replay(&file, graph, json, cancel).await,
        Runs::Rm { runs, older_than } => remove(runs, older_than).await,
    }
}

async fn list(state: Option<Stands>, limit: usize, json: bool) -> anyhow::Result<Ending> {
    let query = ListQuery {
        state: state.map(|state| match state {
            Stands::Running => RunState::Running,
            Stands::Interrupted => RunState::Interrupted,
            Stands::Suspended => RunState::Suspended,
            Stands::Completed => RunState::Completed,
            Stands::Failed => RunState::Failed,
        }),
        before: None,
        limit,
    };
    let found = session::runs()?.list(query).await?;
    if json {
        print(&json!({"runs": found}).to_string());
        return Ok(Ending::Done);
    }
    if found.is_empty() {
        say("nothing has run yet");
    }
    for summary in found {
        print(&line(&summary));
    }
    Ok(Ending::Done)
}

fn line(summary: &RunSummary) -> String {
    let waiting = match summary.waiting {
        0 => String::new(),
        1 => ", 1 question".to_owned(),
        more => format!(", {more} questions"),
    };
    format!(
        "{}  {:<11}  {}  {} ago{waiting}",
        summary.run,
        summary.state.word(),
        summary.graph,
        ago(summary.updated_ms)
    )
}

fn ago(at_ms: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let past = now.saturating_sub(Duration::from_millis(at_ms)).as_secs();
    match past {
        0..120 => format!("{past} s"),
        120..7_200 => format!("{} min", past / 60),
        7_200..172_800 => format!("{} h", past / 3_600),
        _ => format!("{} d", past / 86_400),
    }
}

async fn print_events(store: &dyn Store, run: RunId) -> anyhow::Result<Ending> {
    for event in store.events(run).await? {
        print(&serde_json::to_string(&event)?);
    }
    Ok(Ending::Done)
}

async fn print_tree(store: &dyn Store, run: RunId) -> anyhow::Result<Ending> {
    let mut steps = Steps::new(true);
    let events = store.events(run).await?;
    events.iter().for_each(|event| steps.take(event));
    let colour = std::io::stdout().is_terminal();
    print(&line(&store.summary(run).await?));
    let lines = step_lines(steps.records(), colour);
    lines.iter().for_each(|line| print(line));
    Ok(Ending::Done)
}

async fn print_run(store: &dyn Store, run: RunId, json: bool) -> anyhow::Result<Ending> {
    let summary = store.summary(run).await?;
    let open = store.open_interrupts(Some(run)).await?;
    let events = store.events(run).await?;
    let outcome = events
        .iter()
        .rev()
        .find_map(|stamped| match &stamped.event {
            Event::RunEnded { outcome } => Some(outcome),
            _ => None,
        });
    if json {
        let outcome = outcome.map(serde_json::to_value).transpose()?;
        let mut object = serde_json::to_value(&summary)?;
        if let Value::Object(fields) = &mut object {
            fields.insert("questions".to_owned(), serde_json::to_value(&open)?);
            fields.insert("result".to_owned(), outcome.unwrap_or(Value::Null));
        }
        print(&object.to_string());
        return Ok(Ending::Done);
    }
    print(&line(&summary));
    print(&format!(
        "{} events, {} model calls, {} tool calls, {} tokens",
        summary.events, summary.model_calls, summary.tool_calls, summary.tokens
    ));
    for question in open {
        let who = question.interrupt.who.as_deref();
        let who = who.map_or_else(String::new, |who| format!(" (for {who})"));
        print(&format!(
            "asks{who}, as {}: {}",
            question.id, question.interrupt.question
        ));
        if let Some(proposal) = &question.interrupt.proposal {
            print(&format!("  proposed: {proposal}"));
        }
    }
    match outcome {
        Some(RunOutcome::Completed { outputs }) => show(outputs),
        Some(failed) => print(&outcome_in_words(failed)),
        None => {}
    }
    Ok(Ending::Done)
}

async fn resume(
    run: RunId,
    graph: Option<String>,
    as_recorded: bool,
    running: Running,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    let store = session::runs()?;
    let definitions = Definitions::new(session::folders());
    let graph = match graph {
        Some(name) => Resumed::With(session::graph(&name, &definitions)?),
        None if as_recorded => Resumed::AsRecorded,
        None => {
            // The file it came from may be anywhere; one of its name is taken for it.
            let summary = store.summary(run).await?;
            let now = definitions.compile(&summary.graph).ok();
            let now = now.and_then(|compiled| compiled.graph);
            now.map_or(Resumed::AsRecorded, Resumed::With)
        }
    };
    drop(store);
    let needs = match &graph {
        Resumed::With(graph) => Needs::of(graph),
        Resumed::AsRecorded => Needs::ALL,
    };
    let session = Session::open(&running.means, running.yes, needs, &cancel).await?;
    let work = Work::Resume { run, graph };
    let ending = at_work(&session.services, &running, work, cancel).await;
    session.close().await;
    ending
}

fn reply_of(answer: &AnswerRun) -> anyhow::Result<Reply> {
    Ok(if answer.approve {
        Reply::Approve
    } else if let Some(json) = &answer.edit {
        Reply::Edit {
            value: value_of(json),
        }
    } else if let Some(reason) = &answer.reject {
        Reply::Reject {
            reason: reason.clone(),
        }
    } else if let Some(to) = &answer.escalate {
        Reply::Escalate {
            to: to.clone(),
            note: String::new(),
        }
    } else {
        let value = answer.value.as_deref().context("say what the answer is")?;
        Reply::Reply {
            value: value_of(value),
        }
    })
}

async fn leave(run: &str, question: Option<&str>, reply: Reply) -> anyhow::Result<Ending> {
    let run: RunId = run.parse()?;
    let store = session::runs()?;
    let answered = run::answer(&*store, run, question, &reply).await?;
    say(&format!(
        "{}: {}; to go on: ropewalk runs resume {run}",
        answered.id,
        reply.word()
    ));
    Ok(Ending::Done)
}

async fn export(run: RunId, output: Option<&Path>) -> anyhow::Result<Ending> {
    let events = session::runs()?.events(run).await?;
    let mut text = String::new();
    for event in events {
        // Also what was kept before it was known to be secret.
        let event = secret::redactor().cleaned(&event).unwrap_or(event);
        text.push_str(&serde_json::to_string(&event)?);
        text.push('\n');
    }
    match output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => {
            // A reader that has gone away ends the printing, not the program.
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
    }
    Ok(Ending::Done)
}

async fn replay(
    file: &Path,
    graph: Option<String>,
    json: bool,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let mut events: Vec<Stamped> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let event = serde_json::from_str(line)
            .with_context(|| format!("{name}: line {} is no event of a run", number + 1))?;
        events.push(event);
    }
    let definitions = Definitions::new(session::folders());
    let graph = match graph {
        Some(name) => Some(session::graph(&name, &definitions)?),
        None => None,
    };
    let engines: Arc<dyn Engines> = Arc::new(StandIn(Arc::new(Scripted::new(Vec::new()))));
    let services = Services {
        engines,
        tools: Arc::new(NoTools),
        functions: Arc::default(),
        store: None,
    };
    let options = RunOptions {
        on_event: json.then(|| -> ropewalk_engine::Listener {
            Arc::new(|stamped: &Stamped| {
                if let Ok(text) = serde_json::to_string(stamped) {
                    print(&text);
                }
            })
        }),
        cancel,
        ..RunOptions::default()
    };
    match run::replay(&services, events, graph, options).await {
        Ok(end) => {
            match end.result {
                RunResult::Completed { outputs } if !json => show(&outputs),
                RunResult::Completed { .. } => {}
                RunResult::Failed { node, error } => say(&format!("`{node}` failed: {error}")),
                RunResult::Suspended { reason } => say(&format!("it ends suspended: {reason}")),
            }
            say("the replay is the recording");
            Ok(Ending::Done)
        }
        Err(error) => match drift(&error) {
            Some(difference) => {
                say(&format!(
                    "the replay differs from the recording: {difference}"
                ));
                Ok(Ending::Failed)
            }
            None => Err(error.into()),
        },
    }
}

async fn remove(runs: Vec<String>, older_than: Option<f64>) -> anyhow::Result<Ending> {
    let store = session::runs()?;
    if let Some(days) = older_than {
        let count = store.remove_ended_before(session::days_ago(days)?).await?;
        say(&format!("{count} runs removed"));
        return Ok(Ending::Done);
    }
    if runs.is_empty() {
        anyhow::bail!("name the runs to remove, or give --older-than DAYS");
    }
    for run in runs {
        store.remove(run.parse()?).await?;
    }
    Ok(Ending::Done)
}
