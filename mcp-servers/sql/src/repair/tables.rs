//! Tables that are not there: the nearest one that is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, Query, TableAlias, TableFactor, VisitMut, VisitorMut};

use crate::dialect::Dialect;
use crate::repair::{ident, likeness};
use crate::schema::{Schema, Table};
use crate::scopes::{Links, column_name, each_expression, last};
use crate::endings::words;

/// From which weight on a table is taken for one that is not there.
const ENOUGH: f64 = 1.1;

/// Puts tables that are there in the places of those that are not.
pub(super) fn mend(
    query: &mut Query,
    schema: &Schema,
    dialect: Dialect,
    question: Option<&str>,
    how: &mut Vec<String>,
) {
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
            if candidate.table.is_none() && source.is_none_or(|source| candidate.is_named(&source.value)) {
                let columns = seen.missing.entry(asked.to_lowercase()).or_default();
                columns.insert(name.value.to_lowercase());
            }
        }
    });
    let mut sources = Sources { schema, seen: &mut seen, given: BTreeSet::new() };
    let ControlFlow::Continue(()) = query.visit(&mut sources) else {
        return;
    };
    if seen.missing.is_empty() {
        return;
    }
    let places = assigned(&seen, schema, question);
    for (asked, table) in &places {
        how.push(format!("read the table `{table}` for `{asked}`, which is not there"));
    }
    let ControlFlow::Continue(()) = query.visit(&mut Put(&places, dialect)) else {
        return;
    };
}

/// Tables of a statement.
#[derive(Default)]
struct Seen {
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
        self.given.extend(given.map(|given| given.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            let asked = last(name).to_lowercase();
            match self.schema.table(&name.to_string()).or_else(|| self.schema.table(&asked)) {
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

/// A table for each that is missing, another one for each.
fn assigned(seen: &Seen, schema: &Schema, question: Option<&str>) -> BTreeMap<String, String> {
    let links = Links::of(schema);
    let asked = question.map(words).unwrap_or_default();
    let mut used = seen.known.clone();
    let mut places = BTreeMap::new();
    // The surest first: what it takes is no longer there for the others, and leads to them.
    while places.len() < seen.missing.len() {
        let open = seen.missing.iter().filter(|(name, _)| !places.contains_key(*name));
        let free = schema.tables.iter().filter(|table| !used.contains(&table.name));
        let free: Vec<&Table> = free.collect();
        let mut best: Option<(f64, &String, &Table)> = None;
        for (name, columns) in open {
            for table in &free {
                let weight = weight(name, columns, table, &links, &used, &asked);
                if best.is_none_or(|(most, ..)| weight > most) {
                    best = Some((weight, name, table));
                }
            }
        }
        let Some((_, name, table)) = best.filter(|(weight, ..)| *weight >= ENOUGH) else {
            break;
        };
        used.insert(table.name.clone());
        places.insert(name.clone(), table.name.clone());
    }
    places
}

fn weight(
    name: &str,
    columns: &BTreeSet<String>,
    table: &Table,
    links: &Links,
    used: &BTreeSet<String>,
    asked: &[String],
) -> f64 {
    let likeness = likeness::of_table(name, &table.name);
    let likeness = if likeness < likeness::NEAR { 0.0 } else { likeness };
    let count = |count: usize| u32::try_from(count).map_or(1.0, f64::from);
    let has = columns.iter().filter_map(|column| likeness::column(table, column));
    let has: f64 = has.map(|(_, likeness)| likeness).sum();
    let has = if columns.is_empty() { 0.0 } else { has / count(columns.len()) };
    let named = words(&table.name);
    let said = named.iter().filter(|word| asked.contains(word)).count();
    let said = count(said) / count(named.len().max(1));
    let linked = used.iter().filter(|other| {
        links.path(&[(*other).clone()], &table.name).is_some_and(|path| path.len() == 1)
    });
    2.0 * likeness + has + 0.7 * said + 0.5 * count(linked.count().min(2))
}

struct Put<'a>(&'a BTreeMap<String, String>, Dialect);

impl VisitorMut for Put<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && let Some(table) = self.0.get(&last(name).to_lowercase())
        {
            // It goes on being called as it was.
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::new(last(name)),
                columns: Vec::new(),
                at: None,
            });
            let parts = table.split('.').map(|part| ident(part, self.1));
            *name = ObjectName::from(parts.collect::<Vec<_>>());
        }
        ControlFlow::Continue(())
    }
}
