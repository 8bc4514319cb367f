//! Definitions by name: those in the user's folders first, then those in the program.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::graph::definition::GraphDefinition;
use ropewalk_core::graph::diagnostic::Diagnostic;
use ropewalk_core::graph::library::{Found, Library};
use ropewalk_core::graph::source::Source;
use ropewalk_core::graph::{Compiled, compile_text, yaml};
use ropewalk_core::prompt::PromptDefinition;
use ropewalk_core::tool::ToolSpec;

use crate::services::{Engines, Functions, Services};

static AGENTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../agents");
static GRAPHS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../graphs");
static PROMPTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../prompts");

/// Longest definition that is read, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Definitions by name.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    folders: Vec<PathBuf>,
    /// Names of tools are only checked where the tools are known.
    tools: Option<HashMap<String, ToolSpec>>,
    /// Servers that should be there and are not: nothing is known of their tools.
    missing: Vec<String>,
    functions: Option<(BTreeSet<String>, BTreeSet<String>)>,
    engines: Option<BTreeSet<String>>,
}

/// A prompt as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptFile {
    /// The file; where it was made, for one in the program.
    pub path: String,
    /// Front matter and template.
    pub text: String,
    /// Whose it is.
    pub from: PromptOrigin,
}

/// Whose a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptOrigin {
    /// The program's.
    Shipped,
    /// The user's, in place of the program's, which is this text.
    Overrides(&'static str),
    /// The user's alone.
    User,
}

/// A graph that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum NoGraph {
    /// There is no such file, and none of that name in the program.
    #[error("there is no graph `{name}`: no such file, and none of the shipped ones: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {message}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        message: String,
    },
}

impl Definitions {
    /// Definitions in `agents/`, `graphs/` and `prompts/` of these folders, the first one first,
    /// and then those in the program.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self {
            folders,
            ..Self::default()
        }
    }

    /// With the tools and functions there are, so that their names are checked. Nothing is known
    /// of the tools of servers that are `missing`.
    #[must_use]
    pub fn with_services(mut self, services: &Services, missing: &[String]) -> Self {
        let tools = services.tools.tools().into_iter();
        self.tools = Some(tools.map(|tool| (tool.name.clone(), tool)).collect());
        self.missing = missing.to_vec();
        self.with_engines(&*services.engines)
            .with_functions(&services.functions)
    }

    /// With the engines there are.
    #[must_use]
    pub fn with_engines(mut self, engines: &dyn Engines) -> Self {
        self.engines = engines.names().map(|names| names.into_iter().collect());
        self
    }

    /// With the functions there are.
    #[must_use]
    pub fn with_functions(mut self, functions: &Functions) -> Self {
        let names = functions.names().into_iter().collect();
        let reducers = functions.reducer_names().into_iter().collect();
        self.functions = Some((names, reducers));
        self
    }

    /// A graph by the path of its file or by its name, compiled and checked.
    ///
    /// # Errors
    /// When there is no such graph, or its file cannot be read.
    pub fn compile(&self, name: &str) -> Result<Compiled, NoGraph> {
        let path = Path::new(name);
        if path.is_file() || path.extension().is_some() {
            let text = read(path)?.ok_or_else(|| self.unknown(name))?;
            // What it names stands beside it, or beside the folder it is in.
            let mut library = self.clone();
            let beside = path.parent().unwrap_or(Path::new("."));
            let mut folders = vec![beside.to_owned()];
            folders.extend(beside.parent().map(Path::to_owned));
            library.folders.splice(0..0, folders);
            return Ok(compile_text(name, &text, &library));
        }
        match self.text("graphs", name, "yaml") {
            Ok(Some((path, text))) => Ok(compile_text(&path, &text, self)),
            Ok(None) => Err(self.unknown(name)),
            Err(error) => Err(error),
        }
    }

    fn unknown(&self, name: &str) -> NoGraph {
        NoGraph::Unknown {
            name: name.to_owned(),
            known: self.names("graphs", "yaml").join(", "),
        }
    }

    /// The text of a definition, and where it is from.
    fn text(
        &self,
        kind: &str,
        name: &str,
        extension: &str,
    ) -> Result<Option<(String, String)>, NoGraph> {
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
        if name.is_empty() || !name.chars().all(safe) || name.starts_with('/') {
            return Ok(None);
        }
        let file = format!("{kind}/{name}.{extension}");
        for folder in &self.folders {
            let path = folder.join(&file);
            if let Some(text) = read(&path)? {
                return Ok(Some((path.display().to_string(), text)));
            }
        }
        let shipped = shipped(kind).get_file(format!("{name}.{extension}"));
        Ok(shipped
            .and_then(include_dir::File::contents_utf8)
            .map(|text| (file, text.to_owned())))
    }

    /// A prompt's file: the user's where there is one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn prompt_file(&self, name: &str) -> Result<Option<PromptFile>, NoGraph> {
        let Some((path, text)) = self.text("prompts", name, "md")? else {
            return Ok(None);
        };
        let shipped = shipped("prompts").get_file(format!("{name}.md"));
        let shipped = shipped.and_then(include_dir::File::contents_utf8);
        let mut users = self.folders.iter().map(|folder| folder.join("prompts"));
        let users = users.any(|folder| folder.join(format!("{name}.md")).is_file());
        Ok(Some(PromptFile {
            path,
            text,
            from: match (shipped, users) {
                (Some(_), false) => PromptOrigin::Shipped,
                (Some(shipped), true) => PromptOrigin::Overrides(shipped),
                (None, _) => PromptOrigin::User,
            },
        }))
    }

    /// Every name of a kind.
    pub fn names(&self, kind: &str, extension: &str) -> Vec<String> {
        let mut names = self.own_names(kind, extension);
        let shipped = shipped(kind).files();
        names.extend(shipped.filter_map(|file| stem(file.path(), extension)));
        names.into_iter().collect()
    }

    /// The names of a kind in the user's folders.
    pub fn own_names(&self, kind: &str, extension: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for folder in &self.folders {
            let entries = std::fs::read_dir(folder.join(kind)).into_iter().flatten();
            names.extend(
                entries
                    .flatten()
                    .filter_map(|entry| stem(&entry.path(), extension)),
            );
        }
        names
    }

    fn found<T>(
        &self,
        (kind, name, extension): (&str, &str, &str),
        read: impl FnOnce(&str, &str) -> Found<T>,
    ) -> Found<T> {
        match self.text(kind, name, extension) {
            Ok(Some((path, text))) => read(&path, &text),
            Ok(None) => Found::No(self.names(kind, extension)),
            Err(error) => Found::Broken(error.to_string()),
        }
    }
}

/// The name of a file with an extension.
fn stem(path: &Path, extension: &str) -> Option<String> {
    let found = path.extension().is_some_and(|found| found == extension);
    let stem = path.file_stem().filter(|_| found)?;
    Some(stem.to_string_lossy().into_owned())
}

fn shipped(kind: &str) -> &'static Dir<'static> {
    match kind {
        "agents" => &AGENTS,
        "graphs" => &GRAPHS,
        _ => &PROMPTS,
    }
}

/// The text of a file; `None` when there is none.
fn read(path: &Path) -> Result<Option<String>, NoGraph> {
    let unreadable = |message: String| NoGraph::Unreadable {
        path: path.display().to_string(),
        message,
    };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > MOST_BYTES => {
            let message = format!("it has {} bytes; {MOST_BYTES} are allowed", metadata.len());
            return Err(unreadable(message));
        }
        Ok(metadata) if metadata.is_dir() => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    }
    std::fs::read_to_string(path)
        .map(Some)
        .map_err(|error| unreadable(error.to_string()))
}

impl Library for Definitions {
    fn agent(&self, name: &str) -> Found<Arc<AgentDefinition>> {
        self.found(
            ("agents", name, "md"),
            |path, text| match AgentDefinition::parse(path, text) {
                Ok(agent) => Found::Yes(Arc::new(agent)),
                Err(error) => Found::Broken(error.to_string()),
            },
        )
    }

    fn prompt(&self, name: &str) -> Found<PromptDefinition> {
        self.found(
            ("prompts", name, "md"),
            |path, text| match PromptDefinition::parse(path, text) {
                Ok(prompt) => Found::Yes(prompt),
                Err(error) => Found::Broken(error.to_string()),
            },
        )
    }

    fn graph(&self, name: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>> {
        self.found(("graphs", name, "yaml"), |path, text| {
            Found::Yes(yaml::parse(path, text))
        })
    }

    fn tool(&self, name: &str) -> Found<ToolSpec> {
        match &self.tools {
            None => Found::Unchecked,
            Some(tools) => match tools.get(name) {
                Some(tool) => Found::Yes(tool.clone()),
                None if self.missing.iter().any(|server| is_of(name, server)) => Found::Unchecked,
                None => Found::No(tools.keys().cloned().collect()),
            },
        }
    }

    fn function(&self, name: &str) -> Found<()> {
        known(self.functions.as_ref().map(|(names, _)| names), name)
    }

    fn reducer(&self, name: &str) -> Found<()> {
        known(self.functions.as_ref().map(|(_, names)| names), name)
    }

    fn engine(&self, name: &str) -> Found<()> {
        known(self.engines.as_ref(), name)
    }
}

/// Whether a tool is one of a server, by its name.
fn is_of(tool: &str, server: &str) -> bool {
    let rest = tool.strip_prefix(server);
    rest.is_some_and(|rest| rest.starts_with("__"))
}

fn known(names: Option<&BTreeSet<String>>, name: &str) -> Found<()> {
    match names {
        None => Found::Unchecked,
        Some(names) if names.contains(name) => Found::Yes(()),
        Some(names) => Found::No(names.iter().cloned().collect()),
    }
}
