//! Tables given to names that name none, another one to each: of all ways to give them out the one
//! that weighs most together.

use std::collections::{BTreeMap, BTreeSet};

use crate::asked::Asked;
use crate::repair::likeness;
use crate::repair::tables::Seen;
use crate::schema::{Table, last};
use crate::scopes::Links;
use crate::words::words;

/// From which weight on a table is taken for one that is not there.
const ENOUGH: f64 = 0.65;

/// Most missing tables of a statement that are given others.
const AT_ONCE: usize = 4;

/// Most tables that are tried for each.
const NEAREST: usize = 6;

/// Most tables whose columns are looked at for each.
const LOOKED_AT: usize = 100;

/// A table for each that is missing, by the names in small letters.
pub(super) fn given(
    seen: &Seen,
    asked: &Asked<'_>,
    question: Option<&str>,
) -> BTreeMap<String, String> {
    let said = question.map(words).unwrap_or_default();
    let neighbours = seen
        .known
        .iter()
        .flat_map(|known| asked.links.neighbours(known));
    let neighbours: BTreeSet<&str> = neighbours.collect();
    let missing = seen.missing.iter().take(AT_ONCE);
    let missing = missing.map(|(name, columns)| {
        let free = asked.schema.tables.iter();
        let free = free.filter(|table| !seen.known.contains(&table.name));
        let mut named: Vec<(f64, bool, &Table)> = free
            .map(|table| {
                let is_near = neighbours.contains(table.name.as_str());
                (by_name(name, table, &said), is_near, table)
            })
            .collect();
        // All of a schema that is not large.
        named.sort_by(|one, other| other.0.total_cmp(&one.0).then(other.1.cmp(&one.1)));
        let mut free: Vec<Free<'_>> = named
            .into_iter()
            .take(LOOKED_AT)
            .map(|(named, _, table)| Free {
                table,
                named,
                weight: named + by_columns(columns, table),
            })
            .collect();
        free.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        free.truncate(NEAREST.saturating_add(AT_ONCE));
        Missing { name, free }
    });
    let giving = Giving {
        links: &asked.links,
        missing: missing.collect(),
    };
    let mut best = (0.0, BTreeMap::new());
    giving.give(0, &mut BTreeMap::new(), &seen.known, &mut best);
    best.1
}

/// Tables to be given out.
struct Giving<'a> {
    links: &'a Links,
    missing: Vec<Missing<'a>>,
}

/// A name that names no table, with the tables that it could mean, the likeliest first.
struct Missing<'a> {
    name: &'a String,
    free: Vec<Free<'a>>,
}

/// A table, with how well it fits a name, whatever the others are: by its own name, and with its
/// columns.
struct Free<'a> {
    table: &'a Table,
    named: f64,
    weight: f64,
}

impl Giving<'_> {
    fn give(
        &self,
        place: usize,
        given: &mut BTreeMap<String, String>,
        known: &BTreeSet<String>,
        best: &mut (f64, BTreeMap<String, String>),
    ) {
        let Some(missing) = self.missing.get(place) else {
            let weight = self.weight(given, known);
            if weight > best.0 {
                *best = (weight, given.clone());
            }
            return;
        };
        let free = missing.free.iter().map(|free| &free.table.name);
        let free: Vec<&String> = free
            .filter(|table| !given.values().any(|taken| taken == *table))
            .take(NEAREST)
            .collect();
        let next = place.saturating_add(1);
        for table in free {
            given.insert(missing.name.clone(), table.clone());
            self.give(next, given, known, best);
            given.remove(missing.name);
        }
        // It may have no table at all.
        self.give(next, given, known, best);
    }

    fn weight(&self, given: &BTreeMap<String, String>, known: &BTreeSet<String>) -> f64 {
        let mut weight = 0.0;
        for missing in &self.missing {
            let Some(free) = given.get(missing.name).and_then(|taken| {
                let mut free = missing.free.iter();
                free.find(|free| free.table.name == *taken)
            }) else {
                continue;
            };
            let neighbours = self.links.neighbours(&free.table.name);
            let neighbours: BTreeSet<&str> = neighbours.collect();
            let others = known.iter().chain(given.values());
            let linked = others
                .filter(|other| **other != free.table.name)
                .filter(|other| neighbours.contains(other.as_str()));
            let linked = 0.5 * count(linked.count().min(2));
            // That it has columns of such names is not enough by itself.
            if free.named + linked < 0.3 || free.weight + linked < ENOUGH {
                return 0.0;
            }
            weight += free.weight + linked;
        }
        weight
    }
}

/// How well a table fits by its name, and by what the question says.
fn by_name(name: &str, table: &Table, said: &[String]) -> f64 {
    let likeness = likeness::of_table(name, last(&table.name));
    let likeness = if likeness < likeness::NEAR {
        0.0
    } else {
        4.0 * (likeness - 0.5)
    };
    let named = words(&table.name);
    let close = |word: &&String| {
        let near = |asked: &String| asked == *word || strsim::jaro_winkler(asked, word) > 0.92;
        said.iter().any(near)
    };
    likeness + 0.7 * count(named.iter().filter(close).count()) / count(named.len().max(1))
}

/// How well a table fits by the columns that it would have to have.
fn by_columns(columns: &BTreeSet<String>, table: &Table) -> f64 {
    let has = columns
        .iter()
        .filter_map(|column| likeness::column(table, column));
    let has: f64 = has.map(|(_, likeness)| likeness).sum();
    1.6 * has / count(columns.len().max(1))
}

fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
