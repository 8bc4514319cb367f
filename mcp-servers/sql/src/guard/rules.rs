//! Who may see what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What may be read. The default is every table but the database's own.
///
/// Tables are named as the `schema` of the database names them: with their schema where that is
/// not the usual one. Capitals make no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Tables that may be read, `name` or `schema.name`, as statements must name them; all when
    /// empty.
    pub tables: BTreeSet<String>,
    /// Columns that may be read of a table; all of a table that is not named here.
    pub columns: BTreeMap<String, Vec<String>>,
    /// A condition for each row that may be read of a table, as SQL over its columns.
    pub rows: BTreeMap<String, String>,
    /// Functions that may be called beside those known to only compute.
    pub functions: BTreeSet<String>,
    /// Functions that may not be called although they only compute.
    pub denied_functions: BTreeSet<String>,
}

impl Rules {
    /// Whether a table of exactly this name may be read. A name without a schema is not that of a
    /// table listed with one: which of them it means is for the session to say.
    pub(crate) fn may_see(&self, table: &str) -> bool {
        self.tables.is_empty() || self.lists(table)
    }

    pub(super) fn lists(&self, table: &str) -> bool {
        let table = folded(table);
        self.tables.iter().any(|listed| folded(listed) == table)
    }

    /// The columns that may be seen of a table, where that is not all of them.
    pub(crate) fn columns_of(&self, table: &str) -> Option<&[String]> {
        let mut rules = self.columns.iter();
        let found = rules.find(|(named, _)| same(named, table));
        found.map(|(_, columns)| columns.as_slice())
    }

    /// Whether a column of a table may be seen.
    pub(crate) fn may_see_column(&self, table: &str, column: &str) -> bool {
        let seen = self.columns_of(table);
        seen.is_none_or(|seen| seen.iter().any(|name| name.eq_ignore_ascii_case(column)))
    }

    /// Whether only some rows of a table may be seen.
    pub(crate) fn filters(&self, table: &str) -> bool {
        self.rows.keys().any(|named| same(named, table))
    }

    /// Whether any rule speaks of a table with this last name.
    pub(super) fn speak_of(&self, name: &str) -> bool {
        let named = self.tables.iter();
        let named = named.chain(self.columns.keys()).chain(self.rows.keys());
        named.into_iter().any(|table| last(table) == folded(name))
    }
}

/// A name as it is compared: databases fold plain names, and quoted ones that differ from another
/// only in their capitals are not worth a hole.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

fn last(table: &str) -> String {
    folded(table.rsplit('.').next().unwrap_or(table))
}

/// Whether a rule on rows or columns is about a table. Where only one of them names a schema, they
/// are taken for the same: a rule too many is better than one that is passed by.
pub(super) fn same(rule: &str, named: &str) -> bool {
    let (rule, named) = (folded(rule), folded(named));
    match (rule.rsplit_once('.'), named.rsplit_once('.')) {
        (Some(_), Some(_)) | (None, None) => rule == named,
        (Some((_, table)), None) => table == named,
        (None, Some((_, table))) => rule == table,
    }
}
