//! Joins along the links of a schema: for tables that are missing from a statement, and for
//! conditions that name what is not there.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SetExpr, TableFactor,
};

use crate::dialect::Dialect;
use crate::repair::ident;
use crate::schema::Schema;
use crate::scopes::{Link, Links, Meaning, Scope, column_name, equalities, meaning, scope};

/// A select whose joins are being changed.
pub(super) struct Joins<'a> {
    pub links: &'a Links,
    pub dialect: Dialect,
    /// The tables that are joined so far: as what each is named, and which it is.
    pub joined: Vec<(Ident, String)>,
}

impl<'a> Joins<'a> {
    pub(super) fn of(scope: &Scope, links: &'a Links, dialect: Dialect) -> Self {
        let tables = scope.sources.iter().filter_map(|source| {
            let table = source.table.clone()?;
            Some((source.name.clone(), table))
        });
        Self {
            links,
            dialect,
            joined: tables.collect(),
        }
    }

    /// How many links lead to a table from those that are joined.
    pub(super) fn distance(&self, table: &str) -> Option<usize> {
        let from: Vec<String> = self.joined.iter().map(|(_, table)| table.clone()).collect();
        self.links.path(&from, table).map(|path| path.len())
    }

    /// Joins a table, and what lies on the way to it; as what it is then named.
    pub(super) fn add(&mut self, select: &mut Select, table: &str) -> Option<Ident> {
        let from: Vec<String> = self.joined.iter().map(|(_, table)| table.clone()).collect();
        let path = self.links.path(&from, table)?;
        let last = select.from.last_mut()?;
        for link in path {
            last.joins.push(self.step(&link)?);
        }
        self.named(table)
    }

    /// The join of a table that is one link away.
    fn step(&mut self, link: &Link) -> Option<Join> {
        let joined = |end: &str| {
            self.joined
                .iter()
                .any(|(_, table)| table.eq_ignore_ascii_case(end))
        };
        let new = if joined(&link.from) {
            link.to.clone()
        } else {
            link.from.clone()
        };
        let parts = new.split('.').map(|part| ident(part, self.dialect));
        let name = ObjectName::from(parts.collect::<Vec<_>>());
        let named = ident(new.rsplit('.').next().unwrap_or(&new), self.dialect);
        self.joined.push((named, new));
        Some(Join {
            relation: plain_table(name),
            global: false,
            join_operator: JoinOperator::Join(JoinConstraint::On(self.condition(link)?)),
        })
    }

    fn named(&self, table: &str) -> Option<Ident> {
        let mut joined = self.joined.iter();
        let found = joined.find(|(_, known)| known.eq_ignore_ascii_case(table));
        found.map(|(name, _)| name.clone())
    }

    /// That both ends of a link are the same.
    fn condition(&self, link: &Link) -> Option<Expr> {
        let column = |table: &str, column: &str| {
            let parts = vec![self.named(table)?, ident(column, self.dialect)];
            Some(Expr::CompoundIdentifier(parts))
        };
        Some(Expr::BinaryOp {
            left: Box::new(column(&link.from, &link.column)?),
            op: BinaryOperator::Eq,
            right: Box::new(column(&link.to, &link.target)?),
        })
    }
}

/// Writes those joins of a select anew whose conditions are `broken`, along the links, with the
/// tables that lie on the way. Whether all of them could be.
pub(super) fn reconnect(
    select: &mut Select,
    scope: &Scope,
    links: &Links,
    dialect: Dialect,
    broken: &dyn Fn(&Expr) -> bool,
) -> bool {
    let [from] = select.from.as_mut_slice() else {
        return false;
    };
    let mut sources = scope.sources.iter();
    let Some((first, table)) = sources
        .next()
        .and_then(|source| Some((&source.name, source.table.clone()?)))
    else {
        return false;
    };
    let mut joins = Joins {
        links,
        dialect,
        joined: vec![(first.clone(), table)],
    };
    let mut written: Vec<Join> = Vec::new();
    // One source for each join, in the same order, where all are plain tables.
    if scope.sources.len() != from.joins.len().saturating_add(1) {
        return false;
    }
    for (join, source) in from.joins.iter().zip(sources) {
        let Some(table) = source.table.clone() else {
            return false;
        };
        let mut join = join.clone();
        let condition = match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint) => constraint,
            _ => return false,
        };
        let is_broken = match &*condition {
            JoinConstraint::On(condition) => broken(condition),
            JoinConstraint::None => true,
            _ => return false,
        };
        if is_broken {
            let from: Vec<String> = joins
                .joined
                .iter()
                .map(|(_, table)| table.clone())
                .collect();
            let Some(mut path) = links.path(&from, &table) else {
                return false;
            };
            let Some(last) = path.pop() else {
                return false;
            };
            for link in path {
                let Some(join) = joins.step(&link) else {
                    return false;
                };
                written.push(join);
            }
            joins.joined.push((source.name.clone(), table));
            let Some(on) = joins.condition(&last) else {
                return false;
            };
            *condition = JoinConstraint::On(on);
        } else {
            joins.joined.push((source.name.clone(), table));
        }
        written.push(join);
    }
    from.joins = written;
    true
}

/// Writes joins anew by which nothing could be found, although their tables hang together otherwise.
pub(super) fn mend(query: &Query, schema: &Schema, dialect: Dialect) -> Option<Query> {
    let links = Links::of(schema);
    let mut mended = query.clone();
    let SetExpr::Select(select) = &mut *mended.body else {
        return None;
    };
    let here = scope(select, schema, &[]);
    let stray = |condition: &Expr| {
        let parts = equalities(condition);
        let column = |expression: &Expr| {
            let (source, name) = column_name(expression)?;
            match meaning(std::slice::from_ref(&here), source, name) {
                Meaning::Column(source) => Some((source.table?, name.value.clone())),
                _ => None,
            }
        };
        parts
            .iter()
            .any(|(one, other)| match (column(one), column(other)) {
                (Some(one), Some(other)) => {
                    let (table, to) = (one.0.clone(), other.0.clone());
                    let joined = links.join((&one.0, &one.1), (&other.0, &other.1));
                    table != to && !joined && links.path(&[table], &to).is_some()
                }
                _ => false,
            })
    };
    let stands = reconnect(select, &here, &links, dialect, &stray);
    (stands && mended != *query).then_some(mended)
}

fn plain_table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}
