//! Local models that are present.

use std::path::{Path, PathBuf};

/// How deep a model may lie: `models/ORG/NAME/FILE.gguf`.
const DEPTH: usize = 3;

/// The first model in a folder, by path, and how many there are.
pub(super) fn first(folder: &Path) -> Option<(PathBuf, usize)> {
    let mut found = Vec::new();
    look(folder, DEPTH, &mut found);
    let count = found.len();
    found.into_iter().min().map(|model| (model, count))
}

/// Whether a path is that of a model: a GGUF file, or a folder with a configuration.
pub(super) fn is_a_model(path: &Path) -> bool {
    let gguf = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    gguf || path.join("config.json").is_file()
}

fn look(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if is_a_model(&path) {
            found.push(path);
        } else if depth > 1 && path.is_dir() {
            look(&path, depth - 1, found);
        }
    }
}
