//! Columns compared, added up and sorted as numbers, however they are kept.

use crate::dialect::Dialect;
use crate::parse::form::{At, Op, is_year};
use crate::parse::write::Writer;
use crate::schema::Holds;

/// A number as PostgreSQL reads one.
const NUMBER: &str = r"'^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$'";

impl Writer<'_> {
    /// A column by its value as a number.
    pub(super) fn measured(&self, at: At) -> Option<String> {
        Some(self.as_number(self.name(at)?, self.facts.column(at)?.holds))
    }

    /// An expression by its value as a number. Texts are compared by their letters, so that 9 would
    /// be more than 10; and what is no number at all would be 0, or an error.
    pub(super) fn as_number(&self, name: String, holds: Holds) -> String {
        if holds != Holds::NumberAsText {
            return name;
        }
        match self.dialect {
            Dialect::Sqlite => {
                format!("CASE WHEN {name} GLOB '*[0-9]*' THEN CAST({name} AS NUMERIC) END")
            }
            Dialect::Postgres => {
                format!("CASE WHEN {name} ~ {NUMBER} THEN CAST({name} AS NUMERIC) END")
            }
            Dialect::Mysql => format!("CASE WHEN {name} REGEXP '[0-9]' THEN {name} + 0 END"),
        }
    }

    /// Both sides of a comparison of a column with a number, by what the column holds.
    pub(super) fn compared(&self, at: At, op: Op, value: f64) -> Option<(String, String)> {
        let name = self.name(at)?;
        let equal = matches!(op, Op::Equal | Op::Unequal);
        Some(match self.facts.column(at)?.holds {
            Holds::Date if is_year(value) => (self.year(&name), number(value)),
            Holds::Text | Holds::Truth | Holds::Other => (name, format!("'{}'", number(value))),
            // As it is written: a code is found by an index, and 007 is not 7.
            Holds::NumberAsText if equal => (name, format!("'{}'", number(value))),
            holds => (self.as_number(name, holds), number(value)),
        })
    }

    /// The year of a date. SQLite keeps dates as texts with the year in front.
    pub(super) fn year(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("CAST(SUBSTR({name}, 1, 4) AS INTEGER)"),
            Dialect::Postgres | Dialect::Mysql => format!("EXTRACT(YEAR FROM {name})"),
        }
    }
}

/// A number as it is written in SQL.
pub(super) fn number(value: f64) -> String {
    value.to_string()
}
