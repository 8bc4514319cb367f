//! Columns that are not there, or that could be of two tables: what is rather meant takes their
//! places.
//!
//! A condition of a join that rests on what is not there is written anew along the links first; then
//! each name has its place found.
//!
//! - `own`: the expressions of one select.
//! - `place`: what stands in the place of a name, in which order of preference.

mod own;
mod place;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, OrderBy, Query, Select, SetExpr, Value, VisitMut, VisitorMut,
};

use crate::asked::Asked;
use crate::repair::conditions::parts;
use crate::repair::joins::{Joins, reconnect};
use crate::repair::likeness;
use crate::scopes::{Meaning, Scope, Source, column_name, constraint, meaning, scope};
use crate::words::words;

use own::{own, qualify};
pub(super) use place::Places;
use place::{Finding, Place, SAME, Unnamed};

/// Puts columns that are there in the places of those that are not. Gives the texts that it would
/// help to know the places of.
pub(super) fn mend(
    query: &mut Query,
    asked: &Asked<'_>,
    question: Option<&str>,
    places: &Places,
    how: &mut Vec<String>,
) -> BTreeSet<String> {
    let question = question.map(words).unwrap_or_default();
    let mut mending = Mending {
        asked,
        finding: Finding {
            asked,
            question: &question,
            places,
            wanted: BTreeSet::new(),
        },
        with: Vec::new(),
        outer: Vec::new(),
        how,
    };
    let _ = query.visit(&mut mending);
    mending.finding.wanted
}

struct Mending<'a> {
    asked: &'a Asked<'a>,
    finding: Finding<'a>,
    with: Vec<(String, Option<Vec<String>>)>,
    outer: Vec<Scope>,
    how: &'a mut Vec<String>,
}

impl VisitorMut for Mending<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for given in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.with.push((given.alias.name.value.clone(), None));
        }
        let inside = match &*query.body {
            SetExpr::Select(select) => scope(select, self.asked.schema, &self.with),
            _ => Scope::default(),
        };
        self.outer.push(inside);
        ControlFlow::Continue(())
    }

    // Inner queries first: a table that is joined outside must not answer for what is missing inside.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.outer.pop();
        let Query { body, order_by, .. } = query;
        self.body(body, order_by.as_mut());
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.outer
            .push(scope(select, self.asked.schema, &self.with));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.outer.pop();
        ControlFlow::Continue(())
    }
}

impl Mending<'_> {
    fn body(&mut self, body: &mut SetExpr, order: Option<&mut OrderBy>) {
        match body {
            SetExpr::Select(select) => self.select(select, order),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None);
                self.body(right, None);
            }
            // Others are visited as queries of their own.
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select, mut order: Option<&mut OrderBy>) {
        let here = scope(select, self.asked.schema, &self.with);
        self.joins(select, &here);
        // With what writing the joins anew has brought.
        let here = scope(select, self.asked.schema, &self.with);
        let mut scopes = self.outer.clone();
        scopes.push(here.clone());
        let unknown = unnamed(select, order.as_deref_mut(), &scopes);
        if unknown.is_empty() {
            return;
        }
        let asked = self.asked;
        let dialect = asked.dialect();
        let mut joins = Joins::of(select, &here, &asked.links, dialect);
        let mut written: Vec<(Unnamed, Expr)> = Vec::new();
        for unnamed in unknown {
            let meant = meaning(&scopes, unnamed.source.as_ref(), &unnamed.name);
            let Some(place) = self.finding.place(&meant, &unnamed, &here, &joins) else {
                continue;
            };
            let column = match place {
                Place::Of(source, column) if source.value.is_empty() => Expr::Identifier(column),
                Place::Of(source, column) => Expr::CompoundIdentifier(vec![source, column]),
                Place::Joined(table, column) => {
                    let Some(source) = joins.add(select, &table) else {
                        continue;
                    };
                    qualify(select, order.as_deref_mut(), &here);
                    self.how
                        .push(format!("joined `{table}`, which has `{column}`"));
                    Expr::CompoundIdentifier(vec![source, dialect.ident(&column)])
                }
                Place::Text => {
                    Expr::Value(Value::SingleQuotedString(unnamed.name.value.clone()).into())
                }
            };
            let name = &unnamed.name;
            let was = match &unnamed.source {
                Some(source) => format!("{source}.{name}"),
                None => name.to_string(),
            };
            self.how.push(format!("wrote `{column}` for `{was}`"));
            written.push((unnamed, column));
        }
        own(select, order, &mut |expression| {
            let found = column_name(expression).and_then(|(source, name)| {
                let mut all = written.iter();
                all.find(|(known, _)| known.source.as_ref() == source && known.name == *name)
            });
            if let Some((_, column)) = found {
                *expression = column.clone();
            }
        });
    }

    /// Writes joins anew whose conditions name what is not there.
    fn joins(&mut self, select: &mut Select, here: &Scope) {
        let mut scopes = self.outer.clone();
        scopes.push(here.clone());
        let near = |of: &Source, name: &Ident| {
            let table = of.table.as_deref();
            let table = table.and_then(|table| self.asked.schema.table(table));
            let column = table.and_then(|table| likeness::column(table, &name.value));
            column.is_some_and(|(_, likeness)| likeness >= SAME)
        };
        let missing =
            |(source, name): (Option<&Ident>, &Ident)| match meaning(&scopes, source, name) {
                Meaning::NotOf(of) => !near(&of, name),
                Meaning::Nothing => true,
                _ => false,
            };
        // Two columns of which one is not there; what else a condition says has its names mended.
        let broken = |part: &Expr| {
            let Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } = part
            else {
                return false;
            };
            match (column_name(left), column_name(right)) {
                (Some(one), Some(other)) => missing(one) || missing(other),
                _ => false,
            }
        };
        let joins = select.from.iter().flat_map(|from| &from.joins);
        let any = joins
            .filter_map(|join| constraint(&join.join_operator))
            .any(|constraint| match constraint {
                sqlparser::ast::JoinConstraint::On(condition) => {
                    parts(condition.clone()).iter().any(broken)
                }
                _ => false,
            });
        let asked = self.asked;
        if any && reconnect(select, here, &asked.links, asked.dialect(), &broken) {
            self.how.push("joined the tables by their keys".to_owned());
        }
    }
}

/// The names of a select that name nothing, or two things.
fn unnamed(select: &mut Select, order: Option<&mut OrderBy>, scopes: &[Scope]) -> Vec<Unnamed> {
    let mut found: Vec<Unnamed> = Vec::new();
    // How often each of them stands anywhere, and how often where a column is compared with it.
    let mut all: Vec<Ident> = Vec::new();
    let mut values: Vec<Ident> = Vec::new();
    own(select, order, &mut |expression| {
        values.extend(compared_with(expression));
        let (expression, text) = compared(expression);
        if text.is_none()
            && let Expr::Identifier(name) = expression
        {
            all.push(name.clone());
        }
        let Some((source, name)) = column_name(expression) else {
            return;
        };
        let meant = meaning(scopes, source, name);
        let known = found
            .iter_mut()
            .find(|known| known.source.as_ref() == source && known.name == *name);
        match (known, meant) {
            (_, Meaning::Column(_) | Meaning::Other) => {}
            (Some(known), _) => {
                if known.text.is_none() {
                    known.text = text;
                }
            }
            (None, _) => found.push(Unnamed {
                source: source.cloned(),
                name: name.clone(),
                text,
                is_value: false,
            }),
        }
    });
    let count = |names: &[Ident], name: &Ident| names.iter().filter(|other| *other == name).count();
    for unnamed in &mut found {
        let here = count(&values, &unnamed.name);
        unnamed.is_value = here > 0 && here == count(&all, &unnamed.name);
    }
    found
}

/// An expression, or the column that it compares with a text and that text.
fn compared(expression: &Expr) -> (&Expr, Option<String>) {
    let text = |expression: &Expr| match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Identifier(name) if name.quote_style.is_some() => Some(name.value.clone()),
        _ => None,
    };
    match expression {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } if text(right).is_some() => (left, text(right)),
        _ => (expression, None),
    }
}

/// The plain names with which something is compared.
fn compared_with(expression: &Expr) -> Vec<Ident> {
    let name = |expression: &Expr| match expression {
        Expr::Identifier(name) => Some(name.clone()),
        _ => None,
    };
    match expression {
        Expr::BinaryOp {
            op:
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq,
            right,
            ..
        } => name(right).into_iter().collect(),
        Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } => {
            name(pattern).into_iter().collect()
        }
        Expr::InList { list, .. } => list.iter().filter_map(name).collect(),
        Expr::Between { low, high, .. } => [name(low), name(high)].into_iter().flatten().collect(),
        _ => Vec::new(),
    }
}
