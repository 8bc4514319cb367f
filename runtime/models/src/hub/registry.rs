//! The models in a folder.

use std::path::{Path, PathBuf};

use ropewalk_infer::about::About;
use serde::Serialize;

use super::name::ModelName;

/// How deep models lie: `OWNER/REPO/FOLDER/FILE.gguf`.
const DEEPEST: usize = 4;

/// A model that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What it is called: its path below the folder.
    pub name: String,
    /// Its file, or its folder.
    pub path: PathBuf,
    /// What its file says.
    #[serde(flatten)]
    pub about: Option<About>,
    /// Why that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Found {
    /// A model that a person points at.
    pub fn at(path: &Path) -> Self {
        Self::named(path.display().to_string(), path)
    }

    fn named(name: String, path: &Path) -> Self {
        let (about, problem) = match About::read(path) {
            Ok(about) => (Some(about), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            name,
            path: path.to_owned(),
            about,
            problem,
        }
    }
}

/// Every model below a folder, by name. A folder that is not there holds none.
pub fn list(models: &Path) -> Vec<Found> {
    let mut paths = Vec::new();
    collect(models, 0, &mut paths);
    let mut found: Vec<Found> = paths
        .iter()
        .map(|path| {
            let below = path.strip_prefix(models).unwrap_or(path);
            Found::named(below.display().to_string(), path)
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The first model below a folder, by path, and how many there are.
pub fn first(models: &Path) -> Option<(PathBuf, usize)> {
    let mut paths = Vec::new();
    collect(models, 0, &mut paths);
    let count = paths.len();
    paths.into_iter().min().map(|model| (model, count))
}

/// Whether a path looks like that of a model: a GGUF file, or a folder with a configuration.
pub fn is_a_model(path: &Path) -> bool {
    let gguf = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    gguf || path.join("config.json").is_file()
}

/// The model that a person means: a path, a name of the hub that was pulled, or a file's name
/// below the folder, with or without its ending.
pub fn find(models: &Path, name: &str) -> Option<PathBuf> {
    let direct = Path::new(name);
    if direct.exists() {
        return Some(direct.to_owned());
    }
    let mut paths = Vec::new();
    collect(models, 0, &mut paths);
    let below = |path: &PathBuf| path.strip_prefix(models).unwrap_or(path).to_owned();
    let same = |path: &PathBuf| {
        let below = below(path);
        below == direct
            || below.file_name().is_some_and(|file| file == name)
            || below.file_stem().is_some_and(|stem| stem == name)
    };
    if let Some(found) = only(paths.iter().filter(|path| same(path))) {
        return Some(found);
    }
    let hub: ModelName = name.parse().ok()?;
    let folder = models.join(&hub.owner).join(&hub.repo);
    let choice = hub.choice.map(|choice| choice.to_ascii_lowercase());
    only(paths.iter().filter(|path| {
        let Ok(rest) = path.strip_prefix(&folder) else {
            return false;
        };
        let rest = rest.to_string_lossy().to_ascii_lowercase();
        choice
            .as_ref()
            .is_none_or(|choice| rest.contains(choice.as_str()))
    }))
}

fn only<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> Option<PathBuf> {
    let first = paths.next()?;
    paths.next().is_none().then(|| first.clone())
}

fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut folders = Vec::new();
    let mut weights = false;
    for entry in entries.flatten() {
        let path = entry.path();
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        if path.is_dir() {
            folders.push(path);
        } else if ending.as_ref().is_some_and(|ending| ending == "gguf") {
            paths.push(path);
        } else if ending.is_some_and(|ending| ending == "safetensors") {
            weights = true;
        }
    }
    if weights && folder.join("config.json").is_file() {
        paths.push(folder.to_owned());
    }
    if depth < DEEPEST {
        for folder in folders {
            collect(&folder, depth + 1, paths);
        }
    }
}
