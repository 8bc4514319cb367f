//! `ropewalk doctor`: what works here, what does not, and how to fix it.

use std::collections::BTreeMap;

use anyhow::anyhow;
use ropewalk_engine::store::ListQuery;
use ropewalk_host::audit::AuditLog;
use ropewalk_host::pins::PinStore;
use ropewalk_host::{Endpoint, Host, ServerState};
use ropewalk_models::engine::Engine;
use serde::Serialize;
use serde_json::json;

use crate::arguments::Doctor;
use crate::configuration::{self, Configuration};
use crate::progress::print;
use crate::{Ending, databases, desk, session, workplace};

/// Runs that are counted.
const LATEST: ListQuery = ListQuery {
    state: None,
    before: None,
    limit: 1_000,
};

#[derive(Serialize)]
struct Check {
    name: String,
    ok: bool,
    says: String,
}

fn check(name: &str, outcome: anyhow::Result<String>) -> Check {
    match outcome {
        Ok(says) => Check {
            name: name.to_owned(),
            ok: true,
            says,
        },
        Err(error) => Check {
            name: name.to_owned(),
            ok: false,
            says: crate::with_causes(&error),
        },
    }
}

pub(crate) async fn run(options: Doctor) -> anyhow::Result<Ending> {
    let mut checks = Vec::new();
    let configuration = match configuration::load(&options.setup) {
        Ok(configuration) => {
            let count = configuration.servers.len();
            checks.push(check(
                "configuration",
                Ok(format!("{count} servers configured")),
            ));
            configuration
        }
        Err(error) => {
            checks.push(check("configuration", Err(error)));
            Configuration::default()
        }
    };
    checks.push(check("embedding model", embedding(&configuration).await));
    checks.push(check("vector store", vector_store(&configuration).await));
    for (name, says) in databases::examined(&configuration).await {
        checks.push(check(&format!("database {name}"), says));
    }
    checks.push(check("runs", runs().await));
    checks.push(check("pins", pins()));
    checks.push(check("audit log", audit_log()));
    checks.push(check("engine", engine(&configuration).await));
    checks.extend(engines(&configuration));
    checks.extend(servers(&configuration).await);
    let ok = checks.iter().all(|check| check.ok);
    if options.json {
        print(&serde_json::to_string(
            &json!({"ok": ok, "checks": checks}),
        )?);
    } else {
        for check in &checks {
            let mark = if check.ok { "ok    " } else { "FAILED" };
            print(&format!("{mark} {}: {}", check.name, check.says));
        }
    }
    Ok(if ok { Ending::Done } else { Ending::Failed })
}

async fn engine(configuration: &Configuration) -> anyhow::Result<String> {
    let registry = configuration.engines(None)?;
    if let Some(engine) = registry.get(None) {
        engine.prepare().await?;
    }
    Ok(registry.reason().to_owned())
}

/// What can be told of the other engines without loading them.
fn engines(configuration: &Configuration) -> Vec<Check> {
    let Ok(registry) = configuration.engines(None) else {
        return Vec::new();
    };
    let told = configuration.engines.keys().map(|name| {
        let mut problems = registry.problems().iter();
        let says = match problems.find(|(of, _)| of == name) {
            Some((_, problem)) => Err(anyhow!(problem.clone())),
            None => {
                let engine = registry.get(Some(name));
                Ok(engine.map_or_else(String::new, |engine| engine.info().id.clone()))
            }
        };
        check(&format!("engine {name}"), says)
    });
    told.collect()
}

async fn embedding(configuration: &Configuration) -> anyhow::Result<String> {
    let embedder = workplace::embedder(&configuration.vector).await?;
    let (id, dimensions) = (embedder.id().to_owned(), embedder.dimensions());
    tokio::task::spawn_blocking(move || embedder.embed(&["ropes are laid in a long hall"]))
        .await??;
    Ok(format!("{id}, {dimensions} dimensions"))
}

async fn vector_store(configuration: &Configuration) -> anyhow::Result<String> {
    let store = workplace::store(&configuration.vector).await?;
    let collections = store.collections().await?;
    Ok(format!(
        "{}; {} collections",
        store.status().await?,
        collections.len()
    ))
}

fn pins() -> anyhow::Result<String> {
    let pins = PinStore::new(&workplace::pins()).read()?;
    let tools: usize = pins.servers.values().map(BTreeMap::len).sum();
    Ok(format!("{tools} tools of {} servers", pins.servers.len()))
}

fn audit_log() -> anyhow::Result<String> {
    let verified = AuditLog::new(&workplace::home()).verify()?;
    match verified.flaws.first() {
        None => Ok(format!("{} lines", verified.lines)),
        Some(flaw) => Err(anyhow!(
            "line {}: {}; `ropewalk audit verify` names all of it",
            flaw.line,
            flaw.what
        )),
    }
}

async fn runs() -> anyhow::Result<String> {
    let store = session::runs()?;
    let open = store.open_interrupts(None).await?.len();
    let latest = store.list(LATEST).await?;
    let count = latest.len();
    let more = if count == LATEST.limit {
        " or more"
    } else {
        ""
    };
    Ok(format!("{count}{more} runs, {open} open questions"))
}

async fn servers(configuration: &Configuration) -> Vec<Check> {
    let wanted = configuration
        .servers
        .iter()
        .filter(|(_, server)| !server.disabled);
    let endpoints = wanted.map(|(name, server)| (name.clone(), Endpoint::Config(server.clone())));
    let (host, failures) = Host::start(endpoints.collect(), desk::surroundings(false)).await;
    let mut checks: Vec<Check> = host
        .servers()
        .into_iter()
        .filter(|server| server.state == ServerState::Up)
        .map(|server| {
            let says = format!("{} tools, MCP {}", server.tools, server.protocol);
            check(&format!("server {}", server.name), Ok(says))
        })
        .collect();
    for failure in failures {
        let name = format!("server {}", failure.server);
        checks.push(Check {
            name,
            ok: false,
            says: failure.reason,
        });
    }
    host.shutdown().await;
    checks
}
