//! Which entities may be one, as it is given from outside.

use std::collections::BTreeMap;

use super::build::unit;
use super::layer::{Names, Near, Rows, id};
use crate::name::Key;

/// Two entities that may be one.
#[derive(Debug, Clone, PartialEq)]
pub struct Synonym {
    /// One of them.
    pub one: Key,
    /// The other.
    pub other: Key,
    /// How alike they are, from 0 to 1.
    pub similarity: f32,
}

/// All that were given, from either one; each pair once, with the highest similarity that was given
/// for it.
#[derive(Debug, Default)]
pub(super) struct Synonyms(BTreeMap<Key, BTreeMap<Key, u32>>);

impl Synonyms {
    pub(super) fn new(given: Vec<Synonym>) -> Self {
        let mut all: BTreeMap<Key, BTreeMap<Key, u32>> = BTreeMap::new();
        for synonym in given {
            let similarity = unit(synonym.similarity);
            let (one, other) = (synonym.one, synonym.other);
            if one == other || similarity == 0 {
                continue;
            }
            for (from, to) in [(&one, &other), (&other, &one)] {
                let others = all.entry(from.clone()).or_default();
                let kept = others.entry(to.clone()).or_insert(similarity);
                *kept = similarity.max(*kept);
            }
        }
        Self(all)
    }

    /// Those between entities of a layer.
    pub(super) fn within(&self, entities: &Names) -> Rows<Near> {
        let mut rows = Vec::new();
        for (from, others) in &self.0 {
            let Some(from) = entities.find(from.as_str()) else {
                continue;
            };
            for (to, similarity) in others {
                let to = entities.find(to.as_str());
                rows.extend(to.map(|to| near(from, to, *similarity)));
            }
        }
        Rows::new(rows, Some(entities.len()))
    }

    /// Those that need an entity of an upper layer.
    pub(super) fn that_need(&self, below: &Names, above: &Names) -> Rows<Near> {
        let higher = |at: u32| id(below.len()).saturating_add(at);
        let mut rows = Vec::new();
        for (at, name) in (0u32..).zip(above.iter()) {
            let Some(others) = self.0.get(&Key::stored(name.to_owned())) else {
                continue;
            };
            for (other, similarity) in others {
                if let Some(other) = below.find(other.as_str()) {
                    rows.push(near(higher(at), other, *similarity));
                    rows.push(near(other, higher(at), *similarity));
                } else if let Some(other) = above.find(other.as_str()) {
                    rows.push(near(higher(at), higher(other), *similarity));
                }
            }
        }
        rows.sort_unstable();
        Rows::new(rows, None)
    }
}

fn near(from: u32, to: u32, similarity: u32) -> Near {
    Near {
        from,
        to,
        similarity,
    }
}
