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
        if self.bytes.saturating_add(bytes) > self.limits.bytes {
            self.truncated = Some(Truncation::Bytes);
            // One row is always given, as much of it as there is room for: without it nobody could
            // tell what was too large.
            if self.rows.is_empty() {
                self.rows.push(shortened(row, self.limits.bytes));
            }
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

/// A row of no more than so many bytes, all of whose texts have the same room.
fn shortened(row: Vec<Cell>, bytes: usize) -> Vec<Cell> {
    let room = bytes.checked_div(row.len()).unwrap_or_default();
    let shorten = |cell| match cell {
        Value::String(text) if text.len() > room => format!("{}…", head(&text, room)).into(),
        other => other,
    };
    row.into_iter().map(shorten).collect()
}

/// A text, cut where it is longer than `limit` bytes, which is said at its end.
pub(super) fn text(text: &str, limit: usize) -> Cell {
    if text.len() <= limit {
        return text.into();
    }
    format!("{}… ({} bytes)", head(text, limit), text.len()).into()
}

/// A text of which a server gave no more than the beginning: how long all of it is nobody knows.
pub(super) fn begun(text: &str, limit: usize) -> Cell {
    if text.len() <= limit {
        return text.into();
    }
    format!("{}… (more than {limit} bytes)", head(text, limit)).into()
}

/// Bytes as hexadecimal digits, cut like a text.
pub(super) fn bytes(bytes: &[u8], limit: usize) -> Cell {
    let digits = digits(bytes, limit);
    if bytes.len() > limit / 2 {
        format!("{digits}… ({} bytes)", bytes.len()).into()
    } else {
        digits.into()
    }
}

/// Bytes of which a server gave no more than the beginning.
pub(super) fn begun_bytes(bytes: &[u8], limit: usize) -> Cell {
    let digits = digits(bytes, limit);
    if bytes.len() > limit / 2 {
        format!("{digits}… (more than {} bytes)", limit / 2).into()
    } else {
        digits.into()
    }
}

fn digits(bytes: &[u8], limit: usize) -> String {
    let shown = bytes.iter().take(limit / 2);
    let digits: String = shown.map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

/// The beginning of a text, of no more than so many bytes.
fn head(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_larger_than_all_of_them_may_be() {
        let limits = Limits {
            bytes: 1_000,
            ..Limits::default()
        };
        let mut collector = Collector::new(&limits);
        let row = vec![Cell::from("ä".repeat(4_000)), 7.into(), "short".into()];
        assert!(!collector.take(row));
        let rows = collector.rows(Vec::new());
        assert_eq!(rows.truncated, Some(Truncation::Bytes));
        let [row] = rows.rows.as_slice() else {
            panic!("{rows:?}");
        };
        let text = row[0].as_str().unwrap();
        assert!(text.len() < 400 && text.ends_with("ä…"), "{text}");
        assert_eq!(row[1..], [Cell::from(7), "short".into()]);
    }

    #[test]
    fn what_is_cut_says_how_much_there_is_where_that_is_known() {
        assert_eq!(text("abc", 3), "abc");
        assert_eq!(text("abcd", 3), "abc… (4 bytes)");
        assert_eq!(text("aä", 2), "a… (3 bytes)");
        assert_eq!(begun("abcd", 3), "abc… (more than 3 bytes)");
        assert_eq!(bytes(&[1, 255, 3], 4), "0x01ff… (3 bytes)");
        assert_eq!(begun_bytes(&[1, 255, 3], 4), "0x01ff… (more than 2 bytes)");
    }
}
