//! `ropewalk.toml` and the standard `mcpServers` JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use ropewalk_host::ServerConfig;
use ropewalk_host::config::parse_mcp_json;
use ropewalk_models::choose::EngineConfig;
use serde::Deserialize;

use crate::arguments::Setup;

/// Everything a user can set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// What does the reasoning.
    pub(crate) engine: EngineConfig,
    /// MCP servers whose tools agents may use.
    pub(crate) servers: BTreeMap<String, ServerConfig>,
    /// Where vectors are kept, and what makes them.
    pub(crate) vector: VectorConfig,
    /// Where traces go.
    pub(crate) telemetry: TelemetryConfig,
    /// What becomes of runs.
    pub(crate) runs: RunsConfig,
}

/// What becomes of runs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunsConfig {
    /// Days after which runs that have ended are removed; kept for good when left out.
    pub(crate) keep_days: Option<f64>,
}

/// Where traces go: nowhere, unless it says so.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetryConfig {
    /// An OTLP collector over HTTP: `http://localhost:4318`.
    pub(crate) otlp: Option<String>,
}

/// Where vectors are kept, and what makes them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VectorConfig {
    /// A Qdrant server; embedded Qdrant Edge when left out.
    pub(crate) url: Option<String>,
    /// Environment variable with its API key.
    pub(crate) api_key_env: Option<String>,
    /// Folder of a BERT-family embedding model; the shipped one when left out.
    pub(crate) model_folder: Option<PathBuf>,
}

/// Reads the files that were named, or those at their usual places.
pub(crate) fn load(setup: &Setup) -> anyhow::Result<Configuration> {
    let mut configuration = match named_or_usual(setup.config.as_deref(), "ropewalk.toml") {
        None => Configuration::default(),
        Some(path) => {
            let text = read(&path)?;
            // The TOML reader names line and column, and shows the line.
            toml::from_str(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?
        }
    };
    for (name, server) in &configuration.servers {
        server
            .check()
            .map_err(|problem| anyhow!("ropewalk.toml: [servers.{name}]: {problem}"))?;
    }
    if let Some(path) = named_or_usual(setup.mcp.as_deref(), ".mcp.json") {
        for (name, server) in parse_mcp_json(&read(&path)?, &path)? {
            configuration.servers.entry(name).or_insert(server);
        }
    }
    Ok(configuration)
}

fn named_or_usual(named: Option<&Path>, usual: &str) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from(usual)).filter(|path| path.is_file()),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
