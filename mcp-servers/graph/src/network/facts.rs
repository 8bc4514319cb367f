//! Statements as they are handed out, with where they stand.

use serde::{Deserialize, Serialize};

use super::layer::Said;
use super::node::PassageId;
use super::snapshot::Snapshot;
use crate::name::Key;
use crate::piece::Extractor;

/// A statement, and the passage that says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Of what it is said.
    pub subject: Key,
    /// What is said.
    pub predicate: String,
    /// What the predicate leads to.
    pub object: Key,
    /// Who says it.
    pub passage: PassageId,
    /// The words that say it, in bytes of the text of the passage.
    pub span: std::ops::Range<u32>,
    /// Who found it.
    pub extractor: Extractor,
    /// How certain it is, from 0 to 1.
    pub confidence: f32,
    /// From when on it holds, as it is said.
    pub valid_from: Option<String>,
    /// The first day on which it does not hold any more, as it is said.
    pub valid_to: Option<String>,
}

impl Fact {
    /// What tells facts apart, in the order in which they are listed.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (
            (self.passage.clone(), self.span.start, self.span.end),
            (self.subject.clone(), self.predicate.clone()),
            (self.object.clone(), self.extractor),
            (self.valid_from.clone(), self.valid_to.clone()),
            self.confidence.to_bits(),
        )
    }
}

impl Snapshot {
    /// What is said of an entity, as subject or as object, by passage; at most `limit`.
    pub fn statements_of(&self, entity: &Key, limit: usize) -> Vec<Fact> {
        let Some(entity) = self.find_entity(entity) else {
            return Vec::new();
        };
        let objects = self.said_of(entity).filter(|said| said.subject != entity);
        let all = self.said_by(entity).chain(objects);
        let mut facts: Vec<Fact> = all.map(|said| self.fact(said)).collect();
        facts.sort_by_cached_key(Fact::order);
        facts.truncate(limit);
        facts
    }

    /// What a passage says.
    pub fn statements_in(&self, passage: &PassageId) -> Vec<Fact> {
        let node = self.find(&super::Node::Passage(passage.clone()));
        let Some(passage) = node.and_then(|node| self.as_passage(node)) else {
            return Vec::new();
        };
        let mut facts: Vec<Fact> = self.said_in(passage).map(|said| self.fact(said)).collect();
        facts.sort_by_cached_key(Fact::order);
        facts
    }

    /// What a passage names, or says something of.
    pub fn entities_in(&self, passage: &PassageId) -> Vec<Key> {
        let node = self.find(&super::Node::Passage(passage.clone()));
        let Some(passage) = node.and_then(|node| self.as_passage(node)) else {
            return Vec::new();
        };
        let links = self.mentions(passage).iter();
        let mut keys: Vec<Key> = links.map(|link| self.key(link.to)).collect();
        keys.sort_unstable();
        keys
    }

    /// In how many passages an entity is named.
    pub fn passages_naming(&self, entity: &Key) -> usize {
        let found = self.find_entity(entity);
        found.map_or(0, |entity| self.mentioned(entity).count())
    }

    pub(super) fn fact(&self, said: &Said) -> Fact {
        let day = |word| self.optional(word).map(str::to_owned);
        Fact {
            subject: self.key(said.subject),
            predicate: self.word(said.predicate).to_owned(),
            object: self.key(said.object),
            passage: self.passage(said.passage),
            span: said.start..said.end,
            extractor: said.extractor,
            confidence: f32::from_bits(said.confidence),
            valid_from: day(said.valid_from),
            valid_to: day(said.valid_to),
        }
    }
}
