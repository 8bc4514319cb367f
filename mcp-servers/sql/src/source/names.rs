//! The names there are, for somebody who used one that there is not.

use crate::schema::{Schema, alike, last};

/// How many names are told.
const TOLD: usize = 3;

/// A name that a database does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    Table(String),
    Column(String),
}

/// The name that a database says it does not know, of SQLite's, PostgreSQL's and MySQL's words.
pub(super) fn unknown(reason: &str) -> Option<Unknown> {
    let after = |words: &str| Some(reason.split_once(words)?.1.trim());
    let quoted = |text: &str, quote: char| {
        let (name, _) = text.strip_prefix(quote)?.split_once(quote)?;
        Some(name.to_owned())
    };
    let bare = |text: &str| {
        let name = text.split([' ', ',', ';']).next().unwrap_or_default();
        (!name.is_empty()).then(|| name.trim_matches('"').to_owned())
    };
    if let Some(name) = after("no such table:").and_then(bare) {
        return Some(Unknown::Table(name));
    }
    if let Some(name) = after("no such column:").and_then(bare) {
        return Some(Unknown::Column(name));
    }
    if reason.contains("does not exist") {
        if let Some(name) = after("relation ").and_then(|text| quoted(text, '"')) {
            return Some(Unknown::Table(name));
        }
        let column = after("column ");
        let column = column.and_then(|text| quoted(text, '"').or_else(|| bare(text)));
        return column.map(Unknown::Column);
    }
    if let Some(name) = after("Unknown column ").and_then(|text| quoted(text, '\'')) {
        return Some(Unknown::Column(name));
    }
    if reason.contains("doesn't exist") {
        return after("Table ")
            .and_then(|text| quoted(text, '\''))
            .map(Unknown::Table);
    }
    None
}

/// What there is instead, in words.
pub(super) fn nearest(unknown: &Unknown, schema: &Schema) -> Option<String> {
    match unknown {
        Unknown::Table(name) => {
            let near = schema.nearest(last(name), TOLD);
            (!near.is_empty()).then(|| format!("tables with names like it: {}", near.join(", ")))
        }
        Unknown::Column(name) => {
            let wanted = last(name);
            let columns = || {
                schema.tables.iter().flat_map(|table| {
                    let columns = table.columns.iter();
                    columns.map(|column| format!("{}.{}", table.name, column.name))
                })
            };
            let same: Vec<String> = columns()
                .filter(|column| last(column).eq_ignore_ascii_case(wanted))
                .take(TOLD)
                .collect();
            if !same.is_empty() {
                return Some(format!("there is {}", same.join(", ")));
            }
            let near = alike(wanted, columns(), TOLD);
            (!near.is_empty()).then(|| format!("columns with names like it: {}", near.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Unknown, unknown};

    #[test]
    fn names_are_taken_from_what_databases_say() {
        let table = |name: &str| Some(Unknown::Table(name.to_owned()));
        let column = |name: &str| Some(Unknown::Column(name.to_owned()));
        for (reason, found) in [
            ("no such table: singers", table("singers")),
            ("no such column: T1.nam in SELECT nam", column("T1.nam")),
            ("relation \"singers\" does not exist", table("singers")),
            ("column \"nam\" does not exist", column("nam")),
            ("column p.nam does not exist", column("p.nam")),
            ("Unknown column 'p.nam' in 'field list'", column("p.nam")),
            (
                "Table 'music.singers' doesn't exist",
                table("music.singers"),
            ),
            ("syntax error", None),
        ] {
            assert_eq!(unknown(reason), found, "{reason}");
        }
    }
}
