//! What tables and columns are called.
//!
//! A column is called what its file calls it. A table is called after its file, with `_` for marks
//! and spaces, so that most names need no quotes.

use std::collections::BTreeSet;

/// Longest name, in characters.
const LONGEST: usize = 128;

/// What SQLite itself calls by a name in place of a table.
const OWN: [&str; 7] = [
    "json_each",
    "json_tree",
    "jsonb_each",
    "jsonb_tree",
    "generate_series",
    "dbstat",
    "bytecode",
];

/// Names that are given once, whatever their capitals.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A name for a table out of these words, that no other table has.
    pub(super) fn table(&mut self, words: &str) -> String {
        let mut name = String::new();
        for mark in words.chars() {
            let kept = mark == '_' || mark.is_alphanumeric() || !mark.is_ascii();
            if kept && !mark.is_whitespace() && !mark.is_control() {
                name.push(mark);
            } else if !name.ends_with('_') {
                name.push('_');
            }
        }
        let name = name.trim_matches('_');
        // SQLite keeps these names, and those of its functions that give rows, to itself.
        let small = name.to_lowercase();
        let own = ["sqlite_", "pragma_"]
            .iter()
            .any(|own| small.starts_with(own))
            || OWN.contains(&small.as_str());
        let name = match name {
            "" => "table".to_owned(),
            name if own => format!("table_{name}"),
            name => name.to_owned(),
        };
        self.once(name)
    }

    /// A name for a column, the `place`th, that no other column of the table has.
    pub(super) fn column(&mut self, name: &str, place: usize) -> String {
        let words: Vec<&str> = name
            .split(|mark: char| mark.is_whitespace() || mark.is_control())
            .filter(|word| !word.is_empty())
            .collect();
        let name = words.join(" ");
        if name.is_empty() {
            return self.once(format!("column_{}", place.saturating_add(1)));
        }
        self.once(name)
    }

    fn once(&mut self, name: String) -> String {
        let name: String = name.chars().take(LONGEST).collect();
        let mut given = name.clone();
        let mut count = 1_usize;
        while !self.0.insert(given.to_lowercase()) {
            count = count.saturating_add(1);
            given = format!("{name}_{count}");
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_called_after_their_files() {
        let mut names = Names::default();
        let mut table = |words| names.table(words);
        assert_eq!(table("Sales 2023 (final)"), "Sales_2023_final");
        assert_eq!(table("sales-2023.final"), "sales_2023_final_2");
        assert_eq!(table("order"), "order");
        assert_eq!(table("Größe 📈"), "Größe_📈");
        assert_eq!(table("it's \"quoted\""), "it_s_quoted");
        assert_eq!(table("sqlite_master"), "table_sqlite_master");
        assert_eq!(table("json_each"), "table_json_each");
        assert_eq!(table("..."), "table");
    }

    #[test]
    fn columns_are_called_what_their_files_call_them() {
        let mut names = Names::default();
        let mut column = |name, place| names.column(name, place);
        assert_eq!(column("Total price (€)", 0), "Total price (€)");
        assert_eq!(column(" id\r\n", 1), "id");
        assert_eq!(column("ID", 2), "ID_2");
        assert_eq!(column("id_2", 3), "id_2_2");
        assert_eq!(column("", 4), "column_5");
        assert_eq!(column("column_6", 5), "column_6");
        assert_eq!(column(" ", 5), "column_6_2");
        assert_eq!(column("say \"hi\"", 7), "say \"hi\"");
    }

    #[test]
    fn names_stay_apart_when_they_are_cut() {
        let mut names = Names::default();
        let long = "x".repeat(1_000);
        let (one, other) = (names.column(&long, 0), names.column(&long, 1));
        assert_eq!(one.len(), LONGEST);
        assert_ne!(one, other);
    }
}
