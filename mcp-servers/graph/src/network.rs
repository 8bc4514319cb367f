//! The graph in memory.
//!
//! It is a function of the set of its pieces (and of the synonyms given): whatever is asked of it is
//! answered the same, to the last bit, however the pieces came, were replaced and were taken out.
//! Three things keep that so. Ids are never seen outside, and every order ends in names and sources.
//! Whatever is summed is a whole number, whose sum has no order. And what depends on an order of
//! visiting is visited in the order of names.
//!
//! - [`Network`] takes pieces; a [`Snapshot`] is what they add up to, and stays as it is.
//! - `layer`, `build`: the tables, and how they come to be.
//! - [`Weights`]: what each edge is worth, and why.
//! - `pagerank`, `neighbourhood`, `paths`, `communities`, `amendments`, `timeline`: what is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::piece::Piece;
use build::{above, merged};
use layer::Layer;
use synonyms::Synonyms;

pub mod amendments;
mod build;
pub mod communities;
mod facts;
mod layer;
pub mod neighbourhood;
mod node;
pub mod pagerank;
pub mod paths;
mod snapshot;
mod synonyms;
pub mod timeline;
mod weights;

#[cfg(test)]
mod tests;

pub use facts::Fact;
pub use node::{Node, PassageId};
pub use snapshot::Snapshot;
pub use synonyms::Synonym;
pub use weights::Weights;

/// Rows that may wait above the tables before they are merged when someone reads, and when nobody
/// does; or a part of the tables, where that is more. Each merge copies the tables, so that the
/// copies add up to a few times the graph however it came.
const WAIT_READ: (usize, usize) = (4_096, 16);
const WAIT: (usize, usize) = (1 << 18, 2);

/// Takes pieces, and makes of them what is read.
#[derive(Debug, Default)]
pub struct Network {
    current: Arc<Snapshot>,
    /// What changed since the tables were merged; `None`: it was taken out.
    waiting: BTreeMap<String, Option<Arc<Piece>>>,
    /// How many rows wait.
    rows: usize,
    synonyms: Synonyms,
    /// Whether something came since `current` was made.
    stale: bool,
    /// Whether the synonyms in the tables are still those given.
    respell: bool,
}

impl Network {
    /// One without pieces.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece, in place of the one of the same source.
    pub fn insert(&mut self, piece: Arc<Piece>) {
        let source = piece.document.source.clone();
        self.wait(source, Some(piece));
    }

    /// Takes out what a source added; nothing happens where it added nothing.
    pub fn remove(&mut self, source: &str) {
        self.wait(source.to_owned(), None);
    }

    /// Which entities may be one, in place of what was given before.
    pub fn set_synonyms(&mut self, synonyms: Vec<Synonym>) {
        self.synonyms = Synonyms::new(synonyms);
        self.respell = true;
        self.stale = true;
    }

    /// The graph as it is now. It costs little where little changed, and nothing where nothing did;
    /// what was handed out before stays as it was.
    pub fn settle(&mut self) -> Arc<Snapshot> {
        if self.stale {
            if self.respell || self.rows > self.bound(WAIT_READ) {
                self.merge();
            } else {
                let base = self.current.base();
                self.current = Arc::new(Snapshot::new(base, self.upper(), self.waiting.keys()));
            }
            self.stale = false;
        }
        Arc::clone(&self.current)
    }

    fn wait(&mut self, source: String, piece: Option<Arc<Piece>>) {
        self.rows = self.rows.saturating_add(rows(piece.as_deref()));
        let before = self.waiting.insert(source, piece);
        if let Some(before) = before {
            self.rows = self.rows.saturating_sub(rows(before.as_deref()));
        }
        self.stale = true;
        if self.rows > self.bound(WAIT) {
            self.merge();
        }
    }

    fn bound(&self, (least, part): (usize, usize)) -> usize {
        least.max(self.current.base().rows() / part)
    }

    fn upper(&self) -> Layer {
        let pieces: Vec<&Piece> = self.waiting.values().flatten().map(Arc::as_ref).collect();
        above(&self.current.base(), &pieces, &self.synonyms)
    }

    fn merge(&mut self) {
        let base = self.current.base();
        let both = Snapshot::new(Arc::clone(&base), self.upper(), self.waiting.keys());
        let layer = merged(
            &base,
            both.upper(),
            both.dead(),
            both.uses(),
            &self.synonyms,
        );
        self.current = Arc::new(Snapshot::of(Arc::new(layer)));
        self.waiting.clear();
        self.rows = 0;
        self.respell = false;
        self.stale = false;
    }
}

/// How many rows a change is, about.
fn rows(piece: Option<&Piece>) -> usize {
    piece.map_or(8, |piece| {
        let document = piece.document.passages.len().saturating_add(8);
        let said = piece.statements.len().saturating_mul(3);
        document
            .saturating_add(piece.mentions.len())
            .saturating_add(said)
    })
}
