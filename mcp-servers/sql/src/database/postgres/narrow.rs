//! A statement whose values cannot be larger than is read: the server cuts them.

use std::fmt::Write as _;

use crate::database::postgres::values;
use crate::database::{Head, Limits};

/// Longest text and most rows that the server can be asked for.
const LONGEST: usize = 1 << 29;
const MOST: usize = 1 << 62;

/// The statement so that what is neither a number nor a truth comes as a text, cut by the server.
pub(super) fn narrowed(sql: &str, columns: &[Head], limits: &Limits) -> String {
    let length = limits.cell_bytes.min(LONGEST).saturating_add(1);
    let (mut names, mut cells) = (String::new(), String::new());
    for (place, head) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let value = values::cut(&head.kind, &format!("q.c{place}"), length);
        let _ = write!(names, "{comma}c{place}");
        let _ = write!(cells, "{comma}{value}");
    }
    // There may be rows without columns.
    let names = match columns {
        [] => String::new(),
        _ => format!("({names})"),
    };
    let rows = limits.rows.min(MOST).saturating_add(1);
    format!("SELECT {cells} FROM ({sql}) AS q{names} LIMIT {rows}")
}
