//! Every node of a statement against what is allowed.
//!
//! The parser's own visitor reaches all of them, wherever they stand. What it has no call for, such
//! as the clauses of a function, is taken apart where it hangs.
//!
//! - `clauses`: of queries. `expressions`: and what they call. `words`: names and literals.

mod clauses;
mod expressions;
mod words;

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, GroupByWithModifier, Ident, ObjectName, OrderBy, OrderByExpr, OrderByKind,
    OrderBySort, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, Visitor,
};

use crate::dialect::Dialect;
use crate::guard::{READ, Refusal, Rules, verb};

pub(super) use words::words;

/// Refuses the first node that is not known to do no more than read.
pub(super) fn check<V: Visit>(tree: &V, dialect: Dialect, rules: &Rules) -> Result<(), Refusal> {
    let mut nodes = Nodes { dialect, rules };
    match tree.visit(&mut nodes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

struct Nodes<'a> {
    dialect: Dialect,
    rules: &'a Rules,
}

type Flow = ControlFlow<Refusal>;

fn flow(outcome: Result<(), Refusal>) -> Flow {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}

/// A clause that none of the three dialects has, or that does more than read.
fn foreign(what: &str) -> Refusal {
    Refusal::new(format!("{what} is not allowed"), "write it without")
}

/// Refuses a clause that is there.
fn none(is_there: bool, what: &str) -> Result<(), Refusal> {
    if is_there { Err(foreign(what)) } else { Ok(()) }
}

impl Visitor for Nodes<'_> {
    type Break = Refusal;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        flow(Err(Refusal::new(
            format!("`{}` inside of it does not read", verb(statement)),
            READ,
        )))
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        flow(clauses::query_clauses(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        flow(self.factor(factor))
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Flow {
        flow(words::named(relation))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> Flow {
        flow(self.expression(expression))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> Flow {
        flow(words::literal(&value.value))
    }

    fn pre_visit_ident(&mut self, ident: &Ident) -> Flow {
        flow(words::plain(ident))
    }

    fn pre_visit_order_by(&mut self, order: &OrderBy) -> Flow {
        let OrderBy { kind, interpolate } = order;
        flow(
            none(interpolate.is_some(), "INTERPOLATE").and_then(|()| match kind {
                OrderByKind::All(_) => Err(foreign("ORDER BY ALL")),
                OrderByKind::Expressions(_) => Ok(()),
            }),
        )
    }

    fn pre_visit_order_by_expr(&mut self, order: &OrderByExpr) -> Flow {
        let OrderByExpr {
            expr: _,
            options,
            with_fill,
        } = order;
        // An operator to sort by runs whatever function is behind it.
        let by_operator = matches!(&options.sort, Some(OrderBySort::Using(_)));
        flow(
            none(with_fill.is_some(), "WITH FILL")
                .and_then(|()| none(by_operator, "ORDER BY … USING")),
        )
    }

    fn pre_visit_group_by(&mut self, group: &GroupByExpr) -> Flow {
        let modifiers = match group {
            GroupByExpr::All(_) => return flow(Err(foreign("GROUP BY ALL"))),
            GroupByExpr::Expressions(_, modifiers) => modifiers,
        };
        let strange = modifiers
            .iter()
            .any(|modifier| matches!(modifier, GroupByWithModifier::Totals));
        flow(none(strange, "WITH TOTALS"))
    }
}
