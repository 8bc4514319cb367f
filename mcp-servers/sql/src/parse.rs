//! A question read without a language model, or left to others.
//!
//! Read it in this order:
//! - `facts`: a schema in the words that questions use; `lexicon`: what words mean everywhere.
//! - `tokens`, `link`, `chunks`: a question as words, what they are linked to, and the parts it is of.
//! - `read`: the parts read from left to right into a `form`; where there are several ways, `tape`
//!   goes them all.
//! - `join` and `write`: the form as SQL.
//! - `settle`: readings tried on the database, so that those which agree support each other.
//!
//! A reading costs what it leaves unexplained. The confidence falls with the cost, and with what
//! other readings would be as good; below [`THRESHOLD`] the question is left to others.

mod chunks;
mod facts;
mod form;
mod join;
mod lexicon;
mod link;
mod read;
mod settle;
mod tape;
mod tokens;
mod write;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dialect::Dialect;
use crate::schema::Schema;
use crate::scopes::Links;
use crate::values::ValueIndex;

use facts::Facts;
use link::Linker;
use write::Ties;

/// Confidence from which a reading is an answer.
///
/// From `ropewalk eval sql` on Spider's development questions: where rules were made, nine of
/// ten answers above it are right, and 88 of 100 were on three databases that nobody had looked at.
/// A lower one answers more and is wrong more often; 0.5 was right 83 times of 100 there.
pub const THRESHOLD: f32 = 0.6;

/// Longest question that is read, in bytes and in words: nothing longer has one of the shapes that
/// are read here.
const LONGEST: usize = 2_000;
const MOST_WORDS: usize = 100;

/// Reads questions about one database.
#[derive(Debug, Clone)]
pub struct Parser {
    facts: Facts,
    linker: Linker,
    dialect: Dialect,
    links: Arc<Links>,
}

/// How the tables of a schema hang together. It reads all names: not for an async thread.
pub(crate) fn links(schema: &Schema) -> Links {
    Facts::new(schema).links(schema)
}

/// What a question was read as.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The statement, where the parser is sure enough.
    pub sql: Option<String>,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
    /// Which words were read as what.
    pub explanation: Vec<String>,
    /// What speaks against it.
    pub doubts: Vec<String>,
    /// The best reading, sure or not.
    pub best: Option<Candidate>,
    /// Others, the likelier first.
    pub others: Vec<Candidate>,
}

/// One way to read a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The statement.
    pub sql: String,
    /// How well it explains the question, 0 to 1.
    pub weight: f32,
    /// Which words were read as what.
    pub explanation: Vec<String>,
    /// What speaks against it.
    pub doubts: Vec<String>,
    #[serde(skip)]
    ties: Option<Ties>,
}

impl Parser {
    /// A parser for questions about a database.
    #[must_use]
    pub fn new(schema: &Schema, values: Arc<ValueIndex>, dialect: Dialect) -> Self {
        let facts = Facts::new(schema);
        let linker = Linker::new(&facts, values);
        Self {
            links: Arc::new(facts.links(schema)),
            facts,
            linker,
            dialect,
        }
    }

    /// How the tables hang together.
    pub(crate) fn links(&self) -> Arc<Links> {
        Arc::clone(&self.links)
    }

    /// Reads a question, asking nobody.
    #[must_use]
    pub fn parse(&self, question: &str) -> Reading {
        Reading::of(self.candidates(question))
    }

    /// All readings, the likeliest first.
    fn candidates(&self, question: &str) -> Vec<Candidate> {
        if question.len() > LONGEST {
            return Vec::new();
        }
        let tokens = tokens::tokens(question);
        if tokens.len() > MOST_WORDS {
            return Vec::new();
        }
        let chunks = chunks::chunks(question, &tokens, &self.facts, &self.linker);
        let ways = tape::ways(|tape| {
            let read = read::read(&chunks, &self.facts, &self.linker, tape)?;
            let written = write::write(&read.form, &self.facts, self.dialect, &read.hints, tape)?;
            Some((written, read))
        });
        let mut candidates: Vec<Candidate> = Vec::new();
        for (way, cost) in ways {
            let Some((written, read)) = way else {
                continue;
            };
            let joins = u8::try_from(written.tables).map_or(9.0, f32::from) - 1.0;
            let weight = (-(cost + joins * 0.05)).exp();
            match candidates.iter_mut().find(|other| other.sql == written.sql) {
                Some(other) => other.weight = other.weight.max(weight),
                None => candidates.push(Candidate {
                    sql: written.sql,
                    weight,
                    explanation: read.notes,
                    doubts: read.doubts,
                    ties: written.ties,
                }),
            }
        }
        candidates.sort_by(|one, two| two.weight.total_cmp(&one.weight));
        candidates
    }
}

impl Reading {
    /// The first of the readings, as sure as the others let it be.
    fn of(candidates: Vec<Candidate>) -> Self {
        let total: f32 = candidates.iter().map(|candidate| candidate.weight).sum();
        let mut candidates = candidates.into_iter();
        let Some(best) = candidates.next() else {
            return Self::default();
        };
        let share = if total > 0.0 {
            best.weight / total
        } else {
            0.0
        };
        Self::with(best.weight * share, best, candidates.collect())
    }

    fn with(confidence: f32, best: Candidate, others: Vec<Candidate>) -> Self {
        Self {
            sql: (confidence >= THRESHOLD).then(|| best.sql.clone()),
            confidence,
            explanation: best.explanation.clone(),
            doubts: best.doubts.clone(),
            best: Some(best),
            others,
        }
    }
}

#[cfg(test)]
mod tests;
