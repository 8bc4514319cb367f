//! Tables that are not there: the nearest one that is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, Query, TableAlias, TableFactor, VisitMut, VisitorMut};

use crate::dialect::Dialect;
use crate::endings::words;
use crate::repair::{ident, likeness};
use crate::schema::{Schema, Table};
use crate::scopes::{Links, column_name, each_expression, last};

/// From which weight on a table is taken for one that is not there.
const ENOUGH: f64 = 0.65;

/// Most missing tables of a statement that are given others.
const AT_ONCE: usize = 4;

/// Most tables that are tried for each.
const NEAREST: usize = 6;

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
    let ControlFlow::Continue(()) = query.visit(&mut sources) else {
        return;
    };
    if seen.missing.is_empty() {
        return;
    }
    let places = assigned(&seen, schema, question);
    for (asked, table) in &places {
        how.push(format!(
            "read the table `{table}` for `{asked}`, which is not there"
        ));
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

/// A table for each that is missing, another one for each: of all ways to give them out the one that
/// weighs most together.
fn assigned(seen: &Seen, schema: &Schema, question: Option<&str>) -> BTreeMap<String, String> {
    let giving = Giving {
        links: Links::of(schema),
        asked: question.map(words).unwrap_or_default(),
        free: schema
            .tables
            .iter()
            .filter(|table| !seen.known.contains(&table.name))
            .collect(),
        missing: seen.missing.iter().take(AT_ONCE).collect(),
    };
    let mut best = (0.0, BTreeMap::new());
    giving.give(0, &mut BTreeMap::new(), &seen.known, &mut best);
    best.1
}

/// Tables to be given out.
struct Giving<'a> {
    links: Links,
    asked: Vec<String>,
    free: Vec<&'a Table>,
    missing: Vec<(&'a String, &'a BTreeSet<String>)>,
}

impl Giving<'_> {
    fn give(
        &self,
        place: usize,
        given: &mut BTreeMap<String, String>,
        known: &BTreeSet<String>,
        best: &mut (f64, BTreeMap<String, String>),
    ) {
        let Some((name, columns)) = self.missing.get(place) else {
            let weight = self.weight(given, known);
            if weight > best.0 {
                *best = (weight, given.clone());
            }
            return;
        };
        let mut near: Vec<(f64, &Table)> = self
            .free
            .iter()
            .filter(|table| !given.values().any(|taken| *taken == table.name))
            .map(|table| (self.alone(name, columns, table), *table))
            .collect();
        near.sort_by(|one, other| other.0.total_cmp(&one.0));
        let next = place.saturating_add(1);
        for (_, table) in near.into_iter().take(NEAREST) {
            given.insert((*name).clone(), table.name.clone());
            self.give(next, given, known, best);
            given.remove(*name);
        }
        // It may have no table at all.
        self.give(next, given, known, best);
    }

    fn weight(&self, given: &BTreeMap<String, String>, known: &BTreeSet<String>) -> f64 {
        let mut weight = 0.0;
        for (name, columns) in &self.missing {
            let Some(table) = given
                .get(*name)
                .and_then(|taken| self.free.iter().find(|table| table.name == *taken))
            else {
                continue;
            };
            let others = known
                .iter()
                .chain(given.values().filter(|other| **other != table.name));
            let linked = others.filter(|other| {
                let path = self.links.path(&[(*other).clone()], &table.name);
                path.is_some_and(|path| path.len() == 1)
            });
            let alone = self.alone(name, columns, table);
            let linked = 0.5 * count(linked.count().min(2));
            // That it has columns of such names is not enough by itself.
            if self.alone(name, &BTreeSet::new(), table) + linked < 0.3 || alone + linked < ENOUGH {
                return 0.0;
            }
            weight += alone + linked;
        }
        weight
    }

    /// How well a table fits a name, whatever the others are.
    fn alone(&self, name: &str, columns: &BTreeSet<String>, table: &Table) -> f64 {
        let likeness = likeness::of_table(name, &table.name);
        let likeness = if likeness < likeness::NEAR {
            0.0
        } else {
            4.0 * (likeness - 0.5)
        };
        let has = columns
            .iter()
            .filter_map(|column| likeness::column(table, column));
        let has: f64 = has.map(|(_, likeness)| likeness).sum();
        let has = 1.6 * has / count(columns.len().max(1));
        let named = words(&table.name);
        let close = |word: &&String| {
            let near = |asked: &String| asked == *word || strsim::jaro_winkler(asked, word) > 0.92;
            self.asked.iter().any(near)
        };
        let said = 0.7 * count(named.iter().filter(close).count()) / count(named.len().max(1));
        likeness + has + said
    }
}

fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
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
