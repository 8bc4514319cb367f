//! What each edge is worth to whoever walks, what it costs to whoever looks for a path, and why.

use super::layer::Link;
use super::snapshot::{Edge, How, Snapshot};
use crate::piece::Extractor;

/// What edges are worth. Sums of them are compared, so that only their ratio matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// A passage names an entity once. It is multiplied by how rare the entity is, ln(1 + N / n):
    /// an entity that everything names says nothing of what names it, and would swallow the walk.
    /// More mentions add their logarithm: the tenth says less than the second.
    pub mention: f64,
    /// In place of `mention` where it stands in a statement alone: whoever gave the statement read
    /// the passage, but nobody saw the name.
    pub unseen: f64,
    /// Factor where the entity is the title: the passage is about it, whatever else it names.
    pub title: f64,
    /// A statement, times how certain it is and how rare the less rare of the two is: it says what
    /// a mention only suggests.
    pub statement: f64,
    /// Factor for statements of a pattern, which more often than the others are none.
    pub pattern: f64,
    /// Passages next to each other below the same headings: the one goes on where the other ends.
    pub beside: f64,
    /// The same across headings: there the subject changes.
    pub across: f64,
    /// Entities that may be one, times how alike they are and how rare the less rare of them is:
    /// were they one, what names the one would name the other.
    pub synonym: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            mention: 1.0,
            unseen: 0.5,
            title: 2.0,
            statement: 1.0,
            pattern: 0.7,
            beside: 1.0,
            across: 0.3,
            synonym: 1.0,
        }
    }
}

/// Predicate of names that stand for one thing: what an acronym stands for.
pub(super) const ALIAS: &str = "also known as";

/// A weight of 1 as it is summed.
const ONE: f64 = 65_536.0;

/// How often an entity is used for which its rarity is at hand.
const TABLE: u32 = 1_024;

/// Weights of the edges of a snapshot. They are whole numbers, since a sum of floats depends on its
/// order.
pub(super) struct Scale<'a> {
    snapshot: &'a Snapshot,
    weights: Weights,
    rarity: Vec<f64>,
}

impl<'a> Scale<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, weights: Weights) -> Self {
        let passages = f64::from(snapshot.passage_total());
        let rarity = (0..TABLE).map(|uses| rarity(passages, uses)).collect();
        Self {
            snapshot,
            weights,
            rarity,
        }
    }

    /// ln(1 + N / n) of an entity.
    pub(super) fn rarity(&self, entity: u32) -> f64 {
        let uses = self.snapshot.uses_of(entity);
        let known = self.rarity.get(uses as usize).copied();
        known.unwrap_or_else(|| rarity(f64::from(self.snapshot.passage_total()), uses))
    }

    /// What an edge of a node is worth; never nothing.
    pub(super) fn weight(&self, from: u32, edge: &Edge<'_>) -> u64 {
        let weight = match edge.how {
            How::Mention(link) => {
                let passage = self.snapshot.as_passage(from);
                let entity = if passage.is_some() { edge.to } else { from };
                self.mention(link) * self.rarity(entity)
            }
            How::Said(said) => {
                let certain = f64::from(f32::from_bits(said.confidence));
                let alias = self.snapshot.word(said.predicate) == ALIAS;
                let worth = match said.extractor {
                    _ if alias => self.weights.synonym,
                    Extractor::Pattern => self.weights.statement * self.weights.pattern,
                    Extractor::Structure | Extractor::Model | Extractor::Given => {
                        self.weights.statement
                    }
                };
                worth * certain * self.rarity(from).min(self.rarity(edge.to))
            }
            How::Beside { same_section: true } => self.weights.beside,
            How::Beside { .. } => self.weights.across,
            How::Near(similarity) => {
                let rare = self.rarity(from).min(self.rarity(edge.to));
                self.weights.synonym * f64::from(similarity) * rare
            }
        };
        // What is no number becomes 0, and what is too much the most.
        ((weight * ONE) as u64).clamp(1, 1 << 40)
    }

    fn mention(&self, link: Link) -> f64 {
        let often = match link.count() {
            0 => self.weights.unseen,
            1 => self.weights.mention,
            count => self.weights.mention * (1.0 + f64::from(count).ln()),
        };
        if link.title() {
            often * self.weights.title
        } else {
            often
        }
    }
}

fn rarity(passages: f64, uses: u32) -> f64 {
    (passages / f64::from(uses.max(1))).ln_1p()
}

/// What a hop costs on a path. One over an entity that many name costs more, as it connects
/// everything with everything.
pub(super) fn cost(snapshot: &Snapshot, from: u32, edge: &Edge<'_>) -> u64 {
    let hop = match edge.how {
        // Two of them, over a passage, cost more than a statement does.
        How::Mention(_) => 1_000,
        How::Said(said) => {
            let doubt = 1.0 - f64::from(f32::from_bits(said.confidence));
            1_000 + (doubt * 1_000.0) as u64
        }
        How::Beside { .. } => 2_000,
        How::Near(similarity) => 500 + (f64::from(1.0 - similarity) * 2_000.0) as u64,
    };
    let through = |node: u32| match snapshot.as_passage(node) {
        Some(_) => 0,
        None => u64::from(snapshot.uses_of(node).checked_ilog2().unwrap_or(0)) * 100,
    };
    hop + through(from) + through(edge.to)
}
