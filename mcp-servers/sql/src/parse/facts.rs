//! A schema in the words that questions use.

use std::collections::{HashMap, HashSet};

use crate::parse::form::At;
use crate::parse::lexicon;
use crate::schema::Schema;
use crate::words::{of_name, stem};

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
    /// The words of all names with their stems.
    pub(super) words: Vec<(String, String)>,
    /// The edges of each table.
    by_table: HashMap<usize, Vec<Edge>>,
}

#[derive(Debug, Clone)]
pub(super) struct TableFacts {
    pub(super) name: String,
    /// Stems of its name and of what the database says of it.
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
    /// Whether its values only say which row is meant.
    pub(super) key: bool,
    pub(super) foreign: bool,
}

/// What a column holds, as far as type, name and samples tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Number,
    Date,
    /// Texts that are numbers: years, codes.
    NumberAsText,
    Text,
}

impl Holds {
    pub(super) fn numeric(self) -> bool {
        matches!(self, Self::Number | Self::NumberAsText)
    }
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
        let vocabulary = vocabulary(schema);
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
                    holds: holds(&column.kind, &column.samples),
                    key: table.primary_key.contains(&column.name),
                    foreign: false,
                })
                .collect();
            let key = match table.primary_key.as_slice() {
                [only] => table.columns.iter().position(|column| column.name == *only),
                _ => None,
            };
            let display = display(&stems, &columns, key);
            facts.tables.push(TableFacts {
                name: table.name.clone(),
                stems,
                columns,
                key,
                display,
            });
        }
        let mut said: Vec<(String, String)> = vocabulary
            .iter()
            .map(|word| (word.clone(), stem(word)))
            .collect();
        said.sort();
        said.dedup_by(|one, two| one.1 == two.1);
        facts.words = said;
        facts.declared(schema);
        if facts.edges.is_empty() {
            facts.shared();
        }
        facts.guessed();
        facts.indexed();
        facts
    }

    fn declared(&mut self, schema: &Schema) {
        for (place, table) in schema.tables.iter().enumerate() {
            for key in &table.foreign_keys {
                let (Some(column), Some(target)) = (key.columns.first(), key.targets.first())
                else {
                    continue;
                };
                let from = self.at(place, column);
                let other = schema
                    .tables
                    .iter()
                    .position(|other| other.name.eq_ignore_ascii_case(&key.table));
                let to = other.and_then(|other| self.at(other, target));
                if let (Some(from), Some(to)) = (from, to) {
                    self.edge(from, to);
                }
            }
        }
    }

    /// Where no table declares keys: columns that several tables share, led to the table whose own
    /// they are.
    fn shared(&mut self) {
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
    fn guessed(&mut self) {
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
        let linked: HashSet<usize> = self.edges.iter().map(|edge| edge.from.table).collect();
        let mut found = Vec::new();
        for (table, facts) in self.tables.iter().enumerate() {
            for (column, of) in facts.columns.iter().enumerate() {
                let from = At { table, column };
                // `id` is every table's own.
                if of.stems == ["id"] || linked.contains(&table) && self.is_from(from) {
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

    fn is_from(&self, at: At) -> bool {
        self.edges.iter().any(|edge| edge.from == at)
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

/// Most tables that share a column for it to be a key.
const SHARED: usize = 8;

/// The words of all names, by which words that are written as one are told apart.
fn vocabulary(schema: &Schema) -> HashSet<String> {
    let columns = schema.tables.iter().flat_map(|table| &table.columns);
    let names = schema.tables.iter().map(|table| table.name.as_str());
    let names = names.chain(columns.map(|column| column.name.as_str()));
    let mut words: HashSet<String> = names
        .flat_map(of_name)
        .filter(|word| word.len() > 2)
        .collect();
    let singular: Vec<String> = words
        .iter()
        .filter_map(|word| Some(word.strip_suffix('s')?.to_owned()))
        .collect();
    words.extend(singular);
    words
}

/// The stems of a name, with what is shortened written out.
fn words(name: &str, vocabulary: &HashSet<String>) -> Vec<String> {
    let mut stems: Vec<String> = Vec::new();
    let whole = of_name(name).concat();
    let parts = match lexicon::long_form(&whole) {
        Some(long) => vec![long.to_owned()],
        None => of_name(name),
    };
    for word in parts {
        for part in apart(&word, vocabulary) {
            let long = lexicon::long_form(&part).unwrap_or(&part);
            for word in long.split(' ') {
                let stem = stem(word);
                if !lexicon::FILLERS.contains(&word) && !stems.contains(&stem) {
                    stems.push(stem);
                }
            }
        }
    }
    stems
}

/// Words that are written as one: `petid`, `fname`, `cityname`.
fn apart(word: &str, vocabulary: &HashSet<String>) -> Vec<String> {
    if lexicon::long_form(word).is_some() {
        return vec![word.to_owned()];
    }
    for end in lexicon::ENDINGS {
        let Some(rest) = word.strip_suffix(end).filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let known = vocabulary.contains(rest) || lexicon::long_form(rest).is_some();
        // `stu` of `student`.
        let short = rest.len() > 2 && vocabulary.iter().any(|long| long.starts_with(rest));
        if known || short {
            let long = vocabulary
                .iter()
                .filter(|long| !known && long.starts_with(rest) && !long.ends_with(end))
                .min_by_key(|long| (long.len(), (*long).clone()));
            let rest = long.map_or(rest, String::as_str);
            return vec![rest.to_owned(), (*end).to_owned()];
        }
    }
    vec![word.to_owned()]
}

fn holds(kind: &str, samples: &[String]) -> Holds {
    let kind = kind.to_lowercase();
    let any = |names: &[&str]| names.iter().any(|name| kind.contains(name));
    let numbers = || {
        !samples.is_empty()
            && samples
                .iter()
                .all(|sample| sample.trim().parse::<f64>().is_ok())
    };
    if any(&["date", "time"]) {
        Holds::Date
    } else if any(&[
        "int", "real", "float", "double", "num", "dec", "serial", "money", "year",
    ]) {
        Holds::Number
    } else if numbers() {
        Holds::NumberAsText
    } else {
        Holds::Text
    }
}

/// The column by which people call a row of a table: its name, its title, what is called like the
/// table itself, else its key.
fn display(table: &[String], columns: &[ColumnFacts], key: Option<usize>) -> Option<usize> {
    let own = |column: &&ColumnFacts| -> Vec<String> {
        let rest = column.stems.iter().filter(|stem| !table.contains(stem));
        rest.cloned().collect()
    };
    let find = |wanted: &dyn Fn(&ColumnFacts) -> bool| columns.iter().position(wanted);
    let is = |name: &'static str| move |column: &ColumnFacts| own(&column) == [name];
    find(&is("name"))
        .or_else(|| find(&is("titl")))
        .or_else(|| {
            find(&|column| {
                !column.key
                    && !column.foreign
                    && own(&column).is_empty()
                    && !column.stems.is_empty()
            })
        })
        .or_else(|| find(&|column| own(&column) == ["full", "name"]))
        .or_else(|| {
            let mut names = columns.iter().enumerate().filter(|(_, column)| {
                column.stems.last().is_some_and(|stem| stem == "name") && !column.foreign
            });
            let first = names.next();
            first.filter(|_| names.next().is_none()).map(|(at, _)| at)
        })
        .or(key)
}
