//! Whether a semantic layer fits its database.

use std::collections::BTreeSet;

use crate::guard::Guard;
use crate::schema::Schema;
use crate::semantics::{Metric, Semantics, SemanticsError};

pub(super) fn check(
    semantics: &Semantics,
    guard: &Guard,
    schema: &Schema,
) -> Result<(), SemanticsError> {
    let mut names = BTreeSet::new();
    for metric in &semantics.metrics {
        let what = format!("metric `{}`", metric.name);
        if metric.name.trim().is_empty() || !names.insert(metric.name.to_lowercase()) {
            return Err(wrong(&what, "give each metric a name of its own"));
        }
        check_metric(&what, metric, guard)?;
    }
    for (number, example) in semantics.examples.iter().enumerate() {
        let what = format!("example {}", number.saturating_add(1));
        allowed(&what, &example.sql, guard)?;
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

fn check_metric(what: &str, metric: &Metric, guard: &Guard) -> Result<(), SemanticsError> {
    let all: Vec<&str> = metric.dimensions.keys().map(String::as_str).collect();
    for by in [&[][..], &all] {
        allowed(what, &metric.sql(by), guard)?;
    }
    Ok(())
}

fn allowed(what: &str, sql: &str, guard: &Guard) -> Result<(), SemanticsError> {
    guard.check(sql).map(drop).map_err(|refusal| {
        let reason = format!("{refusal}; it was read as: {sql}");
        wrong(what, &reason)
    })
}

fn wrong(what: &str, reason: &str) -> SemanticsError {
    SemanticsError::Wrong {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}
