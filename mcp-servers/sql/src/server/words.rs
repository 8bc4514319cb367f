//! Answers in words, without a model.

use super::cite::plain;
use crate::answer::Abstained;
use crate::database::Rows;

/// Rows and columns that are written out, and the longest cell in characters.
const ROWS: usize = 12;
const COLUMNS: usize = 8;
const LONG: usize = 80;

/// Rows in words, cited.
pub(super) fn answer(rows: &Rows, id: &str) -> String {
    match (rows.rows.as_slice(), rows.columns.as_slice()) {
        ([], _) => format!("There are no such rows [{id}]."),
        ([row], [head]) => {
            let cell = row.first().map(plain).unwrap_or_default();
            format!("{}: {} [{id}]", head.name, short(&cell))
        }
        (many, [_]) => {
            let cells = many.iter().take(ROWS).filter_map(|row| row.first());
            let cells: Vec<String> = cells.map(|cell| short(&plain(cell))).collect();
            format!("{}{} [{id}]", cells.join(", "), more(rows, ROWS))
        }
        (many, heads) => {
            let names = heads.iter().take(COLUMNS).map(|head| short(&head.name));
            let names: Vec<String> = names.collect();
            let rules = vec!["---"; names.len()];
            let mut lines = vec![line(&names), format!("|{}|", rules.join("|"))];
            for row in many.iter().take(ROWS) {
                let cells = row.iter().take(COLUMNS).map(|cell| short(&plain(cell)));
                lines.push(line(&cells.collect::<Vec<_>>()));
            }
            format!("{}\n{} [{id}]", lines.join("\n"), counted(rows))
        }
    }
}

/// Why there is no answer, in words.
pub(super) fn no_answer(database: &str, abstained: &Abstained) -> String {
    let mut text = format!("No answer from `{database}`: {}.", abstained.reason);
    if !abstained.doubts.is_empty() {
        text.push_str(&format!(" Not clear: {}.", abstained.doubts.join("; ")));
    }
    if let Some(sql) = &abstained.closest {
        text.push_str(&format!(" The closest statement would be: {sql}"));
    }
    text
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn counted(rows: &Rows) -> String {
    let count = rows.rows.len();
    let more = if rows.truncated.is_some() {
        "More than "
    } else {
        ""
    };
    let shown = if count > ROWS {
        format!(", the first {ROWS} of them shown")
    } else {
        String::new()
    };
    let noun = if count == 1 { "row" } else { "rows" };
    format!("{more}{count} {noun}{shown}")
}

fn more(rows: &Rows, shown: usize) -> String {
    let left = rows.rows.len().saturating_sub(shown);
    match (left, rows.truncated.is_some()) {
        (0, false) => String::new(),
        (0, true) => " and more".to_owned(),
        (left, true) => format!(" and more than {left} others"),
        (left, false) => format!(" and {left} others"),
    }
}

/// A cell on one line that does not break a table.
fn short(text: &str) -> String {
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|");
    if text.chars().count() <= LONG {
        return text;
    }
    let shown: String = text.chars().take(LONG).collect();
    format!("{shown}…")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::answer;
    use crate::database::{Head, Rows};

    fn rows(names: &[&str], rows: Value) -> Rows {
        let head = |name: &&str| Head {
            name: (*name).to_owned(),
            kind: String::new(),
        };
        Rows {
            columns: names.iter().map(head).collect(),
            rows: serde_json::from_value(rows).unwrap(),
            truncated: None,
        }
    }

    #[test]
    fn rows_are_said_as_people_would() {
        for (names, cells, said) in [
            (&["count(*)"][..], json!([[42]]), "count(*): 42 [q1]"),
            (&["name"], json!([]), "There are no such rows [q1]."),
            (&["name"], json!([["Ana"], [null]]), "Ana, NULL [q1]"),
            (
                &["name", "age"],
                json!([["A|na\nB", 3]]),
                "| name | age |\n|---|---|\n| A\\|na B | 3 |\n1 row [q1]",
            ),
        ] {
            assert_eq!(answer(&rows(names, cells), "q1"), said);
        }
        let many: Vec<[usize; 1]> = (0..20).map(|n| [n]).collect();
        assert!(answer(&rows(&["n"], json!(many)), "q1").ends_with("11 and 8 others [q1]"));
    }
}
