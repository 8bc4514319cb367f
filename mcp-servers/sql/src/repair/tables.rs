//! Tables that are not there: the nearest one that is.
//!
//! - `giving`: which one each of several is given.

mod giving;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, Query, TableAlias, TableFactor, VisitMut, VisitorMut};

use crate::asked::Asked;
use crate::dialect::Dialect;
use crate::schema::Schema;
use crate::scopes::{column_name, each_expression, last};

/// Puts tables that are there in the places of those that are not.
pub(super) fn mend(
    query: &mut Query,
    asked: &Asked<'_>,
    question: Option<&str>,
    how: &mut Vec<String>,
) {
    let schema = asked.schema;
    let mut seen = Seen::default();
    each_expression(query, schema, |expression, scopes| {
        let Some((source, name)) = column_name(expression) else {
            return;
        };
        let all = scopes.iter().rev().flat_map(|scope| &scope.sources);
        for candidate in all {
            let Some(asked) = &candidate.asked else {
                continue;
            };
            if candidate.table.is_none()
                && source.is_none_or(|source| candidate.is_named(&source.value))
            {
                let columns = seen.missing.entry(asked.to_lowercase()).or_default();
                columns.insert(name.value.to_lowercase());
            }
        }
    });
    let mut sources = Sources {
        schema,
        seen: &mut seen,
        given: BTreeSet::new(),
    };
    let _ = query.visit(&mut sources);
    if seen.missing.is_empty() {
        return;
    }
    let places = giving::given(&seen, asked, question);
    for (name, table) in &places {
        how.push(format!(
            "read the table `{table}` for `{name}`, which is not there"
        ));
    }
    let _ = query.visit(&mut Put(&places, asked.dialect()));
}

/// Tables of a statement.
#[derive(Default)]
pub(super) struct Seen {
    /// Those that are not there, with the columns that may be of them.
    missing: BTreeMap<String, BTreeSet<String>>,
    known: BTreeSet<String>,
}

struct Sources<'a> {
    schema: &'a Schema,
    seen: &'a mut Seen,
    given: BTreeSet<String>,
}

impl VisitorMut for Sources<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let given = query.with.iter().flat_map(|with| &with.cte_tables);
        self.given
            .extend(given.map(|given| given.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
        {
            let asked = last(name).to_lowercase();
            match self
                .schema
                .table(&name.to_string())
                .or_else(|| self.schema.table(&asked))
            {
                Some(table) => {
                    self.seen.known.insert(table.name.clone());
                }
                None if self.given.contains(&asked) => {}
                None => {
                    self.seen.missing.entry(asked).or_default();
                }
            }
        }
        ControlFlow::Continue(())
    }
}

struct Put<'a>(&'a BTreeMap<String, String>, Dialect);

impl VisitorMut for Put<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
            && let Some(table) = self.0.get(&last(name).to_lowercase())
        {
            // It goes on being called as it was.
            alias.get_or_insert_with(|| as_it_was(name));
            *name = self.1.path(table);
        }
        ControlFlow::Continue(())
    }
}

/// The name by which a table was called.
pub(super) fn as_it_was(name: &ObjectName) -> TableAlias {
    let last = name.0.last().and_then(|part| part.as_ident());
    TableAlias {
        explicit: true,
        name: last.cloned().unwrap_or_else(|| Ident::new("")),
        columns: Vec::new(),
        at: None,
    }
}
