//! From a question to passages, over as many of them as it takes.
//!
//! Read it in this order:
//! - [`Index`]: passages by slot: their words, meanings and names.
//! - `words`, `meanings`, `facts`: how well a passage fits a question; `blend`: all together.
//! - `names`: which passages name which entities, and which are about them.
//! - `seeds`: where to begin.
//! - `hops`: where that leads: each passage that shares an entity with a beginning is scored by
//!   what the question still asks for.
//! - `weights`: what counts how much.

mod blend;
mod facts;
mod hops;
mod meanings;
mod names;
mod seeds;
mod weights;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use ropewalk_documents::chunk::contextual_text;

use crate::extract;
use crate::name::Key;
use crate::piece::{Kind, Mention, Passage, Piece};

use facts::Facts;
use hops::{Question, Ranked};
use meanings::Meanings;
use names::Names;
use words::Words;

/// Characters of a passage that say what it is about; questions go on from them.
const OPENING: usize = 300;
/// Bytes at the start of a passage within which the name stands that it is about.
const LEAD: u32 = 8;
/// Words of the longest name that is looked for in a question.
const LONGEST_NAME: usize = 12;

/// Passages, ready to be found. What it answers does not depend on the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Index {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    sources: HashMap<Arc<str>, Vec<u32>>,
    words: Words,
    meanings: Meanings,
    facts: Facts,
    names: Names,
}

/// A passage in the index.
#[derive(Debug, Clone)]
struct Slot {
    source: Arc<str>,
    number: u32,
    opening: Box<str>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The source of its document.
    pub source: Arc<str>,
    /// Its number in the document, from 0.
    pub number: u32,
    /// How well it fits; comparable within one answer only.
    pub score: f32,
    /// What led to it, where it was not found by itself.
    pub via: Option<Via>,
}

/// A passage that led to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Via {
    /// The source of its document.
    pub source: Arc<str>,
    /// Its number in the document, from 0.
    pub number: u32,
    /// What both name.
    pub entity: Key,
}

impl Index {
    /// An index of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many passages there are.
    pub fn len(&self) -> usize {
        self.sources.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The text of each passage of a piece as it is to be embedded: with the title and the headings
    /// it stands below.
    pub fn texts(piece: &Piece) -> Vec<String> {
        let document = &piece.document;
        let text = |passage: &Passage| {
            let title = &document.title;
            let text = contextual_text(title, None, &passage.headings, &passage.text);
            text.trim_start().to_owned()
        };
        document.passages.iter().map(text).collect()
    }

    /// What a piece says as it is to be embedded: the statements that were given or that a model
    /// found.
    pub fn facts(piece: &Piece) -> Vec<String> {
        facts::of(piece).map(facts::text).collect()
    }

    /// Puts the passages of a piece in place of those that were there of its source. `vectors` are
    /// the unit vectors of [`Index::texts`] and `told` those of [`Index::facts`], as far as there
    /// are any.
    pub fn put(&mut self, piece: &Piece, vectors: &[Vec<f32>], told: &[Vec<f32>]) {
        self.remove(&piece.document.source);
        let source: Arc<str> = piece.document.source.as_str().into();
        let mut mentions: Vec<Vec<&Mention>> = vec![Vec::new(); piece.document.passages.len()];
        for mention in &piece.mentions {
            if let Some(of) = mentions.get_mut(mention.passage as usize) {
                of.push(mention);
            }
        }
        let title = Key::of_title(&piece.document.title);
        let mut taken = Vec::with_capacity(mentions.len());
        for ((number, text), mentions) in (0_u32..).zip(Self::texts(piece)).zip(&mentions) {
            let opening: String = text.chars().take(OPENING).collect();
            let slot = self.slot(Slot {
                source: Arc::clone(&source),
                number,
                opening: opening.into_boxed_str(),
            });
            self.words.put(slot, &text);
            if let Some(vector) = vectors.get(number as usize) {
                self.meanings.put(slot, vector);
            }
            let about = mentions.iter().filter(|mention| leads(mention));
            self.names.put(
                slot,
                mentions.iter().map(|mention| &mention.entity),
                about.map(|mention| &mention.entity).chain(&title),
            );
            taken.push(slot);
        }
        for (fact, vector) in facts::of(piece).zip(told) {
            if let Some(slot) = taken.get(fact.passage as usize) {
                self.facts.put(*slot, vector);
            }
        }
        if !taken.is_empty() {
            self.sources.insert(source, taken);
        }
    }

    /// Takes the passages of a source out.
    pub fn remove(&mut self, source: &str) {
        for slot in self.sources.remove(source).unwrap_or_default() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = None;
            }
            self.words.remove(slot);
            self.meanings.remove(slot);
            self.facts.remove(slot);
            self.names.remove(slot);
            self.free.push(slot);
        }
    }

    fn slot(&mut self, passage: Slot) -> u32 {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            *place = Some(passage);
            return slot;
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Some(passage));
        slot
    }

    /// The passages that a question asks for, best first. `embed` makes unit vectors of texts; it is
    /// asked for that of the question, and for those of what the question becomes once a passage is
    /// known.
    ///
    /// # Errors
    /// What `embed` fails with.
    pub fn find<E>(
        &self,
        text: &str,
        limit: usize,
        embed: impl Fn(&[String]) -> Result<Vec<Vec<f32>>, E>,
    ) -> Result<Vec<Hit>, E> {
        let vector = embed(&[text.to_owned()])?.into_iter().next();
        let question = self.question(text, vector.as_deref());
        let seeds = seeds::of(self, &question);
        let onward: Vec<String> = seeds
            .iter()
            .filter_map(|seed| Some(format!("{text} {}", self.at(*seed)?.opening)))
            .collect();
        let vectors = embed(&onward)?;
        let ranked = hops::ranked(self, &question, &seeds, &vectors);
        Ok(self.hits(ranked, limit))
    }

    fn at(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn question(&self, text: &str, vector: Option<&[f32]>) -> Question {
        let asked = self.words.asked(text);
        let mut words = self.words.scores(&asked);
        words.resize(self.slots.len(), 0.0);
        let mut meanings = vector.map_or_else(Vec::new, |vector| self.meanings.scores(vector));
        if !meanings.is_empty() {
            meanings.resize(self.slots.len(), 0.0);
        }
        let mut fits = blend::fits(&words, &meanings, &|slot| self.at(slot).is_some());
        if let Some(vector) = vector {
            self.facts.mix(&mut fits, vector);
        }
        let known = |key: &str| self.names.known(key).is_some();
        let mut names: Vec<u32> = extract::named(text, &known, LONGEST_NAME)
            .iter()
            .filter_map(|mention| self.names.known(mention.entity.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        Question { asked, fits, names }
    }

    /// Best first; what is alike in the order of sources.
    fn hits(&self, mut ranked: Vec<Ranked>, limit: usize) -> Vec<Hit> {
        let order = |slot: u32| self.at(slot).map(|slot| (&slot.source, slot.number));
        ranked.sort_by(|left, right| {
            let scores = right.score.total_cmp(&left.score);
            scores.then_with(|| order(left.slot).cmp(&order(right.slot)))
        });
        ranked
            .into_iter()
            .take(limit)
            .filter_map(|ranked| {
                let passage = self.at(ranked.slot)?;
                let via = ranked.via.and_then(|(seed, entity)| {
                    let seed = self.at(seed)?;
                    Some(Via {
                        source: Arc::clone(&seed.source),
                        number: seed.number,
                        entity: self.names.key(entity)?.clone(),
                    })
                });
                Some(Hit {
                    source: Arc::clone(&passage.source),
                    number: passage.number,
                    score: ranked.score,
                    via,
                })
            })
            .collect()
    }
}

/// Whether a passage is about what it names there: at its very beginning, or in a heading.
fn leads(mention: &Mention) -> bool {
    match mention.kind {
        Kind::Title | Kind::Section => true,
        Kind::Name | Kind::Quoted | Kind::Acronym => mention.span.start <= LEAD,
        _ => false,
    }
}
