//! What passages say, as sentences of three parts that a question can be compared with.

use std::collections::HashMap;

use super::blend;
use super::meanings::Meanings;
use crate::piece::{Extractor, Piece, Statement};

/// How much of the fit of a passage is that of the best of its facts.
const SHARE: f32 = 0.2;

/// The vectors of facts, by slot of the passage that says them.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    vectors: Meanings,
    /// By place of the fact: the slot of its passage.
    said: Vec<Option<u32>>,
    free: Vec<u32>,
    places: HashMap<u32, Vec<u32>>,
}

/// The statements of a piece that are facts: somebody who understands the text found them.
pub(super) fn of(piece: &Piece) -> impl Iterator<Item = &Statement> {
    let found =
        |statement: &&Statement| matches!(statement.extractor, Extractor::Given | Extractor::Model);
    piece.statements.iter().filter(found)
}

/// A fact as it is embedded.
pub(super) fn text(fact: &Statement) -> String {
    format!("{} {} {}", fact.subject, fact.predicate, fact.object)
}

impl Facts {
    pub(super) fn put(&mut self, slot: u32, vector: &[f32]) {
        let place = self.free.pop().unwrap_or(self.said.len() as u32);
        let at = place as usize;
        if self.said.len() <= at {
            self.said.resize(at.saturating_add(1), None);
        }
        if let Some(said) = self.said.get_mut(at) {
            *said = Some(slot);
        }
        self.vectors.put(place, vector);
        self.places.entry(slot).or_default().push(place);
    }

    pub(super) fn remove(&mut self, slot: u32) {
        for place in self.places.remove(&slot).unwrap_or_default() {
            if let Some(said) = self.said.get_mut(place as usize) {
                *said = None;
            }
            self.vectors.remove(place);
            self.free.push(place);
        }
    }

    /// Of each slot that says facts, how like a vector the best of them is.
    fn scores(&self, vector: &[f32]) -> HashMap<u32, f32> {
        let mut best: HashMap<u32, f32> = HashMap::with_capacity(self.places.len());
        for (said, score) in self.said.iter().zip(self.vectors.scores(vector)) {
            if let Some(slot) = said {
                let best = best.entry(*slot).or_insert(score);
                *best = best.max(score);
            }
        }
        best
    }

    /// Mixes how well facts fit into how well passages do. A passage without facts stays as it is.
    pub(super) fn mix(&self, fits: &mut [f32], vector: &[f32]) {
        let best = self.scores(vector);
        if best.is_empty() {
            return;
        }
        let mut all = vec![0.0_f32; fits.len()];
        for (slot, score) in &best {
            if let Some(place) = all.get_mut(*slot as usize) {
                *place = *score;
            }
        }
        let says = |slot: u32| best.contains_key(&slot);
        for ((slot, fit), score) in (0_u32..).zip(fits).zip(blend::stretched(&all, &says)) {
            if says(slot) {
                *fit = (1.0 - SHARE) * *fit + SHARE * score;
            }
        }
    }
}
