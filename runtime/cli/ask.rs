//! `ropewalk ask`: one question, one cited answer.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ropewalk_core::answer::StopReason;
use ropewalk_documents::chunk::ChunkSettings;
use ropewalk_documents::load::LoadLimits;
use ropewalk_embed::Embedder;
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::report::RunReport;
use ropewalk_engine::run::{self, RunEnd, RunOptions, RunResult};
use ropewalk_engine::services::Services;
use ropewalk_engine::store::Stamped;
use ropewalk_engine::{Unanswered, trace_lines};
use ropewalk_models::engine::Engine;
use ropewalk_sql::library::Library;
use ropewalk_sql::semantics::Example;
use ropewalk_vector::collection;
use ropewalk_vector::ingest::{IngestReport, IngestSettings, Ingestor};
use ropewalk_vector::server::VectorServer;
use ropewalk_vector::store::VectorStore;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::arguments::running::Ask;
use crate::configuration::Configuration;
use crate::progress::{self, print, say};
use crate::session::Own;
use crate::terminal::AtTerminal;
use crate::{Ending, configuration, ingest, own_docs, session, workplace};

pub(crate) async fn run(options: Ask, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let question = options.question.trim().to_owned();
    if question.is_empty() {
        anyhow::bail!("the question is empty; write it after `ask`, in quotes");
    }
    let configuration = configuration::load(&options.setup)?;
    let registry = configuration.engines(options.engine.as_deref())?;
    let definitions = Definitions::new(session::folders()).with_engines(&*registry);
    let engine = registry.get(None);
    if let Some(engine) = &engine {
        // What keeps it from answering is better said before documents are read.
        engine.prepare().await?;
    }
    let sampler = session::sampler(&registry);
    let (plan, own) =
        match of_databases(&options, sampler.is_some(), &configuration, &cancel).await? {
            Some((plan, server)) => (plan, vec![server]),
            None => (Plan::documents(), Vec::new()),
        };
    let graph = session::graph(plan.graph, &definitions)?;
    let own = match of_documents(&options, &configuration, &cancel, own).await? {
        Some(own) => own,
        None => return Ok(Ending::Interrupted),
    };
    let (host, _) = session::start_host(&configuration, own, sampler, options.yes).await;
    let services = Services {
        engines: registry.clone(),
        tools: host.clone(),
        functions: Arc::default(),
        store: Some(session::tidy_runs(&configuration).await?),
    };
    let line = progress::waiting();
    let events: Arc<Mutex<Vec<Stamped>>> = Arc::default();
    let (kept, shown) = (Arc::clone(&events), line.clone());
    let asks = options.yes || std::io::stdin().is_terminal();
    let mut inputs = plan.inputs;
    inputs.insert("question".to_owned(), json!(question));
    let run_options = RunOptions {
        approver: asks.then(|| AtTerminal::approver(options.yes, line.clone())),
        unanswered: Unanswered::Refuse,
        on_event: Some(Arc::new(move |stamped: &Stamped| {
            progress::follow(&shown, &stamped.event);
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(stamped.clone());
        })),
        cancel,
        ..RunOptions::default()
    };
    let end = run::start(&services, &graph, &inputs, run_options).await;
    drop(services);
    session::shut_down(host).await;
    line.finish_and_clear();
    let end = end?;
    if options.keep {
        keep(&question, &end)?;
    }
    let events = std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner));
    let report = RunReport::of(&end, &events);
    if options.json {
        print(&as_json(&report)?);
    } else {
        show(&report, registry.reason());
    }
    if report.answer.stop == StopReason::Cancelled && !options.json {
        say(&format!("to go on: ropewalk runs resume {}", report.run));
    }
    if options.trace {
        let colour = std::io::stderr().is_terminal();
        trace_lines(&report, colour)
            .iter()
            .for_each(|line| say(line));
    }
    Ok(match report.answer.stop {
        StopReason::Answered | StopReason::Abstained => Ending::Done,
        StopReason::Cancelled => Ending::Interrupted,
        _ => Ending::Failed,
    })
}

/// Keeps the statement of an answer from a database, which is approved by that.
fn keep(question: &str, end: &RunEnd) -> anyhow::Result<()> {
    let found = match &end.result {
        RunResult::Completed { outputs } => outputs.get("found"),
        _ => None,
    };
    let text = |name: &str| Some(found?.get(name)?.as_str()?.to_owned());
    let answered = found.and_then(|found| found.get("abstained")) == Some(&json!(false));
    let (Some(database), Some(sql)) = (text("database"), text("sql").filter(|_| answered)) else {
        say("nothing is kept: no statement answered the question at once");
        return Ok(());
    };
    let file = workplace::home().join("examples.db");
    let library = Library::open(&database, Vec::new(), Some(&file), None)?;
    let question = question.to_owned();
    library.learn(Example { question, sql })?;
    say(&format!("kept as an example of `{database}`"));
    Ok(())
}

/// Which graph answers, and what it is told beside the question.
struct Plan {
    graph: &'static str,
    inputs: Map<String, Value>,
}

impl Plan {
    fn documents() -> Self {
        Self {
            graph: "assistant",
            inputs: Map::new(),
        }
    }
}

/// The server over the databases that are named, where some are.
async fn of_databases(
    options: &Ask,
    writes: bool,
    configuration: &Configuration,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<(Plan, Own)>> {
    if options.databases.addresses.is_empty() {
        return Ok(None);
    }
    let Some(server) = session::sql(configuration, &options.databases, cancel).await? else {
        return Ok(None);
    };
    // An engine that only quotes has no second thoughts.
    let inputs = Map::from_iter([("deeper".to_owned(), json!(writes))]);
    let plan = Plan {
        graph: "sql-analyst",
        inputs,
    };
    Ok(Some((plan, server)))
}

/// The servers with the one over the documents, which are read first; `None` when that was
/// interrupted. Databases alone need none.
async fn of_documents(
    options: &Ask,
    configuration: &Configuration,
    cancel: &CancellationToken,
    mut own: Vec<Own>,
) -> anyhow::Result<Option<Vec<Own>>> {
    if !own.is_empty() && options.docs.is_empty() && options.collection.is_none() {
        return Ok(Some(own));
    }
    let embedder = workplace::embedder(&configuration.vector).await?;
    let store = workplace::store(&configuration.vector).await?;
    let Some(collection) = prepare(options, &store, &embedder, cancel).await? else {
        return Ok(None);
    };
    own.push((
        "vector",
        VectorServer::new(store, embedder, &collection).tools(),
    ));
    Ok(Some(own))
}

/// The collection to answer from, filled as need be; `None` when that was interrupted.
async fn prepare(
    options: &Ask,
    store: &Arc<dyn VectorStore>,
    embedder: &Embedder,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<String>> {
    if let Some(collection) = &options.collection {
        // A name that does not exist is said at once, with those that do.
        store.shape(collection).await?;
        return Ok(Some(collection.clone()));
    }
    let ingestor = Ingestor::new(Arc::clone(store), embedder.clone());
    let name = if options.docs.is_empty() {
        own_docs::COLLECTION.to_owned()
    } else {
        collection_for(&options.docs)
    };
    let settings = IngestSettings {
        collection: name.clone(),
        globs: Vec::new(),
        chunks: ChunkSettings::default(),
        limits: LoadLimits::default(),
    };
    let bar = progress::bar("reading");
    let on_progress = |at| progress::show(&bar, &at);
    let report = if options.docs.is_empty() {
        ingestor
            .mirror(&own_docs::pages(), &settings, cancel, &on_progress)
            .await
    } else {
        ingestor
            .paths(&options.docs, &settings, cancel, &on_progress)
            .await
    };
    bar.finish_and_clear();
    let report = report?;
    if report.cancelled {
        say("interrupted while reading the documents; what was read is kept");
        return Ok(None);
    }
    refuse_nothing(&report)?;
    ingest::tell_failures(&report);
    Ok(Some(name))
}

/// When every file failed there is nothing to answer from.
fn refuse_nothing(report: &IngestReport) -> anyhow::Result<()> {
    if report.chunks > 0 {
        return Ok(());
    }
    let reasons: Vec<&str> = report
        .failed
        .iter()
        .map(|file| file.reason.as_str())
        .collect();
    anyhow::bail!(
        "none of the documents could be read:\n{}",
        reasons.join("\n")
    );
}

/// The same paths give the same collection, wherever the program is started from.
fn collection_for(paths: &[PathBuf]) -> String {
    let absolute = |path: &PathBuf| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        path.to_string_lossy().into_owned()
    };
    let paths: BTreeSet<String> = paths.iter().map(absolute).collect();
    let parts: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
    let digest: String = collection::digest(&parts).chars().take(12).collect();
    format!("docs-{digest}")
}

fn as_json(report: &RunReport) -> anyhow::Result<String> {
    let citations: Vec<_> = report
        .answer
        .citations
        .iter()
        .map(|citation| {
            json!({
                "id": citation.id,
                "source": citation.source,
                "title": citation.title,
                "quote": citation.quote,
                "span": citation.span,
                "score": citation.score,
            })
        })
        .collect();
    let object = json!({
        "answer": report.answer.text,
        "abstained": report.answer.abstained(),
        "stop": report.answer.stop,
        "engine": report.engine,
        "citations": citations,
        "uncited": report.answer.uncited,
        "steps": report.steps,
        "usage": report.answer.usage,
        "run": report.run,
    });
    Ok(serde_json::to_string(&object)?)
}

fn show(report: &RunReport, why: &str) {
    print(&report.answer.text);
    if !report.answer.citations.is_empty() {
        print("");
        print("Sources:");
        for citation in &report.answer.citations {
            let title = if citation.title.is_empty() {
                ""
            } else {
                " — "
            };
            print(&format!(
                "  [{}] {}{title}{}",
                citation.id, citation.source, citation.title
            ));
        }
    }
    if report.answer.uncited {
        say("note: the answer cites none of the passages that were found");
    }
    if report.answer.truncated {
        say("note: the model was cut off by its length limit");
    }
    if std::io::stderr().is_terminal() {
        say(&format!("\n{}: {why}", report.engine));
    }
}
