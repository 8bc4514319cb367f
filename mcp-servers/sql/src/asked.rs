//! A database together with all that is needed to ask it.

use sqlparser::ast::{Query, Select, SetExpr, Statement};
use sqlparser::parser::Parser;
use tokio_util::sync::CancellationToken;

use crate::database::Rows;
use crate::dialect::Dialect;
use crate::schema::Schema;
use crate::source::{Source, SourceError};

/// Deepest nesting of a statement that is looked into, as the guard's.
const MAX_DEPTH: usize = 48;

/// A database and what is in it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Who answers.
    pub source: &'a Source,
    /// What there is to ask about.
    pub schema: &'a Schema,
    /// Stops everything.
    pub cancel: &'a CancellationToken,
}

impl Asked<'_> {
    /// The rows of a statement, as many as the database allows.
    ///
    /// # Errors
    /// As [`Source::rows`].
    pub async fn rows(&self, sql: &str) -> Result<Rows, SourceError> {
        let limits = self.source.limits();
        Ok(self.source.rows(sql, limits, self.cancel).await?.rows)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.source.dialect()
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
