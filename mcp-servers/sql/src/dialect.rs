//! The three dialects of SQL that are spoken here.

mod grammar;

use serde::{Deserialize, Serialize};
use sqlparser::ast::{Ident, ObjectName};
use sqlparser::dialect::{self, PostgreSqlDialect};

/// Words that are no names without quotes somewhere, one a line in their order: what PostgreSQL
/// reserves, what MySQL and MariaDB do, and what SQLite does.
const RESERVED: &str = include_str!("dialect/reserved.txt");

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// SQLite, which also answers for files read as tables.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

impl Dialect {
    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        }
    }

    pub(crate) fn grammar(self) -> &'static dyn dialect::Dialect {
        match self {
            Self::Sqlite => &grammar::Sqlite,
            Self::Postgres => &PostgreSqlDialect {},
            Self::Mysql => &grammar::Mysql,
        }
    }

    /// The mark around names that are not plain words.
    #[must_use]
    pub fn quote(self) -> char {
        match self {
            Self::Sqlite | Self::Postgres => '"',
            Self::Mysql => '`',
        }
    }

    /// A name as it stands in a statement, whatever is in it.
    #[must_use]
    pub fn quoted(self, name: &str) -> String {
        let mark = self.quote();
        let doubled = name.replace(mark, &format!("{mark}{mark}"));
        format!("{mark}{doubled}{mark}")
    }

    /// A name as people write it: in quotes only where it must be.
    #[must_use]
    pub fn named(self, name: &str) -> String {
        if self.is_plain(name) {
            name.to_owned()
        } else {
            self.quoted(name)
        }
    }

    /// A stored name as a part of a statement.
    pub(crate) fn ident(self, name: &str) -> Ident {
        if self.is_plain(name) {
            Ident::new(name)
        } else {
            Ident::with_quote(self.quote(), name)
        }
    }

    /// The name of a table as a part of a statement, maybe after its schema's.
    pub(crate) fn path(self, table: &str) -> ObjectName {
        let parts = match (self, table.split_once('.')) {
            (Self::Postgres | Self::Mysql, Some((schema, name))) => vec![schema, name],
            _ => vec![table],
        };
        let parts = parts.into_iter().map(|part| self.ident(part));
        ObjectName::from(parts.collect::<Vec<_>>())
    }

    /// Whether a name needs no quotes to be read as it is.
    fn is_plain(self, name: &str) -> bool {
        let mut letters = name.chars();
        let first = letters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let plain = first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        // PostgreSQL takes capitals outside quotes for small letters.
        let folded = self == Self::Postgres && name.contains(|c: char| c.is_ascii_uppercase());
        let reserved = RESERVED.lines().any(|word| name.eq_ignore_ascii_case(word));
        plain && !folded && !reserved
    }

    /// The name of a table, maybe after its schema's, as people write it.
    #[must_use]
    pub fn named_path(self, table: &str) -> String {
        match (self, table.split_once('.')) {
            (Self::Postgres | Self::Mysql, Some((schema, name))) => {
                format!("{}.{}", self.named(schema), self.named(name))
            }
            _ => self.named(table),
        }
    }

    /// A table's name as it stands in a statement: with its schema's where that is told with a dot.
    #[must_use]
    pub fn quoted_path(self, table: &str) -> String {
        match (self, table.split_once('.')) {
            (Self::Postgres | Self::Mysql, Some((schema, name))) => {
                format!("{}.{}", self.quoted(schema), self.quoted(name))
            }
            _ => self.quoted(table),
        }
    }

    /// A text as it stands in a statement, whatever is in it. The sessions of this crate see to it
    /// that the database reads it so: standard strings in PostgreSQL, backslashes as escapes in
    /// MySQL.
    #[must_use]
    pub fn literal(self, text: &str) -> String {
        let text = match self {
            Self::Mysql => text.replace('\\', "\\\\"),
            Self::Sqlite | Self::Postgres => text.to_owned(),
        };
        let escaped = text.replace('\'', "''");
        format!("'{escaped}'")
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        for (dialect, name, written) in [
            (Dialect::Sqlite, "Country", "Country"),
            (Dialect::Postgres, "Country", "\"Country\""),
            (Dialect::Postgres, "country", "country"),
            (Dialect::Sqlite, "order", "\"order\""),
            (Dialect::Mysql, "group", "`group`"),
            (Dialect::Mysql, "name", "name"),
            (Dialect::Sqlite, "ID", "ID"),
            (Dialect::Sqlite, "first name", "\"first name\""),
            (Dialect::Sqlite, "2024", "\"2024\""),
            (Dialect::Mysql, "🦀`", "`🦀```"),
            (Dialect::Sqlite, "", "\"\""),
        ] {
            assert_eq!(dialect.named(name), written);
        }
        assert_eq!(Dialect::Postgres.named_path("shop.Thing"), "shop.\"Thing\"");
        assert_eq!(Dialect::Sqlite.named_path("a.b"), "\"a.b\"");
    }
}
