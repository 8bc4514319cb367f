//! Engines as a person writes them: `[engine]` and `[engines.NAME]` in `ropewalk.toml`.

use ropewalk_core::message::Sampling;
use ropewalk_infer::device::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::openai::OpenAiConfig;
use crate::route::by_request::RouteConfig;
use crate::route::cascade::CascadeConfig;

/// The share of a budget that is left when the cheaper engine takes over.
const DEFAULT_CHEAPER_BELOW: f64 = 0.2;

/// Which kind of engine a person asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// A configured endpoint, else a local model that is present, else quotations.
    #[default]
    Auto,
    /// An OpenAI-compatible endpoint.
    OpenAi,
    /// A model that runs in this program.
    Local,
    /// Quotations only, no language model.
    Extractive,
    /// Other engines, one after the other, until a reply will do.
    Cascade,
    /// Other engines, one of them by what is asked.
    Route,
    /// Other engines, the next one when one fails.
    Fallback,
}

/// A model that runs in this program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalConfig {
    /// A GGUF file, a folder with safetensors, or the name of a model that was pulled.
    pub model: String,
    /// A file with a chat template, in place of the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Tokens that request and reply may have together; the model's own when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Memory for what was read before, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mib: Option<u64>,
    /// Threads it computes with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Where it runs: `auto` when left out, which is an accelerator where this program was built
    /// for one and it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// Requests that may wait; more are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<usize>,
    /// Requests that are worked on at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<usize>,
    /// Sampling for requests that do not say otherwise.
    pub sampling: Sampling,
}

/// Other engines, the next one when one fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallbackConfig {
    /// Names of engines, the preferred first.
    pub engines: Vec<String>,
}

/// One engine. In a file the fields of its kind stand beside `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct EngineConfig {
    /// Which kind.
    pub kind: EngineKind,
    /// The engine that takes over when a budget runs low.
    pub cheaper: Option<String>,
    /// The share of the budget that is left then (0 to 1).
    pub cheaper_below: f64,
    /// How an endpoint is reached, when one is.
    pub openai: OpenAiConfig,
    /// How a local model is run, when one is.
    pub local: LocalConfig,
    /// The stages of a cascade.
    pub cascade: CascadeConfig,
    /// What a route goes by.
    pub route: RouteConfig,
    /// What a fallback is made of.
    pub fallback: FallbackConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self::of(EngineKind::Auto)
    }
}

impl EngineConfig {
    /// An engine of a kind, with nothing else said.
    pub fn of(kind: EngineKind) -> Self {
        Self {
            kind,
            cheaper: None,
            cheaper_below: DEFAULT_CHEAPER_BELOW,
            openai: OpenAiConfig::default(),
            local: LocalConfig::default(),
            cascade: CascadeConfig::default(),
            route: RouteConfig::default(),
            fallback: FallbackConfig::default(),
        }
    }

    /// The engines it is made of, by name.
    pub fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = match self.kind {
            EngineKind::Cascade => self.cascade.stages.iter().map(String::as_str).collect(),
            EngineKind::Route => self.route.engines(),
            EngineKind::Fallback => self.fallback.engines.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        parts.extend(self.cheaper.as_deref());
        parts
    }
}

// Flattening with serde would no longer refuse unknown fields, so the fields are parted by hand.
type Table = Map<String, Value>;

/// Fields that only a local model has.
const ONLY_LOCAL: [&str; 5] = ["cache_mib", "threads", "device", "queue", "parallel"];
/// Fields that an endpoint and a local model both have.
const BOTH: [&str; 3] = ["model", "context_tokens", "sampling"];

impl TryFrom<Table> for EngineConfig {
    type Error = serde_json::Error;

    fn try_from(mut table: Table) -> Result<Self, Self::Error> {
        let kind = match table.remove("kind") {
            Some(kind) => serde_json::from_value(kind)?,
            None => EngineKind::default(),
        };
        let mut config = Self::of(kind);
        if let Some(cheaper) = table.remove("cheaper") {
            config.cheaper = Some(serde_json::from_value(cheaper)?);
        }
        if let Some(share) = table.remove("cheaper_below") {
            config.cheaper_below = serde_json::from_value(share)?;
        }
        match kind {
            EngineKind::Cascade => config.cascade = serde_json::from_value(Value::Object(table))?,
            EngineKind::Route => config.route = serde_json::from_value(Value::Object(table))?,
            EngineKind::Fallback => {
                config.fallback = serde_json::from_value(Value::Object(table))?;
            }
            EngineKind::Local => config.local = serde_json::from_value(Value::Object(table))?,
            // One may be changed into the other on the command line, so that both are read.
            EngineKind::Auto | EngineKind::OpenAi | EngineKind::Extractive => {
                let (local, openai): (Table, Table) = table
                    .into_iter()
                    .partition(|(key, _)| ONLY_LOCAL.contains(&key.as_str()));
                let both = openai
                    .iter()
                    .filter(|(key, _)| BOTH.contains(&key.as_str()));
                let both = both.map(|(key, value)| (key.clone(), value.clone()));
                let local = local.into_iter().chain(both).collect();
                config.openai = serde_json::from_value(Value::Object(openai))?;
                config.local = serde_json::from_value(Value::Object(local))?;
            }
        }
        Ok(config)
    }
}

impl From<EngineConfig> for Table {
    fn from(config: EngineConfig) -> Self {
        let fields = |value: serde_json::Result<Value>| match value {
            Ok(Value::Object(table)) => table,
            _ => Table::new(),
        };
        let mut table = match config.kind {
            EngineKind::Cascade => fields(serde_json::to_value(&config.cascade)),
            EngineKind::Route => fields(serde_json::to_value(&config.route)),
            EngineKind::Fallback => fields(serde_json::to_value(&config.fallback)),
            EngineKind::Local => fields(serde_json::to_value(&config.local)),
            EngineKind::Auto | EngineKind::OpenAi | EngineKind::Extractive => {
                let mut table = fields(serde_json::to_value(&config.openai));
                let local = fields(serde_json::to_value(&config.local));
                let only = local.into_iter();
                table.extend(only.filter(|(key, _)| ONLY_LOCAL.contains(&key.as_str())));
                table
            }
        };
        if let Some(cheaper) = config.cheaper {
            table.insert("cheaper".to_owned(), Value::String(cheaper));
            table.insert("cheaper_below".to_owned(), config.cheaper_below.into());
        }
        if let Ok(kind) = serde_json::to_value(config.kind) {
            table.insert("kind".to_owned(), kind);
        }
        table
    }
}
