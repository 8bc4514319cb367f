//! Which rows belong to which: keys that are declared, and those that names tell.
//!
//! All that is guessed of keys is guessed here: the parser walks it as places, repair and choice by
//! names ([`Facts::links`]).

use crate::parse::facts::Facts;
use crate::parse::form::At;
use crate::parse::lexicon;
use crate::schema::Schema;
use crate::scopes::{Link, Links};
use std::collections::{HashMap, HashSet};

/// Most tables that share a column for it to be a key.
const SHARED: usize = 8;

impl Facts {
    /// The same by names.
    pub(in crate::parse) fn links(&self, schema: &Schema) -> Links {
        let named = |at: At| {
            Some((
                self.table(at.table)?.name.clone(),
                self.column(at)?.name.clone(),
            ))
        };
        let told = self.edges.iter().filter_map(|edge| {
            let ((from, column), (to, target)) = (named(edge.from)?, named(edge.to)?);
            let pairs = vec![(column, target)];
            Some(Link { from, to, pairs })
        });
        Links::new(schema, told)
    }

    pub(super) fn declared(&mut self, schema: &Schema) {
        let mut tables: HashMap<String, usize> = HashMap::new();
        for (place, table) in schema.tables.iter().enumerate() {
            tables.entry(table.name.to_lowercase()).or_insert(place);
        }
        for (place, table) in schema.tables.iter().enumerate() {
            for key in &table.foreign_keys {
                let (Some(column), Some(target)) = (key.columns.first(), key.targets.first())
                else {
                    continue;
                };
                let from = self.at(place, column);
                let other = tables.get(&key.table.to_lowercase());
                let to = other.and_then(|other| self.at(*other, target));
                if let (Some(from), Some(to)) = (from, to) {
                    self.edge(from, to);
                }
            }
        }
    }

    /// Where no table declares keys: columns that several tables share, led to the table whose own
    /// they are.
    pub(super) fn shared(&mut self) {
        let mut by_name: HashMap<String, Vec<At>> = HashMap::new();
        for (table, facts) in self.tables.iter().enumerate() {
            for (column, of) in facts.columns.iter().enumerate() {
                if of.stems.len() > 1 || of.name.to_lowercase().ends_with("id") && of.name.len() > 2
                {
                    let places = by_name.entry(of.name.to_lowercase()).or_default();
                    places.push(At { table, column });
                }
            }
        }
        let mut names: Vec<(String, Vec<At>)> = by_name.into_iter().collect();
        names.sort();
        for (name, places) in names {
            let identifies = lexicon::IDENTIFYING.iter().any(|end| name.ends_with(end));
            if !identifies || places.len() < 2 || places.len() > SHARED {
                continue;
            }
            // Its own is the table that it names, else the one that begins with it.
            let own = places.iter().copied().min_by_key(|at| {
                let table = self.table(at.table);
                let column = self.column(*at);
                let named = table.zip(column).is_some_and(|(table, column)| {
                    table.stems.iter().all(|stem| column.stems.contains(stem))
                        || table.stems.len() == 1
                            && column.stems.len() == 1
                            && column.name.chars().next().map(|c| c.to_ascii_lowercase())
                                == table.name.chars().next().map(|c| c.to_ascii_lowercase())
                });
                (
                    !named,
                    at.column,
                    table.map_or(0, |table| table.stems.len()),
                    at.table,
                )
            });
            let Some(own) = own else {
                continue;
            };
            if let Some(table) = self.tables.get_mut(own.table)
                && table.key.is_none()
                && own.column == 0
            {
                table.key = Some(own.column);
            }
            let holds = self.column(own).map(|column| column.holds);
            for at in places {
                if at != own && self.column(at).map(|column| column.holds) == holds {
                    self.edge(at, own);
                }
            }
        }
    }

    /// Keys that nobody declared: a column called and typed like another table's only key.
    pub(super) fn guessed(&mut self) {
        let mut keys: HashMap<String, Vec<At>> = HashMap::new();
        for (table, facts) in self.tables.iter().enumerate() {
            for (column, of) in facts.columns.iter().enumerate() {
                let at = At { table, column };
                if facts.key == Some(column) {
                    keys.entry(of.name.to_lowercase()).or_default().push(at);
                    // `flight.airline` tells the key of `airline`.
                    keys.entry(facts.stems.join(" ")).or_default().push(at);
                    if of.stems == ["id"] {
                        let long = format!("{} id", facts.stems.join(" "));
                        keys.entry(long).or_default().push(at);
                    }
                }
            }
        }
        let linked: HashSet<At> = self.edges.iter().map(|edge| edge.from).collect();
        let mut found = Vec::new();
        for (table, facts) in self.tables.iter().enumerate() {
            for (column, of) in facts.columns.iter().enumerate() {
                let from = At { table, column };
                // `id` is every table's own.
                if of.stems == ["id"] || linked.contains(&from) {
                    continue;
                }
                let named = keys.get(&of.name.to_lowercase());
                let long = keys.get(&of.stems.join(" "));
                let mut targets = named.into_iter().chain(long).flatten();
                let to = targets.find(|to| {
                    to.table != table
                        && self
                            .column(**to)
                            .is_some_and(|target| target.holds == of.holds)
                });
                if let Some(to) = to.filter(|_| facts.key != Some(column)) {
                    found.push((from, *to));
                }
            }
        }
        for (from, to) in found {
            self.edge(from, to);
        }
    }
}
