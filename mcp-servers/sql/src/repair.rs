//! A statement that fails, changed until it does not, or until nobody knows what else to change. No
//! model has a part in it.
//!
//! What the database says of a failure is not read: each has other words for it. The statement is
//! compared with the schema instead, and all that does not fit is changed at once:
//! - `text`: what stands around the statement, and what keeps it from being parsed.
//! - `functions`: functions of other databases.
//! - `tables`, `columns`, `joins`: names that are not there, or mean two things. `likeness`: which
//!   names come near.
//! - `aggregates`: aggregates where there can be none.
//! - `literals`: texts that no row holds, written as the database writes them. This is done as well
//!   where a statement succeeds: it is the usual reason for an answer without rows.
//!
//! Where nothing is found, joins by anything but keys are written anew by these.
//!
//! Whatever is changed, the guard sees the whole statement again before the database does.

mod aggregates;
mod columns;
mod functions;
mod joins;
mod likeness;
mod literals;
mod tables;
mod text;

use serde::Serialize;
use sqlparser::ast::{Ident, Query};
use thiserror::Error;

use crate::asked::{Asked, parsed};
use crate::database::Rows;
use crate::dialect::Dialect;
use crate::source::SourceError;

/// Most rounds of changing and trying again.
const ROUNDS: usize = 6;

/// A statement that has an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repaired {
    /// The statement.
    pub sql: String,
    /// What it gives.
    pub rows: Rows,
    /// What was changed, in plain words; empty where nothing was.
    pub changes: Vec<String>,
    /// Whether it had no answer as it was.
    pub mended: bool,
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
    let rows = loop {
        let failure = match asked.rows(&sql).await {
            Ok(rows) => break rows,
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
        rows,
        changes,
        mended,
    };
    respell(&mut repaired, asked).await;
    if nothing(&repaired.rows) {
        rejoin(&mut repaired, asked).await;
    }
    Ok(repaired)
}

/// Writes texts that no row holds as the database does, if the statement then still has an answer.
async fn respell(repaired: &mut Repaired, asked: &Asked<'_>) {
    let Some(query) = parsed(&repaired.sql, asked.dialect()) else {
        return;
    };
    if let Some((sql, how)) = literals::mend(&query, asked).await
        && let Ok(rows) = asked.rows(&sql).await
    {
        repaired.sql = sql;
        repaired.rows = rows;
        repaired.changes.extend(how);
    }
}

/// Joins tables by their keys, if the statement then finds something.
async fn rejoin(repaired: &mut Repaired, asked: &Asked<'_>) {
    let query = parsed(&repaired.sql, asked.dialect());
    let mended = query.and_then(|query| joins::mend(&query, asked.schema, asked.dialect()));
    if let Some(sql) = mended.and_then(|mended| written(&mended, asked))
        && let Ok(rows) = asked.rows(&sql).await
        && !nothing(&rows)
    {
        repaired.sql = sql;
        repaired.rows = rows;
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

/// A statement with all changed that does not fit, and how; `None` where all fits.
async fn mended(
    question: Option<&str>,
    sql: &str,
    asked: &Asked<'_>,
) -> Option<(String, Vec<String>)> {
    let dialect = asked.dialect();
    let Some(mut query) = parsed(sql, dialect) else {
        return text::mend(sql, dialect);
    };
    let before = query.clone();
    let mut how = Vec::new();
    functions::mend(&mut query, dialect, &mut how);
    tables::mend(&mut query, asked.schema, dialect, question, &mut how);
    let places = literals::places(&query, asked).await;
    columns::mend(&mut query, asked, question, &places, &mut how);
    aggregates::mend(&mut query, dialect, &mut how);
    if let Some(sql) = written(&query, asked).filter(|_| query != before) {
        return Some((sql, how));
    }
    literals::mend(&before, asked).await
}

/// A statement as text, if that text says the same.
fn written(query: &Query, asked: &Asked<'_>) -> Option<String> {
    let sql = query.to_string();
    let again = parsed(&sql, asked.dialect())?;
    (again == *query).then_some(sql)
}

/// Words that no dialect takes for a name without quotes.
const RESERVED: [&str; 26] = [
    "all", "and", "as", "by", "case", "check", "column", "default", "desc", "end", "from", "group",
    "having", "in", "index", "key", "limit", "not", "or", "order", "select", "table", "then", "to",
    "user", "where",
];

/// A name as it stands in a statement.
fn ident(name: &str, dialect: Dialect) -> Ident {
    let plain = |character: char| {
        let small = dialect != Dialect::Postgres || !character.is_uppercase();
        small && (character.is_ascii_alphanumeric() || character == '_')
    };
    let is_word =
        name.chars().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_word && !RESERVED.contains(&name.to_lowercase().as_str()) {
        Ident::new(name)
    } else {
        Ident::with_quote(dialect.quote(), name)
    }
}
