//! Answers of databases as citations.

use ropewalk_mcp_kit::Citation;

use crate::database::{Cell, Rows};

/// Rows that a citation quotes, and its length in bytes.
const QUOTED: usize = 20;
const LONG: usize = 2_000;

/// Characters of the statement that stand where a reader looks for what a source is.
const TITLE: usize = 300;

/// An answer as a citation: the statement and its first rows. The same statement with the same rows
/// has the same id.
pub(super) fn citation(database: &str, sql: &str, rows: &Rows) -> Citation {
    let quote = quote(sql, rows);
    let digest = blake3::hash(format!("{database}\0{quote}").as_bytes());
    let id: String = digest.to_hex().chars().take(8).collect();
    Citation {
        id: format!("q{id}"),
        source: database.to_owned(),
        title: title(sql),
        span: None,
        quote,
        score: 1.0,
    }
}

/// A statement on one line.
fn title(sql: &str) -> String {
    let mut title = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = title.char_indices().nth(TITLE) {
        title.truncate(end);
        title.push('…');
    }
    title
}

fn quote(sql: &str, rows: &Rows) -> String {
    let names: Vec<&str> = rows.columns.iter().map(|head| head.name.as_str()).collect();
    let mut quote = format!("{sql}\n{}", names.join(" | "));
    for row in rows.rows.iter().take(QUOTED) {
        let cells: Vec<String> = row.iter().map(plain).collect();
        quote.push('\n');
        quote.push_str(&cells.join(" | "));
        if quote.len() > LONG {
            break;
        }
    }
    if quote.len() > LONG {
        quote.truncate(quote.floor_char_boundary(LONG));
        quote.push('…');
    } else if rows.rows.len() > QUOTED || rows.truncated.is_some() {
        quote.push_str("\n…");
    }
    quote
}

/// A cell as it is read.
pub(super) fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::String(text) => text.clone(),
        other => other.to_string(),
    }
}
