//! Engines by name, each built when it is first needed, and once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::choose::{self, Choice, EngineConfig, EngineKind, Resources};
use crate::engine::{Cheaper, Engine, EngineError, EngineInfo};
use crate::fallback::Fallback;
use crate::lazy::Lazy;
use crate::route::by_request::ByRequest;
use crate::route::cascade::Cascade;

/// What the engine under `[engine]` is called.
pub const DEFAULT: &str = "default";
/// The engine that needs no configuration.
const EXTRACTIVE: &str = "extractive";

/// What is wrong with the engines of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A name that nobody could use.
    #[error(
        "[engines.{name}]: an engine cannot be called that; give letters, digits, `-` and `_`, and \
         neither `default` nor the name of a kind"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// An engine is made of one that does not exist.
    #[error("[engines.{within}]: there is no engine `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// Where it is named.
        within: String,
        /// What is named.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// There is no engine of a name that was asked for.
    #[error("there is no engine `{name}`; there are: {}", known.join(", "))]
    NotThere {
        /// The name.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Engines are made of each other.
    #[error("[engines]: {} is made of itself", path.join(" -> "))]
    Circle {
        /// From the one to itself.
        path: Vec<String>,
    },
    /// A share that is none.
    #[error("[engines.{name}]: `cheaper_below` is {share}; give a number from 0 to 1")]
    Share {
        /// Whose.
        name: String,
        /// What is written.
        share: String,
    },
}

/// The engines of a configuration.
pub struct Registry {
    engines: BTreeMap<String, Lazy>,
    /// Why the default is what it is.
    reason: String,
    /// What is wrong with engines that are made of others, by name.
    problems: Vec<(String, String)>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("engines", &self.engines)
            .field("reason", &self.reason)
            .finish()
    }
}

impl Registry {
    /// The engines of a configuration: that of `[engine]` and those of `[engines.NAME]`. Nothing
    /// is loaded yet.
    ///
    /// # Errors
    /// A name that cannot be used, an engine that names one that does not exist, or itself.
    pub fn new(
        default: &EngineConfig,
        named: &BTreeMap<String, EngineConfig>,
        resources: &Resources,
    ) -> Result<Self, RegistryError> {
        let mut configs = named.clone();
        for name in named.keys() {
            let sound = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            if name.is_empty() || !name.chars().all(sound) || is_reserved(name) {
                return Err(RegistryError::Name { name: name.clone() });
            }
        }
        configs.insert(DEFAULT.to_owned(), default.clone());
        let extractive = EngineConfig::of(EngineKind::Extractive);
        configs.insert(EXTRACTIVE.to_owned(), extractive);
        let mut building = Building {
            configs: &configs,
            resources,
            engines: BTreeMap::new(),
            path: Vec::new(),
            problems: Vec::new(),
        };
        for name in configs.keys() {
            building.engine(name)?;
        }
        let (mut engines, problems) = (building.engines, building.problems);
        for (name, config) in configs
            .iter()
            .filter(|(_, config)| config.kind == EngineKind::Route)
        {
            for (label, class) in &config.route.classes {
                if let Some(engine) = engines.get(&class.engine).cloned() {
                    engines.insert(format!("{name}/{label}"), engine);
                }
            }
        }
        Ok(Self {
            engines,
            reason: choose::choose(default, &resources.models).reason,
            problems,
        })
    }

    /// The same engines with another of them as the default.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn prefer(mut self, name: &str) -> Result<Self, RegistryError> {
        let engine = self
            .get(Some(name))
            .ok_or_else(|| RegistryError::NotThere {
                name: name.to_owned(),
                known: self.names(),
            })?;
        self.reason = format!("{}, because `{name}` was asked for", engine.info().id);
        self.engines.insert(DEFAULT.to_owned(), engine);
        Ok(self)
    }

    /// What is wrong with engines that are made of others, by name: no stages, a pattern that is
    /// none. Each says so when it is asked, too.
    pub fn problems(&self) -> &[(String, String)] {
        &self.problems
    }

    /// Every name that an engine is known by.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.engines.keys().cloned().collect();
        for also in self.also_default() {
            if !names.contains(&also) {
                names.push(also);
            }
        }
        names
    }

    /// What the default engine is called as well: its kind, and its whole id.
    fn also_default(&self) -> Vec<String> {
        let Some(default) = self.engines.get(DEFAULT) else {
            return Vec::new();
        };
        let id = default.info().id.clone();
        let kind = id.split_once(':').map_or(id.as_str(), |(kind, _)| kind);
        vec![kind.to_owned(), id]
    }

    /// The engine of a name, or the default.
    pub fn get(&self, name: Option<&str>) -> Option<Lazy> {
        let name = name.unwrap_or(DEFAULT);
        let named = self.engines.get(name);
        let default = || {
            let also = self.also_default().iter().any(|also| also == name);
            self.engines.get(DEFAULT).filter(|_| also)
        };
        named.or_else(default).cloned()
    }

    /// A sentence that says which engine is the default, and why.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Words that mean something of their own where an engine is named.
fn is_reserved(name: &str) -> bool {
    let kind = serde_json::from_value::<EngineKind>(serde_json::Value::String(name.to_owned()));
    name == DEFAULT || kind.is_ok()
}

struct Building<'a> {
    configs: &'a BTreeMap<String, EngineConfig>,
    resources: &'a Resources,
    engines: BTreeMap<String, Lazy>,
    /// What is being put together, outermost first.
    path: Vec<String>,
    problems: Vec<(String, String)>,
}

impl Building<'_> {
    fn engine(&mut self, name: &str) -> Result<Lazy, RegistryError> {
        if let Some(engine) = self.engines.get(name) {
            return Ok(engine.clone());
        }
        let within = self.path.last().cloned().unwrap_or_default();
        let Some(config) = self.configs.get(name) else {
            return Err(RegistryError::Unknown {
                within,
                name: name.to_owned(),
                known: self.configs.keys().cloned().collect(),
            });
        };
        self.path.push(name.to_owned());
        if let Some(begin) = self.path.iter().position(|outer| outer == name)
            && begin + 1 < self.path.len()
        {
            let path = self.path.split_off(begin);
            return Err(RegistryError::Circle { path });
        }
        if !(0.0..=1.0).contains(&config.cheaper_below) {
            return Err(RegistryError::Share {
                name: name.to_owned(),
                share: config.cheaper_below.to_string(),
            });
        }
        let mut parts: BTreeMap<String, Arc<dyn Engine>> = BTreeMap::new();
        for part in config.parts() {
            parts.insert(part.to_owned(), Arc::new(self.engine(part)?));
        }
        self.path.pop();
        let engine = self.lazy(name, config, parts);
        self.engines.insert(name.to_owned(), engine.clone());
        Ok(engine)
    }

    fn lazy(
        &mut self,
        name: &str,
        config: &EngineConfig,
        parts: BTreeMap<String, Arc<dyn Engine>>,
    ) -> Lazy {
        let cheaper = config.cheaper.as_ref();
        let cheaper = cheaper
            .and_then(|cheaper| parts.get(cheaper))
            .map(|engine| Cheaper {
                below: config.cheaper_below,
                engine: Arc::clone(engine),
            });
        let (name, config, resources) = (name.to_owned(), config.clone(), self.resources.clone());
        let choice = choose::choose(&config, &resources.models).choice;
        match choice {
            Choice::Composed => {
                let trial = composed(&name, &config, &parts, &resources);
                if let Err(error) = &trial {
                    self.problems.push((name.clone(), error.to_string()));
                }
                let expected = trial.as_ref().map_or_else(
                    // What is wrong with it is said when it is asked.
                    |_| EngineInfo {
                        id: name.clone(),
                        ..EngineInfo::default()
                    },
                    |engine| engine.info().clone(),
                );
                Lazy::with_cheaper(expected, cheaper, move || {
                    composed(&name, &config, &parts, &resources)
                })
            }
            choice => {
                let expected = choose::expected(&config, &choice);
                Lazy::with_cheaper(expected, cheaper, move || {
                    choose::build(&config, &choice, &resources)
                })
            }
        }
    }
}

/// Builds an engine that is made of others.
fn composed(
    name: &str,
    config: &EngineConfig,
    parts: &BTreeMap<String, Arc<dyn Engine>>,
    resources: &Resources,
) -> Result<Arc<dyn Engine>, EngineError> {
    let in_order = |names: &[String]| -> Vec<Arc<dyn Engine>> {
        names
            .iter()
            .filter_map(|name| parts.get(name).cloned())
            .collect()
    };
    match config.kind {
        EngineKind::Cascade => {
            let stages = in_order(&config.cascade.stages);
            Ok(Arc::new(Cascade::new(name, &config.cascade, stages)?))
        }
        EngineKind::Route => {
            let embedder = Arc::clone(&resources.embedder);
            let route = ByRequest::new(name, &config.route, parts.clone(), embedder)?;
            Ok(Arc::new(route))
        }
        EngineKind::Fallback => {
            let engines = in_order(&config.fallback.engines);
            Ok(Arc::new(Fallback::new(engines)))
        }
        kind => Err(EngineError::BadRequest {
            engine: name.to_owned(),
            message: format!("an engine of kind {kind:?} is made of no others"),
        }),
    }
}
