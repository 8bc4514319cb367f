//! Starts servers, lists their tools under one roof, calls them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use futures::future::join_all;
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::secret;
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome, ToolSpec};
use serde_json::{Map, Value};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::audit::Seen;
use crate::catalogue::{self, Catalogue, CataloguedTool};
use crate::config::ServerConfig;
use crate::connection::{Connection, Listing};
use crate::consent::{CommandLine, Consent, Withheld};
use crate::guard::{self, Guard, Guarded, Held};
use crate::handler::Call;
use crate::inquiry::{Desk, Nobody};
use crate::resources::Resource;
use crate::sampling::Sampler;
use crate::search;
use crate::server::{CallPlan, Server};
use crate::summary::{ServerState, ServerSummary, StartFailure, ToolOrigin, ToolProgress};
use crate::translate::outcome;

/// Tool names listed in a message.
const MOST_NAMES: usize = 30;

/// How long a server's tools are left alone after it said that they changed: it may say so again
/// and again.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

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

struct Registry {
    servers: BTreeMap<String, Server>,
    catalogue: RwLock<Catalogue>,
    guard: Guard,
    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    first_seen: Mutex<Vec<(String, usize)>>,
    /// The tools to be searched, read when they first are, and again when they changed.
    searched: Mutex<Searched>,
}

/// What a search goes through, and how often the tools changed before.
#[derive(Default)]
struct Searched {
    changes: u64,
    read: Option<Arc<search::Catalogue>>,
}

impl Registry {
    fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a server offers now. Pins are files, and schemas take time to read: that is done
    /// beside the async threads, and while nobody waits for the catalogue.
    async fn take(registry: &Arc<Self>, server: &str, listing: Listing) {
        let (taking, name) = (Arc::clone(registry), server.to_owned());
        let taken = tokio::task::spawn_blocking(move || taking.listed(&name, listing)).await;
        if let Err(error) = taken {
            tracing::error!(server, %error, "its tools were not taken");
        }
    }

    fn listed(&self, server: &str, listing: Listing) {
        let ours = self.servers.get(server).is_some_and(Server::is_built_in);
        let guard = (!ours).then_some(&self.guard);
        let specs = self.changing().named(server, listing.tools);
        let (tools, first) = catalogue::let_in(server, specs, guard);
        self.changing().replace(server, tools);
        for held in self.catalogue().held() {
            if held.server == server {
                tracing::warn!(server, tool = held.tool, "a tool is held back: {held}");
            }
        }
        if first > 0 {
            let seen = self.first_seen.lock();
            let mut seen = seen.unwrap_or_else(PoisonError::into_inner);
            seen.push((server.to_owned(), first));
        }
        self.to_be_read_again();
    }

    fn to_be_read_again(&self) {
        let mut searched = self.searched();
        searched.changes = searched.changes.wrapping_add(1);
        searched.read = None;
    }

    fn searched(&self) -> MutexGuard<'_, Searched> {
        self.searched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries a server that is down, and looks again at tools that changed.
async fn keep(registry: Arc<Registry>, name: String) {
    let Some(server) = registry.servers.get(&name) else {
        return;
    };
    loop {
        let pause = server.peace().and_then(|peace| peace.left);
        let listing = tokio::select! {
            () = server.turned.notified() => server.found(),
            () = server.changed.notified() => {
                tokio::time::sleep(LOOK_PAUSE).await;
                server.look().await
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {
                server.revive().await;
                server.found()
            }
        };
        if let Some(listing) = listing {
            Registry::take(&registry, &name, listing).await;
        }
    }
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
        let registry = Arc::new(Registry {
            servers: known,
            catalogue: RwLock::new(catalogue),
            guard,
            first_seen: Mutex::default(),
            searched: Mutex::default(),
        });
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

    /// Tools that are not offered until somebody has looked at them.
    pub fn held(&self) -> Vec<Held> {
        self.registry.catalogue().held()
    }

    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    pub fn first_seen(&self) -> Vec<(String, usize)> {
        let seen = self.registry.first_seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Agrees to a tool as it is: it is offered from now on.
    ///
    /// # Errors
    /// When there is no such tool, or the pins cannot be written.
    pub fn agree(&self, server: &str, tool: &str) -> Result<(), String> {
        let spec = self.definition(server, tool);
        let spec = spec.ok_or_else(|| format!("server `{server}` offers no tool `{tool}`"))?;
        self.registry
            .guard
            .agree(server, tool, &spec)
            .map_err(|error| error.to_string())?;
        self.registry.changing().release(&spec);
        self.registry.to_be_read_again();
        Ok(())
    }

    /// The definition of a tool by its server and its name there, held back or not.
    pub fn definition(&self, server: &str, tool: &str) -> Option<ToolSpec> {
        let found = self.registry.catalogue().at(server, tool)?;
        Some(found.spec.clone())
    }

    /// Whether a call may run, by what it carries and what its caller has read; and what reading its
    /// result adds to that. A tool there is none of is denied.
    pub fn judge(&self, call: &ToolCall, exposure: &Exposure) -> Judgement {
        let tool = self.registry.catalogue().get(&call.name);
        let judged = tool.and_then(|tool| self.judged(&tool, &call.arguments, exposure));
        judged.unwrap_or_else(|| {
            let mut judgement = Judgement::from(Permission::Deny);
            for reason in &mut judgement.verdict.reasons {
                reason.why = self.unknown(&call.name);
            }
            judgement
        })
    }

    /// The same for a tool by its server and its name there; nothing when there is no such tool.
    pub fn judge_at(
        &self,
        server: &str,
        tool: &str,
        arguments: &Value,
        exposure: &Exposure,
    ) -> Option<Judgement> {
        let tool = self.registry.catalogue().at(server, tool)?;
        self.judged(&tool, arguments, exposure)
    }

    fn judged(
        &self,
        tool: &CataloguedTool,
        arguments: &Value,
        exposure: &Exposure,
    ) -> Option<Judgement> {
        let server = self.registry.servers.get(&tool.server)?;
        let guarded = Guarded {
            server: &tool.server,
            name: &tool.own_name,
            spec: &tool.spec,
            ours: server.is_built_in(),
            held: tool.held.as_ref(),
            suspicions: &tool.suspicions,
        };
        Some(self.registry.guard.judge(&guarded, arguments, exposure))
    }

    /// How a user lets a call run that came out like this.
    pub fn how_to_allow(&self, tool: &str, verdict: &Verdict) -> String {
        let origin = self.origin(tool).filter(|origin| !origin.built_in);
        let names = origin
            .as_ref()
            .map(|origin| (origin.server.as_str(), origin.name.as_str()));
        guard::how_to_allow(names, verdict)
    }

    /// Names of the tools that fit a request, best first; up to `count`. The first search reads all
    /// tools, which takes about a hundredth of a second for each.
    ///
    /// # Errors
    /// When they cannot be searched, in words.
    pub async fn find(&self, request: &str, count: usize) -> Result<Vec<String>, String> {
        let (changes, read) = {
            let searched = self.registry.searched();
            (searched.changes, searched.read.clone())
        };
        let catalogue = match read {
            Some(catalogue) => catalogue,
            None => {
                let tools = self.tools();
                let read = tokio::task::spawn_blocking(move || search::Catalogue::read(tools));
                let read = read.await.map_err(|error| error.to_string())?;
                let read = Arc::new(read?);
                let mut searched = self.registry.searched();
                // Of tools that changed meanwhile, nothing is kept.
                if searched.changes == changes {
                    searched.read = Some(Arc::clone(&read));
                }
                drop(searched);
                read
            }
        };
        let request = request.to_owned();
        let found = tokio::task::spawn_blocking(move || catalogue.find(&request, count)).await;
        let found = found.map_err(|error| error.to_string())?;
        found.map_err(|error| error.to_string())
    }

    /// Keeps what was seen of a call in the audit log, where there is one.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn witness(&self, seen: Seen) -> Result<(), String> {
        let Some(log) = self.registry.guard.audit().cloned() else {
            return Ok(());
        };
        let (server, tool) = match self.origin(&seen.tool) {
            Some(origin) => (origin.server, origin.name),
            None => (String::new(), seen.tool.clone()),
        };
        let kept = tokio::task::spawn_blocking(move || log.append(&server, &tool, seen)).await;
        match kept {
            Ok(kept) => kept.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
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
