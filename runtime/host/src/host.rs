//! Starts servers, lists their tools under one roof, calls them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents, Tool};
use ropewalk_core::tool::{Permission, ToolCall, ToolHints, ToolOutcome, ToolSpec};
use serde_json::{Map, Value};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::server::{CallPlan, Server};
use crate::summary::{ServerSummary, StartFailure, ToolOrigin, ToolProgress};
use crate::validation::ToolSchemas;

/// Longest tool name that every provider accepts.
const MAX_NAME: usize = 64;

/// Largest result, in bytes: of its text, and of its data as JSON.
const MAX_RESULT_BYTES: usize = 4 << 20;

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
            let outcome = Server::start(endpoint).await;
            (name, outcome)
        }));
        let mut host = Self {
            servers: BTreeMap::new(),
            tools: BTreeMap::new(),
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

    /// Every tool of every server, by name.
    pub fn tools(&self) -> Vec<ToolSpec> {
        self.tools.values().map(|tool| tool.spec.clone()).collect()
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

    /// Whether a tool may run without asking: the read-only tools of built-in servers, and what
    /// the configuration allows. A server's own word never widens this.
    pub fn permission(&self, tool: &str) -> Permission {
        let Some(tool) = self.tools.get(tool) else {
            return Permission::Ask;
        };
        let Some(server) = self.servers.get(&tool.server) else {
            return Permission::Ask;
        };
        let ours = server.is_built_in() && tool.spec.hints.read_only;
        if ours || server.allows(&tool.own_name) {
            Permission::Allow
        } else {
            Permission::Ask
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
        outcome(&call.name, tool, result)
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
        for tool in tools {
            let spec = spec_of(self.free_name(&name, &tool.name), &tool);
            let schemas = ToolSchemas::new(&spec.input_schema, spec.output_schema.as_ref());
            let own_name = tool.name.to_string();
            let entry = CataloguedTool {
                spec,
                server: name.clone(),
                own_name,
                schemas,
            };
            self.tools.insert(entry.spec.name.clone(), entry);
        }
        self.servers.insert(name, server);
    }

    /// `server__tool` in the characters every provider accepts, numbered when taken.
    fn free_name(&self, server: &str, tool: &str) -> String {
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
        if !self.tools.contains_key(&plain) {
            return plain;
        }
        let numbered = |number: u32| {
            let ending = format!("_{number}");
            let kept: String = plain.chars().take(MAX_NAME - ending.len()).collect();
            kept + &ending
        };
        (2..u32::MAX)
            .map(numbered)
            .find(|name| !self.tools.contains_key(name))
            .unwrap_or(plain)
    }
}

fn spec_of(name: String, tool: &Tool) -> ToolSpec {
    let hints = tool
        .annotations
        .as_ref()
        .map_or_else(ToolHints::default, |hints| {
            let read_only = hints.read_only_hint.unwrap_or(false);
            ToolHints {
                read_only,
                // What changes nothing destroys nothing, may be repeated, and need not say so.
                idempotent: read_only || hints.idempotent_hint.unwrap_or(false),
                destructive: !read_only && hints.destructive_hint.unwrap_or(true),
                open_world: hints.open_world_hint.unwrap_or(true),
            }
        });
    ToolSpec {
        name,
        description: tool.description.as_deref().unwrap_or_default().to_owned(),
        input_schema: Value::Object((*tool.input_schema).clone()),
        output_schema: tool
            .output_schema
            .as_deref()
            .map(|schema| Value::Object(schema.clone())),
        hints,
    }
}

fn outcome(
    name: &str,
    tool: &CataloguedTool,
    result: CallToolResult,
) -> Result<ToolOutcome, String> {
    let text = result
        .content
        .iter()
        .map(shown)
        .collect::<Vec<_>>()
        .join("\n");
    let data = result
        .structured_content
        .as_ref()
        .map_or(0, |data| data.to_string().len());
    let bytes = text.len().max(data);
    if bytes > MAX_RESULT_BYTES {
        return Err(format!(
            "`{name}` answered with {bytes} bytes, more than the {MAX_RESULT_BYTES} allowed; ask \
             it for less"
        ));
    }
    if result.is_error == Some(true) {
        return Err(if text.is_empty() {
            format!("`{name}` failed without a reason")
        } else {
            text
        });
    }
    let broken = match &result.structured_content {
        Some(data) => tool.schemas.output_problem(data),
        None if tool.schemas.promises_data() => Some("it gave no structured result".to_owned()),
        None => None,
    };
    if let Some(problem) = broken {
        return Err(format!(
            "server `{}` broke its own output schema for `{name}`: {problem}",
            tool.server
        ));
    }
    Ok(ToolOutcome::Ok {
        text,
        structured: result.structured_content,
    })
}

/// Text as it is, anything else by its kind and size.
fn shown(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => binary("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => binary("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { text, .. } => text.clone(),
            ResourceContents::BlobResourceContents {
                uri,
                mime_type,
                blob,
                ..
            } => binary(
                &format!("resource {uri}"),
                mime_type.as_deref().unwrap_or("?"),
                blob,
            ),
            _ => "[resource of an unknown kind]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("[resource {}]", link.uri),
        _ => "[content of an unknown kind]".to_owned(),
    }
}

/// `[image image/png 1234 bytes]`, from the base64 in which it comes.
fn binary(kind: &str, mime: &str, base64: &str) -> String {
    let bytes = base64.trim_end_matches('=').len() * 3 / 4;
    format!("[{kind} {mime} {bytes} bytes]")
}
