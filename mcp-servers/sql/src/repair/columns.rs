//! Columns that are not there, or that could be of two tables.
//!
//! In this order: the column of that name which another table of the statement has; a nearly equal
//! one of the same table; the column of that name in a table one link away, which is joined; the
//! nearest one of the same table; the column of that name in any table that links lead to; the column
//! that holds the value it is compared with. A condition of a join that names what is not there is
//! written anew along the links.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Value,
    VisitMut, VisitorMut,
};

use crate::asked::Asked;
use crate::endings::words;
use crate::repair::joins::{Joins, reconnect};
use crate::repair::{ident, likeness};
use crate::schema::Schema;
use crate::scopes::{Links, Meaning, Scope, Source, column_name, meaning, scope};

/// Where texts of a statement are stored, as tables and columns, by the texts.
pub(super) type Places = BTreeMap<String, Vec<(String, String)>>;

/// From which likeness on a name is as good as the same.
const SAME: f64 = 0.95;

/// Puts columns that are there in the places of those that are not.
pub(super) fn mend(
    query: &mut Query,
    asked: &Asked<'_>,
    question: Option<&str>,
    places: &Places,
    how: &mut Vec<String>,
) {
    let links = Links::of(asked.schema);
    let mut mending = Mending {
        asked,
        links: &links,
        question: question.map(words).unwrap_or_default(),
        places,
        with: Vec::new(),
        outer: Vec::new(),
        how,
    };
    let ControlFlow::Continue(()) = query.visit(&mut mending) else {
        return;
    };
}

struct Mending<'a> {
    asked: &'a Asked<'a>,
    links: &'a Links,
    question: Vec<String>,
    places: &'a Places,
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

/// What stands in the place of a name.
enum Place {
    /// A column of a source of the select.
    Of(Ident, String),
    /// A column of a table that is to be joined.
    Joined(String, String),
    /// A text that was taken for a name.
    Text,
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
        let mut unknown: Vec<(Option<Ident>, Ident, Option<String>)> = Vec::new();
        own(select, order.as_deref_mut(), &mut |expression| {
            let compared = compared(expression);
            for (expression, text) in compared {
                if let Some((source, name)) = column_name(expression)
                    && !matches!(
                        meaning(&scopes, source, name),
                        Meaning::Column(_) | Meaning::Other
                    )
                {
                    let known = (source.cloned(), name.clone(), text);
                    if !unknown
                        .iter()
                        .any(|(source, name, _)| *source == known.0 && *name == known.1)
                    {
                        unknown.push(known);
                    }
                }
            }
        });
        if unknown.is_empty() {
            return;
        }
        let mut joins = Joins::of(&here, self.links, self.asked.dialect());
        let mut written: Vec<((Option<Ident>, Ident), Expr)> = Vec::new();
        for (source, name, text) in unknown {
            let meant = meaning(&scopes, source.as_ref(), &name);
            let Some(place) = self.place(
                &meant,
                source.as_ref(),
                &name,
                text.as_deref(),
                &here,
                &joins,
            ) else {
                continue;
            };
            let dialect = self.asked.dialect();
            let column = match place {
                Place::Of(source, column) => {
                    Expr::CompoundIdentifier(vec![source, ident(&column, dialect)])
                }
                Place::Joined(table, column) => {
                    qualify(select, order.as_deref_mut(), &here);
                    let Some(source) = joins.add(select, &table) else {
                        continue;
                    };
                    self.how
                        .push(format!("joined `{table}`, which has `{column}`"));
                    Expr::CompoundIdentifier(vec![source, ident(&column, dialect)])
                }
                Place::Text => Expr::Value(Value::SingleQuotedString(name.value.clone()).into()),
            };
            let was = source
                .as_ref()
                .map_or_else(|| name.to_string(), |source| format!("{source}.{name}"));
            self.how.push(format!("wrote `{column}` for `{was}`"));
            written.push(((source, name), column));
        }
        own(select, order, &mut |expression| {
            let found = column_name(expression).and_then(|(source, name)| {
                let mut all = written.iter();
                all.find(|((of, named), _)| of.as_ref() == source && named == name)
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
        let broken = |condition: &Expr| {
            let mut broken = false;
            let mut condition = condition.clone();
            let mut look = Own {
                depth: 0,
                call: &mut |expression: &mut Expr| {
                    if let Some((source, name)) = column_name(expression) {
                        let near = |of: &Source| {
                            let table = of
                                .table
                                .as_deref()
                                .and_then(|table| self.asked.schema.table(table));
                            let column =
                                table.and_then(|table| likeness::column(table, &name.value));
                            column.is_some_and(|(_, likeness)| likeness >= SAME)
                        };
                        broken |= match meaning(&scopes, source, name) {
                            Meaning::NotOf(of) => !near(&of),
                            Meaning::Nothing => true,
                            _ => false,
                        };
                    }
                },
            };
            let ControlFlow::Continue(()) = condition.visit(&mut look) else {
                return broken;
            };
            broken
        };
        let mut any = false;
        for join in select.from.iter().flat_map(|from| &from.joins) {
            if let Some(sqlparser::ast::JoinConstraint::On(condition)) =
                crate::scopes::constraint(&join.join_operator)
            {
                any |= broken(condition);
            }
        }
        if any && reconnect(select, here, self.links, self.asked.dialect(), &broken) {
            self.how.push("joined the tables by their keys".to_owned());
        }
    }

    fn place(
        &self,
        meant: &Meaning,
        source: Option<&Ident>,
        name: &Ident,
        text: Option<&str>,
        here: &Scope,
        joins: &Joins<'_>,
    ) -> Option<Place> {
        let schema = self.asked.schema;
        if let Meaning::Several(sources) = meant {
            let source = self.of_several(sources, &name.value)?;
            return Some(Place::Of(source.name.clone(), name.value.clone()));
        }
        // A text in the quotes of names; a database that knows them as such has no such column.
        if source.is_none() && name.quote_style.is_some() {
            return Some(Place::Text);
        }
        // A table named by itself, though it has another name here.
        let named = source.and_then(|source| {
            here.sources.iter().find(|candidate| {
                let table = candidate.table.as_deref().or(candidate.asked.as_deref());
                table.is_some_and(|table| table.eq_ignore_ascii_case(&source.value))
            })
        });
        if let Some(named) =
            named.filter(|named| named.has(&name.value) && matches!(meant, Meaning::Nothing))
        {
            return Some(Place::Of(named.name.clone(), name.value.clone()));
        }
        let having: Vec<&Source> = here
            .sources
            .iter()
            .filter(|source| source.has(&name.value))
            .collect();
        if let Some(only) = having.first() {
            let several: Vec<Source> = having.iter().map(|source| (*source).clone()).collect();
            let of = self.of_several(&several, &name.value).unwrap_or(only);
            return Some(Place::Of(of.name.clone(), name.value.clone()));
        }
        let own: Vec<&Source> = match meant {
            Meaning::NotOf(of) => vec![of],
            _ => named.map_or_else(|| here.sources.iter().collect(), |named| vec![named]),
        };
        let near = near(&own, &name.value, schema);
        if let Some((source, column, _)) = near.clone().filter(|(.., likeness)| *likeness >= SAME) {
            return Some(Place::Of(source, column));
        }
        let elsewhere = self.elsewhere(&name.value, source, joins);
        if let Some((table, column, _)) = elsewhere.clone().filter(|(.., distance)| *distance <= 1)
        {
            return Some(Place::Joined(table, column));
        }
        if let Some((source, column, _)) = near {
            return Some(Place::Of(source, column));
        }
        if let Some((table, column, _)) = elsewhere {
            return Some(Place::Joined(table, column));
        }
        // Any source may have it under a name that comes near.
        let all: Vec<&Source> = here.sources.iter().collect();
        if let Some((source, column, _)) = self::near(&all, &name.value, schema) {
            return Some(Place::Of(source, column));
        }
        let stored = self.places.get(text?)?;
        let reached = stored
            .iter()
            .filter_map(|(table, column)| Some((joins.distance(table)?, table, column)));
        let (distance, table, column) = reached.min_by_key(|(distance, ..)| *distance)?;
        if distance == 0 {
            let (source, _) = joins.joined.iter().find(|(_, known)| known == table)?;
            return Some(Place::Of(source.clone(), column.clone()));
        }
        Some(Place::Joined(table.clone(), column.clone()))
    }

    /// Of several sources the one that a column is rather of: not one where it is another's key, and
    /// one that the question speaks of.
    fn of_several<'s>(&self, sources: &'s [Source], column: &str) -> Option<&'s Source> {
        let rank = |source: &&Source| {
            let table = source.table.as_deref().unwrap_or_default();
            let is_key = self.links.of_column(table, column).is_some();
            let said = words(table).iter().any(|word| self.question.contains(word));
            (is_key, !said)
        };
        sources.iter().min_by_key(rank)
    }

    /// The nearest table by links that has a column of this name: itself, its column, how far.
    fn elsewhere(
        &self,
        name: &str,
        source: Option<&Ident>,
        joins: &Joins<'_>,
    ) -> Option<(String, String, usize)> {
        let tables = self.asked.schema.tables.iter().filter_map(|table| {
            let column = table.column(name)?;
            let distance = joins.distance(&table.name)?;
            let named = source.is_some_and(|source| table.name.eq_ignore_ascii_case(&source.value));
            let said = words(&table.name)
                .iter()
                .any(|word| self.question.contains(word));
            let is_key = self.links.of_column(&table.name, &column.name).is_some();
            Some((
                (!named, distance, is_key, !said),
                table.name.clone(),
                column.name.clone(),
                distance,
            ))
        });
        let best = tables
            .filter(|(.., distance)| *distance > 0)
            .min_by_key(|(rank, ..)| *rank);
        best.map(|(_, table, column, distance)| (table, column, distance))
    }
}

/// The column of some sources that comes nearest to a name.
fn near(sources: &[&Source], name: &str, schema: &Schema) -> Option<(Ident, String, f64)> {
    let near = sources.iter().filter_map(|source| {
        let table = schema.table(source.table.as_deref()?)?;
        let (column, likeness) = likeness::column(table, name)?;
        Some((source.name.clone(), column, likeness))
    });
    near.fold(None::<(Ident, String, f64)>, |best, next| match best {
        Some(best) if best.2 >= next.2 => Some(best),
        _ => Some(next),
    })
}

/// An expression with the text it is compared with; both sides of a comparison, by themselves.
fn compared(expression: &Expr) -> Vec<(&Expr, Option<String>)> {
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
        } if text(right).is_some() => {
            vec![(left, text(right))]
        }
        _ => vec![(expression, None)],
    }
}

/// Names the source of each plain column, before another table could have one of the same name.
fn qualify(select: &mut Select, order: Option<&mut OrderBy>, here: &Scope) {
    own(select, order, &mut |expression| {
        if let Expr::Identifier(name) = &*expression
            && let Meaning::Column(source) = meaning(std::slice::from_ref(here), None, name)
            && !here.shared.contains(&name.value)
            && !source.name.value.is_empty()
        {
            *expression = Expr::CompoundIdentifier(vec![source.name, name.clone()]);
        }
    });
}

/// Calls for the expressions of a select and its order, not for those of queries inside of them.
fn own(select: &mut Select, order: Option<&mut OrderBy>, call: &mut dyn FnMut(&mut Expr)) {
    let given: Vec<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        })
        .collect();
    let mut own = Own { depth: 0, call };
    let _ = select.visit(&mut own);
    if let Some(order) = order
        && let OrderByKind::Expressions(parts) = &mut order.kind
    {
        for part in parts {
            let is_given =
                matches!(&part.expr, Expr::Identifier(name) if given.contains(&name.value));
            if !is_given {
                let _ = part.expr.visit(&mut own);
            }
        }
    }
}

struct Own<'a> {
    depth: usize,
    call: &'a mut dyn FnMut(&mut Expr),
}

impl VisitorMut for Own<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.call)(expression);
        }
        ControlFlow::Continue(())
    }
}
