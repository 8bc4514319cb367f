//! Servers as a person writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jsonc_parser::ParseOptions;
use ropewalk_core::secret;
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
    /// Whether you vouch for what it says of its tools: that one only reads, or reaches nothing
    /// outside.
    pub vouched: bool,
    /// Left out when true.
    pub disabled: bool,
    /// Kind of transport, as some clients write it; `command` or `url` already says it.
    #[serde(rename = "type")]
    pub transport: Option<String>,
}

/// The fields of [`ServerConfig`].
const FIELDS: [&str; 13] = [
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "headers",
    "bearer_env",
    "start_timeout_s",
    "timeout_s",
    "allow",
    "vouched",
    "disabled",
    "type",
];

impl ServerConfig {
    /// Values in it that are nobody else's business: the token, and what stands under names of
    /// secrets.
    pub fn secrets(&self) -> Vec<String> {
        let named = self.env.iter().chain(&self.headers);
        let named = named.filter(|(name, _)| secret::is_secret_name(name));
        let mut found: Vec<String> = named.map(|(_, value)| value.clone()).collect();
        // Of `Bearer TOKEN` the token alone is secret as well.
        let parts = found.iter().filter_map(|value| value.split_once(' '));
        let parts: Vec<String> = parts.map(|(_, token)| token.to_owned()).collect();
        found.extend(parts);
        let token = self
            .bearer_env
            .as_ref()
            .and_then(|name| std::env::var(name).ok());
        found.extend(token);
        found
    }

    /// Says what is wrong with an entry that names neither or both of `command` and `url`.
    ///
    /// # Errors
    /// With what to write instead.
    pub fn check(&self) -> Result<(), String> {
        if self.timeout_s == Some(0) || self.start_timeout_s == Some(0) {
            return Err("a timeout of 0 seconds lets nothing through; write 1 or more".to_owned());
        }
        match (&self.command, &self.url) {
            (None, None) => Err("write either `command` or `url`".to_owned()),
            (Some(_), Some(_)) => Err("write `command` or `url`, not both".to_owned()),
            (Some(command), None) if command.trim().is_empty() => {
                Err("`command` is empty".to_owned())
            }
            (None, Some(url)) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                Err(format!(
                    "`url` must start with http:// or https://, not `{url}`"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Nesting at which a file is refused: the parser descends by recursion.
const MAX_DEPTH: usize = 128;

/// JSON as editors write it: comments and trailing commas are passed over.
fn json_with_comments(text: &str, path: &str) -> Result<Value, HostError> {
    let refused = |line: usize, column: usize, message: String| HostError::Json {
        path: path.to_owned(),
        line,
        column,
        message,
    };
    let mut depth = 0_usize;
    for (number, line) in (1..).zip(text.lines()) {
        for (column, byte) in (1..).zip(line.bytes()) {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                let message = format!("nested more than {MAX_DEPTH} deep");
                return Err(refused(number, column, message));
            }
        }
    }
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    jsonc_parser::parse_to_serde_value(text, &options).map_err(|error| {
        let message = format!("not JSON: {}", error.kind());
        refused(error.line_display(), error.column_display(), message)
    })
}

/// Reads the standard JSON of MCP clients: `{"mcpServers": {...}}`, or `servers` as VS Code has it.
/// Comments and trailing commas are passed over.
/// `${NAME}`, `${env:NAME}` and `${NAME:-default}` are replaced from the environment. Settings that
/// only other clients know are passed over with a warning.
///
/// # Errors
/// Broken JSON (with line and column), an entry that cannot be used, a variable that is not set.
pub fn parse_mcp_json(
    text: &str,
    path: &Path,
) -> Result<BTreeMap<String, ServerConfig>, HostError> {
    let shown = path.display().to_string();
    let text = text.trim_start_matches('\u{feff}');
    let root = json_with_comments(text, &shown)?;
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
        if entry.get("disabled") == Some(&Value::Bool(true)) {
            // What it would need need not be there.
            configs.insert(
                server,
                ServerConfig {
                    disabled: true,
                    ..ServerConfig::default()
                },
            );
            continue;
        }
        let foreign = take_foreign(&mut entry);
        expand(&mut entry, &|name| std::env::var(name).ok()).map_err(|name| {
            refuse(format!(
                "the environment variable {name} is not set; set it, or remove it"
            ))
        })?;
        let config: ServerConfig =
            serde_json::from_value(entry).map_err(|error| refuse(error.to_string()))?;
        config.check().map_err(|problem| {
            let unknown = foreign
                .iter()
                .map(|name| format!("; unknown field `{name}`"));
            refuse(problem + &unknown.collect::<String>())
        })?;
        if !foreign.is_empty() {
            tracing::warn!(
                file = shown,
                server,
                ?foreign,
                "settings of other clients have no effect"
            );
        }
        configs.insert(server, config);
    }
    Ok(configs)
}

/// Takes out the settings that are none of ours.
fn take_foreign(entry: &mut Value) -> Vec<String> {
    let Value::Object(map) = entry else {
        return Vec::new();
    };
    let foreign: Vec<String> = map
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .cloned()
        .collect();
    map.retain(|name, _| FIELDS.contains(&name.as_str()));
    foreign
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
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (name, None),
        };
        out.push_str(&lookup(name).or(default).ok_or_else(|| name.to_owned())?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;

    fn parse(text: &str) -> Result<BTreeMap<String, ServerConfig>, HostError> {
        parse_mcp_json(text, Path::new(".mcp.json"))
    }

    #[test]
    fn both_spellings_of_the_standard_file_are_read() {
        let standard =
            r#"{"mcpServers": {"a": {"command": "run", "args": ["-x"], "type": "stdio"}}}"#;
        assert_eq!(
            parse(standard).unwrap()["a"].command.as_deref(),
            Some("run")
        );
        let code = r#"{"servers": {"b": {"url": "http://localhost:1/mcp", "type": "http"}}}"#;
        assert_eq!(
            parse(code).unwrap()["b"].url.as_deref(),
            Some("http://localhost:1/mcp")
        );
    }

    #[test]
    fn comments_and_trailing_commas_are_passed_over() {
        let text =
            "// Servers\n{\"servers\": {\n  /* one */ \"a\": {\"command\": \"x //y\",},\n}}\n";
        assert_eq!(parse(text).unwrap()["a"].command.as_deref(), Some("x //y"));
        let deep = format!("{{\"servers\": {}", "[".repeat(100_000));
        let error = parse(&deep).unwrap_err().to_string();
        assert!(error.contains("nested more than 128 deep"), "{error}");
        let loose = parse("{servers: {}}").unwrap_err().to_string();
        assert!(loose.starts_with(".mcp.json: line 1, column 2"), "{loose}");
    }

    #[test]
    fn broken_files_name_the_place() {
        let error = parse("{\n  \"mcpServers\": {,\n}").unwrap_err().to_string();
        assert!(error.starts_with(".mcp.json: line 2, column 18"), "{error}");
        let error = parse("{}").unwrap_err().to_string();
        assert!(error.contains("no `mcpServers`"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": {"args": []}}}"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("server `a`: write either `command` or `url`"),
            "{error}"
        );
        let error = parse(r#"{"mcpServers": {"a": {"comand": "x"}}}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("unknown field `comand`"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": {"command": ["x"]}}}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("server `a`: invalid type"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": 3}}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("server `a`"), "{error}");
        let error = parse(r#"{"mcpServers": {"a": {"url": "file:///x"}}}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("must start with http"), "{error}");
        let zero = r#"{"mcpServers": {"a": {"command": "x", "timeout_s": 0}}}"#;
        assert!(parse(zero).unwrap_err().to_string().contains("0 seconds"));
        let error = parse(r#"{"mcpServers": {"a": {"command": "${RW_NOT_SET}"}}}"#).unwrap_err();
        assert!(
            error.to_string().contains("RW_NOT_SET is not set"),
            "{error}"
        );
    }

    #[test]
    fn variables_are_replaced_in_both_spellings() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(expand_text("x${A}y${env:A}${", &lookup).unwrap(), "x1y1${");
        assert_eq!(expand_text("${B}", &lookup).unwrap_err(), "B");
        assert_eq!(expand_text("${B:-b}${A:-b}${B:-}", &lookup).unwrap(), "b1");
    }

    #[test]
    fn every_field_is_known_and_those_of_other_clients_are_passed_over() {
        let all: Map<String, Value> = FIELDS
            .iter()
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect();
        // A null fits no field that is not optional; an unknown field would be named first.
        let error = serde_json::from_value::<ServerConfig>(Value::Object(all)).unwrap_err();
        assert!(!error.to_string().contains("unknown field"), "{error}");
        let error = serde_json::from_str::<ServerConfig>(r#"{"x": 1}"#)
            .unwrap_err()
            .to_string();
        let quoted: Vec<String> = FIELDS.iter().map(|name| format!("`{name}`")).collect();
        assert!(quoted.iter().all(|name| error.contains(name)), "{error}");
        assert_eq!(
            error.matches('`').count(),
            2 * (FIELDS.len() + 1),
            "{error}"
        );
        let foreign = r#"{"mcpServers": {"a": {"command": "x", "alwaysAllow": ["y"]}}}"#;
        assert_eq!(parse(foreign).unwrap()["a"].command.as_deref(), Some("x"));
    }

    #[test]
    fn a_disabled_server_needs_nothing() {
        let text = r#"{"mcpServers": {"a": {"disabled": true, "command": "${RW_NOT_SET}"}}}"#;
        assert!(parse(text).unwrap()["a"].disabled);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,200}") {
            let _ = parse(&text);
            let _ = expand_text(&text, &|_| None);
        }

        #[test]
        fn any_entry_is_answered(
            field in prop::sample::select(FIELDS.to_vec()),
            value in "\\PC{0,20}|[{\\[]|[0-9]{1,3}|\\$\\{[A-Z:{}-]{0,6}",
        ) {
            let quoted = Value::from(value.clone());
            for value in [value, quoted.to_string()] {
                let _ = parse(&format!("{{\"servers\": {{\"a\": {{\"{field}\": {value}}}}}}}"));
            }
        }
    }
}
