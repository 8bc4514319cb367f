//! Starts servers, lists their tools under one roof, calls them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rmcp::model::{CallToolResult, ContentBlock, Tool};
use ropewalk_core::tool::{Permission, ToolCall, ToolHints, ToolOutcome, ToolSpec};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::connection::Connection;
use crate::validation::ToolSchemas;

/// Longest tool name that every provider accepts.
const MAX_NAME: usize = 64;

/// Largest text of a result, in bytes.
const MAX_RESULT_BYTES: usize = 4 << 20;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a server is.
pub enum Endpoint {
    /// As configured: a command or a URL.
    Config(ServerConfig),
    /// A server of our own, a task in this process at the other end of the stream.
    BuiltIn(DuplexStream),
}

/// A server that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server `{server}` is left out: {reason}")]
pub struct StartFailure {
    /// Its name.
    pub server: String,
    /// What failed and what to do about it.
    pub reason: String,
}

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSummary {
    /// Its name.
    pub name: String,
    /// Whether it is one of ours, in this process.
    pub built_in: bool,
    /// The MCP version agreed on.
    pub protocol: String,
    /// How many tools it offers.
    pub tools: usize,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolProgress {
    /// Work done.
    pub done: f64,
    /// Work in all, where known.
    pub total: Option<f64>,
    /// What is being done.
    pub message: String,
}

struct Server {
    connection: Connection,
    built_in: bool,
    allow: Vec<String>,
    timeout: Duration,
}

struct CataloguedTool {
    spec: ToolSpec,
    server: String,
    /// Its name on the server.
    own_name: String,
    schemas: ToolSchemas,
}

/// The servers of a run and their tools.
pub struct Host {
    servers: BTreeMap<String, Server>,
    tools: BTreeMap<String, CataloguedTool>,
}

impl Host {
    /// Starts all servers at once. One that fails is reported and left out.
    pub async fn start(servers: Vec<(String, Endpoint)>) -> (Self, Vec<StartFailure>) {
        let started = join_all(servers.into_iter().map(|(name, endpoint)| async {
            let outcome = start_one(endpoint).await;
            (name, outcome)
        }));
        let mut host = Self { servers: BTreeMap::new(), tools: BTreeMap::new() };
        let mut failures = Vec::new();
        for (name, outcome) in started.await {
            match outcome {
                Ok((server, tools)) => host.add(name, server, tools),
                Err(reason) => {
                    tracing::warn!(server = name, reason, "server left out");
                    failures.push(StartFailure { server: name, reason });
                }
            }
        }
        (host, failures)
    }

    /// Every tool of every server, by name.
    pub fn tools(&self) -> Vec<ToolSpec> {
        self.tools.values().map(|tool| tool.spec.clone()).collect()
    }

    /// The servers that run, by name.
    pub fn servers(&self) -> Vec<ServerSummary> {
        let count = |name: &str| self.tools.values().filter(|tool| tool.server == name).count();
        self.servers
            .iter()
            .map(|(name, server)| ServerSummary {
                name: name.clone(),
                built_in: server.built_in,
                protocol: server.connection.protocol(),
                tools: count(name),
            })
            .collect()
    }

    /// Whether a tool may run without asking: the read-only tools of built-in servers, and what
    /// the configuration allows. A server's own word never widens this.
    pub fn permission(&self, tool: &str) -> Permission {
        let Some(tool) = self.tools.get(tool) else { return Permission::Ask };
        let Some(server) = self.servers.get(&tool.server) else { return Permission::Ask };
        let listed = server.allow.iter().any(|name| name == "*" || *name == tool.own_name);
        if listed || (server.built_in && tool.spec.hints.read_only) {
            Permission::Allow
        } else {
            Permission::Ask
        }
    }

    /// One call, checked before and after. Every failure is an outcome the model can read.
    pub async fn call(
        &self,
        call: &ToolCall,
        cancel: &CancellationToken,
        progress: Arc<dyn Fn(ToolProgress) + Send + Sync>,
    ) -> ToolOutcome {
        match self.try_call(call, cancel, progress).await {
            Ok(outcome) => outcome,
            Err(message) => ToolOutcome::Error { message },
        }
    }

    async fn try_call(
        &self,
        call: &ToolCall,
        cancel: &CancellationToken,
        progress: Arc<dyn Fn(ToolProgress) + Send + Sync>,
    ) -> Result<ToolOutcome, String> {
        let tool = self.tools.get(&call.name).ok_or_else(|| {
            let known: Vec<&str> = self.tools.keys().map(String::as_str).collect();
            format!("there is no tool `{}`; tools are: {}", call.name, known.join(", "))
        })?;
        let server = self
            .servers
            .get(&tool.server)
            .ok_or_else(|| format!("server `{}` is gone", tool.server))?;
        let Value::Object(arguments) = &call.arguments else {
            return Err(format!("the arguments of `{}` must be a JSON object", call.name));
        };
        if let Some(problem) = tool.schemas.input_problem(&call.arguments) {
            return Err(format!("the arguments of `{}` do not fit: {problem}", call.name));
        }
        let result = server
            .connection
            .call(&tool.own_name, arguments.clone(), server.timeout, cancel, progress)
            .await
            .map_err(|reason| format!("`{}`: {reason}", call.name))?;
        outcome(&call.name, tool, result)
    }

    /// Closes every connection and ends every child.
    pub async fn shutdown(self) {
        join_all(self.servers.into_values().map(|server| server.connection.close())).await;
    }

    fn add(&mut self, name: String, server: Server, tools: Vec<Tool>) {
        for tool in tools {
            let spec = spec_of(self.free_name(&name, &tool.name), &tool);
            let schemas = ToolSchemas::new(&spec.input_schema, spec.output_schema.as_ref());
            let own_name = tool.name.to_string();
            let entry = CataloguedTool { spec, server: name.clone(), own_name, schemas };
            self.tools.insert(entry.spec.name.clone(), entry);
        }
        self.servers.insert(name, server);
    }

    /// `server__tool` in the characters every provider accepts, numbered when taken.
    fn free_name(&self, server: &str, tool: &str) -> String {
        let plain: String = format!("{server}__{tool}")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
            .take(MAX_NAME)
            .collect();
        if !self.tools.contains_key(&plain) {
            return plain;
        }
        let numbered = |number: u32| {
            let ending = format!("_{number}");
            let kept: String = plain.chars().take(MAX_NAME - ending.len()).collect();
            kept + &ending
        };
        (2..u32::MAX).map(numbered).find(|name| !self.tools.contains_key(name)).unwrap_or(plain)
    }
}

async fn start_one(endpoint: Endpoint) -> Result<(Server, Vec<Tool>), String> {
    let (limit, timeout, allow, built_in) = match &endpoint {
        Endpoint::Config(config) => (
            config.start_timeout_s.map_or(START_TIMEOUT, Duration::from_secs),
            config.timeout_s.map_or(CALL_TIMEOUT, Duration::from_secs),
            config.allow.clone(),
            false,
        ),
        // Ingestion through a built-in server may take hours and reports progress.
        Endpoint::BuiltIn(_) => (START_TIMEOUT, Duration::from_secs(24 * 3600), Vec::new(), true),
    };
    let starting = async {
        let connection = match endpoint {
            Endpoint::Config(config) => Connection::open(&config).await?,
            Endpoint::BuiltIn(io) => Connection::duplex(io).await?,
        };
        let tools = connection.tools().await.map_err(|reason| format!("tools/list: {reason}"))?;
        Ok((Server { connection, built_in, allow, timeout }, tools))
    };
    tokio::time::timeout(limit, starting).await.unwrap_or_else(|_| {
        Err(format!("it did not start within {} s (raise `start_timeout_s`)", limit.as_secs()))
    })
}

fn spec_of(name: String, tool: &Tool) -> ToolSpec {
    let hints = tool.annotations.as_ref().map_or_else(ToolHints::default, |hints| ToolHints {
        read_only: hints.read_only_hint.unwrap_or(false),
        idempotent: hints.idempotent_hint.unwrap_or(false),
        destructive: hints.destructive_hint.unwrap_or(true),
        open_world: hints.open_world_hint.unwrap_or(true),
    });
    ToolSpec {
        name,
        description: tool.description.as_deref().unwrap_or_default().to_owned(),
        input_schema: Value::Object((*tool.input_schema).clone()),
        output_schema: tool.output_schema.as_deref().map(|schema| Value::Object(schema.clone())),
        hints,
    }
}

fn outcome(
    name: &str,
    tool: &CataloguedTool,
    result: CallToolResult,
) -> Result<ToolOutcome, String> {
    let text = result.content.iter().map(shown).collect::<Vec<_>>().join("\n");
    if text.len() > MAX_RESULT_BYTES {
        return Err(format!(
            "`{name}` answered with {} bytes, more than the {MAX_RESULT_BYTES} allowed; ask it for \
             less",
            text.len()
        ));
    }
    if result.is_error == Some(true) {
        return Err(text);
    }
    if let Some(structured) = &result.structured_content
        && let Some(problem) = tool.schemas.output_problem(structured)
    {
        return Err(format!(
            "server `{}` broke its own output schema for `{name}`: {problem}",
            tool.server
        ));
    }
    Ok(ToolOutcome::Ok { text, structured: result.structured_content })
}

fn shown(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[image {}]", image.mime_type),
        ContentBlock::Audio(audio) => format!("[audio {}]", audio.mime_type),
        ContentBlock::Resource(_) => "[embedded resource]".to_owned(),
        ContentBlock::ResourceLink(link) => format!("[resource {}]", link.uri),
        _ => "[content of an unknown kind]".to_owned(),
    }
}
