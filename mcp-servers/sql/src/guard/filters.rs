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

use crate::guard::relations::{Scopes, folded};
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
            && self.guard.speaks_of(&table.value)
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
            sample,
            ..
        } = factor
        else {
            return Ok(None);
        };
        let words = nodes::words(name)?;
        let Some(last) = words.last() else {
            return Ok(None);
        };
        let plain = folded(&last.value);
        if words.len() == 1 && self.scopes.gives(&plain) {
            return Ok(None);
        }
        let Some((columns, rows)) = self.guard.view(name) else {
            return Ok(None);
        };
        if sample.is_some() {
            return Err(Refusal::new(
                format!("no sample can be taken of `{name}`, of which only a part may be seen"),
                "leave out TABLESAMPLE",
            ));
        }
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
        // Written and read again, so that it is what this parser makes of it in this version.
        let text = format!("SELECT {columns} FROM placeholder WHERE 1 = 1");
        let mut subquery = Parser::new(dialect.grammar())
            .try_with_sql(&text)
            .and_then(|mut parser| parser.parse_query())
            .map_err(|error| {
                Refusal::new(
                    format!("what may be seen of `{name}` cannot be written: {error}"),
                    "correct the names of columns in the rules",
                )
            })?;
        put(&mut subquery, name, rows);
        Ok(Some(TableFactor::Derived {
            lateral: false,
            subquery,
            alias: Some(alias),
            sample: None,
        }))
    }
}

/// Puts the real table and the real condition into a query of that shape.
fn put(query: &mut Query, name: &ObjectName, rows: Option<&Expr>) {
    let sqlparser::ast::SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    select.selection = rows.map(|rows| Expr::Nested(Box::new(rows.clone())));
    for table in &mut select.from {
        if let TableFactor::Table { name: inner, .. } = &mut table.relation {
            *inner = name.clone();
        }
    }
}

impl Guard {
    /// What may be seen of a table: its columns and the condition on its rows. `None` where that
    /// is everything.
    fn view(&self, name: &ObjectName) -> Option<(Option<&Vec<String>>, Option<&Expr>)> {
        let full = folded(
            &name
                .0
                .iter()
                .filter_map(|part| part.as_ident())
                .map(|ident: &Ident| ident.value.as_str())
                .collect::<Vec<&str>>()
                .join("."),
        );
        let columns = self
            .rules
            .columns
            .iter()
            .find(|(table, _)| same(table, &full))
            .map(|(_, columns)| columns);
        let rows = self
            .rows
            .iter()
            .find(|(table, _)| same(table, &full))
            .map(|(_, rows)| rows);
        (columns.is_some() || rows.is_some()).then_some((columns, rows))
    }

    /// Whether a rule is about rows or columns of a table with this last name.
    fn speaks_of(&self, table: &str) -> bool {
        let table = folded(table);
        let last = |name: &String| folded(name.rsplit('.').next().unwrap_or(name)) == table;
        self.rules.columns.keys().any(last) || self.rules.rows.keys().any(last)
    }
}

/// Whether a table of a rule is the one named. Where only one of them names a schema, they are
/// taken for the same: a rule too many is better than one that is passed by.
fn same(rule: &str, named: &str) -> bool {
    let rule = folded(rule);
    match (rule.rsplit_once('.'), named.rsplit_once('.')) {
        (Some(_), Some(_)) | (None, None) => rule == named,
        (Some((_, table)), None) => table == named,
        (None, Some((_, table))) => rule == table,
    }
}
