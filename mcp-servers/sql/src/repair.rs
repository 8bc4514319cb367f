//! A statement that fails, changed until it does not, or until nobody knows what else to change. No
//! model has a part in it.
//!
//! What the database says of a failure is not read: each has other words for it. The statement is
//! compared with the schema instead, and what does not fit is changed:
//! - `text`: what stands around the statement, and what keeps it from being parsed.
//! - `functions`: functions of other databases.
//! - `spelling`: names in other capitals than they are stored in.
//! - `tables`, `columns`, `joins`: names that are not there, or mean two things. `likeness`: which
//!   names come near. `conditions`: conditions in their parts.
//! - `aggregates`: aggregates where there can be none. Only where all names fit: what is grouped by
//!   decides about the rows.
//! - `literals`: texts that no row holds, written as the database writes them. This is done as well
//!   where a statement succeeds: it is the usual reason for an answer without rows.
//!
//! Where nothing is found, joins by anything but keys are written anew by these.
//!
//! Whatever is changed, the guard sees the whole statement again before the database does.

mod aggregates;
mod columns;
mod conditions;
mod functions;
mod joins;
mod likeness;
mod literals;
mod spelling;
mod tables;
mod text;

use sqlparser::ast::Query;
use thiserror::Error;

use crate::asked::{Asked, parsed};
use crate::database::Rows;
use crate::source::{Answered, SourceError};

/// Most rounds of changing and trying again.
const ROUNDS: usize = 6;

/// A statement that has an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Repaired {
    /// The statement.
    pub sql: String,
    /// As it was sent, and what it gives, as much as the database allows.
    pub answered: Answered,
    /// What was changed, in plain words; empty where nothing was.
    pub changes: Vec<String>,
    /// Whether it had no answer as it was.
    pub mended: bool,
}

impl Repaired {
    /// What it gives.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.answered.rows
    }
}

/// A statement that could not be changed so that it has an answer.
#[derive(Debug, Error)]
#[error("{failure}")]
pub struct Unrepaired {
    /// The statement as it was tried last.
    pub sql: String,
    /// What was changed, in plain words.
    pub changes: Vec<String>,
    /// Why it has no answer.
    pub failure: SourceError,
}

/// Runs a statement; where it fails, changes it and tries again. What the question says, where there
/// is one, decides between names that come equally near.
///
/// # Errors
/// When it still fails, with the last reason.
pub async fn repair(
    question: Option<&str>,
    sql: &str,
    asked: &Asked<'_>,
) -> Result<Repaired, Unrepaired> {
    let mut sql = sql.trim().to_owned();
    let mut changes = Vec::new();
    let mut seen = vec![sql.clone()];
    let mut round = 0_usize;
    let answered = loop {
        let failure = match asked.answer(&sql).await {
            Ok(answered) => break answered,
            Err(failure) => failure,
        };
        let changed = if round < ROUNDS && failure.is_about_the_statement() {
            mended(question, &sql, asked).await
        } else {
            None
        };
        match changed.filter(|(changed, _)| !seen.contains(changed)) {
            Some((changed, how)) => {
                changes.extend(how);
                seen.push(changed.clone());
                sql = changed;
            }
            None => {
                return Err(Unrepaired {
                    sql,
                    changes,
                    failure,
                });
            }
        }
        round = round.saturating_add(1);
    };
    let mended = !changes.is_empty();
    let mut repaired = Repaired {
        sql,
        answered,
        changes,
        mended,
    };
    respell(&mut repaired, asked).await;
    if nothing(repaired.rows()) {
        rejoin(&mut repaired, asked).await;
    }
    Ok(repaired)
}

/// Writes texts that no row holds as the database does, if the statement then still has an answer.
/// Where it finds something as it is, each text stays with its column.
async fn respell(repaired: &mut Repaired, asked: &Asked<'_>) {
    let Some(query) = parsed(&repaired.sql, asked.dialect()) else {
        return;
    };
    let anywhere = nothing(repaired.rows());
    if let Some((sql, how)) = literals::mend(&query, anywhere, asked).await
        && let Ok(answered) = asked.answer(&sql).await
    {
        repaired.sql = sql;
        repaired.answered = answered;
        repaired.changes.extend(how);
    }
}

/// Joins tables by their keys, if the statement then finds something.
async fn rejoin(repaired: &mut Repaired, asked: &Asked<'_>) {
    let query = parsed(&repaired.sql, asked.dialect());
    let mended =
        query.and_then(|query| joins::mend(&query, asked.schema, &asked.links, asked.dialect()));
    if let Some(sql) = mended.and_then(|mended| written(&mended, asked))
        && let Ok(answered) = asked.answer(&sql).await
        && !nothing(&answered.rows)
    {
        repaired.sql = sql;
        repaired.answered = answered;
        repaired
            .changes
            .push("joined the tables by their keys, as nothing was found".to_owned());
    }
}

/// No rows, none with a value, or a count of zero.
pub(crate) fn nothing(rows: &Rows) -> bool {
    match rows.rows.as_slice() {
        [row] if matches!(row.as_slice(), [value] if value.as_f64() == Some(0.0)) => true,
        rows => rows.iter().flatten().all(serde_json::Value::is_null),
    }
}

/// A statement with what does not fit changed, and how; `None` where all fits.
async fn mended(
    question: Option<&str>,
    sql: &str,
    asked: &Asked<'_>,
) -> Option<(String, Vec<String>)> {
    let dialect = asked.dialect();
    let Some(before) = parsed(sql, dialect) else {
        return text::mend(sql, dialect);
    };
    let mut named = before.clone();
    let mut how = Vec::new();
    functions::mend(&mut named, dialect, &mut how);
    spelling::mend(&mut named, asked, &mut how);
    tables::mend(&mut named, asked, question, &mut how);
    let mut places = columns::Places::new();
    let (mut query, mut by_columns) = (named.clone(), Vec::new());
    let wanted = columns::mend(&mut query, asked, question, &places, &mut by_columns);
    if !wanted.is_empty() {
        // Only now is it worth asking the database where these texts are.
        places = literals::places(wanted, asked).await;
        (query, by_columns) = (named, Vec::new());
        columns::mend(&mut query, asked, question, &places, &mut by_columns);
    }
    how.extend(by_columns);
    let grouped = query == before;
    aggregates::mend(&mut query, dialect, grouped, &mut how);
    if let Some(sql) = written(&query, asked).filter(|_| query != before) {
        return Some((sql, how));
    }
    literals::mend(&before, true, asked).await
}

/// A statement as text, if that text says the same.
fn written(query: &Query, asked: &Asked<'_>) -> Option<String> {
    let sql = query.to_string();
    let again = parsed(&sql, asked.dialect())?;
    (again == *query).then_some(sql)
}

#[cfg(test)]
mod tests;
