//! Words of a question linked to tables, columns and values.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::parse::facts::{ColumnFacts, Facts, TableFacts};
use crate::parse::form::At;
use crate::parse::lexicon;
use crate::values::{Found, ValueIndex};

/// What words may be, each with how well it fits, the best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Link {
    pub(super) tables: Vec<(usize, f32)>,
    pub(super) columns: Vec<(At, f32)>,
    pub(super) values: Vec<(At, String, f32)>,
}

impl Link {
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty() && self.values.is_empty()
    }

    /// How well its best table fits.
    pub(super) fn table_score(&self) -> f32 {
        self.tables.first().map_or(0.0, |(_, score)| *score)
    }

    pub(super) fn column_score(&self) -> f32 {
        self.columns.first().map_or(0.0, |(_, score)| *score)
    }

    pub(super) fn value_score(&self) -> f32 {
        self.values.first().map_or(0.0, |(_, _, score)| *score)
    }

    fn sort(mut self) -> Self {
        self.tables
            .sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
        self.columns
            .sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
        self.values
            .sort_by(|one, two| two.2.total_cmp(&one.2).then(one.0.cmp(&two.0)));
        self.columns.truncate(MOST);
        self.tables.truncate(MOST);
        self.values.truncate(MOST);
        self
    }
}

/// Readings that are kept of each kind.
const MOST: usize = 24;

/// A word as stems of the schema that it may mean, with how well.
pub(super) type Meanings = Vec<(String, f32)>;

/// Links the words of questions.
#[derive(Debug, Clone, Default)]
pub(super) struct Linker {
    values: Arc<ValueIndex>,
    columns: HashMap<(String, String), At>,
    stems: Vec<String>,
}

impl Linker {
    pub(super) fn new(facts: &Facts, values: Arc<ValueIndex>) -> Self {
        let mut columns = HashMap::new();
        for (table, of) in facts.tables.iter().enumerate() {
            for (column, name) in of.columns.iter().enumerate() {
                columns.insert((of.name.clone(), name.name.clone()), At { table, column });
            }
        }
        let stems: HashSet<&String> = facts
            .columns_by_stem
            .keys()
            .chain(facts.tables_by_stem.keys())
            .collect();
        let mut stems: Vec<String> = stems.into_iter().cloned().collect();
        stems.sort();
        Self {
            values,
            columns,
            stems,
        }
    }

    /// The stems of the schema that are a word, or mean the same.
    pub(super) fn said(&self, stem: &str) -> Meanings {
        let known = |stem: &str| {
            self.stems
                .binary_search_by(|own| own.as_str().cmp(stem))
                .is_ok()
        };
        let mut meanings = Meanings::new();
        if known(stem) {
            meanings.push((stem.to_owned(), 1.0));
        }
        for other in lexicon::same(stem).iter().filter(|other| known(other)) {
            meanings.push(((*other).to_owned(), 0.88));
        }
        meanings
    }

    /// The stems of the schema that a word may mean, cut short or misspelt too.
    pub(super) fn meanings(&self, stem: &str) -> Meanings {
        let mut meanings = self.said(stem);
        if meanings.is_empty() && stem.len() > 3 {
            let alike = self.stems.iter().filter(|own| {
                own.len() > 2 && stem.starts_with(own.as_str())
                    || stem.len() > 4 && own.starts_with(stem)
            });
            let alike = alike.filter(|own| own.len() > 3 || stem.len() < 9);
            meanings.extend(alike.take(MOST).map(|own| (own.clone(), 0.82)));
        }
        if meanings.is_empty() && stem.len() > 4 {
            // Misspelt.
            let near = self.stems.iter().filter(|own| misspelt(stem, own));
            meanings.extend(near.take(MOST).map(|own| (own.clone(), 0.8)));
        }
        meanings
    }

    /// The tables and columns that words together may be. `near` are tables that the question names.
    pub(super) fn names(
        &self,
        facts: &Facts,
        words: &[(String, Meanings)],
        near: &HashSet<usize>,
    ) -> Link {
        let mut link = Link::default();
        let mut tables = HashSet::new();
        let mut columns = HashSet::new();
        for (stem, _) in words.iter().flat_map(|(_, meanings)| meanings) {
            tables.extend(facts.tables_of(stem));
            if let Some(all) = facts.columns_by_stem.get(stem) {
                columns.extend(Facts::few(all, near));
            }
        }
        // Words that only say of which table: its name, its key.
        if words.iter().any(|(stem, _)| stem == "name" || stem == "id") {
            for table in &tables {
                columns.extend(facts.display(*table));
                columns.extend(facts.key(*table));
            }
        }
        let known = |(_, meanings): &(String, Meanings)| {
            meanings
                .iter()
                .any(|(stem, _)| facts.tables_by_stem.contains_key(stem))
        };
        let whole: String = words.iter().map(|(stem, _)| stem.as_str()).collect();
        for table in facts.tables_by_whole.get(&whole).into_iter().flatten() {
            link.tables.push((*table, 1.0));
            tables.remove(table);
        }
        for at in facts
            .columns_by_whole
            .get(&whole)
            .into_iter()
            .flat_map(|all| Facts::few(all, near))
        {
            link.columns.push((*at, 1.0));
            columns.remove(at);
        }
        for table in tables {
            // "car models": models, which are of cars.
            let head = words
                .split_last()
                .filter(|(_, others)| !others.is_empty() && others.iter().all(known));
            let compound = head
                .and_then(|(head, _)| fits_table(facts.table(table)?, std::slice::from_ref(head)));
            let compound = compound
                .map(|score| score * 0.85)
                .filter(|score| *score > 0.6);
            if let Some(score) = compound {
                link.tables.push((table, score));
            }
            if let Some(score) = facts
                .table(table)
                .and_then(|facts| fits_table(facts, words))
            {
                link.tables.push((table, score));
            }
        }
        for at in columns {
            let table = facts.table(at.table);
            let score = table.and_then(|table| fits_column(table, at, facts.column(at)?, words));
            link.columns.extend(score.map(|score| (at, score)));
        }
        link.sort()
    }

    /// The values that a text names.
    pub(super) fn values(&self, text: &str) -> Vec<(At, String, f32)> {
        let found = self.values.named(text, MOST);
        let place = |found: Found| {
            let at = self.columns.get(&(found.table, found.column))?;
            Some((*at, found.value, found.score))
        };
        found.into_iter().filter_map(place).collect()
    }

    /// Whether a value that is not in the index is not in a column either.
    pub(super) fn complete(&self, facts: &Facts, at: At) -> bool {
        facts.table(at.table).is_some_and(|table| {
            facts
                .column(at)
                .is_some_and(|column| self.values.complete(&table.name, &column.name))
        })
    }
}

/// Whether a word may be another one misspelt: hardly ever in its first letter.
fn misspelt(said: &str, own: &str) -> bool {
    let longer = said.len().max(own.len());
    said.chars().next() == own.chars().next()
        // More letters too many or too few than may be wrong.
        && said.len().abs_diff(own.len()).saturating_mul(5) <= longer
        && strsim::normalized_damerau_levenshtein(own, said) >= 0.8
}

/// How well a word is one of a name's stems.
fn meant(stems: &[String], meanings: &Meanings) -> Option<(usize, f32)> {
    let places = meanings.iter().filter_map(|(stem, score)| {
        let place = stems.iter().position(|own| own == stem)?;
        Some((place, *score))
    });
    places.max_by(|one, two| one.1.total_cmp(&two.1))
}

fn fits_table(table: &TableFacts, words: &[(String, Meanings)]) -> Option<f32> {
    let mut score = 1.0_f32;
    let mut matched = HashSet::new();
    for (_, meanings) in words {
        let (place, fit) = meant(&table.stems, meanings)?;
        score *= fit;
        matched.insert(place);
    }
    let filler = |place: &usize| {
        let stem = table.stems.get(*place);
        stem.is_some_and(|stem| lexicon::TABLE_FILLERS.contains(&stem.as_str()))
    };
    // A name is more than what people leave out of it.
    if matched.iter().all(filler) && matched.len() < table.stems.len() {
        return None;
    }
    let missing: Vec<usize> = (0..table.stems.len())
        .filter(|place| !matched.contains(place))
        .collect();
    let fillers = missing.iter().filter(|place| filler(place)).count();
    for _ in 0..fillers {
        score *= 0.95;
    }
    let missing = missing.len().saturating_sub(fillers);
    if missing > 0 {
        let head = matched.contains(&table.stems.len().saturating_sub(1));
        score *= share(matched.len(), missing) * if head { 1.6 } else { 1.1 };
    }
    (score >= 0.3).then_some(score.min(1.0))
}

fn fits_column(
    table: &TableFacts,
    at: At,
    column: &ColumnFacts,
    words: &[(String, Meanings)],
) -> Option<f32> {
    let mut score = 1.0_f32;
    let mut matched = HashSet::new();
    let mut implied = false;
    let mut of_the_table = 0_usize;
    for (stem, meanings) in words {
        if let Some((place, fit)) = meant(&column.stems, meanings) {
            score *= fit;
            matched.insert(place);
        } else if let Some((_, fit)) = meant(&table.stems, meanings) {
            score *= fit;
            of_the_table = of_the_table.saturating_add(1);
        } else if stem == "name" && table.display == Some(at.column) && !column.key
            || stem == "id" && table.key == Some(at.column)
        {
            implied = true;
            score *= if stem == "id" { 0.85 } else { 0.95 };
        } else {
            return None;
        }
    }
    let whole = table
        .stems
        .iter()
        .filter(|stem| !lexicon::TABLE_FILLERS.contains(&stem.as_str()))
        .count();
    // "party name" is rather of parties than of party events.
    if of_the_table > 0 && of_the_table < whole {
        score *= 0.85;
    }
    let of_table = |place: &usize| {
        let stem = column.stems.get(*place);
        stem.is_some_and(|stem| table.stems.contains(stem))
    };
    let own = (0..column.stems.len())
        .filter(|place| !of_table(place))
        .count();
    let matched_own = matched.iter().filter(|place| !of_table(place)).count();
    if matched.is_empty() && !implied || own > 0 && matched_own == 0 && !implied {
        return None;
    }
    let missing: Vec<usize> = (0..column.stems.len())
        .filter(|place| !matched.contains(place) && !of_table(place))
        .collect();
    if missing.is_empty() || implied {
        return Some(score);
    }
    let fillers = missing.iter().all(|place| {
        let stem = column.stems.get(*place);
        stem.is_some_and(|stem| lexicon::COLUMN_FILLERS.contains(&stem.as_str()))
    });
    if fillers {
        return Some(score * 0.9);
    }
    let head = matched.contains(&column.stems.len().saturating_sub(1));
    score *= share(matched.len(), missing.len()) * if head { 1.2 } else { 0.9 };
    (score >= 0.3).then_some(score.min(0.85))
}

#[expect(clippy::cast_precision_loss, reason = "names have few words")]
fn share(matched: usize, missing: usize) -> f32 {
    matched as f32 / (matched.saturating_add(missing)).max(1) as f32
}
