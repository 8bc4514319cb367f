//! Joins along the links of a schema: for tables that are missing from a statement, and for
//! conditions that name what is not there.

use std::collections::HashMap;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SetExpr, TableFactor,
};

use crate::dialect::Dialect;
use crate::repair::conditions::{joined, parts};
use crate::schema::{Schema, last};
use crate::scopes::{Link, Links, Meaning, Scope, column_name, meaning, scope};

/// A select whose joins are being changed.
pub(super) struct Joins<'a> {
    links: &'a Links,
    dialect: Dialect,
    /// The tables that are joined so far.
    joined: Vec<Joined>,
    /// How many links lead from these to others.
    distances: HashMap<String, usize>,
}

/// A table that is joined.
struct Joined {
    /// As what it is named.
    name: Ident,
    table: String,
    /// Which of the parts of FROM it is in.
    part: usize,
}

impl<'a> Joins<'a> {
    pub(super) fn of(select: &Select, scope: &Scope, links: &'a Links, dialect: Dialect) -> Self {
        // Sources stand in the order of the parts and their joins, one for each.
        let parts = select.from.iter().enumerate().flat_map(|(part, from)| {
            let sources = from.joins.iter().map(|join| &join.relation);
            let sources = std::iter::once(&from.relation).chain(sources);
            sources.flat_map(move |factor| std::iter::repeat_n(part, sources_of(factor)))
        });
        let joined = scope
            .sources
            .iter()
            .zip(parts)
            .filter_map(|(source, part)| {
                Some(Joined {
                    name: source.name.clone(),
                    table: source.table.clone()?,
                    part,
                })
            });
        let mut joins = Self {
            links,
            dialect,
            joined: joined.collect(),
            distances: HashMap::new(),
        };
        joins.measure();
        joins
    }

    fn tables(&self) -> impl Iterator<Item = &str> {
        self.joined.iter().map(|joined| joined.table.as_str())
    }

    fn measure(&mut self) {
        self.distances = self.links.distances(self.tables());
    }

    /// How many links lead to a table from those that are joined.
    pub(super) fn distance(&self, table: &str) -> Option<usize> {
        self.distances.get(&table.to_lowercase()).copied()
    }

    /// As what a table is named that is joined.
    pub(super) fn named(&self, table: &str) -> Option<Ident> {
        Some(self.joined(table)?.name.clone())
    }

    fn joined(&self, table: &str) -> Option<&Joined> {
        let mut joined = self.joined.iter();
        joined.find(|joined| joined.table.eq_ignore_ascii_case(table))
    }

    /// Joins a table, and what lies on the way to it; as what it is then named.
    pub(super) fn add(&mut self, select: &mut Select, table: &str) -> Option<Ident> {
        let path = self.links.path(self.tables(), table)?;
        let mut steps = Vec::new();
        for link in path {
            steps.push(self.step(&link)?);
        }
        for (join, part) in steps {
            // Where it can name the table that it is joined to.
            select.from.get_mut(part)?.joins.push(join);
        }
        self.measure();
        self.named(table)
    }

    /// The join of a table that is one link away, and to which part of FROM it belongs.
    fn step(&mut self, link: &Link) -> Option<(Join, usize)> {
        let known = self.joined(&link.from).or_else(|| self.joined(&link.to))?;
        let part = known.part;
        let new = link.other_end(&known.table).to_owned();
        let name = self.dialect.ident(last(&new));
        let taken = |joined: &Joined| joined.name.value.eq_ignore_ascii_case(&name.value);
        if self.joined.iter().any(taken) {
            return None;
        }
        let relation = plain_table(self.dialect.path(&new));
        self.joined.push(Joined {
            name,
            table: new,
            part,
        });
        let join = Join {
            relation,
            global: false,
            join_operator: JoinOperator::Join(JoinConstraint::On(self.condition(link)?)),
        };
        Some((join, part))
    }

    /// That both ends of a link are the same.
    fn condition(&self, link: &Link) -> Option<Expr> {
        let column = |table: &str, column: &str| {
            let parts = vec![self.named(table)?, self.dialect.ident(column)];
            Some(Expr::CompoundIdentifier(parts))
        };
        let equal = link.pairs.iter().map(|(own, target)| {
            Some(Expr::BinaryOp {
                left: Box::new(column(&link.from, own)?),
                op: BinaryOperator::Eq,
                right: Box::new(column(&link.to, target)?),
            })
        });
        joined(equal.collect::<Option<Vec<_>>>()?)
    }
}

/// How many sources a part of FROM is.
fn sources_of(factor: &TableFactor) -> usize {
    match factor {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => {
            let joins = table_with_joins.joins.iter();
            let joins: usize = joins.map(|join| sources_of(&join.relation)).sum();
            joins.saturating_add(sources_of(&table_with_joins.relation))
        }
        _ => 1,
    }
}

/// Writes those joins of a select anew that rest on what is `broken`, along the links, with the
/// tables that lie on the way. Whatever else their conditions say stays, and so do joins without
/// any. Whether all of them could be.
pub(super) fn reconnect(
    select: &mut Select,
    scope: &Scope,
    links: &Links,
    dialect: Dialect,
    broken: &dyn Fn(&Expr) -> bool,
) -> bool {
    let mut joins = Joins::of(select, scope, links, dialect);
    let [from] = select.from.as_mut_slice() else {
        return false;
    };
    // One source for each join, in the same order, where all are plain tables.
    let mut tables = Vec::new();
    for source in &scope.sources {
        let Some(table) = source.table.clone() else {
            return false;
        };
        tables.push(Joined {
            name: source.name.clone(),
            table,
            part: 0,
        });
    }
    if tables.len() != from.joins.len().saturating_add(1) {
        return false;
    }
    let mut tables = tables.into_iter();
    joins.joined = tables.next().into_iter().collect();
    let mut written: Vec<Join> = Vec::new();
    for (join, own) in from.joins.iter().zip(tables) {
        let mut join = join.clone();
        let Some(condition) = condition(&mut join.join_operator) else {
            joins.joined.push(own);
            written.push(join);
            continue;
        };
        let (stray, kept): (Vec<Expr>, Vec<Expr>) =
            parts(condition.clone()).into_iter().partition(broken);
        if stray.is_empty() {
            joins.joined.push(own);
            written.push(join);
            continue;
        }
        // Rows without a partner come from one side: no table may stand between.
        let plain = matches!(
            join.join_operator,
            JoinOperator::Join(_) | JoinOperator::Inner(_)
        );
        let Some(mut path) = links.path(joins.tables(), &own.table) else {
            return false;
        };
        let Some(link) = path.pop().filter(|_| plain || path.is_empty()) else {
            return false;
        };
        for link in path {
            let Some((join, _)) = joins.step(&link) else {
                return false;
            };
            written.push(join);
        }
        joins.joined.push(own);
        let Some(on) = joins.condition(&link) else {
            return false;
        };
        let mut all = parts(on);
        all.extend(kept);
        all.dedup();
        if let (Some(condition), Some(all)) =
            (self::condition(&mut join.join_operator), joined(all))
        {
            *condition = all;
        }
        written.push(join);
    }
    from.joins = written;
    true
}

/// What a join says after ON.
fn condition(join: &mut JoinOperator) -> Option<&mut Expr> {
    match join {
        JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition))
        | JoinOperator::Left(JoinConstraint::On(condition))
        | JoinOperator::LeftOuter(JoinConstraint::On(condition)) => Some(condition),
        _ => None,
    }
}

/// Writes joins anew by which nothing could be found, although their tables hang together otherwise.
pub(super) fn mend(
    query: &Query,
    schema: &Schema,
    links: &Links,
    dialect: Dialect,
) -> Option<Query> {
    let mut mended = query.clone();
    let SetExpr::Select(select) = &mut *mended.body else {
        return None;
    };
    let here = scope(select, schema, &[]);
    let column = |expression: &Expr| {
        let (source, name) = column_name(expression)?;
        match meaning(std::slice::from_ref(&here), source, name) {
            Meaning::Column(source) => Some((source.table?, name.value.clone())),
            _ => None,
        }
    };
    let stray = |condition: &Expr| {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = condition
        else {
            return false;
        };
        let (Some((table, one)), Some((to, other))) = (column(left), column(right)) else {
            return false;
        };
        table != to
            && !links.join((&table, &one), (&to, &other))
            && links.path([table.as_str()].into_iter(), &to).is_some()
    };
    let stands = reconnect(select, &here, links, dialect, &stray);
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

#[cfg(test)]
mod tests {
    use super::mend;
    use crate::asked::parsed;
    use crate::dialect::Dialect;
    use crate::parse::links;
    use crate::schema::made::table;
    use crate::schema::{ForeignKey, Schema};

    fn mended(sql: &str) -> Option<String> {
        let mut ticket = table(
            "ticket",
            &["id", "deck", "spot", "visitor_id"],
            &["visitor"],
        );
        ticket.foreign_keys.push(ForeignKey {
            columns: vec!["deck".to_owned(), "spot".to_owned()],
            table: "seat".to_owned(),
            targets: vec!["deck".to_owned(), "spot".to_owned()],
        });
        let schema = Schema {
            tables: vec![
                table("seat", &["deck", "spot", "price"], &[]),
                ticket,
                table("visitor", &["id", "name"], &[]),
            ],
        };
        let query = parsed(sql, Dialect::Sqlite).unwrap();
        let mended = mend(&query, &schema, &links(&schema), Dialect::Sqlite)?;
        Some(mended.to_string())
    }

    #[test]
    fn what_a_condition_says_beside_stays() {
        assert_eq!(
            mended(
                "SELECT name FROM ticket JOIN visitor ON ticket.id = visitor.id AND visitor.name > 'b'"
            )
            .as_deref(),
            Some(
                "SELECT name FROM ticket JOIN visitor ON ticket.visitor_id = visitor.id AND visitor.name > 'b'"
            )
        );
    }

    #[test]
    fn keys_of_several_columns_are_joined_in_all_of_them() {
        for fine in [
            "SELECT price FROM ticket JOIN seat ON ticket.deck = seat.deck AND ticket.spot = seat.spot",
            "SELECT name FROM visitor JOIN ticket",
            "SELECT name FROM visitor CROSS JOIN ticket",
            "SELECT name FROM visitor, ticket",
        ] {
            assert_eq!(mended(fine), None, "{fine}");
        }
        assert_eq!(
            mended(
                "SELECT price FROM visitor CROSS JOIN ticket JOIN seat ON seat.price = ticket.id"
            )
            .as_deref(),
            Some(
                "SELECT price FROM visitor CROSS JOIN ticket JOIN seat ON ticket.deck = seat.deck AND ticket.spot = seat.spot"
            )
        );
    }
}
