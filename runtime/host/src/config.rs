//! Servers as a person writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::HostError;

/// One MCP server: a command to start, or a URL to call.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Program to start; it speaks MCP on standard input and output.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables it gets besides the few every program needs.
    pub env: BTreeMap<String, String>,
    /// Folder it starts in.
    pub cwd: Option<PathBuf>,
    /// Address of a server that speaks streamable HTTP.
    pub url: Option<String>,
    /// HTTP headers sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Environment variable that holds the bearer token for `url`.
    pub bearer_env: Option<String>,
    /// Seconds it may take to start.
    pub start_timeout_s: Option<u64>,
    /// Seconds a call may take.
    pub timeout_s: Option<u64>,
    /// Tools that may run without asking; `*` means all of them.
    pub allow: Vec<String>,
    /// Left out when true.
    pub disabled: bool,
    /// Kind of transport, as some clients write it; `command` or `url` already says it.
    #[serde(rename = "type")]
    pub transport: Option<String>,
}

impl ServerConfig {
    /// Says what is wrong with an entry that names neither or both of `command` and `url`.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn check(&self) -> Result<(), String> {
        match (&self.command, &self.url) {
            (None, None) => Err("write either `command` or `url`".to_owned()),
            (Some(_), Some(_)) => Err("write `command` or `url`, not both".to_owned()),
            (Some(command), None) if command.trim().is_empty() => {
                Err("`command` is empty".to_owned())
            }
            (None, Some(url)) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                Err(format!("`url` must start with http:// or https://, not `{url}`"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the standard JSON of MCP clients: `{"mcpServers": {...}}`, or `servers` as VS Code has it.
/// `${NAME}` and `${env:NAME}` are replaced from the environment.
///
/// # Errors
/// Broken JSON (with line and column), an entry that cannot be used, a variable that is not set.
pub fn parse_mcp_json(
    text: &str,
    path: &Path,
) -> Result<BTreeMap<String, ServerConfig>, HostError> {
    let shown = path.display().to_string();
    let root: Value = serde_json::from_str(text).map_err(|error| HostError::Json {
        path: shown.clone(),
        line: error.line(),
        column: error.column(),
        message: error.to_string(),
    })?;
    let Some(servers) = root.get("mcpServers").or_else(|| root.get("servers")) else {
        return Err(HostError::Json {
            path: shown,
            line: 1,
            column: 1,
            message: "no `mcpServers` (or `servers`) object".to_owned(),
        });
    };
    let entries: BTreeMap<String, Value> =
        serde_json::from_value(servers.clone()).map_err(|error| HostError::Json {
            path: shown.clone(),
            line: 1,
            column: 1,
            message: format!("`mcpServers` must be an object of servers: {error}"),
        })?;
    let mut configs = BTreeMap::new();
    for (server, mut entry) in entries {
        let refuse = |message: String| HostError::Server {
            path: shown.clone(),
            server: server.clone(),
            message,
        };
        expand(&mut entry, &|name| std::env::var(name).ok()).map_err(|name| {
            refuse(format!("the environment variable {name} is not set; set it, or remove it"))
        })?;
        let config: ServerConfig =
            serde_json::from_value(entry).map_err(|error| refuse(error.to_string()))?;
        config.check().map_err(refuse)?;
        configs.insert(server, config);
    }
    Ok(configs)
}

/// Replaces `${NAME}` in every string; the error is the first name that is not set.
fn expand(value: &mut Value, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            *text = expand_text(text, lookup)?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| expand(item, lookup)),
        Value::Object(map) => map.values_mut().try_for_each(|item| expand(item, lookup)),
        _ => Ok(()),
    }
}

fn expand_text(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        out.push_str(&lookup(name).ok_or_else(|| name.to_owned())?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<BTreeMap<String, ServerConfig>, HostError> {
        parse_mcp_json(text, Path::new(".mcp.json"))
    }

    #[test]
    fn both_spellings_of_the_standard_file_are_read() {
        let standard = r#"{"mcpServers": {"a": {"command": "run", "args": ["-x"], "type": "stdio"}}}"#;
        assert_eq!(parse(standard).unwrap()["a"].command.as_deref(), Some("run"));
        let code = r#"{"servers": {"b": {"url": "http://localhost:1/mcp", "type": "http"}}}"#;
        assert_eq!(parse(code).unwrap()["b"].url.as_deref(), Some("http://localhost:1/mcp"));
    }

    #[test]
    fn broken_files_name_the_place() {
        let error = parse("{\n  \"mcpServers\": {,\n}").unwrap_err().to_string();
        assert!(error.starts_with(".mcp.json: line 2, column 18"), "{error}");
        let error = parse("{}").unwrap_err().to_string();
        assert!(error.contains("no `mcpServers`"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": {"args": []}}}"#).unwrap_err().to_string();
        assert!(error.contains("server `a`: write either `command` or `url`"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": {"comand": "x"}}}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `comand`"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": {"command": "${RW_NOT_SET}"}}}"#).unwrap_err();
        assert!(error.to_string().contains("RW_NOT_SET is not set"), "{error}");
    }

    #[test]
    fn variables_are_replaced_in_both_spellings() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(expand_text("x${A}y${env:A}${", &lookup).unwrap(), "x1y1${");
        assert_eq!(expand_text("${B}", &lookup).unwrap_err(), "B");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }
    }
}
