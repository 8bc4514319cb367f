//! What a database holds, as far as questions need to know.

use serde::{Deserialize, Serialize};

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
}

impl Table {
    /// A column by its name, whatever its capitals.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        let same = |column: &&Column| column.name.eq_ignore_ascii_case(name);
        self.columns.iter().find(same)
    }
}
