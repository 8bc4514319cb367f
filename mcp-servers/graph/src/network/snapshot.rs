//! The graph at a moment: two layers, and which documents of the lower one do not count any more.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use fixedbitset::FixedBitSet;

use super::layer::{Entry, Layer, Link, NONE, Said, id};
use super::node::{Node, PassageId};
use super::pagerank::Matrix;
use super::weights::Weights;
use crate::name::Key;

/// The graph as it was when it was asked for.
#[derive(Debug, Default)]
pub struct Snapshot {
    base: Arc<Layer>,
    over: Layer,
    /// Passages of the lower layer that do not count any more.
    dead: FixedBitSet,
    /// How many passages name an entity, and how often it stands in a statement.
    uses: Vec<u32>,
    passages: u32,
    /// Its edges as numbers, once someone has walked on it.
    matrix: Mutex<Option<Arc<Matrix>>>,
}

/// Where a node leads, and how. Nodes are counted on: entities first, then passages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge<'a> {
    pub(super) to: u32,
    pub(super) how: How<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How<'a> {
    /// A passage and what it names.
    Mention(Link),
    /// A statement of both, either way round.
    Said(&'a Said),
    /// Passages that follow each other.
    Beside { same_section: bool },
    /// Entities that may be one.
    Near(f32),
}

impl Snapshot {
    /// One layer.
    pub(super) fn of(base: Arc<Layer>) -> Self {
        let entities = 0..id(base.entities.len());
        let uses = entities.map(|entity| {
            let said = base.said.of(entity).len() + base.said_of.of(entity).len();
            id(base.mentioned.of(entity).len() + said)
        });
        Self {
            uses: uses.collect(),
            passages: id(base.sections.len()),
            base,
            ..Self::default()
        }
    }

    /// A layer above another, in place of the documents there with these sources.
    pub(super) fn new<'a>(
        base: Arc<Layer>,
        over: Layer,
        sources: impl Iterator<Item = &'a String>,
    ) -> Self {
        let mut snapshot = Self::of(base);
        let base = Arc::clone(&snapshot.base);
        snapshot
            .uses
            .resize(base.entities.len() + over.entities.len(), 0);
        snapshot.dead.grow(base.sections.len());
        for source in sources {
            let found = base.sources.find(source);
            let Some(entry) = found.and_then(|at| base.documents.get(at as usize)) else {
                continue;
            };
            for passage in entry.first..entry.first.saturating_add(entry.count) {
                snapshot.dead.insert(passage as usize);
                snapshot.count(&base, passage, u32::saturating_sub);
            }
            snapshot.passages = snapshot.passages.saturating_sub(entry.count);
        }
        for passage in 0..id(over.sections.len()) {
            let passage = over.first_passage.saturating_add(passage);
            snapshot.count(&over, passage, u32::saturating_add);
        }
        snapshot.passages = snapshot.passages.saturating_add(id(over.sections.len()));
        snapshot.over = over;
        snapshot
    }

    /// How many passages there are.
    pub fn passage_count(&self) -> usize {
        self.passages as usize
    }

    /// How many entities there are.
    pub fn entity_count(&self) -> usize {
        self.uses.iter().filter(|uses| **uses > 0).count()
    }

    /// Whether it is part of the graph.
    pub fn contains(&self, node: &Node) -> bool {
        self.find(node).is_some()
    }

    fn count(&mut self, layer: &Layer, passage: u32, change: fn(u32, u32) -> u32) {
        let mut count = |entity: u32| {
            if let Some(uses) = self.uses.get_mut(entity as usize) {
                *uses = change(*uses, 1);
            }
        };
        layer
            .mentions
            .of(passage)
            .iter()
            .for_each(|link| count(link.to));
        for said in layer.at(layer.said_in.of(passage)) {
            count(said.subject);
            count(said.object);
        }
    }

    pub(super) fn base(&self) -> Arc<Layer> {
        Arc::clone(&self.base)
    }

    pub(super) fn upper(&self) -> &Layer {
        &self.over
    }

    pub(super) fn dead(&self) -> &FixedBitSet {
        &self.dead
    }

    pub(super) fn uses(&self) -> &[u32] {
        &self.uses
    }

    /// How often an entity is used: in how many passages, and in how many statements.
    pub(super) fn uses_of(&self, entity: u32) -> u32 {
        self.uses.get(entity as usize).copied().unwrap_or(0)
    }

    pub(super) fn passage_total(&self) -> u32 {
        self.passages
    }

    /// Its edges as numbers, kept for the next walk; `None` where they are too many for that.
    pub(super) fn matrix(&self, weights: Weights) -> Option<Arc<Matrix>> {
        let mut kept = self.matrix.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.as_ref().filter(|matrix| matrix.is_of(weights));
        if let Some(known) = known {
            return Some(Arc::clone(known));
        }
        let made = Arc::new(Matrix::new(self, weights)?);
        Some(Arc::clone(kept.insert(made)))
    }

    /// How many ids there are of nodes, with those of nodes that are gone.
    pub(super) fn nodes(&self) -> usize {
        let passages = self.base.sections.len() + self.over.sections.len();
        self.uses.len() + passages
    }

    /// The node of a passage.
    pub(super) fn as_node(&self, passage: u32) -> u32 {
        id(self.uses.len()).saturating_add(passage)
    }

    /// The passage that a node is, if it is none of the entities.
    pub(super) fn as_passage(&self, node: u32) -> Option<u32> {
        node.checked_sub(id(self.uses.len()))
    }

    /// The node with a name, if it is part of the graph.
    pub(super) fn find(&self, node: &Node) -> Option<u32> {
        match node {
            Node::Entity(key) => self.find_entity(key),
            Node::Passage(passage) => self.find_passage(passage),
        }
    }

    pub(super) fn find_entity(&self, key: &Key) -> Option<u32> {
        let lower = self.base.entities.find(key.as_str());
        let upper = || {
            let at = self.over.entities.find(key.as_str())?;
            Some(self.over.first_entity.saturating_add(at))
        };
        let found = lower.or_else(upper)?;
        (self.uses_of(found) > 0).then_some(found)
    }

    fn find_passage(&self, passage: &PassageId) -> Option<u32> {
        let within = |layer: &Layer| {
            let at = layer.sources.find(&passage.source)?;
            let entry = layer.documents.get(at as usize)?;
            (passage.number < entry.count).then(|| entry.first.saturating_add(passage.number))
        };
        let lower = || within(&self.base).filter(|passage| self.alive(*passage));
        let found = within(&self.over).or_else(lower)?;
        Some(self.as_node(found))
    }

    /// What a node is called.
    pub(super) fn name(&self, node: u32) -> Node {
        match self.as_passage(node) {
            None => Node::Entity(self.key(node)),
            Some(passage) => Node::Passage(self.passage(passage)),
        }
    }

    pub(super) fn key(&self, entity: u32) -> Key {
        Key::stored(self.entity_name(entity).to_owned())
    }

    pub(super) fn passage(&self, passage: u32) -> PassageId {
        let (source, number) = self.stands(passage);
        PassageId {
            source: source.to_owned(),
            number,
        }
    }

    pub(super) fn entity_name(&self, entity: u32) -> &str {
        match entity.checked_sub(id(self.base.entities.len())) {
            None => self.base.entities.get(entity),
            Some(at) => self.over.entities.get(at),
        }
    }

    pub(super) fn word(&self, word: u32) -> &str {
        match word.checked_sub(id(self.base.words.len())) {
            None => self.base.words.get(word),
            Some(at) => self.over.words.get(at),
        }
    }

    /// A word that may be missing.
    pub(super) fn optional(&self, word: u32) -> Option<&str> {
        (word != NONE).then(|| self.word(word))
    }

    fn layer_of(&self, passage: u32) -> &Layer {
        if (passage as usize) < self.base.sections.len() {
            &self.base
        } else {
            &self.over
        }
    }

    /// The document of a passage: its source and what is known of it.
    pub(super) fn document(&self, passage: u32) -> Option<(&str, Entry)> {
        let layer = self.layer_of(passage);
        let (at, entry) = layer.document_of(passage)?;
        Some((layer.sources.get(at), entry))
    }

    /// The headings that a passage stands below, as one word.
    pub(super) fn section_of(&self, passage: u32) -> Option<&str> {
        self.optional(self.layer_of(passage).section(passage))
    }

    /// Source and number of a passage.
    pub(super) fn stands(&self, passage: u32) -> (&str, u32) {
        let found = self.document(passage);
        found.map_or(("", 0), |(source, entry)| {
            (source, passage.saturating_sub(entry.first))
        })
    }

    pub(super) fn alive(&self, passage: u32) -> bool {
        !self.dead.contains(passage as usize)
    }

    /// The order of nodes that does not depend on their ids: entities by key, then passages by
    /// source and number.
    pub(super) fn compare(&self, one: u32, other: u32) -> Ordering {
        match (self.as_passage(one), self.as_passage(other)) {
            (None, None) if self.over.entities.len() == 0 => one.cmp(&other),
            (None, None) => self.entity_name(one).cmp(self.entity_name(other)),
            (Some(one), Some(other)) if self.over.sections.is_empty() => one.cmp(&other),
            (Some(one), Some(other)) => self.stands(one).cmp(&self.stands(other)),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
        }
    }

    /// All entities, by their keys.
    pub(super) fn entities(&self) -> Vec<u32> {
        let all = 0..id(self.uses.len());
        let mut all: Vec<u32> = all.filter(|entity| self.uses_of(*entity) > 0).collect();
        if self.over.entities.len() > 0 {
            all.sort_by(|one, other| self.compare(*one, *other));
        }
        all
    }

    /// All passages, by source and number.
    pub(super) fn passages(&self) -> Vec<u32> {
        let all = 0..id(self.base.sections.len() + self.over.sections.len());
        let mut all: Vec<u32> = all.filter(|passage| self.alive(*passage)).collect();
        if !self.over.sections.is_empty() {
            all.sort_by_cached_key(|passage| self.stands(*passage));
        }
        all
    }

    /// What a passage names.
    pub(super) fn mentions(&self, passage: u32) -> &[Link] {
        self.layer_of(passage).mentions.of(passage)
    }

    /// Which passages name an entity.
    pub(super) fn mentioned(&self, entity: u32) -> impl Iterator<Item = Link> {
        let lower = self.base.mentioned.of(entity).iter();
        let lower = lower.filter(|link| self.alive(link.to));
        lower.chain(self.over.mentioned.of(entity)).copied()
    }

    /// Statements an entity is the subject of.
    pub(super) fn said_by(&self, entity: u32) -> impl Iterator<Item = &Said> {
        let lower = self.base.said.of(entity).iter();
        let lower = lower.filter(|said| self.alive(said.passage));
        lower.chain(self.over.said.of(entity))
    }

    /// Statements an entity is the object of.
    pub(super) fn said_of(&self, entity: u32) -> impl Iterator<Item = &Said> {
        let lower = self.base.at(self.base.said_of.of(entity));
        let lower = lower.filter(|said| self.alive(said.passage));
        lower.chain(self.over.at(self.over.said_of.of(entity)))
    }

    /// Statements of a passage.
    pub(super) fn said_in(&self, passage: u32) -> impl Iterator<Item = &Said> {
        let layer = self.layer_of(passage);
        layer.at(layer.said_in.of(passage))
    }

    /// Every edge of a node. What is said of an entity and itself is none.
    pub(super) fn edges<'a>(&'a self, node: u32, mut visit: impl FnMut(Edge<'a>)) {
        let Some(passage) = self.as_passage(node) else {
            return self.entity_edges(node, visit);
        };
        for link in self.mentions(passage) {
            visit(Edge {
                to: link.to,
                how: How::Mention(*link),
            });
        }
        let Some((_, entry)) = self.document(passage) else {
            return;
        };
        let end = entry.first.saturating_add(entry.count);
        let section = |passage| self.section_of(passage);
        let besides = [passage.checked_sub(1), passage.checked_add(1)];
        for beside in besides.into_iter().flatten() {
            if beside >= entry.first && beside < end {
                let same_section = section(beside) == section(passage);
                visit(Edge {
                    to: self.as_node(beside),
                    how: How::Beside { same_section },
                });
            }
        }
    }

    fn entity_edges<'a>(&'a self, entity: u32, mut visit: impl FnMut(Edge<'a>)) {
        for link in self.mentioned(entity) {
            visit(Edge {
                to: self.as_node(link.to),
                how: How::Mention(link),
            });
        }
        let objects = self.said_by(entity).map(|said| (said.object, said));
        let subjects = self.said_of(entity).map(|said| (said.subject, said));
        for (to, said) in objects.chain(subjects).filter(|(to, _)| *to != entity) {
            visit(Edge {
                to,
                how: How::Said(said),
            });
        }
        let near = self.base.near.of(entity).iter();
        for near in near.chain(self.over.near.of(entity)) {
            if self.uses_of(near.to) > 0 {
                visit(Edge {
                    to: near.to,
                    how: How::Near(f32::from_bits(near.similarity)),
                });
            }
        }
    }
}
