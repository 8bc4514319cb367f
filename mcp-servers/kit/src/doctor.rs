//! Whether a server is fit to be served: what it tells clients, and what it works on.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

use crate::schema;
use crate::server::ToolServer;

/// Most tools a server offers: each costs every conversation its definition.
pub const MAX_TOOLS: usize = 6;

/// Most characters of all definitions together, as JSON: 1,500 tokens. o200k_base, the tokenizer of
/// current hosted models, needs one token for 4.3 characters of such JSON.
pub const MAX_CHARACTERS: usize = 6_450;

/// Bytes in flight between the two ends of the trial connection.
const PIPE_BYTES: usize = 1 << 16;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What was found; or what is wrong, and how to mend it.
    pub outcome: Result<String, String>,
}

type Look = dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync;

/// Something a server of its own knows to look at.
#[derive(Clone)]
pub(crate) struct Check {
    what: Cow<'static, str>,
    look: Arc<Look>,
}

impl ToolServer {
    /// Adds something that [`ToolServer::examine`] looks at, such as the database behind the tools.
    #[must_use]
    pub fn check<F, Fut>(mut self, what: impl Into<Cow<'static, str>>, look: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.checks.push(Check {
            what: what.into(),
            look: Arc::new(move || look().boxed()),
        });
        self
    }

    /// Looks at the definitions, speaks to the server once in each protocol, and lets its own
    /// checks run.
    pub async fn examine(&self) -> Vec<Finding> {
        let found = |what: &str, outcome| Finding {
            what: what.to_owned(),
            outcome,
        };
        let mut findings = vec![
            found("tools", self.count()),
            found("definitions", self.size()),
            found("schemas", self.portable()),
        ];
        for version in ["2025-11-25", "2026-07-28"] {
            let outcome = self.speak(version).await;
            findings.push(found(&format!("MCP {version}"), outcome));
        }
        for check in &self.checks {
            findings.push(found(&check.what, (check.look)().await));
        }
        findings
    }

    fn count(&self) -> Result<String, String> {
        let tools = self.tools();
        let nameless: Vec<&str> = tools
            .iter()
            .filter(|tool| tool.meta.description.trim().is_empty())
            .map(|tool| &*tool.meta.name)
            .collect();
        if !nameless.is_empty() {
            return Err(format!(
                "{} have no description; say what each does and when to use it",
                nameless.join(", ")
            ));
        }
        match tools.len() {
            count if count > MAX_TOOLS => Err(format!(
                "{count} tools, where {MAX_TOOLS} are enough; put those together that are used \
                 together"
            )),
            count => Ok(format!("{count} tools")),
        }
    }

    fn size(&self) -> Result<String, String> {
        let characters = Value::from(self.definitions()).to_string().len();
        if characters > MAX_CHARACTERS {
            return Err(format!(
                "{characters} characters, more than the {MAX_CHARACTERS} that are about 1,500 \
                 tokens; shorten descriptions, drop arguments"
            ));
        }
        Ok(format!("{characters} of {MAX_CHARACTERS} characters"))
    }

    fn portable(&self) -> Result<String, String> {
        let odd: Vec<String> = self
            .tools()
            .iter()
            .filter(|tool| {
                let input = Value::Object((*tool.input).clone());
                Value::Object(schema::normalise(input.clone())) != input
            })
            .map(|tool| tool.meta.name.to_string())
            .collect();
        if odd.is_empty() {
            Ok("every client can read them".to_owned())
        } else {
            Err(format!(
                "some clients cannot read those of {}",
                odd.join(", ")
            ))
        }
    }

    /// One conversation over a pipe in this process.
    async fn speak(&self, version: &str) -> Result<String, String> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        tokio::spawn(self.clone().serve_io(theirs, stop));
        let (read, mut write) = tokio::io::split(ours);
        let mut lines = BufReader::new(read).lines();
        let client = json!({"name": "doctor", "version": env!("CARGO_PKG_VERSION")});
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": client,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let hello = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let messages = if version < "2026-07-28" {
            vec![
                json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
                json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
                json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
            ]
        } else {
            let parameters = json!({ "_meta": meta });
            vec![
                json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": parameters}),
                json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": parameters}),
            ]
        };
        let failed = |error: std::io::Error| format!("the connection broke: {error}");
        let mut answer = Value::Null;
        for message in messages {
            let line = format!("{message}\n");
            write.write_all(line.as_bytes()).await.map_err(failed)?;
            if message.get("id").is_some() {
                let line = lines.next_line().await.map_err(failed)?;
                let line = line.ok_or("the server hung up")?;
                answer = serde_json::from_str(&line).map_err(|error| error.to_string())?;
                if let Some(error) = answer.get("error") {
                    return Err(format!("{message} was answered with {error}"));
                }
            }
        }
        let listed = answer.pointer("/result/tools").and_then(Value::as_array);
        let listed = listed.map_or(0, Vec::len);
        if listed == self.tools().len() {
            Ok(format!("spoken; {listed} tools listed"))
        } else {
            Err(format!("{listed} tools listed of {}", self.tools().len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerIdentity;
    use crate::tool::ToolMeta;

    fn server(tools: usize, description: &'static str) -> ToolServer {
        let server = ToolServer::new(ServerIdentity {
            name: "s".to_owned(),
            title: "S".to_owned(),
            version: "1".to_owned(),
            instructions: String::new(),
        });
        for number in 0..tools {
            let meta = ToolMeta::reading(format!("t{number}"), "T", description);
            server.add_tool(meta, json!({}), None, |_, _| async { Ok(json!({})) });
        }
        server
    }

    #[tokio::test]
    async fn a_fit_server_is_found_fit() {
        let server = server(2, "Does a thing.").check("store", || async { Ok("open".to_owned()) });
        let findings = server.examine().await;
        assert!(
            findings.iter().all(|finding| finding.outcome.is_ok()),
            "{findings:?}"
        );
        assert_eq!(findings.last().unwrap().outcome, Ok("open".to_owned()));
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_with_its_remedy() {
        let wrong = |findings: Vec<Finding>| {
            let errors = findings
                .into_iter()
                .filter_map(|finding| finding.outcome.err());
            errors.collect::<Vec<_>>().join("\n")
        };
        let many = wrong(server(7, "Does a thing.").examine().await);
        assert!(many.contains("7 tools, where 6 are enough"), "{many}");
        let silent = wrong(server(1, " ").examine().await);
        assert!(silent.contains("t0 have no description"), "{silent}");
        let long: &'static str = Box::leak("word ".repeat(2_000).into_boxed_str());
        let large = wrong(server(1, long).examine().await);
        assert!(large.contains("shorten descriptions"), "{large}");
        let down = server(1, "Does a thing.").check("store", || async { Err("gone".to_owned()) });
        assert_eq!(wrong(down.examine().await), "gone");
    }
}
