//! Rows and columns that a caller may see, written into the statement.
//!
//! In place of a table of which only some may be seen stands a query that gives just those, under
//! the name by which the statement knows the table. Whatever the statement does with it, `*` and
//! whole rows among it, there is no more to be had.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use sqlparser::parser::Parser;

use crate::guard::relations::Scopes;
use crate::guard::rules::{folded, same};
use crate::guard::{Guard, Refusal, nodes};

/// Puts what may be seen in place of the tables.
pub(super) fn write(query: &mut Query, guard: &Guard) -> Result<(), Refusal> {
    if guard.rows.is_empty() && guard.rules.columns.is_empty() {
        return Ok(());
    }
    let mut filters = Filters {
        guard,
        scopes: Scopes::default(),
    };
    match query.visit(&mut filters) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

struct Filters<'a> {
    guard: &'a Guard,
    scopes: Scopes,
}

impl VisitorMut for Filters<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Refusal> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Refusal> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    /// After its parts were visited, so that what is put in is not visited again.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Refusal> {
        match self.seen(factor) {
            Ok(Some(seen)) => {
                *factor = seen;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }

    /// A column that is named with its table's schema: the query in its place has none.
    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Refusal> {
        if let Expr::CompoundIdentifier(words) = expression
            && let [.., _, table, column] = words.as_slice()
            && self.guard.rules.speak_of(&table.value)
        {
            *expression = Expr::CompoundIdentifier(vec![table.clone(), column.clone()]);
        }
        ControlFlow::Continue(())
    }
}

impl Filters<'_> {
    fn seen(&self, factor: &TableFactor) -> Result<Option<TableFactor>, Refusal> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return Ok(None);
        };
        let words = nodes::words(name)?;
        let Some(last) = words.last() else {
            return Ok(None);
        };
        if words.len() == 1 && self.scopes.gives(&folded(&last.value)) {
            return Ok(None);
        }
        let Some((columns, rows)) = self.guard.view(name) else {
            return Ok(None);
        };
        let alias = alias.clone().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: (*last).clone(),
            columns: Vec::new(),
            at: None,
        });
        let dialect = self.guard.dialect;
        let columns = match columns {
            None => "*".to_owned(),
            Some(columns) => {
                let quoted = columns.iter().map(|column| dialect.quoted(column));
                quoted.collect::<Vec<String>>().join(", ")
            }
        };
        // Read by the parser, so that its tree is whatever this version makes of such a query.
        let mut subquery = Parser::new(dialect.grammar())
            .try_with_sql(&format!("SELECT {columns} FROM table_of_rule"))
            .and_then(|mut parser| parser.parse_query())
            .map_err(|error| {
                Refusal::new(
                    format!("what may be seen of `{name}` cannot be written: {error}"),
                    "correct the names of columns in the rules",
                )
            })?;
        put(&mut subquery, factor, rows);
        Ok(Some(TableFactor::Derived {
            lateral: false,
            subquery,
            alias: Some(alias),
            sample: None,
        }))
    }
}

/// Puts the table, with all that is said of it but its alias, and the condition into the query.
fn put(query: &mut Query, factor: &TableFactor, rows: Option<&Expr>) {
    let sqlparser::ast::SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    select.selection = rows.map(|rows| Expr::Nested(Box::new(rows.clone())));
    for table in &mut select.from {
        table.relation = factor.clone();
        if let TableFactor::Table { alias, .. } = &mut table.relation {
            *alias = None;
        }
    }
}

impl Guard {
    /// What may be seen of a table: its columns and the condition on its rows. `None` where that
    /// is everything.
    fn view(&self, name: &ObjectName) -> Option<(Option<&[String]>, Option<&Expr>)> {
        let words = name.0.iter().filter_map(|part| part.as_ident());
        let words = words.map(|ident: &Ident| ident.value.as_str());
        let full = words.collect::<Vec<&str>>().join(".");
        let columns = self.rules.columns_of(&full);
        let mut conditions = self.rows.iter();
        let rows = conditions
            .find(|(table, _)| same(table, &full))
            .map(|(_, rows)| rows);
        (columns.is_some() || rows.is_some()).then_some((columns, rows))
    }
}
