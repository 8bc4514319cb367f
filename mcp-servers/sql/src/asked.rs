//! A database together with all that is needed to choose and to repair statements for it.
//!
//! - `lookups`: which texts its columns hold, asked at most so often.

mod lookups;

use std::sync::Arc;

use sqlparser::ast::{Query, Select, SetExpr, Statement};
use sqlparser::parser::Parser;
use tokio_util::sync::CancellationToken;

use crate::catalogue::beside;
use crate::database::Rows;
use crate::dialect::Dialect;
use crate::guard::MAX_DEPTH;
use crate::parse;
use crate::schema::Schema;
use crate::scopes::Links;
use crate::source::{Answered, Source, SourceError};
use crate::values::ValueIndex;

use lookups::Lookups;
pub(crate) use lookups::Unknown;

/// A database and what is known of it, for as long as one question is answered: what is looked up
/// for one statement is known for the next, and all of them together look up only so much.
pub struct Asked<'a> {
    pub(crate) source: &'a Source,
    pub(crate) schema: &'a Schema,
    pub(crate) links: Arc<Links>,
    pub(crate) cancel: &'a CancellationToken,
    lookups: Lookups,
}

impl<'a> Asked<'a> {
    /// A database with this schema; `cancel` stops everything. How the tables hang together is
    /// found out beside the async threads.
    pub async fn new(
        source: &'a Source,
        schema: &'a Arc<Schema>,
        cancel: &'a CancellationToken,
    ) -> Self {
        let of = Arc::clone(schema);
        let links = beside(move || parse::links(&of)).await;
        Self::knowing(source, schema, Arc::new(links), None, cancel)
    }

    /// With what was found out before: how its tables hang together, and which values it holds.
    pub(crate) fn knowing(
        source: &'a Source,
        schema: &'a Schema,
        links: Arc<Links>,
        values: Option<Arc<ValueIndex>>,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self {
            source,
            schema,
            links,
            cancel,
            lookups: Lookups::new(values),
        }
    }

    /// A statement as it is sent and its rows, as many as the database allows.
    pub(crate) async fn answer(&self, sql: &str) -> Result<Answered, SourceError> {
        let limits = self.source.limits();
        self.source.rows(sql, limits, self.cancel).await
    }

    /// The rows of a statement, as many as the database allows.
    ///
    /// # Errors
    /// As [`Source::rows`].
    pub async fn rows(&self, sql: &str) -> Result<Rows, SourceError> {
        Ok(self.answer(sql).await?.rows)
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
