//! What a database answers.

use serde::Serialize;
use serde_json::Value;

use crate::database::Limits;

/// Rows with what their columns are called.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rows {
    /// What the columns are.
    pub columns: Vec<Head>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Why there are no more, where there are more.
    pub truncated: Option<Truncation>,
}

impl Rows {
    /// As a database would have given them within smaller limits; `None` where it would have cut a
    /// value.
    pub(crate) fn within(self, limits: &Limits) -> Option<Self> {
        let long =
            |cell: &Cell| matches!(cell, Value::String(text) if text.len() > limits.cell_bytes);
        if self.rows.iter().flatten().any(long) {
            return None;
        }
        let mut collector = Collector::new(limits);
        for row in self.rows {
            if !collector.take(row) {
                break;
            }
        }
        let mut rows = collector.rows(self.columns);
        rows.truncated = rows.truncated.or(self.truncated);
        Some(rows)
    }
}

/// What a column of an answer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// Its type, as the database says it; empty where it does not.
    pub kind: String,
}

/// A value. Whole numbers that JSON's readers would round, decimals, dates and all that JSON does
/// not have are texts.
pub type Cell = Value;

/// Why an answer ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// There are more rows than are read.
    Rows,
    /// There is more in them than is read.
    Bytes,
}

/// Largest whole number that every reader of JSON takes as it is.
const MAX_WHOLE: i64 = (1 << 53) - 1;

/// Collects rows up to the limits.
pub(super) struct Collector<'a> {
    limits: &'a Limits,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
    truncated: Option<Truncation>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            rows: Vec::new(),
            bytes: 0,
            truncated: None,
        }
    }

    /// Takes a row; `false` once there is room for no more, and this one was one too many.
    pub(super) fn take(&mut self, row: Vec<Cell>) -> bool {
        if self.rows.len() >= self.limits.rows {
            self.truncated = Some(Truncation::Rows);
            return false;
        }
        let bytes: usize = row.iter().map(size).sum();
        // One row is always given: without it nobody could tell what was too large.
        if !self.rows.is_empty() && self.bytes.saturating_add(bytes) > self.limits.bytes {
            self.truncated = Some(Truncation::Bytes);
            return false;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.rows.push(row);
        true
    }

    pub(super) fn rows(self, columns: Vec<Head>) -> Rows {
        Rows {
            columns,
            rows: self.rows,
            truncated: self.truncated,
        }
    }
}

fn size(cell: &Cell) -> usize {
    match cell {
        Value::String(text) => text.len().saturating_add(2),
        _ => 8,
    }
}

/// A whole number, as a text where readers would round it.
pub(super) fn whole(number: i64) -> Cell {
    if (-MAX_WHOLE..=MAX_WHOLE).contains(&number) {
        number.into()
    } else {
        number.to_string().into()
    }
}

/// A number with a fraction; what JSON has no number for as a text.
pub(super) fn real(number: f64) -> Cell {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

/// A text, cut where it is longer than `limit` bytes, which is said at its end.
pub(super) fn text(text: &str, limit: usize) -> Cell {
    if text.len() <= limit {
        return text.into();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let shown = text.get(..end).unwrap_or_default();
    format!("{shown}… ({} bytes)", text.len()).into()
}

/// Bytes as hexadecimal digits, cut like a text.
pub(super) fn bytes(bytes: &[u8], limit: usize) -> Cell {
    let shown = bytes.iter().take(limit / 2);
    let digits: String = shown.map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > limit / 2 {
        format!("0x{digits}… ({} bytes)", bytes.len()).into()
    } else {
        format!("0x{digits}").into()
    }
}
