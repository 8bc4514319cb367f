//! The three dialects of SQL that are spoken here.

mod grammar;

use serde::{Deserialize, Serialize};
use sqlparser::dialect::{self, PostgreSqlDialect};

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
