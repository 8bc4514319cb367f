//! The `ropewalk` program: reads what was typed, runs one command, turns errors into exit codes.
//!
//! Exit codes: 0 an answer, or an honest abstention; 1 something failed, and standard error says
//! what; 2 the command line makes no sense; 3 a run waits for an answer; 130 interrupted with
//! Ctrl-C.

mod arguments;
mod ask;
mod audit;
mod configuration;
mod databases;
mod describing;
mod desk;
mod doctor;
mod drawing;
mod eval;
mod graph;
mod ingest;
mod install;
mod mcp;
mod models;
mod own_docs;
mod policy;
mod progress;
mod prompts;
mod run;
mod runs;
mod serve;
mod servers;
mod session;
mod telemetry;
mod terminal;
mod watch;
mod workplace;

use std::process::ExitCode;

use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::arguments::{Arguments, Command, Server};
use crate::telemetry::Telemetry;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    Done,
    /// It ran, and part of it failed; what failed has been printed.
    Failed,
    /// A run waits for somebody.
    Waiting,
    /// Ctrl-C.
    Interrupted,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.directory
        && let Err(error) = std::env::set_current_dir(folder)
    {
        let error = anyhow::Error::from(error);
        return failed(&error.context(format!("cannot work in {}", folder.display())));
    }
    configuration::learn_secrets();
    // Before anything asynchronous: its sender has a thread of its own.
    let telemetry = match Telemetry::start(arguments.traces().as_deref()) {
        Ok(telemetry) => telemetry,
        Err(error) => return failed(&error),
    };
    // A damaged PDF makes its parser panic, which becomes an error that names the file.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(ropewalk_documents::load::pdf::PDF_THREAD) {
            told(panic);
        }
    }));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error)),
    };
    let ending = runtime.block_on(run(arguments));
    // Blocking work that was cancelled may still be in its last batch.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    drop(telemetry);
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::FAILURE,
        Ok(Ending::Waiting) => ExitCode::from(3),
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(error) => failed(&error),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<Ending> {
    let cancel = CancellationToken::new();
    tokio::spawn(watch_for_interrupt(cancel.clone()));
    let ending = begin(arguments, cancel.clone()).await;
    // What was broken off by Ctrl-C has not failed.
    if ending.is_err() && cancel.is_cancelled() {
        return Ok(Ending::Interrupted);
    }
    ending
}

async fn begin(arguments: Arguments, cancel: CancellationToken) -> anyhow::Result<Ending> {
    match arguments.command {
        Command::Ask(ask) => ask::run(ask, cancel).await,
        Command::Run(options) => run::run(options, cancel).await,
        Command::Runs { runs } => runs::run(runs, cancel).await,
        Command::Graph { graph } => graph::run(graph, cancel).await,
        Command::Models { models } => models::run(models, cancel).await,
        Command::Prompts { prompts } => prompts::run(prompts),
        Command::Ingest(ingest) => ingest::run(ingest, cancel).await,
        Command::Server { server } => match server {
            Server::Vector(options) => serve::vector(options, cancel).await,
            Server::Sql(options) => serve::sql(options, cancel).await,
        },
        Command::Mcp(options) => mcp::run(options, cancel).await,
        Command::Install(options) => install::run(options),
        Command::Servers { servers } => servers::run(servers).await,
        Command::Policy { policy } => policy::run(policy).await,
        Command::Audit { audit, filter } => audit::run(audit, &filter),
        Command::Eval { eval } => eval::run(eval, cancel).await,
        Command::Doctor(doctor) => doctor::run(doctor).await,
    }
}

/// The first Ctrl-C asks the work to end; a second one ends the program at once.
async fn watch_for_interrupt(cancel: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        cancel.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    progress::say(&format!("error: {}", with_causes(error)));
    ExitCode::FAILURE
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Most of our errors already say what caused them.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
