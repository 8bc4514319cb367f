//! Functions and clauses of other databases, written as the one that is asked writes them.
//!
//! What the dialect has is left as it is, and so is a call of which a part would be lost.
//!
//! - `meant`: what a call means, whichever database it is of. `said`: how a dialect says that.
//! - `format`: how dates are to be written.

mod format;
mod meant;
mod said;

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Fetch, LimitClause, Query, SetExpr, Top, TopQuantity, Value, VisitMut, VisitorMut,
};
use sqlparser::parser::Parser;

use crate::dialect::Dialect;

/// Writes functions and clauses that the dialect does not have as it would.
pub(super) fn mend(query: &mut Query, dialect: Dialect, how: &mut Vec<String>) {
    let mut mending = Mending { dialect, how };
    let _ = query.visit(&mut mending);
}

struct Mending<'a> {
    dialect: Dialect,
    how: &'a mut Vec<String>,
}

impl VisitorMut for Mending<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = &mut *query.body
            && let Some(Top {
                with_ties: false,
                percent: false,
                quantity: Some(quantity),
            }) = &select.top
            && query.limit_clause.is_none()
        {
            let limit = match quantity {
                TopQuantity::Expr(expression) => expression.clone(),
                TopQuantity::Constant(number) => number_of(&number.to_string()),
            };
            query.limit_clause = Some(limited(limit));
            select.top = None;
            self.how.push("wrote LIMIT for TOP".to_owned());
        }
        // PostgreSQL has it as well; SQLite and MySQL know LIMIT alone.
        if self.dialect != Dialect::Postgres
            && query.limit_clause.is_none()
            && let Some(Fetch {
                with_ties: false,
                percent: false,
                quantity,
            }) = &query.fetch
        {
            let limit = quantity.clone().unwrap_or_else(|| number_of("1"));
            query.limit_clause = Some(limited(limit));
            query.fetch = None;
            self.how.push("wrote LIMIT for FETCH".to_owned());
        }
        if self.dialect == Dialect::Postgres
            && let Some(LimitClause::OffsetCommaLimit { offset, limit }) =
                query.limit_clause.clone()
        {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(limit),
                offset: Some(sqlparser::ast::Offset {
                    value: offset,
                    rows: sqlparser::ast::OffsetRows::None,
                }),
                limit_by: Vec::new(),
            });
            self.how.push("wrote OFFSET for a comma".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let meant = meant::of(expression, self.dialect);
        let Some(sql) = meant.and_then(|meant| said::by(&meant, self.dialect)) else {
            return ControlFlow::Continue(());
        };
        let parsed = Parser::new(self.dialect.grammar())
            .try_with_sql(&sql)
            .and_then(|mut parser| parser.parse_expr());
        if let Ok(written) = parsed
            && written != *expression
        {
            self.how
                .push(format!("wrote `{written}` for `{expression}`"));
            *expression = written;
        }
        ControlFlow::Continue(())
    }
}

fn number_of(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

fn limited(limit: Expr) -> LimitClause {
    LimitClause::LimitOffset {
        limit: Some(limit),
        offset: None,
        limit_by: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
