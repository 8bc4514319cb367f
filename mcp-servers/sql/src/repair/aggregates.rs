//! Aggregates where there can be none: in WHERE, and around one another.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, LimitClause,
    OrderBy, OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Query, Select, SelectItem,
    SetExpr, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::dialect::Dialect;
use crate::repair::conditions::{joined, parts};
use crate::scopes::column_name;

/// Aggregates of all dialects, as far as none has a plain function of that name.
const AGGREGATES: &[&str] = &[
    "any_value",
    "approx_count_distinct",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "every",
    "group_concat",
    "json_agg",
    "json_arrayagg",
    "json_group_array",
    "json_group_object",
    "json_object_agg",
    "json_objectagg",
    "jsonb_agg",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_object_agg",
    "max",
    "median",
    "min",
    "mode",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "range_agg",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "total",
    "var_pop",
    "var_samp",
    "variance",
    "xmlagg",
];

/// Puts aggregates where they can be. What stands beside one is grouped by only where `group`.
pub(super) fn mend(query: &mut Query, dialect: Dialect, group: bool, how: &mut Vec<String>) {
    // SQLite takes any row's value; MySQL does where it is told to.
    let group = group && dialect != Dialect::Sqlite;
    let _ = query.visit(&mut Mending { group, how });
}

struct Mending<'a> {
    group: bool,
    how: &'a mut Vec<String>,
}

impl VisitorMut for Mending<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // What is sorted or cut already has its end somewhere else.
        let plain = query.order_by.is_none() && query.limit_clause.is_none();
        if plain
            && query.fetch.is_none()
            && let SetExpr::Select(select) = &mut *query.body
            && let Some((inside, down)) = unnested(select)
        {
            self.how
                .push("sorted by an aggregate to find its end".to_owned());
            query.order_by = Some(by(inside, down));
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(Expr::Value(Value::Number("1".to_owned(), false).into())),
                offset: None,
                limit_by: Vec::new(),
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if moved(select) {
            self.how
                .push("moved the condition on an aggregate to HAVING".to_owned());
        }
        if self.group && grouped(select) {
            self.how
                .push("grouped by what is selected beside an aggregate".to_owned());
        }
        ControlFlow::Continue(())
    }
}

fn expression(item: &mut SelectItem) -> Option<&mut Expr> {
    match item {
        SelectItem::UnnamedExpr(expression)
        | SelectItem::ExprWithAlias {
            expr: expression, ..
        } => Some(expression),
        _ => None,
    }
}

/// Takes `max` or `min` off the only such aggregate of an aggregate in the select list: what was
/// inside, and from which end it is to be taken.
fn unnested(select: &mut Select) -> Option<(Expr, bool)> {
    let nested = |expression: &Expr| {
        let Expr::Function(function) = expression else {
            return None;
        };
        let down = match name(function).as_str() {
            "max" => true,
            "min" => false,
            _ => return None,
        };
        let plain = function.over.is_none() && function.filter.is_none();
        let inside = argument(function).filter(|_| plain)?;
        let is = matches!(inside, Expr::Function(inside) if is_aggregate(inside));
        is.then(|| (inside.clone(), down))
    };
    let all = select.projection.iter_mut().filter_map(expression);
    let mut found = all.filter_map(|expression| Some((nested(expression)?, expression)));
    let ((inside, down), expression) = found.next()?;
    if found.next().is_some() {
        return None;
    }
    *expression = inside.clone();
    Some((inside, down))
}

/// Moves conditions with aggregates from WHERE to HAVING.
fn moved(select: &mut Select) -> bool {
    let Some(selection) = select.selection.take() else {
        return false;
    };
    if !has_aggregate(&selection) {
        select.selection = Some(selection);
        return false;
    }
    let (aggregates, plain): (Vec<Expr>, Vec<Expr>) =
        parts(selection).into_iter().partition(has_aggregate);
    select.selection = joined(plain);
    let having = select.having.take().into_iter().chain(aggregates);
    select.having = joined(having.collect());
    true
}

/// Groups by the columns that stand beside an aggregate and are grouped by nothing.
fn grouped(select: &mut Select) -> bool {
    let GroupByExpr::Expressions(by, modifiers) = &mut select.group_by else {
        return false;
    };
    let several = |part: &Expr| {
        matches!(
            part,
            Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)
        )
    };
    if !modifiers.is_empty() || by.iter().any(several) {
        return false;
    }
    let all = select.projection.iter_mut().filter_map(expression);
    let all: Vec<&Expr> = all.map(|expression| &*expression).collect();
    if by.is_empty() && !all.iter().any(|expression| has_aggregate(expression)) {
        return false;
    }
    // `t.a` is grouped by where `a` is.
    let named =
        |expression: &Expr| column_name(expression).map(|(_, name)| name.value.to_lowercase());
    let known: Vec<String> = by.iter().filter_map(named).collect();
    let plain = all
        .into_iter()
        .filter(|expression| named(expression).is_some_and(|name| !known.contains(&name)));
    let plain: Vec<Expr> = plain.cloned().collect();
    let any = !plain.is_empty();
    by.extend(plain);
    any
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
    let name = name(function);
    // Two arguments make the smaller of them, no aggregate.
    let several = matches!(&function.args, FunctionArguments::List(list) if list.args.len() > 1);
    let is = AGGREGATES.contains(&name.as_str());
    is && function.over.is_none() && !(several && matches!(name.as_str(), "min" | "max"))
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
                    ControlFlow::Break(())
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
        mend(&mut query, dialect, true, &mut Vec::new());
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
    fn what_is_sorted_or_cut_keeps_its_end() {
        for sql in [
            "SELECT max(count(*)), a FROM t GROUP BY a ORDER BY a",
            "SELECT max(count(*)), min(count(*)) FROM t GROUP BY a",
            "SELECT max(count(*)) OVER () FROM t GROUP BY a",
            "SELECT a FROM t WHERE b > 1 OR a = 2",
        ] {
            assert_eq!(mended(sql, Dialect::Sqlite), sql);
        }
        assert_eq!(
            mended(
                "SELECT a FROM t WHERE (a > 1 OR stddev(b) > 2) AND c = 3 GROUP BY a",
                Dialect::Postgres
            ),
            "SELECT a FROM t WHERE c = 3 GROUP BY a HAVING (a > 1 OR stddev(b) > 2)"
        );
    }

    #[test]
    fn columns_beside_an_aggregate_are_grouped_by() {
        for (sql, written) in [
            (
                "SELECT a, b, count(*) FROM t GROUP BY a",
                "SELECT a, b, count(*) FROM t GROUP BY a, b",
            ),
            (
                "SELECT t.a, array_agg(b) FROM t",
                "SELECT t.a, array_agg(b) FROM t GROUP BY t.a",
            ),
        ] {
            assert_eq!(mended(sql, Dialect::Postgres), written);
        }
        for fine in [
            "SELECT a, b FROM t",
            "SELECT t.a, count(*) FROM t GROUP BY a",
            "SELECT upper(a), count(*) FROM t GROUP BY upper(a)",
            "SELECT a, rank() OVER (ORDER BY a), count(*) FROM t GROUP BY a",
            "SELECT a, sum(count(*)) OVER () FROM t GROUP BY a",
            "SELECT a, b, count(*) FROM t GROUP BY ROLLUP (a)",
            "SELECT a, count(*) OVER () FROM t",
        ] {
            assert_eq!(mended(fine, Dialect::Postgres), fine);
        }
    }
}
