//! The semantic layer: what people mean by "revenue", written down once.
//!
//! A YAML file of metrics (name, definition, formula, where its rows come from, other words for it),
//! descriptions of tables and columns, and examples. All of it is checked against the guard and the
//! database when it is read: a formula that does more than compute, or that uses a name there is
//! not, is refused there and not when somebody asks.

mod asked;
mod check;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::guard::Guard;
use crate::schema::Schema;
use crate::source::Source;

/// What is known of a database beyond its schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Semantics {
    /// Figures that people ask for by name.
    pub metrics: Vec<Metric>,
    /// What tables and columns mean, by the names of the tables.
    pub tables: BTreeMap<String, Meaning>,
    /// Questions with statements that answer them.
    pub examples: Vec<Example>,
}

/// A figure that people ask for by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// What it is called.
    pub name: String,
    /// What it means, for people.
    pub definition: String,
    /// How it is computed: an SQL expression over `from`, usually an aggregate.
    pub formula: String,
    /// Where its rows come from: a table, or tables joined, as after FROM.
    pub from: String,
    /// Which rows count, as after WHERE; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Other words for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub synonyms: Vec<String>,
    /// What it is seen by, name to SQL expression: `region: customer.region`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
    /// The chart that shows it best: bar, line, point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// When it is used, what to mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// What a table and its columns mean.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Meaning {
    /// What a row is.
    pub description: Option<String>,
    /// What columns mean.
    pub columns: BTreeMap<String, String>,
}

/// A question with a statement that answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What is asked.
    pub question: String,
    /// The statement.
    pub sql: String,
}

/// Why a semantic layer cannot be used.
#[derive(Debug, Error)]
pub enum SemanticsError {
    /// The file cannot be read.
    #[error("{}: {reason}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why, with the line where there is one.
        reason: String,
    },
    /// Something in it does not hold.
    #[error("{what}: {reason}")]
    Wrong {
        /// What: `metric revenue`, `example 3`.
        what: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl Semantics {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not of this form.
    pub fn read(file: &Path) -> Result<Self, SemanticsError> {
        let failed = |reason: String| SemanticsError::File {
            file: file.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_norway::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// Checks that every statement in it may be sent, and that tables and columns exist.
    ///
    /// # Errors
    /// With the first thing that does not hold.
    pub fn check(&self, guard: &Guard, schema: &Schema) -> Result<(), SemanticsError> {
        check::check(self, guard, schema)
    }

    /// Every statement in it, with where it stands: `metric revenue`, `example 3`.
    fn statements(&self) -> impl Iterator<Item = (String, String)> {
        let metrics = self.metrics.iter().flat_map(|metric| {
            let what = format!("metric `{}`", metric.name);
            let all: Vec<&str> = metric.dimensions.keys().map(String::as_str).collect();
            [(what.clone(), metric.sql(&[])), (what, metric.sql(&all))]
        });
        let examples = self.examples.iter().enumerate();
        let examples = examples.map(|(place, example)| {
            let number = place.saturating_add(1);
            (format!("example {number}"), example.sql.clone())
        });
        metrics.chain(examples)
    }

    /// Has the database itself look at every statement: it knows which names there are.
    ///
    /// # Errors
    /// With the first one that it does not understand.
    pub(crate) async fn tried(&self, source: &Source) -> Result<(), SemanticsError> {
        let statements: Vec<(String, String)> = self.statements().collect();
        for (what, sql) in statements {
            let tried = source.check(&sql).await;
            tried.map_err(|error| check::refused(&what, &sql, &error))?;
        }
        Ok(())
    }

    /// Metrics that a question names, by their names and synonyms, longest first.
    #[must_use]
    pub fn named(&self, question: &str) -> Vec<&Metric> {
        let asked = spaced(question);
        let length = |metric: &&Metric| {
            let names = metric.synonyms.iter().chain([&metric.name]);
            let found = names.filter(|name| asked.contains(&spaced(name)));
            found.map(|name| name.len()).max()
        };
        let mut found: Vec<(usize, &Metric)> = self
            .metrics
            .iter()
            .filter_map(|metric| Some((length(&metric)?, metric)))
            .collect();
        found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        found.into_iter().map(|(_, metric)| metric).collect()
    }

    /// A schema with what is said here in place of what the database says.
    #[must_use]
    pub fn told_of(&self, schema: &Schema) -> Schema {
        let mut told = schema.clone();
        for table in &mut told.tables {
            let named = |name: &&String| name.eq_ignore_ascii_case(&table.name);
            let Some(meaning) = self
                .tables
                .keys()
                .find(named)
                .and_then(|name| self.tables.get(name))
            else {
                continue;
            };
            if meaning.description.is_some() {
                table.comment.clone_from(&meaning.description);
            }
            for column in &mut table.columns {
                let mut said = meaning.columns.iter();
                let said = said.find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
                if let Some((_, meaning)) = said {
                    column.comment = Some(meaning.clone());
                }
            }
        }
        told
    }
}

impl Metric {
    /// The statement that computes it, by some of its dimensions.
    #[must_use]
    pub fn sql(&self, by: &[&str]) -> String {
        let dimensions: Vec<(&str, &String)> = by
            .iter()
            .filter_map(|name| Some((*name, self.dimensions.get(*name)?)))
            .collect();
        let alias = |name: &str| format!("\"{}\"", name.replace('"', ""));
        let shown = dimensions.iter();
        let mut shown: Vec<String> = shown
            .map(|(name, expression)| format!("{expression} AS {}", alias(name)))
            .collect();
        shown.push(format!("{} AS {}", self.formula, alias(&self.name)));
        let mut sql = format!("SELECT {} FROM {}", shown.join(", "), self.from);
        if let Some(filter) = &self.filter {
            sql.push_str(" WHERE ");
            sql.push_str(filter);
        }
        if !dimensions.is_empty() {
            let keys: Vec<&str> = dimensions.iter().map(|(_, key)| key.as_str()).collect();
            let keys = keys.join(", ");
            sql.push_str(&format!(" GROUP BY {keys} ORDER BY {keys}"));
        }
        sql
    }
}

/// A text as words between spaces, for finding whole words in it.
fn spaced(text: &str) -> String {
    format!(" {} ", ropewalk_embed::terms(text).join(" "))
}

#[cfg(test)]
mod tests;
