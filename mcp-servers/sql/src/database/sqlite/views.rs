//! What views read of tables that may not be read otherwise.
//!
//! SQLite says of each column that is read in whose name it is: a view's, but also that of a name
//! given by WITH or AS, which a statement chooses. What a view itself reads is therefore learned
//! when the file is opened, and no more is read in its name. Which rows it lets through SQLite does
//! not say: that is for the guard, which takes no name that a rule speaks of.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::Dialect;
use crate::guard::Rules;

/// Columns that views read, as view, table and column, in small letters.
#[derive(Default)]
pub(super) struct Views(BTreeSet<(String, String, String)>);

impl Views {
    /// Learns what the views read that the rules list.
    pub(super) fn learn(connection: &mut Connection, rules: &Rules) -> rusqlite::Result<Self> {
        if rules.tables.is_empty() {
            return Ok(Self::default());
        }
        let named: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'view'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let read = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&read);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if let Some(read) = reading(&context) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.insert(read);
            }
            Authorization::Allow
        }))?;
        for view in named.iter().filter(|view| rules.may_see(view)) {
            let sql = format!("SELECT * FROM {}", Dialect::Sqlite.quoted(view));
            // One that no longer fits its tables cannot be read by anybody.
            let _ = connection.prepare(&sql);
        }
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self(read))
    }

    /// Whether a view reads this as well.
    pub(super) fn read(&self, context: &AuthContext<'_>) -> bool {
        let Some(read) = reading(context) else {
            return false;
        };
        // Without a column, where only the number of rows is asked for.
        let (view, table, column) = &read;
        self.0.contains(&read)
            || column.is_empty()
                && self
                    .0
                    .iter()
                    .any(|(of, from, _)| (of, from) == (view, table))
    }
}

fn reading(context: &AuthContext<'_>) -> Option<(String, String, String)> {
    let AuthAction::Read {
        table_name,
        column_name,
    } = context.action
    else {
        return None;
    };
    let view = context.accessor?;
    Some((
        view.to_lowercase(),
        table_name.to_lowercase(),
        column_name.to_lowercase(),
    ))
}
