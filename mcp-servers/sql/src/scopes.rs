//! Which table a column of a statement is of.
//!
//! - `links`: how tables hang together.
//! - [`each_expression`]: walks a statement with what can be named at each place.

mod links;

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins, UnaryOperator, VisitMut, VisitorMut,
};

use crate::asked::first_select;
use crate::schema::Schema;

pub(crate) use links::{Link, Links};

/// What can be named in one select.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// What follows FROM and JOIN.
    pub sources: Vec<Source>,
    /// Names given in the select list.
    pub given: Vec<String>,
    /// Columns that two sources share by USING.
    pub shared: Vec<String>,
}

/// A table, or what stands in the place of one.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// By which it is named in the statement.
    pub name: Ident,
    /// The table of the schema, where it is one.
    pub table: Option<String>,
    /// The columns it is known to have; `None` where that is not known.
    pub columns: Option<Vec<String>>,
    /// As which table it is named, whether there is one or not.
    pub asked: Option<String>,
}

impl Source {
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name.value.eq_ignore_ascii_case(name)
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.stored(column).is_some()
    }

    /// A column as it is stored, whatever the capitals it is asked for in: the very same, if there is
    /// one.
    pub(crate) fn stored(&self, column: &str) -> Option<&String> {
        let columns = self.columns.as_ref()?;
        let same = |name: &&String| name.eq_ignore_ascii_case(column);
        let exact = columns.iter().find(|name| *name == column);
        exact.or_else(|| columns.iter().find(same))
    }
}

/// What a name in a statement stands for.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// A column of this source.
    Column(Source),
    /// A column of several sources.
    Several(Vec<Source>),
    /// No column of this source, which is known in full.
    NotOf(Source),
    /// Nothing that is known.
    Nothing,
    /// A name given in the select list, or something that cannot be told.
    Other,
}

/// The name of a column in an expression: its source, where it is named, and itself.
pub(crate) fn column_name(expression: &Expr) -> Option<(Option<&Ident>, &Ident)> {
    match expression {
        Expr::Identifier(name) => Some((None, name)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., source, name] => Some((Some(source), name)),
            _ => None,
        },
        _ => None,
    }
}

/// What a name stands for, looked up from the innermost scope outwards.
pub(crate) fn meaning(scopes: &[Scope], source: Option<&Ident>, name: &Ident) -> Meaning {
    if let Some(source) = source {
        let mut all = scopes.iter().rev().flat_map(|scope| &scope.sources);
        return match all.find(|candidate| candidate.is_named(&source.value)) {
            Some(found) if found.columns.is_none() => Meaning::Other,
            Some(found) if found.has(&name.value) => Meaning::Column(found.clone()),
            Some(found) => Meaning::NotOf(found.clone()),
            None => Meaning::Nothing,
        };
    }
    for scope in scopes.iter().rev() {
        let having = scope
            .sources
            .iter()
            .filter(|source| source.has(&name.value));
        let mut having: Vec<Source> = having.cloned().collect();
        let shared = scope
            .shared
            .iter()
            .any(|shared| shared.eq_ignore_ascii_case(&name.value));
        if having.len() > 1 && !shared {
            return Meaning::Several(having);
        }
        if !having.is_empty() {
            return Meaning::Column(having.swap_remove(0));
        }
        let given = scope
            .given
            .iter()
            .any(|given| given.eq_ignore_ascii_case(&name.value));
        if given || scope.sources.iter().any(|source| source.columns.is_none()) {
            return Meaning::Other;
        }
    }
    Meaning::Nothing
}

/// Calls for each expression, outer ones first, with the scopes that it stands in, innermost last.
pub(crate) fn each_expression(
    query: &mut Query,
    schema: &Schema,
    mut call: impl FnMut(&mut Expr, &[Scope]),
) {
    each_condition(query, schema, |expression, scopes, _| {
        call(expression, scopes);
    });
}

/// As [`each_expression`]; the last says whether the expression stands under a NOT or in a CASE,
/// where rows are not let through because it holds.
pub(crate) fn each_condition(
    query: &mut Query,
    schema: &Schema,
    call: impl FnMut(&mut Expr, &[Scope], bool),
) {
    let mut walk = Walk {
        schema,
        with: Vec::new(),
        scopes: Vec::new(),
        turned: 0,
        call,
    };
    let ControlFlow::Continue(()) = query.visit(&mut walk) else {
        return;
    };
}

/// The scope of one select, without the ones around it.
pub(crate) fn scope(
    select: &Select,
    schema: &Schema,
    with: &[(String, Option<Vec<String>>)],
) -> Scope {
    let mut scope = Scope::default();
    for from in &select.from {
        of_factor(&from.relation, schema, with, &mut scope);
        for join in &from.joins {
            of_factor(&join.relation, schema, with, &mut scope);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::Using(columns)) => {
                    scope.shared.extend(columns.iter().map(last));
                }
                Some(JoinConstraint::Natural) => {
                    let names = scope
                        .sources
                        .iter()
                        .filter_map(|source| source.columns.clone());
                    let names: Vec<String> = names.flatten().collect();
                    scope.shared.extend(names);
                }
                _ => {}
            }
        }
    }
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item {
            scope.given.push(alias.value.clone());
        }
    }
    scope
}

/// The condition of a join, where it has a place for one.
pub(crate) fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

/// Whether a join keeps rows that have no partner.
pub(crate) fn is_outer(join: &JoinOperator) -> bool {
    !matches!(
        join,
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
    )
}

/// The equalities that a condition is made of.
pub(crate) fn equalities(condition: &Expr) -> Vec<(&Expr, &Expr)> {
    match condition {
        Expr::Nested(inside) => equalities(inside),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => [equalities(left), equalities(right)].concat(),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } => vec![(left, right)],
        _ => Vec::new(),
    }
}

/// The last word of a name.
pub(crate) fn last(name: &ObjectName) -> String {
    let part = name.0.last().and_then(|part| part.as_ident());
    part.map(|ident| ident.value.clone()).unwrap_or_default()
}

fn of_factor(
    factor: &TableFactor,
    schema: &Schema,
    with: &[(String, Option<Vec<String>>)],
    scope: &mut Scope,
) {
    match factor {
        TableFactor::Table {
            name, alias, args, ..
        } => {
            let asked = last(name);
            let named = alias.as_ref().map(|alias| alias.name.clone());
            // With its quotes, where it has some.
            let own = name.0.last().and_then(|part| part.as_ident()).cloned();
            let given = with
                .iter()
                .find(|(given, _)| given.eq_ignore_ascii_case(&asked));
            let whole: Vec<String> = name
                .0
                .iter()
                .filter_map(|part| part.as_ident())
                .map(|part| part.value.clone())
                .collect();
            let exact = |name: &str| schema.tables.iter().find(|table| table.name == name);
            let table = exact(&whole.join("."))
                .or_else(|| schema.table(&whole.join(".")))
                .or_else(|| schema.table(&asked));
            let table = table.filter(|_| given.is_none() && args.is_none());
            let columns = match (given, table) {
                (Some((_, columns)), _) => columns.clone(),
                (None, Some(table)) => Some(
                    table
                        .columns
                        .iter()
                        .map(|column| column.name.clone())
                        .collect(),
                ),
                (None, None) => None,
            };
            let unknown = given.is_none() && table.is_none() && args.is_none();
            scope.sources.push(Source {
                name: named.unwrap_or_else(|| own.unwrap_or_else(|| Ident::new(asked.clone()))),
                table: table.map(|table| table.name.clone()),
                columns,
                asked: (unknown || table.is_some()).then_some(asked),
            });
        }
        TableFactor::Derived {
            subquery, alias, ..
        } => scope.sources.push(Source {
            name: alias
                .as_ref()
                .map_or_else(|| Ident::new(""), |alias| alias.name.clone()),
            table: None,
            columns: names(subquery),
            asked: None,
        }),
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => {
            let TableWithJoins { relation, joins } = &**table_with_joins;
            of_factor(relation, schema, with, scope);
            for join in joins {
                of_factor(&join.relation, schema, with, scope);
            }
        }
        _ => scope.sources.push(Source {
            name: Ident::new(""),
            table: None,
            columns: None,
            asked: None,
        }),
    }
}

/// What the columns of a query are called; `None` where that is not all in its text.
fn names(query: &Query) -> Option<Vec<String>> {
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expression) => match column_name(expression) {
            Some((_, name)) => Some(name.value.clone()),
            // Named by its own text, by which nobody calls it.
            None => Some(expression.to_string()),
        },
        _ => None,
    };
    first_select(query)?.projection.iter().map(name).collect()
}

struct Walk<'a, F> {
    schema: &'a Schema,
    with: Vec<(String, Option<Vec<String>>)>,
    scopes: Vec<Scope>,
    /// How many NOTs and CASEs stand around.
    turned: usize,
    call: F,
}

impl<F> Walk<'_, F> {
    fn turns(expression: &Expr) -> bool {
        let not = matches!(
            expression,
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                ..
            }
        );
        not || matches!(expression, Expr::Case { .. })
    }
}

impl<F: FnMut(&mut Expr, &[Scope], bool)> VisitorMut for Walk<'_, F> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for given in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = if given.alias.columns.is_empty() {
                names(&given.query)
            } else {
                None
            };
            self.with.push((given.alias.name.value.clone(), columns));
        }
        // What a query is sorted by stands outside of its select, but in its scope.
        let inside = match &*query.body {
            SetExpr::Select(select) => scope(select, self.schema, &self.with),
            _ => Scope {
                given: names(query).unwrap_or_default(),
                ..Scope::default()
            },
        };
        self.scopes.push(inside);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.scopes.push(scope(select, self.schema, &self.with));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        (self.call)(expression, &self.scopes, self.turned > 0);
        if Self::turns(expression) {
            self.turned = self.turned.saturating_add(1);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if Self::turns(expression) {
            self.turned = self.turned.saturating_sub(1);
        }
        ControlFlow::Continue(())
    }
}
