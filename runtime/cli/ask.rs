//! `ropewalk ask`: one question, one cited answer.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use indicatif::ProgressBar;
use ropewalk_core::answer::StopReason;
use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::tool::ToolCall;
use ropewalk_embed::Embedder;
use ropewalk_engine::{Approver, RunContext, RunReport, run_agent, trace_lines};
use ropewalk_host::{Endpoint, Host};
use ropewalk_models::choose::{EngineKind, choose};
use ropewalk_vector::chunk::ChunkSettings;
use ropewalk_vector::collection;
use ropewalk_vector::ingest::{IngestReport, IngestSettings, Ingestor};
use ropewalk_vector::load::LoadLimits;
use ropewalk_vector::server::VectorServer;
use ropewalk_vector::store::VectorStore;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::arguments::{Ask, EngineName};
use crate::configuration::{self, Configuration};
use crate::progress::{self, print, say};
use crate::{Ending, ingest, own_docs, workplace};

/// Bytes in flight between the program and its own tool server.
const DUPLEX_BYTES: usize = 1 << 20;

pub(crate) async fn run(options: Ask, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let question = options.question.trim().to_owned();
    if question.is_empty() {
        anyhow::bail!("the question is empty; write it after `ask`, in quotes");
    }
    let mut configuration = configuration::load(&options.setup)?;
    if let Some(name) = options.engine {
        configuration.engine.kind = match name {
            EngineName::Auto => EngineKind::Auto,
            EngineName::Extractive => EngineKind::Extractive,
            EngineName::Openai => EngineKind::OpenAi,
        };
    }
    let embedder = workplace::embedder(&configuration.vector).await?;
    let chosen = choose(&configuration.engine, || {
        Ok::<_, ropewalk_embed::EmbedError>(embedder.clone())
    })?;
    let store = workplace::store(&configuration.vector).await?;
    let Some(collection) = prepare(&options, &store, &embedder, &cancel).await? else {
        return Ok(Ending::Interrupted);
    };
    let definition = assistant()?;
    let host = start_host(&configuration, store, embedder, &collection).await;
    let line = progress::waiting();
    let approver = AtTerminal {
        yes: options.yes,
        line: line.clone(),
    };
    let report = run_agent(
        RunContext {
            engine: &*chosen.engine,
            host: &host,
            approver: (options.yes || std::io::stdin().is_terminal())
                .then_some(&approver as &dyn Approver),
            on_event: &|stamped| progress::follow(&line, &stamped.event),
            on_delta: None,
            cancel,
        },
        &definition,
        &question,
    )
    .await;
    host.shutdown().await;
    line.finish_and_clear();
    if options.json {
        print(&as_json(&report)?);
    } else {
        show(&report, &chosen.reason);
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

/// The user's `agents/assistant.md`, or the one in the program.
fn assistant() -> anyhow::Result<AgentDefinition> {
    const OWN: &str = include_str!("../../agents/assistant.md");
    let path = PathBuf::from("agents/assistant.md");
    let text = if path.is_file() {
        std::fs::read_to_string(&path).context("cannot read agents/assistant.md")?
    } else {
        OWN.to_owned()
    };
    Ok(AgentDefinition::parse("agents/assistant.md", &text)?)
}

/// Our own server in this process, and the user's beside it.
async fn start_host(
    configuration: &Configuration,
    store: Arc<dyn VectorStore>,
    embedder: Embedder,
    collection: &str,
) -> Host {
    let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
    let tools = VectorServer::new(store, embedder, collection).tools();
    tokio::spawn(tools.serve_io(theirs, CancellationToken::new()));
    let mut servers = vec![("vector".to_owned(), Endpoint::BuiltIn(ours))];
    let wanted = configuration
        .servers
        .iter()
        .filter(|(_, server)| !server.disabled);
    servers.extend(wanted.map(|(name, server)| (name.clone(), Endpoint::Config(server.clone()))));
    let (host, failures) = Host::start(servers).await;
    for failure in failures {
        say(&format!("warning: {failure}"));
    }
    host
}

/// Asks the person at the terminal.
struct AtTerminal {
    yes: bool,
    /// The line that says what is going on, out of the way while the person is asked.
    line: ProgressBar,
}

#[async_trait]
impl Approver for AtTerminal {
    async fn approve(&self, call: &ToolCall) -> bool {
        if self.yes {
            return true;
        }
        let question = format!("allow {}({})? [y/N] ", call.name, call.arguments);
        let waiting = self.line.clone();
        let asked = tokio::task::spawn_blocking(move || {
            waiting.suspend(|| {
                let mut stderr = std::io::stderr();
                let mut said = String::new();
                let _ = write!(stderr, "{question}");
                let _ = stderr.flush();
                let read = std::io::stdin().read_line(&mut said).is_ok();
                read && said.trim().eq_ignore_ascii_case("y")
            })
        });
        asked.await.unwrap_or(false)
    }
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
