//! Files to documents. Long formats are streamed; formats that need the whole file are read up to
//! a limit.
//!
//! - `lines`: lines within bounds, encodings checked.
//! - `markdown`: Markdown.
//! - `html`, `docx`: turned into Markdown.
//! - `pdf`: PDFs that hold text.
//! - `plain`: plain text, reStructuredText and source code.
//! - `records`: CSV, TSV, JSON and JSON lines, a record each.

mod docx;
mod html;
mod lines;
mod markdown;
pub mod pdf;
mod plain;
mod records;

use std::path::Path;

use serde_json::Map;

use crate::document::{Blocks, Document, LoadError};

/// Formats as a person would list them.
pub const FORMATS: &str = "md, txt, rst, html, pdf, docx, csv, tsv, json, jsonl, source code";

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadLimits {
    /// Bytes of a file whose format must be read whole.
    pub file_bytes: u64,
    /// Bytes of one line.
    pub line_bytes: u64,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            line_bytes: 8 << 20,
        }
    }
}

/// What kind of loader a name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Markdown,
    Plain,
    Rst,
    Html,
    Pdf,
    Docx,
    Csv,
    Tsv,
    Json,
    JsonLines,
    Code,
}

const CODE: &[&str] = &[
    "rs", "py", "pyi", "js", "mjs", "cjs", "jsx", "ts", "tsx", "go", "java", "kt", "kts", "scala",
    "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "cs", "rb", "php", "swift", "m", "mm", "pl", "pm",
    "lua", "r", "jl", "hs", "ml", "mli", "ex", "exs", "erl", "clj", "cljs", "fs", "fsx", "vb",
    "sh", "bash", "zsh", "fish", "ps1", "sql", "proto", "graphql", "tf", "hcl", "cmake", "mk",
    "gradle", "groovy", "dart", "zig", "nim", "d", "v", "sv", "vhd", "vhdl", "asm", "s", "toml",
    "yaml", "yml", "ini", "cfg", "conf", "css", "scss", "less", "vue", "svelte", "xml", "tex",
];

fn format_of(name: &str) -> Option<Format> {
    let lower = name.to_ascii_lowercase();
    let Some((_, extension)) = lower.rsplit_once('.') else {
        let known = [
            "readme",
            "license",
            "changelog",
            "notice",
            "authors",
            "todo",
        ];
        let code = ["makefile", "dockerfile", "justfile", "rakefile", "gemfile"];
        return if known.contains(&lower.as_str()) {
            Some(Format::Plain)
        } else {
            code.contains(&lower.as_str()).then_some(Format::Code)
        };
    };
    Some(match extension {
        "md" | "markdown" | "mdx" => Format::Markdown,
        "txt" | "text" | "log" => Format::Plain,
        "rst" => Format::Rst,
        "html" | "htm" | "xhtml" => Format::Html,
        "pdf" => Format::Pdf,
        "docx" => Format::Docx,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "json" => Format::Json,
        "jsonl" | "ndjson" => Format::JsonLines,
        code if CODE.contains(&code) => Format::Code,
        _ => return None,
    })
}

/// Whether there is a loader for files of this name.
pub fn is_supported(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| format_of(&name.to_string_lossy()).is_some())
}

/// Opens a file.
///
/// # Errors
/// See [`LoadError`]; a streamed format may fail later, in its blocks.
pub fn open(path: &Path, limits: &LoadLimits) -> Result<Document, LoadError> {
    let shown = path.display().to_string();
    let read = |source| LoadError::Read {
        path: shown.clone(),
        source,
    };
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let Some(format) = format_of(&name) else {
        return Err(LoadError::Unsupported { path: shown });
    };
    let size = std::fs::metadata(path).map_err(read)?.len();
    if size == 0 {
        return Err(LoadError::Empty { path: shown });
    }
    if let Format::Plain | Format::Rst | Format::Code | Format::JsonLines = format {
        let file = std::fs::File::open(path).map_err(read)?;
        let lines = lines::Lines::new(shown.clone(), file, limits.line_bytes);
        return streamed(format, &name, shown, lines);
    }
    if let Format::Csv | Format::Tsv = format {
        let file = std::fs::File::open(path).map_err(read)?;
        return records::csv(&name, shown, file, format == Format::Tsv, limits.line_bytes);
    }
    if size > limits.file_bytes {
        return Err(LoadError::TooLarge {
            path: shown,
            found: size,
            limit: limits.file_bytes,
        });
    }
    let bytes = std::fs::read(path).map_err(read)?;
    match format {
        Format::Pdf => pdf::pdf(&name, shown, &bytes, limits.file_bytes),
        Format::Docx => docx::docx(&name, shown, &bytes, limits.file_bytes),
        _ => whole(format, &name, shown.clone(), lines::decode(&shown, bytes)?),
    }
}

/// A document from text in memory; `name` decides the format, plain text when it says nothing.
///
/// # Errors
/// See [`LoadError`]. Formats that are not text (PDF, DOCX) are refused.
pub fn from_text(name: &str, text: String) -> Result<Document, LoadError> {
    let shown = name.to_owned();
    if text.trim().is_empty() {
        return Err(LoadError::Empty { path: shown });
    }
    let limit = LoadLimits::default().line_bytes;
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match format_of(file_name).unwrap_or(Format::Plain) {
        Format::Pdf | Format::Docx => Err(LoadError::Unsupported { path: shown }),
        Format::Csv => records::csv(
            file_name,
            shown,
            std::io::Cursor::new(text.into_bytes()),
            false,
            limit,
        ),
        Format::Tsv => records::csv(
            file_name,
            shown,
            std::io::Cursor::new(text.into_bytes()),
            true,
            limit,
        ),
        format @ (Format::Plain | Format::Rst | Format::Code | Format::JsonLines) => {
            let reader = std::io::Cursor::new(text.into_bytes());
            let lines = lines::Lines::new(shown.clone(), reader, limit);
            streamed(format, file_name, shown, lines)
        }
        format => whole(format, file_name, shown, text),
    }
}

fn streamed(
    format: Format,
    name: &str,
    path: String,
    lines: lines::Lines<impl std::io::Read + Send + 'static>,
) -> Result<Document, LoadError> {
    let (format, blocks): (_, Blocks) = match format {
        Format::JsonLines => ("jsonl", Box::new(records::json_lines(path, lines))),
        Format::Code => ("code", Box::new(plain::code(lines))),
        Format::Rst => ("rst", Box::new(plain::rst(lines))),
        _ => ("text", Box::new(plain::text(lines))),
    };
    Ok(Document {
        title: title_from(name),
        date: None,
        format,
        metadata: Map::new(),
        blocks,
    })
}

fn whole(format: Format, name: &str, path: String, text: String) -> Result<Document, LoadError> {
    if text.trim().is_empty() {
        return Err(LoadError::Empty { path });
    }
    match format {
        Format::Html => html::html(name, path, &text),
        Format::Json => records::json(name, path, &text),
        _ => markdown::markdown(name, path, text, "markdown"),
    }
}

/// `annual_report-2024.pdf` becomes `annual report 2024`.
fn title_from(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let words: Vec<&str> = stem
        .split(['_', '-', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        name.to_owned()
    } else {
        words.join(" ")
    }
}

/// A title that a file states of itself, unless a program put in something that says nothing.
fn stated_title(title: &str) -> Option<String> {
    let words: Vec<&str> = title.split_whitespace().collect();
    let title = words.join(" ");
    let lower = title.to_lowercase();
    let empty = [
        "untitled",
        "document",
        "title",
        "anonymous",
        "unspecified",
        "index",
        "home",
    ];
    let of_a_program = ["microsoft word - ", "microsoft powerpoint - ", "layout 1"];
    let says_nothing = title.is_empty()
        || empty
            .iter()
            .any(|name| lower.trim_matches(['(', ')']) == *name)
        || of_a_program.iter().any(|start| lower.starts_with(start));
    (!says_nothing).then_some(title)
}

#[cfg(test)]
mod tests;
