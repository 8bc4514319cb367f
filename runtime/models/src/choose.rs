//! Which engine answers, and why.

use std::sync::Arc;

use ropewalk_embed::{EmbedError, Embedder};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineError};
use crate::extractive::Extractive;
use crate::openai::{DEFAULT_BASE_URL, OpenAi, OpenAiConfig};

/// Which kind of engine a person asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// A configured endpoint, else quotations.
    #[default]
    Auto,
    /// An OpenAI-compatible endpoint.
    OpenAi,
    /// Quotations only, no language model.
    Extractive,
}

/// The engine to use: `[engine]` in `ropewalk.toml`.
///
/// `kind` stands beside the fields of [`OpenAiConfig`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml_like::Table", into = "toml_like::Table")]
pub struct EngineConfig {
    /// Which kind.
    pub kind: EngineKind,
    /// How an endpoint is reached, when one is.
    pub openai: OpenAiConfig,
}

/// The flat form of [`EngineConfig`] in a file. Flattening with serde would no longer refuse
/// unknown fields, so the fields are parted by hand.
mod toml_like {
    use super::{EngineConfig, EngineKind, OpenAiConfig};
    use serde_json::{Map, Value};

    pub(super) type Table = Map<String, Value>;

    impl TryFrom<Table> for EngineConfig {
        type Error = serde_json::Error;

        fn try_from(mut table: Table) -> Result<Self, Self::Error> {
            let kind = match table.remove("kind") {
                Some(kind) => serde_json::from_value(kind)?,
                None => EngineKind::default(),
            };
            let openai: OpenAiConfig = serde_json::from_value(Value::Object(table))?;
            Ok(Self { kind, openai })
        }
    }

    impl From<EngineConfig> for Table {
        fn from(config: EngineConfig) -> Self {
            let mut table = match serde_json::to_value(&config.openai) {
                Ok(Value::Object(table)) => table,
                _ => Table::new(),
            };
            if let Ok(kind) = serde_json::to_value(config.kind) {
                table.insert("kind".to_owned(), kind);
            }
            table
        }
    }
}

/// An engine, and a sentence that says which and why.
pub struct Chosen {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// For people: `extractive, because no endpoint is configured`.
    pub reason: String,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chosen")
            .field("engine", &self.engine.info().id)
            .field("reason", &self.reason)
            .finish()
    }
}

/// The engine a configuration asks for. The embedding model is asked for only by the extractive
/// engine: `choose(&config, Embedder::shipped)`.
///
/// # Errors
/// An endpoint that is asked for and cannot be set up: no key, no model, no address.
pub fn choose(
    config: &EngineConfig,
    embedder: impl FnOnce() -> Result<Embedder, EmbedError>,
) -> Result<Chosen, EngineError> {
    let embedder = || {
        embedder().map_err(|error| EngineError::Internal {
            engine: "extractive".to_owned(),
            message: error.to_string(),
        })
    };
    let quoting = |reason: &str, embedder: Embedder| Chosen {
        engine: Arc::new(Extractive::new(embedder)),
        reason: format!("extractive, because {reason}"),
    };
    match config.kind {
        EngineKind::Extractive => Ok(quoting("the configuration asks for it", embedder()?)),
        EngineKind::OpenAi => remote(config, "the configuration asks for it"),
        EngineKind::Auto if !config.openai.model.is_empty() => {
            remote(config, "a model is configured")
        }
        EngineKind::Auto if config.openai.base_url != DEFAULT_BASE_URL => {
            // Half a configuration is a mistake, not a wish for the default.
            remote(config, "an endpoint is configured")
        }
        EngineKind::Auto => Ok(quoting(
            "no model is configured (set `model`, and `base_url` for an endpoint of your own, \
             under [engine])",
            embedder()?,
        )),
    }
}

fn remote(config: &EngineConfig, why: &str) -> Result<Chosen, EngineError> {
    let engine = OpenAi::new(config.openai.clone())?;
    let reason = format!(
        "{} at {}, because {why}",
        engine.info().id,
        config.openai.base_url
    );
    Ok(Chosen {
        engine: Arc::new(engine),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(value: serde_json::Value) -> EngineConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn auto_takes_a_configured_endpoint_and_else_quotes() {
        let none = choose(&config(json!({})), Embedder::shipped).unwrap();
        assert_eq!(none.engine.info().id, "extractive");
        assert!(
            none.reason.contains("no model is configured"),
            "{}",
            none.reason
        );
        let local = json!({"base_url": "http://127.0.0.1:9/v1", "model": "m"});
        let some = choose(&config(local), Embedder::shipped).unwrap();
        assert_eq!(some.engine.info().id, "openai:m");
        assert!(some.reason.contains("127.0.0.1"), "{}", some.reason);
    }

    #[test]
    fn half_a_configuration_is_an_error() {
        let half = config(json!({"base_url": "http://127.0.0.1:9/v1"}));
        let error = choose(&half, Embedder::shipped).unwrap_err();
        assert!(error.to_string().contains("no model"), "{error}");
    }

    #[test]
    fn the_table_reads_from_toml_and_a_wrong_field_is_named_with_its_place() {
        #[derive(Debug, serde::Deserialize)]
        struct File {
            engine: EngineConfig,
        }
        let text =
            "[engine]\nmodel = \"m\"\nmax_retries = 1\n[engine.sampling]\ntemperature = 0.5\n";
        let file: File = toml::from_str(text).unwrap();
        assert_eq!(file.engine.kind, EngineKind::Auto);
        assert_eq!(file.engine.openai.max_retries, 1);
        assert_eq!(file.engine.openai.sampling.temperature, Some(0.5));
        let error = toml::from_str::<File>("[engine]\nmodle = \"m\"\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line") && text.contains("modle"), "{text}");
    }

    #[test]
    fn unknown_fields_are_refused_and_a_configuration_survives_a_round_trip() {
        let wrong = serde_json::from_value::<EngineConfig>(json!({"modle": "x"}));
        assert!(wrong.unwrap_err().to_string().contains("modle"));
        let all = config(json!({"kind": "openai", "model": "m", "idle_timeout": 3}));
        assert_eq!(config(serde_json::to_value(&all).unwrap()), all);
    }
}
