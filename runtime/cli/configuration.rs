//! `ropewalk.toml` and the standard `mcpServers` JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use ropewalk_embed::Embedder;
use ropewalk_host::ServerConfig;
use ropewalk_host::config::parse_mcp_json;
use ropewalk_models::choose::{EngineConfig, EngineKind, Resources};
use ropewalk_models::registry::{Registry, RegistryError};
use serde::Deserialize;

use crate::arguments::Setup;
use crate::workplace;

/// Everything a user can set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// What does the reasoning.
    pub(crate) engine: EngineConfig,
    /// Other engines, for graphs, agents and engines that name them.
    pub(crate) engines: BTreeMap<String, EngineConfig>,
    /// MCP servers whose tools agents may use.
    pub(crate) servers: BTreeMap<String, ServerConfig>,
    /// Where vectors are kept, and what makes them.
    pub(crate) vector: VectorConfig,
    /// Where traces go.
    pub(crate) telemetry: TelemetryConfig,
    /// What becomes of runs.
    pub(crate) runs: RunsConfig,
}

impl Configuration {
    /// Its engines, with the one that the command line names as the default: a kind, or a name
    /// under `[engines]`. Nothing is loaded yet.
    pub(crate) fn engines(&self, named: Option<&str>) -> anyhow::Result<Arc<Registry>> {
        let kind = named.and_then(kind);
        let registry = match (named, kind) {
            (_, Some(kind)) => self.registry(&EngineConfig {
                kind,
                ..self.engine.clone()
            })?,
            (Some(name), None) => self.registry(&self.engine)?.prefer(name)?,
            (None, None) => self.registry(&self.engine)?,
        };
        Ok(Arc::new(registry))
    }

    fn registry(&self, default: &EngineConfig) -> Result<Registry, RegistryError> {
        let folder = self.vector.model_folder.clone();
        let resources = Resources {
            embedder: Arc::new(move || match &folder {
                Some(folder) => Embedder::open(folder),
                None => Embedder::shipped(),
            }),
            models: workplace::home().join("models"),
        };
        Registry::new(default, &self.engines, &resources)
    }
}

/// The kind of engine that a word means which needs no parts.
fn kind(name: &str) -> Option<EngineKind> {
    match name {
        "auto" => Some(EngineKind::Auto),
        "extractive" => Some(EngineKind::Extractive),
        "local" => Some(EngineKind::Local),
        "openai" => Some(EngineKind::OpenAi),
        _ => None,
    }
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
    configuration
        .registry(&configuration.engine)
        .map_err(|problem| anyhow!("ropewalk.toml: {problem}"))?;
    if let Some(path) = named_or_usual(setup.mcp.as_deref(), ".mcp.json") {
        for (name, server) in parse_mcp_json(&read(&path)?, &path)? {
            if !is_this_program(&server) {
                configuration.servers.entry(name).or_insert(server);
            }
        }
    }
    Ok(configuration)
}

/// Whether a server is what `ropewalk install` writes for other clients. Started from here, it would
/// read the same file and start itself, and so on without end.
fn is_this_program(server: &ServerConfig) -> bool {
    let command = server.command.as_deref().map(Path::new);
    let program = command.and_then(Path::file_stem);
    let everything = |argument: &String| argument == crate::install::EVERYTHING;
    program.is_some_and(|program| program == "ropewalk") && server.args.iter().any(everything)
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
