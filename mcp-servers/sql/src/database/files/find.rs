//! Which files there are, and how each is read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::database::files::FileError;

/// The kinds of files that are read, as people name them.
pub(super) const KNOWN: &str = "csv, tsv, tab, psv, jsonl, ndjson, json (these also with .gz), \
                                parquet, xlsx, xlsm, xlsb, xls, ods";

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Text whose values stand between marks; this one, unless none is in it.
    Marked(u8),
    /// A JSON object a line.
    JsonLines,
    /// JSON objects, in an array or one after another.
    Json,
    Parquet,
    Excel,
}

/// A file that holds tables.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// Whether it is compressed with gzip.
    pub(super) gzip: bool,
    /// Its name without what tells its kind.
    pub(super) stem: String,
    pub(super) bytes: u64,
    modified: Option<SystemTime>,
    /// Whether it was found in a folder, not named itself.
    pub(super) found: bool,
}

impl Source {
    fn new(path: &Path, found: bool) -> Result<Option<Self>, FileError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((format, gzip, stem)) = format(&name) else {
            return Ok(None);
        };
        let (bytes, modified) = state(path)?;
        Ok(Some(Self {
            path: path.to_owned(),
            format,
            gzip,
            stem: stem.to_owned(),
            bytes,
            modified,
            found,
        }))
    }

    /// Fails when somebody wrote to the file since it was found.
    pub(super) fn is_as_it_was(&self) -> Result<(), FileError> {
        let path = self.path.clone();
        match state(&path) {
            Ok(now) if now == (self.bytes, self.modified) => Ok(()),
            _ => Err(FileError::Changed { path }),
        }
    }

    pub(super) fn open(&self) -> Result<fs::File, FileError> {
        fs::File::open(&self.path).map_err(|error| reading(&self.path, error))
    }

    /// That it is not what its name says.
    pub(super) fn is_no(&self, kind: &'static str, reason: impl Into<String>) -> FileError {
        FileError::Kind {
            path: self.path.clone(),
            kind,
            reason: reason.into(),
        }
    }

    pub(super) fn line(&self, line: u64, reason: impl Into<String>) -> FileError {
        FileError::Line {
            path: self.path.clone(),
            line,
            reason: reason.into(),
        }
    }
}

/// The files that are named, and those in the folders that are named, none of them twice.
pub(super) fn sources(paths: &[PathBuf], most: u64) -> Result<Vec<Source>, FileError> {
    if paths.is_empty() {
        return Err(FileError::Nothing);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut bytes = 0_u64;
    for path in paths {
        let whole = fs::canonicalize(path).map_err(|error| reading(path, error))?;
        let sources = if whole.is_dir() {
            folder(path)?
        } else {
            let source = Source::new(path, false)?;
            vec![source.ok_or_else(|| FileError::Unknown { path: path.clone() })?]
        };
        for source in sources {
            let whole = fs::canonicalize(&source.path);
            let whole = whole.map_err(|error| reading(&source.path, error))?;
            if !seen.insert(whole) {
                continue;
            }
            bytes = bytes.saturating_add(source.bytes);
            if bytes > most {
                return Err(FileError::Bytes {
                    path: source.path,
                    limit: most,
                });
            }
            found.push(source);
        }
    }
    Ok(found)
}

/// What a folder holds, in the order of the names; not what is hidden, and not what is in further
/// folders.
fn folder(path: &Path) -> Result<Vec<Source>, FileError> {
    let failed = |error| reading(path, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        // Spreadsheet programs keep a `~$name.xlsx` beside a file that is open.
        let hidden = name.starts_with('.') || name.starts_with("~$");
        if !hidden && entry.is_file() {
            files.extend(Source::new(&entry, true)?);
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    if files.is_empty() {
        return Err(FileError::NoTables {
            path: path.to_owned(),
        });
    }
    Ok(files)
}

fn format(name: &str) -> Option<(Format, bool, &str)> {
    let (name, gzip) = match split(name) {
        Some((rest, ending)) if ending.eq_ignore_ascii_case("gz") => (rest, true),
        _ => (name, false),
    };
    let (stem, ending) = split(name)?;
    let format = match ending.to_ascii_lowercase().as_str() {
        "csv" => Format::Marked(b','),
        "tsv" | "tab" => Format::Marked(b'\t'),
        "psv" => Format::Marked(b'|'),
        "jsonl" | "ndjson" => Format::JsonLines,
        "json" => Format::Json,
        "parquet" if !gzip => Format::Parquet,
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" if !gzip => Format::Excel,
        _ => return None,
    };
    Some((format, gzip, stem))
}

fn split(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.')
}

fn state(path: &Path) -> Result<(u64, Option<SystemTime>), FileError> {
    let about = fs::metadata(path).map_err(|error| reading(path, error))?;
    if !about.is_file() {
        // A pipe or a device may never end.
        return Err(FileError::Unknown {
            path: path.to_owned(),
        });
    }
    Ok((about.len(), about.modified().ok()))
}

pub(super) fn reading(path: &Path, source: std::io::Error) -> FileError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::NotFound => FileError::Missing { path },
        _ => FileError::Read { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_how_a_file_is_read() {
        let marked = Format::Marked(b',');
        assert_eq!(format("a.b.CSV"), Some((marked, false, "a.b")));
        assert_eq!(format("a.csv.gz"), Some((marked, true, "a")));
        assert_eq!(format("a.tsv"), Some((Format::Marked(b'\t'), false, "a")));
        assert_eq!(format("a.ndjson.GZ"), Some((Format::JsonLines, true, "a")));
        assert_eq!(format("a.xlsx.gz"), None);
        assert_eq!(format("csv"), None);
        assert_eq!(format("notes.txt"), None);
    }
}
