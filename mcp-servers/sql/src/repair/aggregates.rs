//! Aggregates where there can be none: in WHERE, and around one another.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Query, Select,
    SelectItem, SetExpr, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::dialect::Dialect;

const AGGREGATES: [&str; 8] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "total",
    "group_concat",
    "string_agg",
];

/// Puts aggregates where they can be.
pub(super) fn mend(query: &mut Query, dialect: Dialect, how: &mut Vec<String>) {
    let mut mending = Mending { dialect, how };
    let ControlFlow::Continue(()) = query.visit(&mut mending) else {
        return;
    };
}

struct Mending<'a> {
    dialect: Dialect,
    how: &'a mut Vec<String>,
}

impl VisitorMut for Mending<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let SetExpr::Select(select) = &mut *query.body else {
            return ControlFlow::Continue(());
        };
        if let Some((inside, down)) = unnested(select) {
            self.how
                .push("sorted by an aggregate to find its end".to_owned());
            if query.order_by.is_none() && query.limit_clause.is_none() {
                query.order_by = Some(by(inside, down));
                query.limit_clause = Some(LimitClause::LimitOffset {
                    limit: Some(Expr::Value(Value::Number("1".to_owned(), false).into())),
                    offset: None,
                    limit_by: Vec::new(),
                });
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if moved(select) {
            self.how
                .push("moved the condition on an aggregate to HAVING".to_owned());
        }
        // SQLite takes any row's value; MySQL does where it is told to.
        if self.dialect != Dialect::Sqlite && grouped(select) {
            self.how
                .push("grouped by what is selected beside an aggregate".to_owned());
        }
        ControlFlow::Continue(())
    }
}

/// Takes `max` or `min` off an aggregate in the select list: what was inside, and from which end it
/// is to be taken.
fn unnested(select: &mut Select) -> Option<(Expr, bool)> {
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expression)
        | SelectItem::ExprWithAlias {
            expr: expression, ..
        }) = item
        else {
            continue;
        };
        let Expr::Function(function) = &*expression else {
            continue;
        };
        let down = match name(function).as_str() {
            "max" => true,
            "min" => false,
            _ => continue,
        };
        if let Some(inside) = argument(function)
            .filter(|inside| matches!(inside, Expr::Function(inside) if is_aggregate(inside)))
        {
            let inside = inside.clone();
            *expression = inside.clone();
            return Some((inside, down));
        }
    }
    None
}

/// Moves conditions with aggregates from WHERE to HAVING.
fn moved(select: &mut Select) -> bool {
    let Some(selection) = select.selection.take() else {
        return false;
    };
    let (aggregates, plain): (Vec<Expr>, Vec<Expr>) =
        parts(selection).into_iter().partition(has_aggregate);
    select.selection = joined(plain);
    let any = !aggregates.is_empty();
    if any {
        let having = select.having.take().into_iter().chain(aggregates);
        select.having = joined(having.collect());
    }
    any
}

/// Groups by what stands beside an aggregate and is grouped by nothing.
fn grouped(select: &mut Select) -> bool {
    let expressions: Vec<&Expr> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::UnnamedExpr(expression)
            | SelectItem::ExprWithAlias {
                expr: expression, ..
            } => Some(expression),
            _ => None,
        })
        .collect();
    let GroupByExpr::Expressions(by, _) = &select.group_by else {
        return false;
    };
    if by.is_empty()
        && !expressions
            .iter()
            .any(|expression| has_aggregate(expression))
    {
        return false;
    }
    let plain = expressions.iter().filter(|expression| {
        !has_aggregate(expression)
            && !matches!(expression, Expr::Value(_))
            && !by.contains(expression)
    });
    let plain: Vec<Expr> = plain.map(|expression| (*expression).clone()).collect();
    let any = !plain.is_empty();
    if let GroupByExpr::Expressions(by, _) = &mut select.group_by {
        by.extend(plain);
    }
    any
}

/// The conditions that a condition joins by AND.
fn parts(condition: Expr) -> Vec<Expr> {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => [parts(*left), parts(*right)].concat(),
        other => vec![other],
    }
}

fn joined(parts: Vec<Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    })
}

fn by(expression: Expr, down: bool) -> OrderBy {
    let options = OrderByOptions {
        sort: Some(if down {
            OrderBySort::Desc
        } else {
            OrderBySort::Asc
        }),
        nulls_first: None,
    };
    let part = OrderByExpr {
        expr: expression,
        options,
        with_fill: None,
    };
    OrderBy {
        kind: OrderByKind::Expressions(vec![part]),
        interpolate: None,
    }
}

fn name(function: &Function) -> String {
    function.name.to_string().to_lowercase()
}

fn is_aggregate(function: &Function) -> bool {
    function.over.is_none() && AGGREGATES.contains(&name(function).as_str())
}

fn argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expression))] => Some(expression),
        _ => None,
    }
}

/// Whether there is an aggregate in it that is not one of a query inside of it.
fn has_aggregate(expression: &Expr) -> bool {
    struct Look(usize);
    impl Visitor for Look {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 = self.0.saturating_add(1);
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 = self.0.saturating_sub(1);
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Function(function) if self.0 == 0 && is_aggregate(function) => {
                    // Two arguments make the smaller of them, no aggregate.
                    let several = matches!(&function.args, FunctionArguments::List(list) if list.args.len() > 1);
                    if several && matches!(name(function).as_str(), "min" | "max") {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expression.visit(&mut Look(0)).is_break()
}

#[cfg(test)]
mod tests {
    use super::mend;
    use crate::asked::parsed;
    use crate::dialect::Dialect;

    fn mended(sql: &str, dialect: Dialect) -> String {
        let mut query = parsed(sql, dialect).unwrap();
        mend(&mut query, dialect, &mut Vec::new());
        query.to_string()
    }

    #[test]
    fn a_condition_on_an_aggregate_is_one_on_groups() {
        assert_eq!(
            mended(
                "SELECT a FROM t WHERE b = 1 AND count(*) > 2 GROUP BY a",
                Dialect::Sqlite
            ),
            "SELECT a FROM t WHERE b = 1 GROUP BY a HAVING count(*) > 2"
        );
        let fine = "SELECT a FROM t WHERE b = (SELECT max(b) FROM t) AND max(a, b) = 1";
        assert_eq!(mended(fine, Dialect::Sqlite), fine);
    }

    #[test]
    fn the_largest_count_is_the_first_of_the_sorted_ones() {
        assert_eq!(
            mended("SELECT max(count(*)), a FROM t GROUP BY a", Dialect::Sqlite),
            "SELECT count(*), a FROM t GROUP BY a ORDER BY count(*) DESC LIMIT 1"
        );
        assert_eq!(
            mended(
                "SELECT a FROM t GROUP BY a HAVING count(*) = (SELECT min(count(*)) FROM t GROUP BY a)",
                Dialect::Sqlite
            ),
            "SELECT a FROM t GROUP BY a HAVING count(*) = (SELECT count(*) FROM t GROUP BY a ORDER BY count(*) ASC LIMIT 1)"
        );
    }

    #[test]
    fn what_stands_beside_an_aggregate_is_grouped_by() {
        assert_eq!(
            mended("SELECT a, b, count(*) FROM t GROUP BY a", Dialect::Postgres),
            "SELECT a, b, count(*) FROM t GROUP BY a, b"
        );
        assert_eq!(
            mended("SELECT a, b FROM t", Dialect::Postgres),
            "SELECT a, b FROM t"
        );
    }
}
