//! `ropewalk.toml` and the standard `mcpServers` JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use ropewalk_core::policy::Policy;
use ropewalk_core::secret;
use ropewalk_embed::Embedder;
use ropewalk_host::ServerConfig;
use ropewalk_host::config::parse_mcp_json;
use ropewalk_models::choose::{EngineConfig, EngineKind, Resources};
use ropewalk_models::registry::{Registry, RegistryError};
use ropewalk_sql::guard::Rules;
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
    /// Which calls of tools run, ask, or are refused.
    pub(crate) policy: PolicyConfig,
    /// Where vectors are kept, and what makes them.
    pub(crate) vector: VectorConfig,
    /// Databases that are asked, by their names.
    pub(crate) databases: BTreeMap<String, DatabaseConfig>,
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

    /// Values that are nobody else's business: what the configuration takes from the environment, and
    /// what stands there under names of secrets.
    fn secrets(&self) -> Vec<String> {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        let mut found: Vec<String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .filter(|(name, _)| secret::is_secret_name(name))
            .map(|(_, value)| value)
            .collect();
        let engines = self.engines.values().chain([&self.engine]);
        let named = engines.filter_map(|engine| engine.openai.key_env.clone());
        let named = named.chain(self.vector.api_key_env.clone());
        found.extend(named.filter_map(|name| std::env::var(name).ok()));
        found.extend(self.servers.values().flat_map(ServerConfig::secrets));
        found.extend(self.databases.values().flat_map(DatabaseConfig::secrets));
        found
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

/// A database that is asked, and what of it.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DatabaseConfig {
    /// sqlite:PATH, postgres://…, or the path of a file.
    pub(crate) url: Option<String>,
    /// Environment variable with the address, where it holds a password.
    pub(crate) url_env: Option<String>,
    /// File of its semantic layer.
    pub(crate) semantics: Option<PathBuf>,
    /// Most rows of an answer.
    pub(crate) max_rows: Option<usize>,
    /// Seconds a statement may take.
    pub(crate) seconds: Option<f64>,
    /// Most rows the database may think it has to look at for a statement.
    pub(crate) max_cost: Option<f64>,
    /// What may be read.
    pub(crate) rules: Rules,
}

impl DatabaseConfig {
    /// Its address.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        match (&self.url, &self.url_env) {
            (Some(url), None) => Ok(url.clone()),
            (None, Some(variable)) => std::env::var(variable)
                .map_err(|_| anyhow!("the environment variable {variable} is not set")),
            _ => Err(anyhow!("give it either `url` or `url_env`")),
        }
    }

    /// The passwords in its address.
    fn secrets(&self) -> Vec<String> {
        self.address()
            .map_or(Vec::new(), |address| passwords(&address))
    }
}

/// Whatever of it, an address with a password is not shown.
impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig").finish_non_exhaustive()
    }
}

/// The password of an address, as it stands there and as it is meant.
pub(crate) fn passwords(address: &str) -> Vec<String> {
    let user = address.split_once("://").and_then(|(_, rest)| {
        let authority = rest.split(['/', '?']).next()?;
        Some(authority.rsplit_once('@')?.0)
    });
    let password = user.and_then(|user| Some(user.split_once(':')?.1));
    let password = password.filter(|password| !password.is_empty());
    password.map_or(Vec::new(), |password| {
        let meant = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
        vec![password.to_owned(), meant.into_owned()]
    })
}

/// What becomes of runs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunsConfig {
    /// Days after which runs that have ended are removed; kept for good when left out.
    pub(crate) keep_days: Option<f64>,
}

/// Which calls of tools run, ask, or are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PolicyConfig {
    /// Files of rules, and folders with them; `policy`, where there is one, when left out.
    pub(crate) files: Option<Vec<PathBuf>>,
    /// What they say.
    #[serde(skip)]
    pub(crate) rules: Policy,
}

impl PolicyConfig {
    /// The files of rules there are, in the order in which they are read.
    pub(crate) fn paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        let usual = || vec![PathBuf::from("policy")];
        let named = self.files.clone().unwrap_or_else(usual);
        let mut found = Vec::new();
        for path in named {
            if path.is_dir() {
                found.extend(files_in(&path)?);
            } else if path.is_file() {
                found.push(path);
            } else if self.files.is_some() {
                // Rules that are missed are rules that nobody keeps.
                anyhow::bail!(
                    "{}: there is no such file; `files` under [policy] names it",
                    path.display()
                );
            }
        }
        Ok(found)
    }

    fn read(&mut self) -> anyhow::Result<()> {
        for path in self.paths()? {
            let rules = Policy::parse(&read(&path)?, &path.display().to_string())?;
            self.rules = std::mem::take(&mut self.rules).and(rules);
        }
        Ok(())
    }
}

fn files_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read {}", folder.display()))?
            .path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
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
    let mut configuration = without_rules(setup)?;
    configuration.policy.read()?;
    Ok(configuration)
}

/// The same, with rules named and not read.
pub(crate) fn without_rules(setup: &Setup) -> anyhow::Result<Configuration> {
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
    secret::learn(configuration.secrets());
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

/// Makes known what is secret, whatever the command: also one that needs no configuration may print
/// or keep it.
pub(crate) fn learn_secrets() {
    secret::learn(Configuration::default().secrets());
    // What is wrong with the files is said where they are needed.
    let usual = Setup {
        config: None,
        mcp: None,
    };
    let _ = without_rules(&usual);
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
