//! What a statement does, as far as a question can speak of it.

use std::collections::BTreeSet;

use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArguments, GroupByExpr,
    JoinConstraint, OrderByKind, OrderBySort, Query, Select, SelectItem, SetExpr, SetOperator,
    UnaryOperator, Value,
};

use crate::asked::first_select;
use crate::schema::Schema;
use crate::scopes::{
    Links, Meaning, Scope, column_name, constraint, each_expression, equalities, is_outer, meaning,
    scope,
};
use crate::words::squashed;

/// What stands in a select list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A column, with its table where that is one of the schema.
    Column { table: Option<String>, name: String },
    /// `count`.
    Count { distinct: bool },
    /// Another aggregate, in small letters.
    Aggregate { name: String, distinct: bool },
    /// All columns.
    Everything,
    /// Something that is computed.
    Other(String),
}

/// What is done to values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Does {
    More,
    AtLeast,
    Less,
    AtMost,
    Denies,
    Likes,
    Chooses,
    Joins,
    Averages,
    Deduplicates,
}

/// A statement, read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub items: Vec<Item>,
    pub grouped: bool,
    pub having: bool,
    pub limited: bool,
    /// Which way each part of its order goes: down or not.
    pub order: Vec<bool>,
    pub sets: BTreeSet<String>,
    /// Its tables, each once.
    pub tables: BTreeSet<String>,
    pub texts: Vec<String>,
    pub numbers: BTreeSet<String>,
    pub does: BTreeSet<Does>,
    /// Whether a join keeps rows without a partner.
    pub outer: bool,
    /// Joins of two tables by their own keys, though neither is the other's.
    pub keys_joined: usize,
    /// Joins without any condition.
    pub crossed: usize,
}

impl Reading {
    pub(super) fn of(query: &Query, schema: &Schema, links: &Links) -> Self {
        let mut reading = Self::default();
        if let Some(select) = first_select(query) {
            reading.head(select, schema);
        }
        reading.ends(query);
        reading.body(&query.body, schema, links);
        // Walking asks for a statement that may be changed.
        let mut walked = query.clone();
        each_expression(&mut walked, schema, |expression, scopes| {
            reading.expression(expression, scopes, schema, links);
        });
        reading
    }

    /// What columns it gives, whatever their order.
    pub(super) fn signature(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.items.iter().map(Item::signature).collect();
        parts.sort();
        parts
    }

    fn head(&mut self, select: &Select, schema: &Schema) {
        self.grouped = grouped(select);
        let scopes = [scope(select, schema, &[])];
        for item in &select.projection {
            self.items.push(match item {
                SelectItem::UnnamedExpr(expression)
                | SelectItem::ExprWithAlias {
                    expr: expression, ..
                } => of(expression, &scopes),
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => Item::Everything,
                SelectItem::ExprWithAliases { expr, .. } => Item::Other(expr.to_string()),
            });
        }
    }

    fn ends(&mut self, query: &Query) {
        self.limited = query.limit_clause.is_some() || query.fetch.is_some();
        if let Some(order) = &query.order_by
            && let OrderByKind::Expressions(parts) = &order.kind
        {
            let down = |sort: &Option<OrderBySort>| matches!(sort, Some(OrderBySort::Desc));
            self.order = parts.iter().map(|part| down(&part.options.sort)).collect();
        }
    }

    fn body(&mut self, body: &SetExpr, schema: &Schema, links: &Links) {
        match body {
            SetExpr::Select(select) => self.select(select, schema, links),
            SetExpr::Query(query) => self.body(&query.body, schema, links),
            SetExpr::SetOperation {
                left, op, right, ..
            } => {
                self.sets.insert(op.to_string());
                if matches!(op, SetOperator::Except | SetOperator::Minus) {
                    self.does.insert(Does::Denies);
                }
                self.body(left, schema, links);
                self.body(right, schema, links);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &Select, schema: &Schema, links: &Links) {
        let scope = scope(select, schema, &[]);
        self.tables.extend(
            scope
                .sources
                .iter()
                .filter_map(|source| source.table.clone()),
        );
        self.having |= select.having.is_some();
        if select.distinct.is_some() {
            self.does.insert(Does::Deduplicates);
        }
        for join in select.from.iter().flat_map(|from| &from.joins) {
            self.outer |= is_outer(&join.join_operator);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(condition)) => {
                    for (one, other) in equalities(condition) {
                        self.pair(one, other, &scope, schema, links);
                    }
                }
                Some(JoinConstraint::None) if select.selection.is_none() => {
                    self.crossed = self.crossed.saturating_add(1);
                }
                _ => {}
            }
        }
    }

    /// Two columns that a join takes for the same.
    fn pair(&mut self, one: &Expr, other: &Expr, scope: &Scope, schema: &Schema, links: &Links) {
        let scopes = std::slice::from_ref(scope);
        let column = |expression: &Expr| {
            let (source, name) = column_name(expression)?;
            match meaning(scopes, source, name) {
                Meaning::Column(source) => Some((source, name.value.clone())),
                _ => None,
            }
        };
        let (Some((one, key)), Some((other, target))) = (column(one), column(other)) else {
            return;
        };
        let own = |table: &str, key: &str| {
            let keys = schema
                .table(table)
                .map(|table| table.primary_key.as_slice());
            matches!(keys, Some([own]) if own.eq_ignore_ascii_case(key))
        };
        if let (Some(from), Some(to)) = (&one.table, &other.table)
            && from != to
            && own(from, &key)
            && own(to, &target)
            && !links.join((from, &key), (to, &target))
        {
            self.keys_joined = self.keys_joined.saturating_add(1);
        }
    }

    fn expression(&mut self, expression: &Expr, scopes: &[Scope], schema: &Schema, links: &Links) {
        match expression {
            Expr::BinaryOp { op, .. } => {
                let does = match op {
                    BinaryOperator::Gt => Does::More,
                    BinaryOperator::GtEq => Does::AtLeast,
                    BinaryOperator::Lt => Does::Less,
                    BinaryOperator::LtEq => Does::AtMost,
                    BinaryOperator::NotEq => Does::Denies,
                    BinaryOperator::Or => Does::Chooses,
                    BinaryOperator::And => Does::Joins,
                    _ => return,
                };
                self.does.insert(does);
            }
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                ..
            }
            | Expr::IsNull(_) => {
                self.does.insert(Does::Denies);
            }
            Expr::InList { negated, .. } => {
                self.does.insert(if *negated {
                    Does::Denies
                } else {
                    Does::Chooses
                });
            }
            Expr::InSubquery {
                negated, subquery, ..
            } => {
                if *negated {
                    self.does.insert(Does::Denies);
                }
                self.body(&subquery.body, schema, links);
            }
            Expr::Exists { negated, subquery } => {
                if *negated {
                    self.does.insert(Does::Denies);
                }
                self.body(&subquery.body, schema, links);
            }
            Expr::Subquery(subquery) => self.body(&subquery.body, schema, links),
            Expr::Like { negated, .. } | Expr::ILike { negated, .. } => {
                self.does.insert(Does::Likes);
                if *negated {
                    self.does.insert(Does::Denies);
                }
            }
            Expr::Between { .. } => {
                self.does.insert(Does::AtLeast);
                self.does.insert(Does::AtMost);
            }
            Expr::Function(function) => {
                if name_of(function) == "avg" {
                    self.does.insert(Does::Averages);
                }
                if distinct(function) {
                    self.does.insert(Does::Deduplicates);
                }
            }
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => {
                    self.numbers.insert(number.clone());
                }
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                    self.texts.push(text.clone());
                }
                _ => {}
            },
            // SQLite takes a name in quotes that names nothing for a text.
            Expr::Identifier(name) if name.quote_style.is_some() => {
                if matches!(meaning(scopes, None, name), Meaning::Nothing) {
                    self.texts.push(name.value.clone());
                }
            }
            _ => {}
        }
    }
}

impl Item {
    fn signature(&self) -> String {
        match self {
            Self::Column { name, .. } => name.to_lowercase(),
            Self::Count { distinct } => format!("count {distinct}"),
            Self::Aggregate { name, distinct } => format!("{name} {distinct}"),
            Self::Everything => "*".to_owned(),
            Self::Other(text) => squashed(text),
        }
    }
}

fn of(expression: &Expr, scopes: &[Scope]) -> Item {
    if let Some((source, name)) = column_name(expression) {
        let table = match meaning(scopes, source, name) {
            Meaning::Column(source) => source.table,
            _ => None,
        };
        let name = name.value.clone();
        return Item::Column { table, name };
    }
    match expression {
        Expr::Nested(inside) => of(inside, scopes),
        Expr::Function(function) => {
            let (name, distinct) = (name_of(function), distinct(function));
            match name.as_str() {
                "count" => Item::Count { distinct },
                "max" | "min" | "avg" | "sum" => Item::Aggregate { name, distinct },
                _ => Item::Other(expression.to_string()),
            }
        }
        _ => Item::Other(expression.to_string()),
    }
}

fn name_of(function: &Function) -> String {
    function.name.to_string().to_lowercase()
}

fn distinct(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else {
        return false;
    };
    list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
}

fn grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Does, Item, Reading};
    use crate::asked::parsed;
    use crate::choose::tests::schema;
    use crate::dialect::Dialect;
    use crate::parse::links;

    fn read(sql: &str) -> Reading {
        let schema = schema();
        let query = parsed(sql, Dialect::Sqlite).unwrap();
        Reading::of(&query, &schema, &links(&schema))
    }

    #[test]
    fn a_select_list_is_read_with_the_tables_of_its_columns() {
        let read = read(
            "SELECT s.name, count(DISTINCT c.id), max(year) FROM singer s JOIN concert c ON c.singer_id = s.id",
        );
        let name = Item::Column {
            table: Some("singer".to_owned()),
            name: "name".to_owned(),
        };
        assert_eq!(read.items.first(), Some(&name));
        assert_eq!(read.items.get(1), Some(&Item::Count { distinct: true }));
        assert!(read.does.contains(&Does::Deduplicates));
        assert_eq!((read.keys_joined, read.crossed), (0, 0));
        assert_eq!(read.tables.len(), 2);
    }

    #[test]
    fn joins_that_make_no_sense_are_seen() {
        let keys = read("SELECT s.name FROM singer s JOIN concert c ON c.id = s.id");
        assert_eq!(keys.keys_joined, 1);
        assert_eq!(read("SELECT name FROM singer, concert").crossed, 0);
        assert_eq!(read("SELECT name FROM singer JOIN concert").crossed, 1);
        assert!(read("SELECT name FROM singer LEFT JOIN concert ON singer_id = singer.id").outer);
    }

    #[test]
    fn what_is_done_inside_of_subqueries_counts() {
        let read = read(
            "SELECT name FROM singer WHERE country = \"France\" AND id NOT IN (SELECT singer_id FROM concert WHERE year >= 2014 OR year < 3)",
        );
        assert_eq!(read.texts, ["France"]);
        assert!(read.numbers.contains("2014") && read.tables.contains("concert"));
        for does in [
            Does::Denies,
            Does::AtLeast,
            Does::Less,
            Does::Chooses,
            Does::Joins,
        ] {
            assert!(read.does.contains(&does), "{does:?}");
        }
    }
}
