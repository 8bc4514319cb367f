//! What runs work with, put together from the configuration.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ropewalk_core::graph::diagnostic::Diagnostic;
use ropewalk_core::graph::ir::{Graph, Node, Work};
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::sampler::EngineSampler;
use ropewalk_engine::services::{Engines, NoEngine, NoTools, Services, StandIn, Tools};
use ropewalk_engine::store::Store;
use ropewalk_engine::store::sqlite::SqliteStore;
use ropewalk_host::audit::AuditLog;
use ropewalk_host::pins::PinStore;
use ropewalk_host::sampling::Sampler;
use ropewalk_host::{Endpoint, Guard, Host, HostOptions};
use ropewalk_mcp_kit::ToolServer;
use ropewalk_models::engine::Engine;
use ropewalk_models::registry::Registry;
use ropewalk_models::scripted::Scripted;
use ropewalk_sql::server::SqlServer;
use ropewalk_vector::server::VectorServer;
use tokio_util::sync::CancellationToken;

use crate::arguments::running::Means;
use crate::arguments::serving::Databases;
use crate::configuration::{self, Configuration};
use crate::progress::say;
use crate::{databases, desk, terminal, workplace};

/// The servers that this program brings.
const OWN: [&str; 2] = ["vector", "sql"];

/// A server that this program brings, under its name.
pub(crate) type Own = (&'static str, ToolServer);

/// Bytes in flight between the program and its own tool server.
const DUPLEX_BYTES: usize = 1 << 20;

/// What runs work with, and what must be shut down after them.
pub(crate) struct Session {
    pub(crate) services: Services,
    /// The engines of the configuration, unless a script stands in for all of them.
    registry: Option<Arc<Registry>>,
    host: Option<Arc<Host>>,
    /// Servers that did not start.
    missing: Vec<String>,
}

impl Session {
    /// With an engine and tools only where some are needed: they take time to start.
    /// With `yes` every configured server may run.
    pub(crate) async fn open(
        means: &Means,
        yes: bool,
        needs: Needs,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let configuration = configuration::load(&means.setup)?;
        let registry = match &means.script {
            Some(_) => None,
            None => Some(configuration.engines(means.engine.as_deref())?),
        };
        let engines: Arc<dyn Engines> = match (&means.script, &registry) {
            (Some(path), _) => Arc::new(StandIn(script(path)?)),
            (None, Some(registry)) if needs.engine => registry.clone(),
            _ => Arc::new(NoEngine),
        };
        if needs.own_engine
            && let Some(engine) = registry.as_ref().and_then(|registry| registry.get(None))
        {
            // What keeps it from answering is better said before the run than in it.
            engine.prepare().await?;
        }
        let host = if needs.tools {
            let embedder = workplace::embedder(&configuration.vector).await?;
            let store = workplace::store(&configuration.vector).await?;
            let vector = VectorServer::new(store, embedder, &means.collection);
            let sampler = match &registry {
                Some(registry) if needs.engine => sampler(registry),
                _ => None,
            };
            let mut own = vec![("vector", vector.tools())];
            own.extend(sql(&configuration, &means.databases, cancel).await?);
            Some(start_host(&configuration, own, sampler, yes).await)
        } else {
            None
        };
        let (host, missing) =
            host.map_or((None, Vec::new()), |(host, missing)| (Some(host), missing));
        let tools: Arc<dyn Tools> = match &host {
            Some(host) => host.clone(),
            None => Arc::new(NoTools),
        };
        let services = Services {
            engines,
            tools,
            functions: Arc::default(),
            store: Some(tidy_runs(&configuration).await?),
        };
        Ok(Self {
            services,
            registry,
            host,
            missing,
        })
    }

    /// The user's definitions, with names of tools and engines checked against those there are.
    pub(crate) fn definitions(&self) -> Definitions {
        let definitions = Definitions::new(folders());
        let definitions = match self.host {
            Some(_) => definitions.with_services(&self.services, &self.missing),
            None => definitions,
        };
        match &self.registry {
            Some(registry) => definitions.with_engines(&**registry),
            None => definitions,
        }
    }

    pub(crate) async fn close(self) {
        drop(self.services);
        if let Some(host) = self.host {
            shut_down(host).await;
        }
    }
}

fn script(path: &PathBuf) -> anyhow::Result<Arc<dyn Engine>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let engine = Scripted::from_json(&text).with_context(|| format!("{}", path.display()))?;
    Ok(Arc::new(engine))
}

/// The store of runs in the state folder.
pub(crate) fn runs() -> anyhow::Result<Arc<dyn Store>> {
    let home = workplace::home();
    std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    Ok(Arc::new(SqliteStore::open(&home.join("runs.db"))?))
}

/// The same store, without the runs that have been kept long enough.
pub(crate) async fn tidy_runs(configuration: &Configuration) -> anyhow::Result<Arc<dyn Store>> {
    let store = runs()?;
    if let Some(days) = configuration.runs.keep_days {
        let before = days_ago(days).context("keep_days in ropewalk.toml")?;
        store.remove_ended_before(before).await?;
    }
    Ok(store)
}

/// So many days ago, in milliseconds since 1970.
pub(crate) fn days_ago(days: f64) -> anyhow::Result<u64> {
    let age = Duration::try_from_secs_f64(days * 86_400.0)
        .context("the number of days makes no sense")?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(u64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(u64::MAX))
}

/// Folders with the user's own definitions.
pub(crate) fn folders() -> Vec<PathBuf> {
    vec![PathBuf::from(".")]
}

/// A graph that must be sound. Its diagnostics are printed.
pub(crate) fn graph(name: &str, definitions: &Definitions) -> anyhow::Result<Arc<Graph>> {
    let compiled = definitions.compile(name)?;
    match compiled.graph {
        Some(graph) => Ok(graph),
        None => {
            let problems: Vec<String> = compiled
                .diagnostics
                .iter()
                .map(Diagnostic::to_string)
                .collect();
            anyhow::bail!("the graph `{name}` cannot run:\n{}", problems.join("\n"))
        }
    }
}

/// What a graph cannot run without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Some engine.
    pub(crate) engine: bool,
    /// The one for nodes that name none.
    own_engine: bool,
    tools: bool,
    /// It calls tools by name.
    pub(crate) names_tools: bool,
}

impl Needs {
    /// Whatever there is.
    pub(crate) const ALL: Needs = Needs {
        engine: true,
        own_engine: true,
        tools: true,
        names_tools: true,
    };

    /// Its tools alone.
    pub(crate) fn only_tools(self) -> Self {
        Self {
            engine: false,
            own_engine: false,
            ..self
        }
    }

    pub(crate) fn of(graph: &Graph) -> Self {
        let mut needs = Self {
            engine: false,
            own_engine: false,
            tools: false,
            names_tools: false,
        };
        for graph in graph.with_subgraphs() {
            graph.flow().node_weights().for_each(|node| needs.add(node));
        }
        needs
    }

    fn add(&mut self, node: &Node) {
        match &node.work {
            Work::Tool { .. } => {
                self.tools = true;
                self.names_tools = true;
            }
            Work::Model { engine, .. } => {
                self.engine = true;
                self.own_engine |= engine.is_none();
            }
            Work::Agent { agent, engine, .. } => {
                self.engine = true;
                self.own_engine |= engine.is_none();
                self.tools |= !agent.settings.tools.is_empty();
            }
            Work::Map { each, .. } => self.add(each),
            _ => {}
        }
    }
}

/// The SQL server over the databases that are meant; `None` where none are.
pub(crate) async fn sql(
    configuration: &Configuration,
    given: &Databases,
    cancel: &CancellationToken,
) -> anyhow::Result<Option<Own>> {
    let wanted = databases::wanted(configuration, given)?;
    if wanted.is_empty() {
        return Ok(None);
    }
    let meanings = databases::meanings(&configuration.vector).await?;
    let catalogue = databases::open(wanted, meanings, cancel).await?;
    databases::warn(&catalogue).await;
    Ok(Some(("sql", SqlServer::new(catalogue).tools())))
}

/// Completions for servers by the engine for nodes that name none.
pub(crate) fn sampler(registry: &Registry) -> Option<Arc<dyn Sampler>> {
    let sampler = EngineSampler::new(Arc::new(registry.get(None)?))?;
    Some(Arc::new(sampler))
}

/// Our own servers in this process, and the user's beside them. With `yes` all of theirs may run.
///
/// Returns also the names of servers that did not start.
pub(crate) async fn start_host(
    configuration: &Configuration,
    own: Vec<Own>,
    sampler: Option<Arc<dyn Sampler>>,
    yes: bool,
) -> (Arc<Host>, Vec<String>) {
    let mut servers = Vec::new();
    let mut missing: Vec<String> = OWN.map(str::to_owned).to_vec();
    for (name, tools) in own {
        let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
        tokio::spawn(tools.serve_io(theirs, CancellationToken::new()));
        servers.push((name.to_owned(), Endpoint::BuiltIn(ours)));
        missing.retain(|own| own != name);
    }
    let wanted = configuration
        .servers
        .iter()
        .filter(|(_, server)| !server.disabled);
    servers.extend(wanted.map(|(name, server)| (name.clone(), Endpoint::Config(server.clone()))));
    let (host, failures) = Host::start(
        servers,
        HostOptions {
            sampler,
            ..surroundings(configuration, yes)
        },
    )
    .await;
    for failure in &failures {
        say(&format!("warning: {failure}"));
    }
    let host = match tokio::task::spawn_blocking(move || {
        look_at_tools(&host);
        host
    })
    .await
    {
        Ok(host) => host,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    missing.extend(failures.into_iter().map(|failure| failure.server));
    (Arc::new(host), missing)
}

/// What servers find around them, and what every call of theirs passes.
pub(crate) fn surroundings(configuration: &Configuration, yes: bool) -> HostOptions {
    HostOptions {
        guard: guard(configuration),
        ..desk::surroundings(yes)
    }
}

/// What every call passes: the user's rules, what was agreed to, and the log of what was decided.
fn guard(configuration: &Configuration) -> Guard {
    Guard::new(configuration.policy.rules.clone())
        .with_pins(PinStore::new(&workplace::pins()))
        .with_audit(AuditLog::new(&workplace::home()))
}

/// Says which tools are new and which are held back, and asks about those, where somebody is there.
fn look_at_tools(host: &Host) {
    for (server, tools) in host.first_seen() {
        say(&format!(
            "server `{server}` is new: its {tools} tools are pinned as they are; a change will be shown"
        ));
    }
    let here = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    for held in host.held() {
        say(&format!("warning: {held}"));
        if here
            && terminal::confirmed("Offer it as it is now? [y/N] ")
            && let Err(error) = host.agree(&held.server, &held.tool)
        {
            say(&format!("error: {error}"));
        }
    }
}

/// Ends the servers.
pub(crate) async fn shut_down(host: Arc<Host>) {
    if let Ok(host) = Arc::try_unwrap(host) {
        host.shutdown().await;
    }
}
