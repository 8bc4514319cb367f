//! The value index: which column holds "Karlsruhe".
//!
//! Values are read once ([`ValueIndex::read`], in `reading`), kept by their folded text, their
//! stems and their trigrams, and found in milliseconds: exactly, whatever capitals and accents, in
//! the plural, by another name of the same thing (`aliases`), or nearly (`near`).
//! An index can be stored: it is serialised without the maps, which are made again.

mod aliases;
mod near;
mod reading;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize, Serializer};

use crate::schema::{Schema, Table};
use crate::words::{fold, stems};

use near::Trigrams;
pub use reading::{Bounds, lookup};

/// Longest value in words that is looked for in a question.
const MOST_WORDS: usize = 10;

/// Words of a question in which values are looked for.
const MOST_ASKED: usize = 300;

/// Columns with the same value beyond which it tells none of them.
const COMMON: usize = 1_000;

/// The form of what is stored. What was stored in another form is read again.
const VERSION: u32 = 2;

/// The values of a database by their texts.
#[derive(Default, Deserialize)]
#[serde(from = "Stored")]
pub struct ValueIndex {
    stored: Stored,
    /// Whether there was no time, or no database, for all columns.
    cut_short: bool,
    folded: HashMap<String, Vec<u32>>,
    stemmed: HashMap<String, Vec<u32>>,
    trigrams: Trigrams,
}

/// What is kept of an index.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    schema: String,
    columns: Vec<IndexedColumn>,
    /// Each with the place of its column.
    values: Vec<(u32, String)>,
}

/// A column whose values are in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedColumn {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Whether all of its values are in the index.
    pub complete: bool,
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The table that holds it.
    pub table: String,
    /// The column.
    pub column: String,
    /// The value, as it stands there.
    pub value: String,
    /// How near it is to what was looked for: 1 for the same.
    pub score: f32,
}

/// Words of a question that are a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// From which byte to which.
    pub span: std::ops::Range<usize>,
    /// What it may be, the nearest first.
    pub found: Vec<Found>,
}

impl From<Stored> for ValueIndex {
    fn from(stored: Stored) -> Self {
        let mut index = Self {
            stored,
            ..Self::default()
        };
        for (place, (_, value)) in (0_u32..).zip(&index.stored.values) {
            let folded = fold(value);
            if folded.is_empty() {
                continue;
            }
            let stemmed = stems(&folded);
            index.trigrams.insert(place, &folded);
            index.stemmed.entry(stemmed).or_default().push(place);
            index.folded.entry(folded).or_default().push(place);
        }
        index
    }
}

impl Serialize for ValueIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored.serialize(serializer)
    }
}

/// What a schema looks like, so that an index of another one is not taken for its own: the names
/// and types of its columns.
fn fingerprint(schema: &Schema) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    };
    let mut tables: Vec<&Table> = schema.tables.iter().collect();
    tables.sort_by_key(|table| &table.name);
    for table in tables {
        add(&table.name);
        add(&table.columns.len().to_string());
        for column in &table.columns {
            add(&column.name);
            add(&column.kind);
        }
    }
    hasher.finalize().to_hex().to_string()
}

impl ValueIndex {
    pub(crate) fn of(
        schema: &Schema,
        columns: Vec<IndexedColumn>,
        values: Vec<(u32, String)>,
    ) -> Self {
        Self::from(Stored {
            version: VERSION,
            schema: fingerprint(schema),
            columns,
            values,
        })
    }

    /// Whether it was read, as it is read now, from a database with these columns.
    #[must_use]
    pub fn is_of(&self, schema: &Schema) -> bool {
        self.stored.version == VERSION && self.stored.schema == fingerprint(schema)
    }

    /// Whether there was no time, or no database, for all columns: it is worth reading again.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Whether it holds a value of a column, exactly as it stands there.
    #[must_use]
    pub fn holds(&self, found: &Found) -> bool {
        let places = self.folded.get(&fold(&found.value));
        let mut places = places.into_iter().flatten();
        places.any(|place| {
            let place = usize::try_from(*place).ok();
            let stored = place.and_then(|place| self.stored.values.get(place));
            stored.is_some_and(|(column, value)| {
                let column = usize::try_from(*column).ok();
                let column = column.and_then(|column| self.stored.columns.get(column));
                *value == found.value
                    && column.is_some_and(|column| {
                        column.table == found.table && column.column == found.column
                    })
            })
        })
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stored.values.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stored.values.is_empty()
    }

    /// The columns whose values are in it.
    #[must_use]
    pub fn columns(&self) -> &[IndexedColumn] {
        &self.stored.columns
    }

    /// Whether every value of a column is in it: then a value that is not found is not there.
    #[must_use]
    pub fn complete(&self, table: &str, column: &str) -> bool {
        let same = |indexed: &&IndexedColumn| indexed.table == table && indexed.column == column;
        self.columns().iter().find(same).is_some_and(|c| c.complete)
    }

    /// Values near a text, the nearest first.
    #[must_use]
    pub fn find(&self, text: &str, limit: usize) -> Vec<Found> {
        let folded = fold(text);
        let mut scores = self.same(text, &folded);
        if scores.len() < limit {
            let value = |place| Some(fold(self.value(place)?.1));
            for (place, score) in self.trigrams.near(&folded, limit.saturating_mul(4), value) {
                scores.entry(place).or_insert(score);
            }
        }
        self.ranked(scores, limit)
    }

    /// Values that a text names, without those that are only near.
    #[must_use]
    pub fn named(&self, text: &str, limit: usize) -> Vec<Found> {
        self.ranked(self.same(text, &fold(text)), limit)
    }

    /// The parts of a question that name values: the longest ones, left to right.
    #[must_use]
    pub fn mentions(&self, question: &str) -> Vec<Mention> {
        let mut words = spans(question);
        words.truncate(MOST_ASKED);
        let mut mentions = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let longest = MOST_WORDS.min(words.len().saturating_sub(at));
            let found = (1..=longest).rev().find_map(|count| {
                let first = words.get(at)?;
                let last = words.get(at.checked_add(count)?.checked_sub(1)?)?;
                let span = first.start..last.end;
                let found = self.named(question.get(span.clone())?, 8);
                (!found.is_empty()).then_some((count, Mention { span, found }))
            });
            match found {
                Some((count, mention)) => {
                    mentions.push(mention);
                    at = at.saturating_add(count);
                }
                None => at = at.saturating_add(1),
            }
        }
        mentions
    }

    /// Scores of the values that a text names, by their places.
    fn same(&self, text: &str, folded: &str) -> HashMap<u32, f32> {
        let mut scores = HashMap::new();
        let mut add = |places: Option<&Vec<u32>>, score: f32| {
            for place in places.into_iter().flatten().take(COMMON) {
                scores.entry(*place).or_insert(score);
            }
        };
        if folded.is_empty() {
            return scores;
        }
        add(self.folded.get(folded), 0.98);
        // What is said as it stands somewhere is rather that than another name of it.
        let alias = if self.folded.contains_key(folded) {
            0.8
        } else {
            0.9
        };
        for other in aliases::of(folded) {
            add(self.folded.get(*other), alias);
        }
        add(self.stemmed.get(&stems(folded)), 0.93);
        for (place, score) in &mut scores {
            if self.value(*place).is_some_and(|(_, value)| value == text) {
                *score = 1.0;
            }
        }
        scores
    }

    fn ranked(&self, scores: HashMap<u32, f32>, limit: usize) -> Vec<Found> {
        let mut scores: Vec<(u32, f32)> = scores.into_iter().collect();
        scores.sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
        let mut seen = HashSet::new();
        let found = scores.into_iter().filter_map(|(place, score)| {
            let (column, value) = self.value(place)?;
            seen.insert((&column.table, &column.column, value))
                .then(|| Found {
                    table: column.table.clone(),
                    column: column.column.clone(),
                    value: value.to_owned(),
                    score,
                })
        });
        found.take(limit).collect()
    }

    fn value(&self, place: u32) -> Option<(&IndexedColumn, &str)> {
        let (column, value) = self.stored.values.get(usize::try_from(place).ok()?)?;
        let column = self.columns().get(usize::try_from(*column).ok()?)?;
        Some((column, value))
    }
}

impl std::fmt::Debug for ValueIndex {
    /// Without the values, which are nobody's business in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueIndex")
            .field("columns", &self.columns().len())
            .field("values", &self.len())
            .finish_non_exhaustive()
    }
}

impl PartialEq for ValueIndex {
    fn eq(&self, other: &Self) -> bool {
        self.stored.schema == other.stored.schema
            && self.stored.columns == other.stored.columns
            && self.stored.values == other.stored.values
    }
}

/// Where the words of a text are.
fn spans(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(began)) => {
                spans.push(began..at);
                start = None;
            }
            _ => {}
        }
    }
    spans
}

#[cfg(test)]
mod tests;
