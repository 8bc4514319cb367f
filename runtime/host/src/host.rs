//! Starts servers, lists their tools under one roof, calls them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use rmcp::model::Tool;
use ropewalk_core::policy::{Exposure, Judgement, Verdict};
use ropewalk_core::secret;
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome, ToolSpec};
use ropewalk_core::untrusted::Suspicion;
use serde_json::{Map, Value};
use tokio::io::DuplexStream;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::audit::Seen;
use crate::config::ServerConfig;
use crate::guard::{self, Admission, Candidate, Guard, Guarded, Held, HeldBecause};
use crate::search::Catalogue;
use crate::server::{CallPlan, Server};
use crate::summary::{ServerSummary, StartFailure, ToolOrigin, ToolProgress};
use crate::translate::{outcome, spec_of};
use crate::validation::ToolSchemas;

/// Longest tool name that every provider accepts.
const MAX_NAME: usize = 64;

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

struct CataloguedTool {
    spec: ToolSpec,
    server: String,
    /// Its name on the server.
    own_name: String,
    schemas: ToolSchemas,
    /// Why it is not offered.
    held: Option<HeldBecause>,
    /// What in its definition looks like orders to a model.
    suspicions: Vec<Suspicion>,
}

/// The servers of a run and their tools.
pub struct Host {
    servers: BTreeMap<String, Server>,
    tools: BTreeMap<String, CataloguedTool>,
    guard: Guard,
    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    first_seen: Vec<(String, usize)>,
    /// Its tools to be searched, read when they first are.
    catalogue: OnceCell<Arc<Catalogue>>,
}

impl Host {
    /// Starts all servers at once. One that fails is reported and left out.
    pub async fn start(servers: Vec<(String, Endpoint)>) -> (Self, Vec<StartFailure>) {
        Self::start_guarded(servers, Guard::default()).await
    }

    /// The same, with a guard that every call passes.
    pub async fn start_guarded(
        servers: Vec<(String, Endpoint)>,
        guard: Guard,
    ) -> (Self, Vec<StartFailure>) {
        let guard = servers.iter().fold(guard, |guard, (name, endpoint)| {
            if let Endpoint::Config(config) = endpoint {
                secret::learn(config.secrets());
                guard.with_server(name, config)
            } else {
                guard
            }
        });
        let started = join_all(servers.into_iter().map(|(name, endpoint)| async {
            let outcome = Server::start(endpoint).await;
            (name, outcome)
        }));
        let mut host = Self {
            servers: BTreeMap::new(),
            tools: BTreeMap::new(),
            guard,
            first_seen: Vec::new(),
            catalogue: OnceCell::new(),
        };
        let mut failures = Vec::new();
        for (name, outcome) in started.await {
            match outcome {
                Ok(_) if host.servers.contains_key(&name) => {
                    let reason = "there is another server of that name; rename one".to_owned();
                    failures.push(StartFailure {
                        server: name,
                        reason,
                    });
                }
                Ok((server, tools)) => host.add(name, server, tools),
                Err(reason) => {
                    tracing::warn!(server = name, reason, "server left out");
                    failures.push(StartFailure {
                        server: name,
                        reason,
                    });
                }
            }
        }
        (host, failures)
    }

    /// Every tool of every server, by name, but for those that are held back.
    pub fn tools(&self) -> Vec<ToolSpec> {
        let offered = self.tools.values().filter(|tool| tool.held.is_none());
        offered.map(|tool| tool.spec.clone()).collect()
    }

    /// Tools that are not offered until somebody has looked at them.
    pub fn held(&self) -> Vec<Held> {
        let held = self.tools.values().filter_map(|tool| {
            Some(Held {
                server: tool.server.clone(),
                tool: tool.own_name.clone(),
                because: tool.held.clone()?,
            })
        });
        held.collect()
    }

    /// Servers that were seen for the first time, with how many of their tools were agreed to.
    pub fn first_seen(&self) -> &[(String, usize)] {
        &self.first_seen
    }

    /// Agrees to a tool as it is: it is offered from now on.
    ///
    /// # Errors
    /// When there is no such tool, or the pins cannot be written.
    pub fn agree(&mut self, server: &str, tool: &str) -> Result<(), String> {
        let mut tools = self.tools.values_mut();
        let found = tools.find(|found| found.server == server && found.own_name == tool);
        let found = found.ok_or_else(|| format!("server `{server}` offers no tool `{tool}`"))?;
        self.guard
            .agree(server, tool, &found.spec)
            .map_err(|error| error.to_string())?;
        found.held = None;
        self.catalogue = OnceCell::new();
        Ok(())
    }

    /// The definition of a tool by its server and its name there, held back or not.
    pub fn definition(&self, server: &str, tool: &str) -> Option<&ToolSpec> {
        let mut tools = self.tools.values();
        let found = tools.find(|found| found.server == server && found.own_name == tool);
        found.map(|found| &found.spec)
    }

    /// The servers that run, by name.
    pub fn servers(&self) -> Vec<ServerSummary> {
        let count = |name: &str| {
            self.tools
                .values()
                .filter(|tool| tool.server == name)
                .count()
        };
        self.servers
            .iter()
            .map(|(name, server)| ServerSummary {
                name: name.clone(),
                built_in: server.is_built_in(),
                protocol: server.protocol().to_owned(),
                tools: count(name),
            })
            .collect()
    }

    /// Whether a call may run, by what it carries and what its caller has read; and what reading its
    /// result adds to that. A tool there is none of is denied.
    pub fn judge(&self, call: &ToolCall, exposure: &Exposure) -> Judgement {
        match self.guarded(&call.name) {
            Some(tool) => self.guard.judge(&tool, &call.arguments, exposure),
            None => {
                let mut judgement = Judgement::from(Permission::Deny);
                for reason in &mut judgement.verdict.reasons {
                    reason.why = self.unknown(&call.name);
                }
                judgement
            }
        }
    }

    /// The same for a tool by its server and its name there; nothing when there is no such tool.
    pub fn judge_at(
        &self,
        server: &str,
        tool: &str,
        arguments: &Value,
        exposure: &Exposure,
    ) -> Option<Judgement> {
        let name = &self.definition(server, tool)?.name;
        let tool = self.guarded(name)?;
        Some(self.guard.judge(&tool, arguments, exposure))
    }

    fn guarded(&self, name: &str) -> Option<Guarded<'_>> {
        let tool = self.tools.get(name)?;
        let server = self.servers.get(&tool.server)?;
        Some(Guarded {
            server: &tool.server,
            name: &tool.own_name,
            spec: &tool.spec,
            ours: server.is_built_in(),
            held: tool.held.as_ref(),
            suspicions: &tool.suspicions,
        })
    }

    /// How a user lets a call run that came out like this.
    pub fn how_to_allow(&self, tool: &str, verdict: &Verdict) -> String {
        let origin = self.origin(tool).filter(|origin| !origin.built_in);
        guard::how_to_allow(origin.map(|origin| (origin.server, origin.name)), verdict)
    }

    /// Names of the tools that fit a request, best first; up to `count`. The first search reads all
    /// tools, which takes about a hundredth of a second for each.
    ///
    /// # Errors
    /// When they cannot be searched, in words.
    pub async fn find(&self, request: &str, count: usize) -> Result<Vec<String>, String> {
        let tools = || self.tools();
        let read = self.catalogue.get_or_try_init(|| async {
            let tools = tools();
            let read = tokio::task::spawn_blocking(move || Catalogue::read(tools)).await;
            read.map_err(|error| error.to_string())?.map(Arc::new)
        });
        let catalogue = Arc::clone(read.await?);
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
        let Some(log) = self.guard.audit().cloned() else {
            return Ok(());
        };
        let (server, tool) = match self.origin(&seen.tool) {
            Some(origin) => (origin.server.to_owned(), origin.name.to_owned()),
            None => (String::new(), seen.tool.clone()),
        };
        let kept = tokio::task::spawn_blocking(move || log.append(&server, &tool, seen)).await;
        match kept {
            Ok(kept) => kept.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where a tool comes from; `None` when there is no such tool.
    pub fn origin(&self, tool: &str) -> Option<ToolOrigin<'_>> {
        let tool = self.tools.get(tool)?;
        let server = self.servers.get(&tool.server)?;
        Some(ToolOrigin {
            server: &tool.server,
            name: &tool.own_name,
            built_in: server.is_built_in(),
        })
    }

    /// One call, checked before and after. Every failure is an outcome the model can read. A key
    /// travels with it, so that a server that knows it can answer twice with one effect.
    pub async fn call(
        &self,
        call: &ToolCall,
        key: Option<&str>,
        cancel: &CancellationToken,
        progress: Arc<dyn Fn(ToolProgress) + Send + Sync>,
    ) -> ToolOutcome {
        match self.try_call(call, key, cancel, progress).await {
            Ok(outcome) => outcome,
            Err(message) => ToolOutcome::Error { message },
        }
    }

    async fn try_call(
        &self,
        call: &ToolCall,
        key: Option<&str>,
        cancel: &CancellationToken,
        progress: Arc<dyn Fn(ToolProgress) + Send + Sync>,
    ) -> Result<ToolOutcome, String> {
        let tool = self
            .tools
            .get(&call.name)
            .ok_or_else(|| self.unknown(&call.name))?;
        let server = self
            .servers
            .get(&tool.server)
            .ok_or_else(|| format!("server `{}` is gone", tool.server))?;
        if tool.held.is_some() {
            return Err(format!(
                "`{}` is held back until somebody has looked at it: ropewalk policy approve {}.{}",
                call.name, tool.server, tool.own_name
            ));
        }
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
            key,
            cancel,
            progress,
        };
        let result = server.call(plan).await.map_err(|reason| {
            format!("`{}` of server `{}`: {reason}", tool.own_name, tool.server)
        })?;
        outcome(&call.name, &tool.server, &tool.schemas, result)
    }

    /// What to say to a caller of a tool that does not exist: near names first.
    fn unknown(&self, name: &str) -> String {
        let mut known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
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
        join_all(self.servers.into_values().map(Server::close)).await;
    }

    fn add(&mut self, name: String, server: Server, mut tools: Vec<Tool>) {
        // Names that must be numbered get the same numbers every time.
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        tools.dedup_by(|a, b| a.name == b.name);
        let ours = server.is_built_in();
        let mut specs: Vec<(String, ToolSpec)> = Vec::new();
        for tool in tools {
            let spec = spec_of(self.free_name(&name, &tool.name, &specs), &tool);
            specs.push((tool.name.to_string(), spec));
        }
        let candidates: Vec<Candidate<'_>> = specs
            .iter()
            .map(|(tool, spec)| Candidate { tool, spec })
            .collect();
        let mut admission = Admission::default();
        if !ours {
            admission = self.guard.admit(&name, &candidates);
        }
        if admission.first > 0 {
            self.first_seen.push((name.clone(), admission.first));
        }
        for (own_name, spec) in specs {
            let schemas = ToolSchemas::new(&spec.input_schema, spec.output_schema.as_ref());
            let suspicions = match ours {
                true => Vec::new(),
                false => self.guard.suspicions(&name, &spec),
            };
            let entry = CataloguedTool {
                held: admission.held.remove(&own_name),
                spec,
                server: name.clone(),
                own_name,
                schemas,
                suspicions,
            };
            self.tools.insert(entry.spec.name.clone(), entry);
        }
        self.servers.insert(name, server);
    }

    /// `server__tool` in the characters every provider accepts, numbered when taken.
    fn free_name(&self, server: &str, tool: &str, beside: &[(String, ToolSpec)]) -> String {
        let taken = |name: &str| {
            self.tools.contains_key(name) || beside.iter().any(|(_, spec)| spec.name == name)
        };
        let plain: String = format!("{server}__{tool}")
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .take(MAX_NAME)
            .collect();
        if !taken(&plain) {
            return plain;
        }
        let numbered = |number: u32| {
            let ending = format!("_{number}");
            let kept: String = plain.chars().take(MAX_NAME - ending.len()).collect();
            kept + &ending
        };
        (2..u32::MAX)
            .map(numbered)
            .find(|name| !taken(name))
            .unwrap_or(plain)
    }
}
