//! CSV, TSV, JSON and JSON lines: a block for each record.

use std::io::Read;

use serde_json::{Map, Value};

use super::lines::Lines;
use super::title_from;
use crate::document::{Block, BlockKind, Document, LoadError};

/// Comma, semicolon or tab separated values; the first row names the columns.
pub(super) fn csv(
    name: &str,
    path: String,
    reader: impl Read + Send + 'static,
    tabs: bool,
    line_limit: u64,
) -> Result<Document, LoadError> {
    // The header decides the delimiter, so it is read first, within bounds.
    let mut lines = Lines::new(path.clone(), reader, line_limit);
    let header = match lines.next() {
        Some(line) => line?.text,
        None => return Err(LoadError::Empty { path }),
    };
    let count = |delimiter: char| header.matches(delimiter).count();
    let delimiter = if tabs || count('\t') > count(',').max(count(';')) {
        b'\t'
    } else if count(';') > count(',') {
        b';'
    } else {
        b','
    };
    let shown = path.clone();
    let malformed = move |line: u64, message: String| LoadError::Malformed {
        path: shown.clone(),
        place: format!("line {line}: "),
        message,
    };
    let mut builder = csv::ReaderBuilder::new();
    builder
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true);
    let mut head = builder.from_reader(header.as_bytes());
    let columns: Vec<String> = match head.records().next() {
        Some(Ok(record)) => record
            .iter()
            .map(|column| column.trim().to_owned())
            .collect(),
        _ => return Err(malformed(1, "the header cannot be read".to_owned())),
    };
    let names = columns.iter().cloned().map(Value::from).collect();
    let metadata = Map::from_iter([("columns".to_owned(), Value::Array(names))]);
    let mut start = header.len() as u64 + 1;
    let rest = LineReader {
        lines,
        pending: Vec::new(),
        at: 0,
    };
    let mut records = builder.from_reader(rest).into_records();
    let blocks = std::iter::from_fn(move || {
        let record = match records.next()? {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line) + 1;
                let message = error.to_string();
                return Some(Err(match error.into_kind() {
                    // Our own reader's error says where and what by itself.
                    csv::ErrorKind::Io(error) => error
                        .downcast()
                        .unwrap_or_else(|_| malformed(line, message)),
                    _ => malformed(line, message),
                }));
            }
        };
        let line = record.position().map_or(0, csv::Position::line) + 1;
        if record.len() > columns.len() {
            let message = format!(
                "{} values, but the header names {} columns; quote values that hold the delimiter",
                record.len(),
                columns.len()
            );
            return Some(Err(malformed(line, message)));
        }
        let filled = columns
            .iter()
            .zip(record.iter())
            .filter(|(_, value)| !value.trim().is_empty());
        let text: Vec<String> = filled
            .map(|(column, value)| format!("{column}: {}", value.trim()))
            .collect();
        let block = Block {
            kind: BlockKind::Record,
            text: text.join("\n"),
            heading_path: Vec::new(),
            start,
        };
        start = block.end() + 1;
        Some(Ok(block))
    });
    let blocks = blocks.filter(|block| !matches!(block, Ok(block) if block.text.is_empty()));
    let format = if tabs { "tsv" } else { "csv" };
    let blocks = Box::new(blocks);
    Ok(Document {
        title: title_from(name),
        date: None,
        format,
        metadata,
        blocks,
    })
}

/// The lines again as bytes, so that their bounds hold for the CSV parser too.
struct LineReader<R> {
    lines: Lines<R>,
    pending: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.pending.len() {
            match self.lines.next() {
                None => return Ok(0),
                Some(Ok(line)) => {
                    self.pending = line.text.into_bytes();
                    self.pending.push(b'\n');
                    self.at = 0;
                }
                Some(Err(error)) => return Err(std::io::Error::other(error)),
            }
        }
        let rest = self.pending.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

/// One JSON value a line.
pub(super) fn json_lines<R: Read + Send + 'static>(
    path: String,
    lines: Lines<R>,
) -> impl Iterator<Item = Result<Block, LoadError>> + Send {
    debug_assert_eq!(path, lines.path());
    lines.filter_map(move |line| {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        if line.text.trim().is_empty() {
            return None;
        }
        Some(match serde_json::from_str::<Value>(&line.text) {
            Ok(value) => Ok(record(&value, Vec::new(), line.start)),
            Err(error) => Err(LoadError::Malformed {
                path: path.clone(),
                place: format!("line {}, column {}: ", line.number, error.column()),
                message: format!("not JSON: {error}"),
            }),
        })
    })
}

/// A JSON file: an array is a record per element, an object a record per key.
pub(super) fn json(name: &str, path: String, text: &str) -> Result<Document, LoadError> {
    let value: Value = serde_json::from_str(text).map_err(|error| LoadError::Malformed {
        path: path.clone(),
        place: format!("line {}, column {}: ", error.line(), error.column()),
        message: format!("not JSON: {error}"),
    })?;
    let mut start = 0;
    let mut blocks: Vec<Block> = Vec::new();
    let mut push = |value: &Value, heading: Vec<String>| {
        let block = record(value, heading, start);
        start = block.end() + 1;
        if !block.text.is_empty() {
            blocks.push(block);
        }
    };
    match &value {
        Value::Array(items) => items.iter().for_each(|item| push(item, Vec::new())),
        Value::Object(map) => {
            for (key, value) in map {
                push(
                    &Value::Object(Map::from_iter([(key.clone(), value.clone())])),
                    Vec::new(),
                );
            }
        }
        scalar => push(scalar, Vec::new()),
    }
    if blocks.is_empty() {
        return Err(LoadError::Empty { path });
    }
    let title = value
        .get("title")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(Document {
        title: title.unwrap_or_else(|| title_from(name)),
        date: None,
        format: "json",
        metadata: Map::new(),
        blocks: Box::new(blocks.into_iter().map(Ok)),
    })
}

fn record(value: &Value, heading_path: Vec<String>, start: u64) -> Block {
    let mut lines = Vec::new();
    flatten("", value, &mut lines);
    Block {
        kind: BlockKind::Record,
        text: lines.join("\n"),
        heading_path,
        start,
    }
}

/// `{"a": {"b": 1}}` becomes `a.b: 1`, which reads and embeds better than braces.
fn flatten(key: &str, value: &Value, lines: &mut Vec<String>) {
    let inner = |name: &str| {
        if key.is_empty() {
            name.to_owned()
        } else {
            format!("{key}.{name}")
        }
    };
    let line = |text: &str| {
        if key.is_empty() {
            text.to_owned()
        } else {
            format!("{key}: {text}")
        }
    };
    match value {
        Value::Null => {}
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => lines.push(line(text.trim())),
        Value::Bool(_) | Value::Number(_) => lines.push(line(&value.to_string())),
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            let items: Vec<String> = items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect();
            if !items.is_empty() {
                lines.push(line(&items.join(", ")));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(key, item, lines)),
        Value::Object(map) => {
            map.iter()
                .for_each(|(name, value)| flatten(&inner(name), value, lines));
        }
    }
}
