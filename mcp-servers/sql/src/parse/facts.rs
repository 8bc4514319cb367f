//! A schema in the words that questions use.
//!
//! - `names`: names of tables and columns as words.
//! - `keys`: which rows belong to which, declared or guessed.

mod keys;
mod names;

use std::collections::{HashMap, HashSet};

use crate::parse::form::At;
use crate::schema::{Holds, Schema};
use names::{Vocabulary, display, words};

/// Names with the same word beyond which the word tells nothing by itself.
const COMMON: usize = 200;

/// A schema, with what is told by its names.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) tables: Vec<TableFacts>,
    pub(super) edges: Vec<Edge>,
    /// Tables by the stems of their names.
    pub(super) tables_by_stem: HashMap<String, Vec<usize>>,
    /// Columns by the stems of their names.
    pub(super) columns_by_stem: HashMap<String, Vec<At>>,
    /// Columns and tables by their names written as one word: `hometown`, `home_town`.
    pub(super) columns_by_whole: HashMap<String, Vec<At>>,
    pub(super) tables_by_whole: HashMap<String, Vec<usize>>,
    /// The edges of each table.
    by_table: HashMap<usize, Vec<Edge>>,
}

#[derive(Debug, Clone)]
pub(super) struct TableFacts {
    pub(super) name: String,
    /// Stems of its name.
    pub(super) stems: Vec<String>,
    pub(super) columns: Vec<ColumnFacts>,
    pub(super) key: Option<usize>,
    /// The column by which people call a row.
    pub(super) display: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct ColumnFacts {
    pub(super) name: String,
    pub(super) stems: Vec<String>,
    pub(super) holds: Holds,
    /// Whether a row may be without a value.
    pub(super) nullable: bool,
    /// Whether its values only say which row is meant.
    pub(super) key: bool,
    pub(super) foreign: bool,
}

/// Rows of one table that belong to rows of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// The key that is told.
    pub(super) from: At,
    /// The row that it is of.
    pub(super) to: At,
}

impl Facts {
    pub(super) fn new(schema: &Schema) -> Self {
        let vocabulary = Vocabulary::of(schema);
        let mut facts = Self::default();
        for table in &schema.tables {
            let last = table.name.rsplit('.').next().unwrap_or(&table.name);
            let stems: Vec<String> = words(last, &vocabulary);
            let columns: Vec<ColumnFacts> = table
                .columns
                .iter()
                .map(|column| ColumnFacts {
                    name: column.name.clone(),
                    stems: words(&column.name, &vocabulary),
                    holds: column.holds(),
                    nullable: column.nullable && !table.primary_key.contains(&column.name),
                    key: table.primary_key.contains(&column.name),
                    foreign: false,
                })
                .collect();
            let key = match table.primary_key.as_slice() {
                [only] => table.columns.iter().position(|column| column.name == *only),
                _ => None,
            };
            facts.tables.push(TableFacts {
                name: table.name.clone(),
                stems,
                columns,
                key,
                display: None,
            });
        }
        facts.declared(schema);
        if facts.edges.is_empty() {
            facts.shared();
        }
        facts.guessed();
        for table in &mut facts.tables {
            table.display = display(&table.stems, &table.columns, table.key);
        }
        facts.indexed();
        facts
    }

    fn edge(&mut self, from: At, to: At) {
        let edge = Edge { from, to };
        if !self.edges.contains(&edge) && from.table != to.table {
            self.edges.push(edge);
            for table in [from.table, to.table] {
                self.by_table.entry(table).or_default().push(edge);
            }
            let column = self
                .tables
                .get_mut(from.table)
                .and_then(|table| table.columns.get_mut(from.column));
            if let Some(column) = column {
                column.foreign = true;
            }
        }
    }

    fn indexed(&mut self) {
        for (place, table) in self.tables.iter().enumerate() {
            let whole = self.tables_by_whole.entry(table.stems.concat());
            whole.or_default().push(place);
            for stem in &table.stems {
                let places = self.tables_by_stem.entry(stem.clone()).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            for (column, of) in table.columns.iter().enumerate() {
                let at = At {
                    table: place,
                    column,
                };
                let whole = self.columns_by_whole.entry(of.stems.concat());
                whole.or_default().push(at);
                for stem in &of.stems {
                    let places = self.columns_by_stem.entry(stem.clone()).or_default();
                    if places.last() != Some(&at) {
                        places.push(at);
                    }
                }
            }
        }
    }

    /// A column by its name in a table.
    pub(super) fn at(&self, table: usize, name: &str) -> Option<At> {
        let columns = &self.tables.get(table)?.columns;
        let same = |column: &ColumnFacts| column.name.eq_ignore_ascii_case(name);
        let column = columns.iter().position(same)?;
        Some(At { table, column })
    }

    pub(super) fn column(&self, at: At) -> Option<&ColumnFacts> {
        self.tables.get(at.table)?.columns.get(at.column)
    }

    pub(super) fn table(&self, table: usize) -> Option<&TableFacts> {
        self.tables.get(table)
    }

    /// The key of a table that has one column.
    pub(super) fn key(&self, table: usize) -> Option<At> {
        let column = self.table(table)?.key?;
        Some(At { table, column })
    }

    /// The column by which people call a row.
    pub(super) fn display(&self, table: usize) -> Option<At> {
        let column = self.table(table)?.display?;
        Some(At { table, column })
    }

    /// Tables that a stem is in the name of; none where it is in so many that it tells nothing.
    pub(super) fn tables_of(&self, stem: &str) -> &[usize] {
        let all = self.tables_by_stem.get(stem).map_or(&[][..], Vec::as_slice);
        if all.len() > COMMON { &[] } else { all }
    }

    /// Tables that any of these stems are in the names of.
    pub(super) fn tables_named_by<'s>(
        &self,
        stems: impl Iterator<Item = &'s String>,
    ) -> HashSet<usize> {
        let named: HashSet<usize> = stems
            .flat_map(|stem| self.tables_of(stem))
            .copied()
            .collect();
        if named.len() > COMMON {
            HashSet::new()
        } else {
            named
        }
    }

    /// Of columns that have a word in common all, where they are few, else those of some tables.
    pub(super) fn few<'f>(all: &'f [At], near: &'f HashSet<usize>) -> impl Iterator<Item = &'f At> {
        let few = all.len() <= COMMON;
        all.iter().filter(move |at| few || near.contains(&at.table))
    }

    /// Whether two tables are linked directly.
    pub(super) fn neighbours(&self, one: usize, two: usize) -> bool {
        self.edges_of(one)
            .iter()
            .any(|edge| edge.from.table == two || edge.to.table == two)
    }

    /// Whether two tables are linked by one between them that is there for that.
    pub(super) fn bridged(&self, one: usize, two: usize) -> bool {
        let others = self
            .edges_of(one)
            .iter()
            .flat_map(|edge| [edge.from.table, edge.to.table]);
        others
            .filter(|other| *other != one && *other != two)
            .any(|other| self.neighbours(other, two) && self.bridge(other))
    }

    /// Whether each row of a table has at most one of another, over however many tables.
    pub(super) fn leads(&self, from: usize, to: usize) -> bool {
        let mut seen = HashSet::from([from]);
        let mut open = vec![from];
        while let Some(table) = open.pop() {
            if table == to {
                return true;
            }
            let further = self
                .edges_of(table)
                .iter()
                .filter(|edge| edge.from.table == table);
            open.extend(
                further
                    .map(|edge| edge.to.table)
                    .filter(|next| seen.insert(*next)),
            );
        }
        false
    }

    /// The links of a table.
    pub(super) fn edges_of(&self, table: usize) -> &[Edge] {
        self.by_table.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Whether a table is there to link others: its rows tell keys and little else.
    pub(super) fn bridge(&self, table: usize) -> bool {
        let foreign = self
            .edges_of(table)
            .iter()
            .filter(|edge| edge.from.table == table);
        foreign.count() >= 2
            && self
                .table(table)
                .is_some_and(|facts| facts.key.is_none() || facts.columns.len() <= 4)
    }
}
