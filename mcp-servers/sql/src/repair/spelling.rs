//! Names in other capitals than they are stored in, where a database tells them apart: PostgreSQL
//! reads `Name` as `name` and finds no `"Name"`; MySQL tells the names of tables apart.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem, SetExpr,
    TableFactor, VisitMut, VisitorMut,
};

use crate::asked::Asked;
use crate::dialect::Dialect;
use crate::repair::tables::as_it_was;
use crate::scopes::{Meaning, Scope, column_name, each_expression, last, meaning, scope};

/// Writes names as they are stored.
pub(super) fn mend(query: &mut Query, asked: &Asked<'_>, how: &mut Vec<String>) {
    if asked.dialect() == Dialect::Sqlite {
        return;
    }
    let mut mended = query.clone();
    let mut written = BTreeSet::new();
    if asked.dialect() == Dialect::Postgres {
        let mut naming = Naming { depth: 0 };
        let _ = mended.visit(&mut naming);
        each_expression(&mut mended, asked.schema, |expression, scopes| {
            if let Some(name) = column(expression, scopes, asked.dialect()) {
                written.insert(name);
            }
        });
    }
    let mut tables = Tables {
        asked,
        given: BTreeSet::new(),
        written: &mut written,
    };
    let _ = mended.visit(&mut tables);
    if !written.is_empty() {
        how.extend(
            written
                .iter()
                .map(|name| format!("wrote {name} as it is stored")),
        );
        *query = mended;
    }
}

/// A name as a database reads it.
fn read(name: &Ident, dialect: Dialect) -> String {
    if dialect == Dialect::Postgres && name.quote_style.is_none() {
        name.value.to_lowercase()
    } else {
        name.value.clone()
    }
}

/// Writes the name of a column as its table has it; gives the name where that was not so before.
fn column(expression: &mut Expr, scopes: &[Scope], dialect: Dialect) -> Option<String> {
    let (source, name) = column_name(expression)?;
    let Meaning::Column(source) = meaning(scopes, source, name) else {
        return None;
    };
    source.table.as_ref()?;
    let (wanted, stored) = (read(name, dialect), source.stored(&name.value)?);
    let columns = source.columns.as_ref()?;
    if columns.contains(&wanted) {
        return None;
    }
    let name = dialect.ident(stored);
    let told = name.to_string();
    match expression {
        Expr::Identifier(old) => *old = name,
        Expr::CompoundIdentifier(parts) => *parts.last_mut()? = name,
        _ => return None,
    }
    Some(told)
}

/// Columns of queries inside of others go on being called as they were.
struct Naming {
    depth: usize,
}

impl VisitorMut for Naming {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if self.depth > 0
            && let SetExpr::Select(select) = &mut *query.body
        {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expression) = item
                    && let Some((_, name)) = column_name(expression)
                    && name.quote_style.is_none()
                    && name.value.contains(char::is_uppercase)
                {
                    *item = SelectItem::ExprWithAlias {
                        alias: name.clone(),
                        expr: expression.clone(),
                    };
                }
            }
        }
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

struct Tables<'a> {
    asked: &'a Asked<'a>,
    given: BTreeSet<String>,
    written: &'a mut BTreeSet<String>,
}

impl VisitorMut for Tables<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let given = query.with.iter().flat_map(|with| &with.cte_tables);
        self.given
            .extend(given.map(|given| given.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if self.asked.dialect() == Dialect::Postgres {
            let here = scope(select, self.asked.schema, &[]);
            for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
                if let JoinOperator::Join(JoinConstraint::Using(names))
                | JoinOperator::Inner(JoinConstraint::Using(names))
                | JoinOperator::Left(JoinConstraint::Using(names))
                | JoinOperator::LeftOuter(JoinConstraint::Using(names)) = &mut join.join_operator
                {
                    for name in names {
                        self.shared(name, &here);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
            && !self.given.contains(&last(name).to_lowercase())
        {
            let dialect = self.asked.dialect();
            let parts = name.0.iter().filter_map(|part| part.as_ident());
            let parts: Vec<String> = parts.map(|part| read(part, dialect)).collect();
            let (whole, last) = (parts.join("."), parts.last().cloned().unwrap_or_default());
            let tables = &self.asked.schema.tables;
            let there = |table: &str| table == whole || table == last;
            if !tables.iter().any(|table| there(&table.name))
                && let Some(table) = self
                    .asked
                    .schema
                    .table(&whole)
                    .or_else(|| self.asked.schema.table(&last))
            {
                alias.get_or_insert_with(|| as_it_was(name));
                *name = dialect.path(&table.name);
                self.written.insert(name.to_string());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Tables<'_> {
    /// A column that two sources share.
    fn shared(&mut self, name: &mut ObjectName, here: &Scope) {
        let dialect = self.asked.dialect();
        let Some(wanted) = name.0.last().and_then(|part| part.as_ident()) else {
            return;
        };
        let wanted = read(wanted, dialect);
        let tables = here.sources.iter().filter(|source| source.table.is_some());
        let stored = tables.filter_map(|source| source.stored(&wanted)).next();
        if let Some(stored) = stored.filter(|stored| **stored != wanted) {
            *name = ObjectName::from(vec![dialect.ident(stored)]);
            self.written.insert(name.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::mend;
    use crate::asked::{Asked, parsed};
    use crate::dialect::Dialect;
    use crate::repair::tests::speaking;
    use crate::schema::Schema;
    use crate::schema::made::table;

    async fn mended(sql: &str, dialect: Dialect) -> String {
        let schema = Arc::new(Schema {
            tables: vec![
                table("Singer", &["id", "Name", "age"], &[]),
                table("concert", &["id", "year"], &[]),
            ],
        });
        let source = speaking(dialect);
        let cancel = CancellationToken::new();
        let asked = Asked::new(&source, &schema, &cancel).await;
        let mut query = parsed(sql, dialect).unwrap();
        mend(&mut query, &asked, &mut Vec::new());
        query.to_string()
    }

    #[tokio::test]
    async fn names_are_written_as_they_are_stored_where_that_matters() {
        let sql = "SELECT Name, Singer.AGE FROM Singer WHERE NAME = 'x'";
        for (dialect, written) in [
            (Dialect::Sqlite, sql),
            (Dialect::Mysql, sql),
            (
                Dialect::Postgres,
                "SELECT \"Name\", Singer.AGE FROM \"Singer\" AS Singer WHERE \"Name\" = 'x'",
            ),
        ] {
            assert_eq!(mended(sql, dialect).await, written);
        }
        for (dialect, sql, written) in [
            (
                Dialect::Mysql,
                "SELECT NAME FROM singer",
                "SELECT NAME FROM Singer AS singer",
            ),
            (
                Dialect::Postgres,
                "SELECT x.Name FROM (SELECT Name FROM \"Singer\") AS x",
                "SELECT x.Name FROM (SELECT \"Name\" AS Name FROM \"Singer\") AS x",
            ),
            (
                Dialect::Postgres,
                "SELECT \"YEAR\", \"Id\" FROM \"Concert\"",
                "SELECT year, id FROM concert AS \"Concert\"",
            ),
        ] {
            assert_eq!(mended(sql, dialect).await, written);
        }
        let fine = "SELECT Year AS Y FROM Concert ORDER BY Y";
        assert_eq!(mended(fine, Dialect::Postgres).await, fine);
    }
}
