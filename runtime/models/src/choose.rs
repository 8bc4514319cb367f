//! Which engine a configuration comes to, and why.

mod config;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ropewalk_embed::{EmbedError, Embedder};

pub use self::config::{EngineConfig, EngineKind, FallbackConfig, LocalConfig};
use crate::engine::{Engine, EngineError, EngineInfo};
use crate::extractive::Extractive;
use crate::hub::registry;
use crate::local::{self, Local};
use crate::openai::{DEFAULT_BASE_URL, OpenAi};

/// Makes the embedding model when something needs it: the extractive engine, a route with labels.
pub type MakeEmbedder = Arc<dyn Fn() -> Result<Embedder, EmbedError> + Send + Sync>;

/// What engines are built with, beside their configuration.
#[derive(Clone)]
pub struct Resources {
    /// Makes the embedding model.
    pub embedder: MakeEmbedder,
    /// Where local models are kept.
    pub models: PathBuf,
}

impl Resources {
    /// The shipped embedding model, and a folder of local models.
    pub fn shipped(models: impl Into<PathBuf>) -> Self {
        Self {
            embedder: Arc::new(Embedder::shipped),
            models: models.into(),
        }
    }
}

/// What a configuration comes to on this machine, before anything is loaded.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// The endpoint it names.
    OpenAi,
    /// A model in this program: where it is, or its name.
    Local(String),
    /// Quotations.
    Extractive,
    /// Engines that it is made of.
    Composed,
}

/// Which engine, and a sentence that says why.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Which.
    pub choice: Choice,
    /// For people: `extractive, because no model is configured`.
    pub reason: String,
}

/// What a configuration comes to. `auto` is a configured endpoint, else a local model that is
/// named or in the folder of models, else quotations.
pub fn choose(config: &EngineConfig, models: &Path) -> Chosen {
    let asked = "the configuration asks for it";
    let remote = |why: &str| Chosen {
        choice: Choice::OpenAi,
        reason: format!(
            "openai:{} at {}, because {why}",
            config.openai.model, config.openai.base_url
        ),
    };
    let local = |model: String, why: &str| Chosen {
        reason: format!("{}, because {why}", local::id_of(Path::new(&model))),
        choice: Choice::Local(model),
    };
    let quoting = |why: &str| Chosen {
        choice: Choice::Extractive,
        reason: format!("extractive, because {why}"),
    };
    match config.kind {
        EngineKind::Extractive => quoting(asked),
        EngineKind::OpenAi => remote(asked),
        EngineKind::Local if config.local.model.is_empty() => match registry::first(models) {
            Some((model, of)) => local(
                model.display().to_string(),
                &format!("it is the first of {of} in {}", models.display()),
            ),
            None => local(String::new(), asked),
        },
        EngineKind::Local => local(config.local.model.clone(), asked),
        EngineKind::Cascade | EngineKind::Route | EngineKind::Fallback => Chosen {
            choice: Choice::Composed,
            reason: format!("{}, because {asked}", config.parts().join(", ")),
        },
        EngineKind::Auto => {
            let model = &config.openai.model;
            let elsewhere = config.openai.base_url != DEFAULT_BASE_URL;
            if !elsewhere && registry::is_a_model(Path::new(model)) {
                return local(model.clone(), "`model` is a file or a folder");
            }
            if !model.is_empty() {
                return remote("a model is configured");
            }
            if elsewhere {
                // Half a configuration is a mistake, not a wish for the default.
                return remote("an endpoint is configured");
            }
            match registry::first(models) {
                Some((model, of)) => local(
                    model.display().to_string(),
                    &format!(
                        "no endpoint is configured and it is the first of {of} in {}",
                        models.display()
                    ),
                ),
                None => quoting(&format!(
                    "no model is configured (set `model`, and `base_url` for an endpoint of your \
                     own, under [engine]) and none is in {}",
                    models.display()
                )),
            }
        }
    }
}

/// What is known of an engine before it is built.
pub(crate) fn expected(config: &EngineConfig, choice: &Choice) -> EngineInfo {
    let able = EngineInfo {
        tools: true,
        structured_output: true,
        streaming: true,
        ..EngineInfo::default()
    };
    match choice {
        Choice::OpenAi => EngineInfo {
            id: format!("openai:{}", config.openai.model),
            context_tokens: config.openai.context_tokens,
            charges: config.openai.input_price > 0.0 || config.openai.output_price > 0.0,
            ..able
        },
        Choice::Local(model) => EngineInfo {
            id: local::id_of(Path::new(&model)),
            context_tokens: config.local.context_tokens,
            ..able
        },
        Choice::Extractive | Choice::Composed => EngineInfo {
            id: "extractive".to_owned(),
            tools: true,
            ..EngineInfo::default()
        },
    }
}

/// Builds an engine that is made of no others.
///
/// # Errors
/// An endpoint that cannot be set up: no key, no model, no address. A local model that cannot be
/// loaded.
pub(crate) fn build(
    config: &EngineConfig,
    choice: &Choice,
    resources: &Resources,
) -> Result<Arc<dyn Engine>, EngineError> {
    match choice {
        Choice::OpenAi => Ok(Arc::new(OpenAi::new(config.openai.clone())?)),
        Choice::Local(model) => local(config, model, resources),
        Choice::Extractive => {
            let embedder = (resources.embedder)().map_err(|error| EngineError::Internal {
                engine: "extractive".to_owned(),
                message: error.to_string(),
            })?;
            Ok(Arc::new(Extractive::new(embedder)))
        }
        Choice::Composed => Err(EngineError::BadRequest {
            engine: "engine".to_owned(),
            message: "an engine made of others is built from them".to_owned(),
        }),
    }
}

/// A model in this program: a path, or the name of one in the folder of models.
fn local(
    config: &EngineConfig,
    model: &str,
    resources: &Resources,
) -> Result<Arc<dyn Engine>, EngineError> {
    if model.is_empty() {
        return Err(EngineError::BadRequest {
            engine: "local".to_owned(),
            message: format!(
                "no model: set `model` under [engine] to a GGUF file or a folder with safetensors, \
                 or pull one into {} with `ropewalk models pull OWNER/REPO`",
                resources.models.display()
            ),
        });
    }
    let path = registry::find(&resources.models, model).unwrap_or_else(|| PathBuf::from(model));
    Ok(Arc::new(Local::open(&path, &config.local)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn config(value: serde_json::Value) -> EngineConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn auto_takes_an_endpoint_then_a_local_model_and_else_quotes() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        let none = choose(&config(json!({})), &models);
        assert_eq!(none.choice, Choice::Extractive);
        assert!(
            none.reason.contains("no model is configured"),
            "{}",
            none.reason
        );
        let endpoint = config(json!({"base_url": "http://127.0.0.1:9/v1", "model": "m"}));
        let remote = choose(&endpoint, &models);
        assert_eq!(remote.choice, Choice::OpenAi);
        assert!(remote.reason.contains("127.0.0.1"), "{}", remote.reason);
        fs::create_dir_all(models.join("org/b")).unwrap();
        fs::write(models.join("org/b/config.json"), "{}").unwrap();
        fs::write(models.join("org/b/model.safetensors"), "").unwrap();
        fs::write(models.join("notes.txt"), "").unwrap();
        fs::write(models.join("c.gguf"), "").unwrap();
        let local = choose(&config(json!({"threads": 2})), &models);
        assert_eq!(
            local.choice,
            Choice::Local(models.join("c.gguf").display().to_string())
        );
        assert!(
            local.reason.starts_with("local:c, because no endpoint")
                && local.reason.contains("of 2"),
            "{}",
            local.reason
        );
        assert_eq!(choose(&endpoint, &models).choice, Choice::OpenAi);
        let named = models.join("c.gguf").display().to_string();
        let named = choose(&config(json!({"model": named})), Path::new("nowhere"));
        assert!(named.reason.contains("is a file"), "{}", named.reason);
    }

    #[test]
    fn half_a_configuration_is_an_error() {
        let half = config(json!({"base_url": "http://127.0.0.1:9/v1"}));
        let chosen = choose(&half, Path::new("nowhere"));
        let error = build(&half, &chosen.choice, &Resources::shipped("nowhere"));
        let error = error.err().unwrap().to_string();
        assert!(error.contains("no model"), "{error}");
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
        for all in [
            json!({"kind": "openai", "model": "m", "idle_timeout": 3, "cheaper": "small"}),
            json!({"kind": "local", "model": "m.gguf", "cache_mib": 64, "parallel": 2}),
            json!({"kind": "cascade", "stages": ["a", "b"], "confidence": 0.5, "refuse": ["x"]}),
            json!({"kind": "fallback", "engines": ["a", "b"]}),
            json!({"kind": "route", "default": "a", "rules": [{"engine": "b", "tools": true}],
                "classes": {"code": {"engine": "b", "examples": ["write a function"]}}}),
        ] {
            let all = config(all);
            assert_eq!(config(serde_json::to_value(&all).unwrap()), all);
        }
        for wrong in [
            json!({"kind": "cascade", "stages": [], "model": "m"}),
            json!({"kind": "route", "rules": [{"engine": "b", "tool": true}]}),
            json!({"kind": "local", "base_url": "http://127.0.0.1"}),
            json!({"kind": "oracle"}),
        ] {
            let read = serde_json::from_value::<EngineConfig>(wrong.clone());
            assert!(read.is_err(), "{wrong}");
        }
    }
}
