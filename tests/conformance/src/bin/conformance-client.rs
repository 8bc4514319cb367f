//! The client the official conformance suite tests, on our host.
//!
//! The suite starts a server and then this program with the server's address as the last argument.
//! It does what any user of the host does: starts it, lists the tools, calls each of them, and reads
//! what there is to read. What is to be called with which arguments comes from the context that the
//! suite gives, where it gives one, and otherwise from the tool's schema. The person at the desk
//! says yes to everything, and their browser follows the address it is given.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use ropewalk_core::tool::{ToolCall, ToolOutcome, ToolSpec};
use ropewalk_host::inquiry::{Answer, Desk, Inquiry, Wants};
use ropewalk_host::{Caller, Endpoint, Host, HostOptions, OauthConfig, ServerConfig};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// What the server is called here.
const SERVER: &str = "conformance";

/// The document that stands for this client where a server takes documents.
const CLIENT_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

/// The scenario in which schemas are given back as they came.
const ECHO: &str = "json-schema-2020-12-preservation";

/// How often every tool is called: a server may change between two calls.
const TURNS: usize = 2;

/// What the suite says besides the address.
struct Setting {
    scenario: String,
    context: Value,
}

impl Setting {
    fn read() -> anyhow::Result<Self> {
        let context = match std::env::var("MCP_CONFORMANCE_CONTEXT") {
            Ok(text) => serde_json::from_str(&text).context("MCP_CONFORMANCE_CONTEXT")?,
            Err(_) => Value::Null,
        };
        Ok(Self {
            scenario: std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default(),
            context,
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.context.get(name)?.as_str().map(str::to_owned)
    }

    fn server(&self, url: String) -> ServerConfig {
        let document = (self.scenario == "auth/basic-cimd").then(|| CLIENT_DOCUMENT.to_owned());
        ServerConfig {
            url: Some(url),
            oauth: OauthConfig {
                client_id: self.text("client_id"),
                client_secret: self.text("client_secret"),
                issuer: self.text("issuer"),
                client_metadata_url: document,
                ..OauthConfig::default()
            },
            timeout_s: Some(15),
            ..ServerConfig::default()
        }
    }

    /// The calls that the suite wants.
    fn calls(&self) -> Option<Vec<(String, Value)>> {
        let calls = self.context.get("toolCalls")?.as_array()?;
        let call = |call: &Value| {
            let name = call.get("name")?.as_str()?.to_owned();
            let arguments = call.get("arguments").cloned();
            Some((name, arguments.unwrap_or_else(|| json!({}))))
        };
        Some(calls.iter().filter_map(call).collect())
    }
}

/// Somebody who says yes, and whose browser does what it is told.
struct Willing {
    browser: reqwest::Client,
}

#[async_trait]
impl Desk for Willing {
    async fn ask(&self, inquiry: Inquiry) -> Answer {
        match inquiry.wants {
            Wants::Form { schema } => Answer::Accepted(required(&schema)),
            Wants::Url { url } => match self.browser.get(url).send().await {
                Ok(_) => Answer::Accepted(Map::new()),
                Err(error) => {
                    tracing::warn!(%error, "the browser did not get there");
                    Answer::Cancelled
                }
            },
        }
    }
}

/// The least that fits a schema: its required properties, without those that have a default.
fn required(schema: &Value) -> Map<String, Value> {
    let names = schema.get("required").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let property = |name: &str| schema.get("properties")?.get(name).cloned();
    names
        .filter_map(|name| Some((name.to_owned(), property(name)?)))
        .filter(|(_, property)| property.get("default").is_none())
        .map(|(name, property)| (name, example(&property)))
        .collect()
}

fn example(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|all| all.get(0)) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("number" | "integer") => json!(3),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => Value::Object(required(schema)),
        _ => json!("a"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let url = std::env::args()
        .next_back()
        .filter(|last| last.starts_with("http"))
        .context("give the address of the server as the last argument")?;
    let setting = Setting::read()?;
    let willing = Willing {
        browser: reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()?,
    };
    let options = HostOptions {
        desk: Arc::new(willing),
        ..HostOptions::default()
    };
    let server = setting.server(url);
    let servers = vec![(SERVER.to_owned(), Endpoint::Config(server))];
    let (host, failures) = Host::start(servers, options).await;
    if let Some(failure) = failures.first() {
        bail!("{failure}");
    }
    let called = call_all(&host, &setting).await;
    let read = read_all(&host).await;
    host.shutdown().await;
    called.and(read)
}

/// The schemas of the other tools, for a tool that takes one.
fn echo(tools: &[ToolSpec], tool: &ToolSpec) -> Vec<Value> {
    if tool.input_schema.pointer("/properties/schema").is_none() {
        return Vec::new();
    }
    let others = tools.iter().filter(|other| other.name != tool.name);
    others
        .map(|other| json!({"schema": other.input_schema}))
        .collect()
}

fn caller(cancel: &CancellationToken) -> Caller<'_> {
    Caller {
        key: None,
        cancel,
        progress: Arc::new(|_| {}),
        desk: None,
        payer: None,
    }
}

async fn read_all(host: &Host) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    let listed = host.resources(SERVER, caller(&cancel)).await;
    for resource in listed.map_err(anyhow::Error::msg)? {
        let read = host.read_resource(SERVER, &resource.uri, caller(&cancel));
        read.await.map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

async fn call_all(host: &Host, setting: &Setting) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    for _ in 0..TURNS {
        for tool in host.tools() {
            let own = host.origin(&tool.name).map(|origin| origin.name);
            let wanted: Vec<Value> = match setting.calls() {
                Some(calls) => calls
                    .into_iter()
                    .filter(|(name, _)| own.as_deref() == Some(name))
                    .map(|(_, arguments)| arguments)
                    .collect(),
                None if setting.scenario == ECHO => echo(&host.tools(), &tool),
                None => vec![Value::Object(required(&tool.input_schema))],
            };
            for arguments in wanted {
                let call = ToolCall {
                    id: "1".to_owned(),
                    name: tool.name.clone(),
                    arguments,
                };
                if let ToolOutcome::Error { message } = host.call(&call, caller(&cancel)).await {
                    bail!("{}: {message}", tool.name);
                }
            }
        }
    }
    Ok(())
}
