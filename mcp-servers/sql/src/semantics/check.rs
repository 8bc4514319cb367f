//! Whether a semantic layer fits its database.

use std::collections::BTreeSet;

use crate::guard::Guard;
use crate::schema::Schema;
use crate::semantics::{Semantics, SemanticsError};

pub(super) fn check(
    semantics: &Semantics,
    guard: &Guard,
    schema: &Schema,
) -> Result<(), SemanticsError> {
    let mut names = BTreeSet::new();
    for metric in &semantics.metrics {
        if metric.name.trim().is_empty() || !names.insert(metric.name.to_lowercase()) {
            let what = format!("metric `{}`", metric.name);
            return Err(wrong(&what, "give each metric a name of its own"));
        }
    }
    for (what, sql) in semantics.statements() {
        let allowed = guard.check(&sql).map(drop);
        allowed.map_err(|refusal| refused(&what, &sql, &refusal))?;
    }
    for (name, meaning) in &semantics.tables {
        let what = format!("table `{name}`");
        let Some(table) = schema.table(name) else {
            return Err(wrong(&what, "there is no such table in the database"));
        };
        if let Some(column) = meaning
            .columns
            .keys()
            .find(|name| table.column(name).is_none())
        {
            let reason = format!("it has no column `{column}`");
            return Err(wrong(&what, &reason));
        }
    }
    Ok(())
}

/// A statement that cannot be used.
pub(super) fn refused(what: &str, sql: &str, error: &dyn std::error::Error) -> SemanticsError {
    wrong(what, &format!("{error}; it was read as: {sql}"))
}

fn wrong(what: &str, reason: &str) -> SemanticsError {
    SemanticsError::Wrong {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}
