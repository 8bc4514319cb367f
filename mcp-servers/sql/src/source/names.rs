//! The names there are, for somebody who used one that there is not.

use crate::schema::Schema;

/// How many names are told.
const TOLD: usize = 3;

/// How alike two names must be to be told, 0 to 1.
const ALIKE: f64 = 0.55;

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
            let names = schema.tables.iter().map(|table| table.name.clone());
            let near = alike(last(name), names);
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
            let near = alike(wanted, columns());
            (!near.is_empty()).then(|| format!("columns with names like it: {}", near.join(", ")))
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The names most like one, by their last part, best first.
fn alike(wanted: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let plain = |name: &str| name.replace(['_', ' ', '-'], "").to_lowercase();
    let wanted = plain(wanted);
    let mut scored: Vec<(f64, String)> = names
        .map(|name| {
            let other = plain(last(&name));
            let near = strsim::jaro_winkler(&wanted, &other);
            let inside = other.contains(&wanted) || wanted.contains(&other);
            let edits = strsim::normalized_levenshtein(&wanted, &other);
            let near = if inside && other.len() > 2 {
                near.max(0.8)
            } else {
                near.min(edits + 0.2)
            };
            (near, name)
        })
        .filter(|(near, _)| *near >= ALIKE)
        .collect();
    scored.sort_by(|(one, a), (two, b)| two.total_cmp(one).then_with(|| a.cmp(b)));
    scored
        .into_iter()
        .take(TOLD)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Unknown, alike, unknown};

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

    #[test]
    fn what_is_meant_comes_first() {
        let names = [
            "customer.name",
            "customer.customer_name",
            "sale.amount",
            "sale.nation",
        ];
        let near = |wanted: &str| alike(wanted, names.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            near("CustomerName").first().unwrap(),
            "customer.customer_name"
        );
        assert_eq!(near("amonut").first().unwrap(), "sale.amount");
        assert!(near("xyzzy").is_empty());
    }
}
