//! What may be asked of a database: one statement that reads, and nothing that does anything else.
//!
//! Read it in this order:
//! - `rules`: who may see what.
//! - `text`: what no statement needs and parsers disagree on, refused before it is parsed.
//! - `nodes`: every node of the parsed statement against what is allowed. Nothing is allowed
//!   because nobody thought of it: structures are taken apart field by field, so that a parser
//!   that learns something new does not compile until somebody has decided about it.
//! - `functions`: the functions that only compute. What is not known is refused.
//! - `relations`: which tables are read, told apart from names given inside the statement.
//! - `filters`: rows and columns that a caller may see, written into the statement.
//! - `writing`: the statement written down again. What is sent to a database is what was checked
//!   and never the text that came: comments, conditional or not, end here.
//!
//! The guard is the first of four layers and no reason to leave out another; see
//! `docs/decisions/0034-what-is-checked-is-what-is-sent.md`.

mod filters;
mod functions;
mod nodes;
mod relations;
mod rules;
mod text;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlparser::ast::{Query, Statement};
use sqlparser::parser::{Parser, ParserError};
use thiserror::Error;

use crate::dialect::Dialect;

pub(crate) use functions::is_known;
pub use rules::Rules;

/// Longest statement, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Deepest nesting that is parsed.
pub(crate) const MAX_DEPTH: usize = 48;

/// Checks statements.
#[derive(Debug, Clone)]
pub struct Guard {
    dialect: Dialect,
    rules: Rules,
    /// Conditions on rows, parsed and checked, by the table of the rule.
    rows: BTreeMap<String, sqlparser::ast::Expr>,
    /// Tables that these conditions read: what they mean there no statement may change.
    of_conditions: BTreeSet<String>,
}

/// A statement that may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approved {
    /// The statement as it is sent.
    pub sql: String,
    /// The tables it reads, as they are named in it.
    pub tables: Vec<String>,
}

/// Why a statement may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{reason}; {hint}")]
pub struct Refusal {
    /// What is wrong.
    pub reason: String,
    /// What to do instead.
    pub hint: String,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

/// Only that which reads has a hint to give.
const READ: &str = "only a single SELECT that reads is run";

impl Guard {
    /// A guard by these rules.
    ///
    /// # Errors
    /// When a condition on rows is no expression that only computes.
    pub fn new(dialect: Dialect, rules: Rules) -> Result<Self, Refusal> {
        let mut guard = Self {
            dialect,
            rules,
            rows: BTreeMap::new(),
            of_conditions: BTreeSet::new(),
        };
        for (table, condition) in guard.rules.rows.clone() {
            let parsed = guard.condition(&condition).map_err(|refusal| {
                let reason = format!("the condition on rows of `{table}`: {}", refusal.reason);
                Refusal::new(reason, refusal.hint)
            })?;
            guard.of_conditions.extend(relations::last_names(&parsed));
            guard.rows.insert(table, parsed);
        }
        Ok(guard)
    }

    /// The dialect that is read.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A statement that may be sent in place of `sql`.
    ///
    /// # Errors
    /// When it may not be sent, with the reason.
    pub fn check(&self, sql: &str) -> Result<Approved, Refusal> {
        text::check(sql, self.dialect)?;
        let mut query = self.parsed(sql)?;
        nodes::check(&query, self.dialect, &self.rules)?;
        let tables = relations::check(&query, self)?;
        filters::write(&mut query, self)?;
        let sql = writing::write(&query, self)?;
        Ok(Approved { sql, tables })
    }

    fn parsed(&self, sql: &str) -> Result<Query, Refusal> {
        if sql.len() > MAX_BYTES {
            let reason = format!("the statement has more than {MAX_BYTES} bytes");
            return Err(Refusal::new(reason, "ask for less at a time"));
        }
        let parser = Parser::new(self.dialect.grammar()).with_recursion_limit(MAX_DEPTH);
        let statements = parser
            .try_with_sql(sql)
            .and_then(|mut parser| parser.parse_statements())
            .map_err(|error| self.unparsed(&error))?;
        let mut statements = statements.into_iter();
        let statement = statements
            .next()
            .ok_or_else(|| Refusal::new("there is no statement", READ))?;
        if statements.next().is_some() {
            return Err(Refusal::new("there is more than one statement", READ));
        }
        match statement {
            Statement::Query(query) => Ok(*query),
            other => Err(Refusal::new(
                format!("`{}` does not read", verb(&other)),
                READ,
            )),
        }
    }

    fn unparsed(&self, error: &ParserError) -> Refusal {
        let (reason, hint) = match error {
            ParserError::TokenizerError(told) | ParserError::ParserError(told) => {
                (told.clone(), "correct it there")
            }
            ParserError::RecursionLimitExceeded => (
                format!("it is nested more than {MAX_DEPTH} deep"),
                "give parts of it names with WITH",
            ),
        };
        let reason = format!(
            "this is no {} that can be read: {reason}",
            self.dialect.name()
        );
        Refusal::new(reason, hint)
    }

    fn condition(&self, condition: &str) -> Result<sqlparser::ast::Expr, Refusal> {
        text::check(condition, self.dialect)?;
        let mut parser = Parser::new(self.dialect.grammar())
            .with_recursion_limit(MAX_DEPTH)
            .try_with_sql(condition)
            .map_err(|error| self.unparsed(&error))?;
        let parsed = parser
            .parse_expr()
            .and_then(|parsed| {
                parser.expect_token(&sqlparser::tokenizer::Token::EOF)?;
                Ok(parsed)
            })
            .map_err(|error| self.unparsed(&error))?;
        nodes::check(&parsed, self.dialect, &self.rules)?;
        Ok(parsed)
    }
}

/// Whether SQLite may read a table, for the engine that asks once more.
pub(crate) fn may_read(table: &str, rules: &Rules) -> bool {
    relations::may_read(table, rules)
}

/// Whether a function of SQLite may be called, for the engine that asks once more.
pub(crate) fn may_call(function: &str, rules: &Rules) -> bool {
    functions::may_call(function, rules)
}

/// The words a statement begins with.
fn verb(statement: &Statement) -> String {
    let text = statement.to_string();
    let mut words = text.split_whitespace();
    words.next().unwrap_or_default().to_uppercase()
}
