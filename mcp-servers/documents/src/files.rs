//! Which files are meant by paths, folders and patterns.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use sha2::{Digest, Sha256};

use crate::load;

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is.
    pub path: PathBuf,
    /// How it is cited: the path as the user would write it, with forward slashes.
    pub source: String,
    /// The path as given that it was found by.
    pub root: String,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedFile {
    /// The file.
    pub path: String,
    /// Why, and what to do.
    pub reason: String,
}

/// Why files cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A path that does not exist.
    #[error("{path}: there is no such file or folder")]
    Missing {
        /// The path.
        path: String,
    },
    /// Nothing to read.
    #[error(
        "{path}: holds no file that can be read; supported are: {}",
        load::FORMATS
    )]
    NoFiles {
        /// The path.
        path: String,
    },
    /// A pattern that does not parse.
    #[error("`{pattern}` is not a pattern: {message}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        message: String,
    },
    /// A folder that cannot be listed.
    #[error("{path}: cannot be listed: {message}")]
    List {
        /// The folder.
        path: String,
        /// Why.
        message: String,
    },
}

/// What the given paths hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Files to read, in the order of their sources.
    pub files: Vec<FoundFile>,
    /// The paths as given: documents of these roots that are gone are removed.
    pub roots: Vec<String>,
    /// Files of other kinds, and those that no pattern names.
    pub skipped: usize,
    /// What could not be looked into.
    pub failed: Vec<FailedFile>,
}

/// Lists files, folders (what `.gitignore` names is left out) and patterns such as `docs/*.md`.
///
/// # Errors
/// When a path does not exist, a pattern does not parse, or there is nothing to read.
pub fn list(paths: &[PathBuf], globs: &[String]) -> Result<Listing, FilesError> {
    let wanted = matcher(globs)?;
    let mut listing = Listing {
        files: Vec::new(),
        roots: Vec::new(),
        skipped: 0,
        failed: Vec::new(),
    };
    for path in paths {
        let shown = shown(path);
        if path.is_file() {
            listing.roots.push(shown.clone());
            // A file that was named is wanted, whatever its kind: the loader says if it cannot.
            listing.files.push(FoundFile {
                path: path.clone(),
                source: shown.clone(),
                root: shown,
            });
        } else if path.is_dir() {
            listing.roots.push(shown.clone());
            walk(path, &shown, None, &wanted, &mut listing)?;
        } else if let Some(pattern) = pattern(path) {
            let base = fixed_part(path);
            if !base.is_dir() {
                return Err(FilesError::Missing { path: shown });
            }
            listing.roots.push(shown.clone());
            walk(&base, &shown, Some(&pattern?), &wanted, &mut listing)?;
        } else {
            return Err(FilesError::Missing { path: shown });
        }
    }
    if listing.files.is_empty() && listing.failed.is_empty() {
        let path = listing.roots.join(", ");
        return Err(FilesError::NoFiles { path });
    }
    listing.files.sort_by(|a, b| a.source.cmp(&b.source));
    listing.files.dedup_by(|a, b| a.source == b.source);
    Ok(listing)
}

fn walk(
    folder: &Path,
    root: &str,
    pattern: Option<&GlobSet>,
    wanted: &Option<GlobSet>,
    listing: &mut Listing,
) -> Result<(), FilesError> {
    let list = |error: ignore::Error| FilesError::List {
        path: folder.display().to_string(),
        message: error.to_string(),
    };
    for entry in WalkBuilder::new(folder)
        .follow_links(false)
        .require_git(false)
        .build()
    {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth().unwrap_or_default() == 0 => return Err(list(error)),
            Err(error) => {
                let reason = error.to_string();
                listing.failed.push(FailedFile {
                    path: folder.display().to_string(),
                    reason,
                });
                continue;
            }
        };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.into_path();
        if pattern.is_some_and(|pattern| !pattern.is_match(&path)) {
            continue;
        }
        let relative = path.strip_prefix(folder).unwrap_or(&path);
        let named = path.file_name().map(Path::new).unwrap_or(&path);
        let fits = wanted
            .as_ref()
            .is_none_or(|set| set.is_match(relative) || set.is_match(named));
        if !fits || !load::is_supported(&path) {
            listing.skipped += 1;
            continue;
        }
        let source = shown(&path);
        listing.files.push(FoundFile {
            path,
            source,
            root: root.to_owned(),
        });
    }
    Ok(())
}

fn matcher(globs: &[String]) -> Result<Option<GlobSet>, FilesError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in globs {
        set.add(glob(pattern)?);
    }
    build(set, &globs.join(" ")).map(Some)
}

fn glob(pattern: &str) -> Result<Glob, FilesError> {
    Glob::new(pattern).map_err(|error| FilesError::Pattern {
        pattern: pattern.to_owned(),
        message: error.kind().to_string(),
    })
}

fn build(set: GlobSetBuilder, pattern: &str) -> Result<GlobSet, FilesError> {
    set.build().map_err(|error| FilesError::Pattern {
        pattern: pattern.to_owned(),
        message: error.to_string(),
    })
}

/// A path with wildcards that no shell has expanded.
fn pattern(path: &Path) -> Option<Result<GlobSet, FilesError>> {
    let text = shown(path);
    if !text.contains(['*', '?', '[', '{']) {
        return None;
    }
    let set = glob(&text).map(|glob| {
        let mut set = GlobSetBuilder::new();
        set.add(glob);
        set
    });
    Some(set.and_then(|set| build(set, &text)))
}

/// The folders before the first wildcard.
fn fixed_part(path: &Path) -> PathBuf {
    let plain = |part: &std::path::Component<'_>| {
        !part
            .as_os_str()
            .to_string_lossy()
            .contains(['*', '?', '[', '{'])
    };
    let base: PathBuf = path.components().take_while(plain).collect();
    if base.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        base
    }
}

/// Forward slashes, and no `./` in front: one file has one name.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    let text = text.strip_prefix("./").unwrap_or(&text);
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() {
        text.to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// Digest of a file's bytes, read in pieces, in hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
