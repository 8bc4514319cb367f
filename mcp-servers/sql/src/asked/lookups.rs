//! Which texts the columns of a database hold, asked at most so often.
//!
//! What the value index knows is not asked; what was asked is remembered. A look-up that fails, that
//! takes too long or that there is no room left for is [`Unknown`], which is not the same as a text
//! that is not stored: nothing is to be concluded from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::asked::Asked;
use crate::database::{Cell, Limits};
use crate::dialect::Dialect;
use crate::schema::{Column, Holds, Table};
use crate::values::{Bounds, Found, ValueIndex, lookup};
use crate::words::fold;

/// Most look-ups for one question, and how long all of them may take.
const LOOKUPS: usize = 300;
const TIME: Duration = Duration::from_secs(10);

/// Most different values of a column that are looked through.
const VALUES: usize = 5_000;

/// Nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

/// What was looked up, and how much more may be.
pub(super) struct Lookups {
    values: Option<Arc<ValueIndex>>,
    state: Mutex<State>,
}

struct State {
    known: HashMap<Wanted, Option<Vec<String>>>,
    left: usize,
    time: Duration,
}

/// What is looked up of a table and a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Wanted {
    table: String,
    column: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum What {
    /// This text.
    Exactly(String),
    /// Texts that differ from it at most in capitals.
    Nearly(String),
    /// All texts.
    All,
}

impl Lookups {
    pub(super) fn new(values: Option<Arc<ValueIndex>>) -> Self {
        Self {
            values,
            state: Mutex::new(State {
                known: HashMap::new(),
                left: LOOKUPS,
                time: TIME,
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index, where it knows all values of a column and tells texts such as this one apart.
    fn index(&self, table: &Table, column: &Column, text: &str) -> Option<&ValueIndex> {
        let values = self.values.as_deref()?;
        let told = values.complete(&table.name, &column.name) && !fold(text).is_empty();
        told.then_some(values)
    }
}

impl Asked<'_> {
    /// Whether a column holds exactly this text.
    pub(crate) async fn holds(
        &self,
        table: &Table,
        column: &Column,
        text: &str,
    ) -> Result<bool, Unknown> {
        // Databases that know numbers from texts do not compare them.
        let compares = self.dialect() == Dialect::Sqlite || column.holds() != Holds::Number;
        if !compares && text.trim().parse::<f64>().is_err() {
            return Ok(false);
        }
        let found = Found {
            table: table.name.clone(),
            column: column.name.clone(),
            value: text.to_owned(),
            score: 1.0,
        };
        // What the index does not have may have come since it was read.
        let index = self.lookups.index(table, column, text);
        if index.is_some_and(|values| values.holds(&found)) {
            return Ok(true);
        }
        let what = What::Exactly(text.to_owned());
        Ok(!self.looked_up(table, column, what).await?.is_empty())
    }

    /// The one text of a column that differs from this one at most in capitals.
    pub(crate) async fn stored(
        &self,
        table: &Table,
        column: &Column,
        text: &str,
    ) -> Result<Option<String>, Unknown> {
        let found = match self.lookups.index(table, column, text) {
            Some(values) => {
                let named = values.named(text, usize::MAX).into_iter();
                let own = named.filter(|found| {
                    found.table == table.name
                        && found.column == column.name
                        && found.value.to_lowercase() == text.to_lowercase()
                });
                own.map(|found| found.value).collect()
            }
            None => {
                let what = What::Nearly(text.to_owned());
                self.looked_up(table, column, what).await?
            }
        };
        Ok(match <[String; 1]>::try_from(found) {
            Ok([only]) => Some(only),
            Err(_) => None,
        })
    }

    /// All texts of a column, where they are not too many.
    pub(crate) async fn texts(
        &self,
        table: &Table,
        column: &Column,
    ) -> Result<Vec<String>, Unknown> {
        self.looked_up(table, column, What::All).await
    }

    async fn looked_up(
        &self,
        table: &Table,
        column: &Column,
        what: What,
    ) -> Result<Vec<String>, Unknown> {
        let wanted = Wanted {
            table: table.name.clone(),
            column: column.name.clone(),
            what,
        };
        {
            let mut state = self.lookups.state();
            if let Some(known) = state.known.get(&wanted) {
                return known.clone().ok_or(Unknown);
            }
            state.left = state.left.checked_sub(1).ok_or(Unknown)?;
            if state.time.is_zero() {
                return Err(Unknown);
            }
        }
        let began = Instant::now();
        let found = self.ask(&wanted).await;
        let mut state = self.lookups.state();
        state.time = state.time.saturating_sub(began.elapsed());
        state.known.insert(wanted, found.clone());
        found.ok_or(Unknown)
    }

    async fn ask(&self, wanted: &Wanted) -> Option<Vec<String>> {
        let (most, condition) = match &wanted.what {
            What::Exactly(text) => (1, format!("= {}", self.dialect().literal(text))),
            What::All => (VALUES, "IS NOT NULL".to_owned()),
            What::Nearly(text) => {
                let bounds = Bounds {
                    characters: text.chars().count().max(Bounds::default().characters),
                    ..Bounds::default()
                };
                let (table, column) = (&wanted.table, &wanted.column);
                let found = lookup(self.source, table, column, text, &bounds, self.cancel).await;
                return Some(found.ok()?.into_iter().map(|found| found.value).collect());
            }
        };
        let column = self.dialect().quoted(&wanted.column);
        let rows = most.saturating_add(1);
        let sql = format!(
            "SELECT DISTINCT {column} FROM {} WHERE {column} {condition} LIMIT {rows}",
            self.dialect().quoted_path(&wanted.table)
        );
        let limits = Limits {
            rows,
            time: Bounds::default().column_time,
            ..self.source.limits().clone()
        };
        let answer = self
            .source
            .rows(&sql, &limits, self.cancel)
            .await
            .ok()?
            .rows;
        let all = answer.truncated.is_none() && answer.rows.len() <= most;
        if !all && wanted.what == What::All {
            return None;
        }
        let cells = answer.rows.into_iter().flatten();
        let texts = cells.filter_map(|cell| match cell {
            Cell::String(text) => Some(text),
            Cell::Number(number) => Some(number.to_string()),
            _ => None,
        });
        Some(texts.collect())
    }
}
