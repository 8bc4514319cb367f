//! Which tables and columns a question is about: schema linking over one database or many.
//!
//! - `described`: what is read of tables, columns and databases.
//! - `meanings`: vectors of texts, made once.
//!
//! Tables are scored by words (BM25F over names, columns and samples), by the meaning of the whole
//! table and by the meaning of its closest column, each brought to the range 0 to 1 and added. Two
//! things that tables have and texts do not are used beside. A question is asked of one database:
//! how well a database fits as a whole counts for each of its tables. And rows of a table that
//! points to another are seldom told without that other: a table takes part of what the best of
//! those that point to it has more. Decision 0036 has the figures.

mod described;
mod meanings;

use std::collections::HashMap;
use std::sync::Arc;

use ropewalk_embed::{EmbedError, Field, FieldIndex, cosine, to_unit_range};

use crate::parse::links;
use crate::schema::Schema;

pub use meanings::Meanings;

/// What a table's name, columns and samples count.
const FIELDS: [Field; 3] = [
    Field {
        weight: 2.0,
        length: 0.3,
    },
    Field {
        weight: 1.0,
        length: 0.6,
    },
    Field {
        weight: 0.5,
        length: 0.7,
    },
];

/// What the words of a database as a whole count.
const WHOLE: Field = Field {
    weight: 1.0,
    length: 0.5,
};

/// Shares of words and meaning of a database beside its best table.
const DATABASE_WORDS: f32 = 0.5;
const DATABASE_MEANING: f32 = 0.5;

/// Part of the lead of a table that those it points to are given.
const INHERITED: f32 = 0.5;

/// Tables of which all meanings are read; of more, those that words find first.
const ALL_READ: usize = 2_000;
const FIRST_READ: usize = 300;

/// Tables whose columns are looked at one by one.
const CLOSE: usize = 100;

/// Finds tables for questions.
pub struct Linker {
    databases: Vec<Database>,
    tables: Vec<Table>,
    words: FieldIndex,
    whole: FieldIndex,
    meanings: Option<Arc<Meanings>>,
}

struct Database {
    name: String,
    text: String,
    schema: Arc<Schema>,
}

struct Table {
    database: usize,
    /// Its place in its schema.
    place: usize,
    text: String,
    /// Tables whose keys it has.
    targets: Vec<usize>,
}

/// A table that fits a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Linked {
    /// Its database.
    pub database: String,
    /// Its name.
    pub table: String,
    /// How well it fits beside the others; comparable within one question only.
    pub score: f32,
}

impl Linker {
    /// Reads schemas by the names of their databases. Without `meanings` words alone decide.
    #[must_use]
    pub fn new(
        schemas: impl IntoIterator<Item = (String, Arc<Schema>)>,
        meanings: Option<Arc<Meanings>>,
    ) -> Self {
        let mut linker = Self {
            databases: Vec::new(),
            tables: Vec::new(),
            words: FieldIndex::default(),
            whole: FieldIndex::default(),
            meanings,
        };
        let (mut words, mut whole) = (Vec::new(), Vec::new());
        for (name, schema) in schemas {
            let database = linker.databases.len();
            let first = linker.tables.len();
            let places: HashMap<String, usize> = schema
                .tables
                .iter()
                .enumerate()
                .map(|(place, table)| (table.name.to_lowercase(), first.saturating_add(place)))
                .collect();
            let links = links(&schema);
            let mut all = Vec::new();
            for (place, table) in schema.tables.iter().enumerate() {
                let fields = described::words_in(table);
                all.extend(fields.iter().flatten().cloned());
                words.push(fields);
                let own = first.saturating_add(place);
                let targets = links.targets(&table.name);
                let targets = targets.filter_map(|table| places.get(&table.to_lowercase()));
                linker.tables.push(Table {
                    database,
                    place,
                    text: described::table(table),
                    targets: targets.copied().filter(|target| *target != own).collect(),
                });
            }
            whole.push([all]);
            linker.databases.push(Database {
                text: described::database(&name, &schema),
                name,
                schema,
            });
        }
        linker.words = FieldIndex::new(&words, &FIELDS);
        linker.whole = FieldIndex::new(&whole, &[WHOLE]);
        linker
    }

    /// Up to `limit` tables for a question, best first; of two that fit equally the first one given
    /// comes first. It embeds what it has not met: not for an async thread.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn tables(&self, question: &str, limit: usize) -> Result<Vec<Linked>, EmbedError> {
        let mut scores = self.alone(question)?;
        self.add_databases(question, &mut scores)?;
        self.add_inherited(&mut scores);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let score = |table: &usize| scores.get(*table).copied().unwrap_or_default();
        order.sort_by(|one, two| score(two).total_cmp(&score(one)).then(one.cmp(two)));
        let linked = order.into_iter().take(limit).filter_map(|table| {
            let found = self.tables.get(table)?;
            let database = self.databases.get(found.database)?;
            Some(Linked {
                database: database.name.clone(),
                table: database.schema.tables.get(found.place)?.name.clone(),
                score: score(&table),
            })
        });
        Ok(linked.collect())
    }

    /// Up to `limit` columns of a table for a question, best first, with how well they fit.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn columns(
        &self,
        question: &str,
        table: &crate::schema::Table,
        limit: usize,
    ) -> Result<Vec<(String, f32)>, EmbedError> {
        let words: Vec<[Vec<String>; 1]> =
            table.columns.iter().map(described::column_words).collect();
        let mut scores = FieldIndex::new(&words, &[WHOLE]).scores(question);
        to_unit_range(&mut scores);
        if let Some(meanings) = &self.meanings {
            let asked = meanings.of(question)?;
            let texts: Vec<String> = described::columns(table).collect();
            let vectors = meanings.all(&texts)?;
            let mut near: Vec<f32> = vectors
                .iter()
                .map(|vector| cosine(&asked, vector))
                .collect();
            to_unit_range(&mut near);
            for (score, near) in scores.iter_mut().zip(near) {
                *score += near;
            }
        }
        let named = table.columns.iter().map(|column| column.name.clone());
        let mut ranked: Vec<(String, f32)> = named.zip(scores).collect();
        ranked.sort_by(|(_, one), (_, two)| two.total_cmp(one));
        ranked.truncate(limit);
        Ok(ranked)
    }

    /// How well each table fits by itself.
    fn alone(&self, question: &str) -> Result<Vec<f32>, EmbedError> {
        let mut scores = self.words.scores(question);
        to_unit_range(&mut scores);
        let Some(meanings) = &self.meanings else {
            return Ok(scores);
        };
        let asked = meanings.of(question)?;
        let read = if self.tables.len() <= ALL_READ {
            (0..self.tables.len()).collect()
        } else {
            best(&scores, FIRST_READ)
        };
        let texts: Vec<String> = self.texts(&read);
        let near = meanings.all(&texts)?;
        let near = near.iter().map(|vector| cosine(&asked, vector));
        add(&mut scores, &read, near);
        let close = best(&scores, CLOSE);
        let mut nearest = Vec::new();
        for place in &close {
            let columns = meanings.all(&self.columns_of(*place))?;
            let near = columns.iter().map(|vector| cosine(&asked, vector));
            nearest.push(near.fold(-1.0, f32::max));
        }
        add(&mut scores, &close, nearest.into_iter());
        Ok(scores)
    }

    fn texts(&self, tables: &[usize]) -> Vec<String> {
        let texts = tables.iter().filter_map(|place| self.tables.get(*place));
        texts.map(|table| table.text.clone()).collect()
    }

    fn columns_of(&self, place: usize) -> Vec<String> {
        let table = self.tables.get(place).and_then(|table| {
            let schema = &self.databases.get(table.database)?.schema;
            schema.tables.get(table.place)
        });
        table.map_or(Vec::new(), |table| described::columns(table).collect())
    }

    /// Adds how well the database of each table fits as a whole.
    fn add_databases(&self, question: &str, scores: &mut [f32]) -> Result<(), EmbedError> {
        if self.databases.len() < 2 {
            return Ok(());
        }
        let mut fits = vec![0.0_f32; self.databases.len()];
        for (table, score) in self.tables.iter().zip(scores.iter()) {
            if let Some(fit) = fits.get_mut(table.database) {
                *fit = fit.max(*score);
            }
        }
        to_unit_range(&mut fits);
        let mut words = self.whole.scores(question);
        to_unit_range(&mut words);
        for (fit, words) in fits.iter_mut().zip(words) {
            *fit += DATABASE_WORDS * words;
        }
        if let Some(meanings) = &self.meanings {
            let asked = meanings.of(question)?;
            let texts = self.databases.iter().map(|database| database.text.clone());
            let near = meanings.all(&texts.collect::<Vec<String>>())?;
            let mut near: Vec<f32> = near.iter().map(|vector| cosine(&asked, vector)).collect();
            to_unit_range(&mut near);
            for (fit, near) in fits.iter_mut().zip(near) {
                *fit += DATABASE_MEANING * near;
            }
        }
        for (table, score) in self.tables.iter().zip(scores) {
            *score += fits.get(table.database).copied().unwrap_or_default();
        }
        Ok(())
    }

    /// Gives tables part of what the best of those that point to them have more.
    fn add_inherited(&self, scores: &mut [f32]) {
        let mut best = scores.to_vec();
        for (place, table) in self.tables.iter().enumerate() {
            let own = scores.get(place).copied().unwrap_or_default();
            for target in &table.targets {
                if let Some(best) = best.get_mut(*target) {
                    *best = best.max(own);
                }
            }
        }
        for (score, best) in scores.iter_mut().zip(best) {
            *score += INHERITED * (best - *score);
        }
    }
}

/// The places of the `count` best scores, in their order.
fn best(scores: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<(usize, f32)> = scores.iter().copied().enumerate().collect();
    places.sort_by(|(_, one), (_, two)| two.total_cmp(one));
    places.truncate(count);
    let mut places: Vec<usize> = places.into_iter().map(|(place, _)| place).collect();
    places.sort_unstable();
    places
}

/// Adds further scores of some places, brought to the range 0 to 1.
fn add(scores: &mut [f32], places: &[usize], further: impl Iterator<Item = f32>) {
    let mut further: Vec<f32> = further.collect();
    to_unit_range(&mut further);
    for (place, more) in places.iter().zip(further) {
        if let Some(score) = scores.get_mut(*place) {
            *score += more;
        }
    }
}

#[cfg(test)]
mod tests;
