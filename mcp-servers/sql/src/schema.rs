//! What a database holds, as far as questions need to know.
//!
//! - `holds`: what a column holds, by its type.

mod holds;

use serde::{Deserialize, Serialize};

pub(crate) use holds::Holds;

/// How alike two names must be to be told, 0 to 1.
const ALIKE: f64 = 0.55;

/// All tables of a database that may be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Tables and views, in the order of their names.
    pub tables: Vec<Table>,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name, after its schema's where that is not the usual one: `schema.name`.
    pub name: String,
    /// Whether it is a view.
    pub view: bool,
    /// What the database says of it.
    pub comment: Option<String>,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns that tell its rows apart.
    pub primary_key: Vec<String>,
    /// The columns whose values are keys of other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// How many rows it has, as far as the database knows without reading all of them.
    pub rows: Option<u64>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the database says it; empty where it has none.
    pub kind: String,
    /// Whether a row may be without a value.
    pub nullable: bool,
    /// What the database says of it.
    pub comment: Option<String>,
    /// A few different values.
    pub samples: Vec<String>,
}

/// Columns whose values are keys of another table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The columns of this table.
    pub columns: Vec<String>,
    /// The other table.
    pub table: String,
    /// Its columns, in the same order.
    pub targets: Vec<String>,
}

impl Schema {
    /// A table by its name, whatever its capitals.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        let same = |table: &&Table| table.name.eq_ignore_ascii_case(name);
        self.tables.iter().find(same)
    }

    /// Up to `limit` names of tables like one, best first.
    #[must_use]
    pub fn nearest(&self, name: &str, limit: usize) -> Vec<String> {
        alike(
            name,
            self.tables.iter().map(|table| table.name.clone()),
            limit,
        )
    }
}

impl Table {
    /// A column by its name, whatever its capitals.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        let same = |column: &&Column| column.name.eq_ignore_ascii_case(name);
        self.columns.iter().find(same)
    }
}

/// A name without what it belongs to.
pub(crate) fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Up to `limit` names most like one, by their last part, best first.
pub(crate) fn alike(
    wanted: &str,
    names: impl Iterator<Item = String>,
    limit: usize,
) -> Vec<String> {
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
        .take(limit)
        .map(|(_, name)| name)
        .collect()
}

/// Tables as tests make them.
#[cfg(test)]
pub(crate) mod made {
    use super::{Column, ForeignKey, Table};

    /// A table of plain columns that points to others by their names: `singer_id` to `singer.id`.
    pub(crate) fn table(name: &str, columns: &[&str], targets: &[&str]) -> Table {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            kind: String::new(),
            nullable: true,
            comment: None,
            samples: Vec::new(),
        };
        let key = |target: &&str| ForeignKey {
            columns: vec![format!("{target}_id")],
            table: (*target).to_owned(),
            targets: vec!["id".to_owned()],
        };
        Table {
            name: name.to_owned(),
            view: false,
            comment: None,
            columns: columns.iter().map(column).collect(),
            primary_key: vec!["id".to_owned()],
            foreign_keys: targets.iter().map(key).collect(),
            rows: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn what_is_meant_comes_first() {
        let names = [
            "customer.name",
            "customer.customer_name",
            "sale.amount",
            "sale.nation",
        ];
        let near = |wanted: &str| alike(wanted, names.iter().map(|name| (*name).to_owned()), 3);
        assert_eq!(
            near("CustomerName").first().unwrap(),
            "customer.customer_name"
        );
        assert_eq!(near("amonut").first().unwrap(), "sale.amount");
        assert!(near("xyzzy").is_empty());
    }
}
