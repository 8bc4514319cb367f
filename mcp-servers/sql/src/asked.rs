//! A database together with all that is needed to ask it.

use sqlparser::ast::{Query, Select, SetExpr, Statement};
use sqlparser::parser::Parser;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::database::{DatabaseError, Engine, Limits, Rows};
use crate::dialect::Dialect;
use crate::guard::{Guard, Refusal};
use crate::schema::Schema;

/// Deepest nesting of a statement that is looked into, as the guard's.
const MAX_DEPTH: usize = 48;

/// A database, what may be asked of it, and what is in it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Who answers.
    pub engine: &'a dyn Engine,
    /// What lets statements pass. Nothing is sent that it has not written.
    pub guard: &'a Guard,
    /// What there is to ask about.
    pub schema: &'a Schema,
    /// How much one statement may cost.
    pub limits: &'a Limits,
    /// Stops everything.
    pub cancel: &'a CancellationToken,
}

/// Why a statement has no answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// The guard did not let it pass.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The database did not answer.
    #[error("the database failed: {0}")]
    Failed(#[from] DatabaseError),
}

impl Failure {
    /// Whether another statement could have an answer where this one has none.
    pub(crate) fn is_about_the_statement(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Failed(DatabaseError::Statement { .. })
        )
    }
}

impl Asked<'_> {
    /// The rows of a statement, if the guard lets it pass.
    ///
    /// # Errors
    /// When it is refused, or the database does not answer.
    pub async fn rows(&self, sql: &str) -> Result<Rows, Failure> {
        if self.cancel.is_cancelled() {
            return Err(DatabaseError::Cancelled.into());
        }
        let approved = self.guard.check(sql)?;
        let rows = self
            .engine
            .query(&approved, self.limits, self.cancel)
            .await?;
        Ok(rows)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.guard.dialect()
    }
}

/// A statement taken apart; `None` where it is no single query.
pub(crate) fn parsed(sql: &str, dialect: Dialect) -> Option<Query> {
    let parser = Parser::new(dialect.grammar()).with_recursion_limit(MAX_DEPTH);
    let statements = parser.try_with_sql(sql).ok()?.parse_statements().ok()?;
    match <[Statement; 1]>::try_from(statements).ok()? {
        [Statement::Query(query)] => Some(*query),
        _ => None,
    }
}

/// The select list that names the columns of a query.
pub(crate) fn first_select(query: &Query) -> Option<&Select> {
    let mut body = &query.body;
    loop {
        match &**body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => body = &query.body,
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    }
}
