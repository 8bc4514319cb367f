//! Starts servers, lists their tools under one roof, calls them.
//!
//! `registry`: the servers and who looks after them; `guarded`: what calls pass.

mod guarded;
mod registry;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use ropewalk_core::secret;
use ropewalk_core::tool::{ToolCall, ToolOutcome, ToolSpec};
use serde_json::{Map, Value};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::catalogue::Catalogue;
use crate::config::ServerConfig;
use crate::connection::Connection;
use crate::consent::{CommandLine, Consent, Withheld};
use crate::guard::Guard;
use crate::handler::Call;
use crate::inquiry::{Desk, Nobody};
use crate::resources::Resource;
use crate::sampling::{Payer, Sampler};
use crate::server::{CallPlan, Server};
use crate::summary::{ServerState, ServerSummary, StartFailure, ToolOrigin, ToolProgress};
use crate::translate::outcome;

use registry::{Registry, keep};

/// Tool names listed in a message.
const MOST_NAMES: usize = 30;

/// Where a server is.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one per server, moved once"
)]
pub enum Endpoint {
    /// As configured: a command or a URL.
    Config(ServerConfig),
    /// A server of our own, a task in this process at the other end of the stream.
    BuiltIn(DuplexStream),
}

/// What servers find around them.
#[derive(Clone)]
pub struct HostOptions {
    /// Who answers what servers ask, where a call brings nobody of its own. Servers are told that
    /// questions are answered only if somebody is there when they start.
    pub desk: Arc<dyn Desk>,
    /// Completes texts for servers whose configuration allows it.
    pub sampler: Option<Arc<dyn Sampler>>,
    /// Whether configured programs may be run. None may where nothing is said.
    pub consent: Arc<dyn Consent>,
    /// Folder in which tokens are kept; without it, and without a keyring, they are kept until the
    /// program ends.
    pub state: Option<PathBuf>,
    /// Whether tokens go to the system's keyring, where there is one.
    pub keyring: bool,
    /// What every call passes.
    pub guard: Guard,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            desk: Arc::new(Nobody),
            sampler: None,
            consent: Arc::new(Withheld),
            state: None,
            keyring: false,
            guard: Guard::default(),
        }
    }
}

/// Who calls a tool, and how they are to be reached.
pub struct Caller<'a> {
    /// Names the effect, so that a server that knows the key can answer twice with one effect.
    pub key: Option<&'a str>,
    /// Ends the call; its server is told and goes on living.
    pub cancel: &'a CancellationToken,
    /// Hears how far it is.
    pub progress: Arc<dyn Fn(ToolProgress) + Send + Sync>,
    /// Answers what the server asks meanwhile; the host's own desk when left out.
    pub desk: Option<Arc<dyn Desk>>,
    /// Bears what the server has completed meanwhile; nobody does when left out.
    pub payer: Option<Arc<dyn Payer>>,
}

/// The servers of a program and their tools.
///
/// It is shared by everything that calls tools: a call that is cancelled and a run that ends leave
/// the servers as they are. They end with the host.
pub struct Host {
    registry: Arc<Registry>,
    /// Look after the servers: one task each.
    keepers: Vec<AbortOnDropHandle<()>>,
}

impl Host {
    /// Starts all servers at once. One that fails is reported; it is tried again later, and its
    /// tools appear when it runs. One that nobody agreed to run is left out.
    pub async fn start(
        servers: Vec<(String, Endpoint)>,
        options: HostOptions,
    ) -> (Self, Vec<StartFailure>) {
        let mut failures = Vec::new();
        let catalogue = Catalogue::new(servers.iter().map(|(name, _)| name.as_str()));
        let mut known: BTreeMap<String, Server> = BTreeMap::new();
        let mut guard = options.guard.clone();
        for (name, endpoint) in servers {
            if known.contains_key(&name) {
                let reason = "there is another server of that name; rename one".to_owned();
                failures.push(StartFailure {
                    server: name,
                    reason,
                });
                continue;
            }
            if let Endpoint::Config(config) = &endpoint
                && let Some(command) = CommandLine::of(&name, config)
                && config.check().is_ok()
                && let Err(reason) = options.consent.may_run(&command).await
            {
                failures.push(StartFailure {
                    server: name,
                    reason,
                });
                continue;
            }
            if let Endpoint::Config(config) = &endpoint {
                secret::learn(config.secrets());
                guard = guard.with_server(&name, config);
            }
            let server = Server::new(&name, endpoint, &options);
            known.insert(name, server);
        }
        let registry = Arc::new(Registry::new(known, catalogue, guard));
        let starting = registry.servers.iter().map(|(name, server)| async move {
            let started = server.start().await;
            (name, started)
        });
        for (name, started) in join_all(starting).await {
            match started {
                Ok(listing) => Registry::take(&registry, name, listing).await,
                Err(reason) => {
                    tracing::warn!(server = name, reason, "server left out");
                    failures.push(StartFailure {
                        server: name.clone(),
                        reason,
                    });
                }
            }
        }
        let keepers = registry.servers.keys().map(|name| {
            let task = tokio::spawn(keep(Arc::clone(&registry), name.clone()));
            AbortOnDropHandle::new(task)
        });
        let keepers = keepers.collect();
        let host = Self { registry, keepers };
        (host, failures)
    }

    /// Every tool of every server that runs or ran, by name, but for those that are held back.
    pub fn tools(&self) -> Vec<ToolSpec> {
        for server in self.registry.servers.values() {
            if server.is_stale() {
                // What there is, is good enough for now.
                server.changed.notify_one();
            }
        }
        self.registry.catalogue().specs()
    }

    /// All servers, by name.
    pub fn servers(&self) -> Vec<ServerSummary> {
        let catalogue = self.registry.catalogue();
        self.registry
            .servers
            .iter()
            .map(|(name, server)| ServerSummary {
                name: name.clone(),
                built_in: server.is_built_in(),
                protocol: server.protocol(),
                tools: catalogue.count(name),
                state: match server.peace() {
                    None => ServerState::Up,
                    Some(peace) => ServerState::Down {
                        reason: peace.reason,
                        next_try: peace.left,
                    },
                },
            })
            .collect()
    }

    /// Where a tool comes from; `None` when there is no such tool.
    pub fn origin(&self, tool: &str) -> Option<ToolOrigin> {
        let tool = self.registry.catalogue().get(tool)?;
        let server = self.registry.servers.get(&tool.server)?;
        Some(ToolOrigin {
            server: tool.server.clone(),
            name: tool.own_name.clone(),
            built_in: server.is_built_in(),
        })
    }

    /// One call, checked before and after. Every failure is an outcome the model can read.
    pub async fn call(&self, call: &ToolCall, caller: Caller<'_>) -> ToolOutcome {
        match self.try_call(call, caller).await {
            Ok(outcome) => outcome,
            Err(message) => ToolOutcome::Error { message },
        }
    }

    async fn try_call(&self, call: &ToolCall, caller: Caller<'_>) -> Result<ToolOutcome, String> {
        let tool = self.registry.catalogue().get(&call.name);
        let tool = tool.ok_or_else(|| self.unknown(&call.name))?;
        let server = self
            .registry
            .servers
            .get(&tool.server)
            .ok_or_else(|| format!("server `{}` is gone", tool.server))?;
        if tool.held.is_some() {
            return Err(format!(
                "`{}` is held back until somebody has looked at it: ropewalk policy approve {}.{}",
                call.name, tool.server, tool.own_name
            ));
        }
        let believed = server.is_built_in() || self.registry.guard.vouches_for(&tool.server);
        let arguments = match &call.arguments {
            Value::Object(arguments) => tool.schemas.without_nulls(arguments),
            Value::Null => Map::new(),
            _ => {
                return Err(format!(
                    "the arguments of `{}` must be a JSON object",
                    call.name
                ));
            }
        };
        if let Some(problem) = tool
            .schemas
            .input_problem(&Value::Object(arguments.clone()))
        {
            return Err(format!(
                "the arguments of `{}` do not fit: {problem}",
                call.name
            ));
        }
        let hints = tool.spec.hints;
        let plan = CallPlan {
            tool: &tool.own_name,
            arguments,
            repeatable: hints.read_only || hints.idempotent,
            // What nobody vouches for may change something, whatever it says.
            read_only: hints.read_only && believed,
            key: caller.key,
            cancel: caller.cancel,
            progress: caller.progress,
            payer: caller.payer,
            desk: caller.desk,
        };
        let result = server.call(plan).await.map_err(|reason| {
            format!("`{}` of server `{}`: {reason}", tool.own_name, tool.server)
        })?;
        outcome(&call.name, &tool.server, &tool.schemas, result)
    }

    /// What a server offers to be read.
    ///
    /// # Errors
    /// When there is no such server, or it does not say.
    pub async fn resources(
        &self,
        server: &str,
        caller: Caller<'_>,
    ) -> Result<Vec<Resource>, String> {
        let listed = self
            .server(server)?
            .read(&caller, async |connection: &Connection, _: &Arc<Call>| {
                connection.resources().await
            });
        let listed = listed.await;
        listed.map_err(|reason| format!("resources of server `{server}`: {reason}"))
    }

    /// What a resource holds: text as it is, anything else by its kind and size.
    ///
    /// # Errors
    /// When there is no such server, or it does not give it.
    pub async fn read_resource(
        &self,
        server: &str,
        uri: &str,
        caller: Caller<'_>,
    ) -> Result<String, String> {
        let read = self.server(server)?.read(
            &caller,
            async |connection: &Connection, call: &Arc<Call>| connection.read(uri, call).await,
        );
        let read = read.await;
        read.map_err(|reason| format!("`{uri}` of server `{server}`: {reason}"))
    }

    fn server(&self, name: &str) -> Result<&Server, String> {
        let server = self.registry.servers.get(name);
        server.ok_or_else(|| format!("there is no server `{name}`"))
    }

    /// What to say to a caller of a tool that does not exist: near names first.
    fn unknown(&self, name: &str) -> String {
        let catalogue = self.registry.catalogue();
        let mut known: Vec<&str> = catalogue.names().collect();
        if known.is_empty() {
            return format!("there is no tool `{name}`: no server offers any");
        }
        let likeness = |known: &str| strsim::jaro_winkler(name, known);
        known.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
        let left_out = known.len().saturating_sub(MOST_NAMES);
        known.truncate(MOST_NAMES);
        let more = if left_out > 0 {
            format!(" and {left_out} more")
        } else {
            String::new()
        };
        format!(
            "there is no tool `{name}`; tools are: {}{more}",
            known.join(", ")
        )
    }

    /// Closes every connection and ends every child.
    pub async fn shutdown(self) {
        drop(self.keepers);
        join_all(self.registry.servers.values().map(Server::close)).await;
    }
}
