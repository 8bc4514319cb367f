//! Groups of entities that are named together, at several levels, for questions about all of it.
//!
//! Entities are visited in the order of their keys, so that the groups are the same whatever came
//! first.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::PassageId;
use super::snapshot::Snapshot;
use super::weights::{Scale, Weights};
use crate::name::Key;
use leiden::leiden;
use weighted::Weighted;

mod leiden;
mod moving;
mod weighted;

#[cfg(test)]
mod tests;

/// How many of the entities of a passage, the rarest, count as named together: of a list of
/// thousands, no two have much to do with each other, and the pairs would be millions.
const TOGETHER: usize = 8;

/// Groups of entities, and the groups these are in.
#[derive(Debug, Clone)]
pub struct Communities {
    snapshot: Arc<Snapshot>,
    /// Entities by key.
    entities: Vec<u32>,
    levels: Vec<Level>,
}

/// One level: which group each entity is in, by place in the list of entities.
#[derive(Debug, Clone)]
struct Level {
    of: Vec<u32>,
    /// Places of entities by group.
    members: Vec<u32>,
    /// Where those of a group begin.
    offsets: Vec<u32>,
    modularity: f64,
}

impl Level {
    fn new(graph: &Weighted, of: Vec<u32>) -> Self {
        let of = leiden::in_order(&of);
        let many = of.iter().max().map_or(0, |most| most.saturating_add(1));
        let mut members: Vec<u32> = (0..super::layer::id(of.len())).collect();
        let group = |place: &u32| of.get(*place as usize).copied().unwrap_or(0);
        members.sort_by_key(group);
        let offset = |group_: u32| members.partition_point(|place| group(place) < group_);
        let offsets = (0..=many).map(|at| super::layer::id(offset(at))).collect();
        Self {
            modularity: graph.modularity(&of),
            members,
            offsets,
            of,
        }
    }

    fn members(&self, group: u32) -> &[u32] {
        let at = group as usize;
        let start = self.offsets.get(at).copied().unwrap_or(0);
        let end = self.offsets.get(at.saturating_add(1)).copied();
        let range = start as usize..end.unwrap_or(start) as usize;
        self.members.get(range).unwrap_or_default()
    }
}

/// What stands for a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Centre {
    /// Entities with the most weight to others of the group, the highest first.
    pub entities: Vec<(Key, f64)>,
    /// Passages that name most of the group, each entity by its part of that weight.
    pub passages: Vec<(PassageId, f64)>,
}

impl Communities {
    /// The groups of a graph. A higher resolution makes smaller groups; 1 is modularity as it is
    /// commonly meant.
    pub fn of(snapshot: &Arc<Snapshot>, resolution: f64) -> Self {
        let entities = snapshot.entities();
        let graph = graph(snapshot, &entities);
        let levels = leiden(&graph, resolution).into_iter();
        Self {
            snapshot: Arc::clone(snapshot),
            levels: levels.map(|level| Level::new(&graph, level)).collect(),
            entities,
        }
    }

    /// How many levels there are, the finest is 0.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    /// How many groups a level has; they are counted in the order of their first keys.
    pub fn groups(&self, level: usize) -> usize {
        let level = self.levels.get(level);
        level.map_or(0, |level| level.offsets.len().saturating_sub(1))
    }

    /// How much more weight is within groups of a level than chance would have it, up to 1.
    pub fn modularity(&self, level: usize) -> f64 {
        self.levels.get(level).map_or(0.0, |level| level.modularity)
    }

    /// The group of an entity at a level.
    pub fn group_of(&self, level: usize, entity: &Key) -> Option<u32> {
        let entity = self.snapshot.find_entity(entity)?;
        let place = self
            .entities
            .binary_search_by(|other| self.snapshot.compare(*other, entity));
        self.levels.get(level)?.of.get(place.ok()?).copied()
    }

    /// How many entities are in a group.
    pub fn size(&self, level: usize, group: u32) -> usize {
        self.places(level, group).len()
    }

    /// Entities of a group by key, from a position on, at most `limit`.
    pub fn members(&self, level: usize, group: u32, position: usize, limit: usize) -> Vec<Key> {
        let places = self.places(level, group).iter().skip(position).take(limit);
        places
            .filter_map(|place| Some(self.snapshot.key(*self.entities.get(*place as usize)?)))
            .collect()
    }

    /// The group of the next level that a group is in.
    pub fn parent(&self, level: usize, group: u32) -> Option<u32> {
        let first = *self.places(level, group).first()?;
        let above = self.levels.get(level.checked_add(1)?)?;
        above.of.get(first as usize).copied()
    }

    /// What stands for a group: its entities and passages of most weight, for a summary.
    pub fn centre(&self, level: usize, group: u32, limit: usize) -> Centre {
        let snapshot = &self.snapshot;
        let scale = Scale::new(snapshot, Weights::default());
        let places = self.places(level, group).iter();
        let inside: HashMap<u32, u64> = places
            .filter_map(|place| Some((*self.entities.get(*place as usize)?, 0)))
            .collect();
        let mut weights = inside.clone();
        let mut passages: HashMap<u32, u64> = HashMap::new();
        for (entity, weight) in &mut weights {
            snapshot.edges(*entity, |edge| match snapshot.as_passage(edge.to) {
                // A passage counts for as many others of the group as it names.
                Some(passage) => {
                    let links = snapshot.mentions(passage).iter();
                    let others = links.filter(|link| inside.contains_key(&link.to)).count();
                    let others = others.saturating_sub(1).min(TOGETHER) as u64;
                    let worth = scale.weight(*entity, &edge).saturating_mul(others);
                    *weight = weight.saturating_add(worth);
                }
                None if inside.contains_key(&edge.to) => {
                    *weight = weight.saturating_add(scale.weight(*entity, &edge));
                }
                None => {}
            });
        }
        for (entity, weight) in &weights {
            let uses = u64::from(snapshot.uses_of(*entity).max(1));
            for link in snapshot.mentioned(*entity) {
                let sum = passages.entry(snapshot.as_node(link.to)).or_default();
                *sum = sum.saturating_add(*weight / uses);
            }
        }
        let entities = snapshot.top(weights.into_iter().collect(), limit);
        let passages = snapshot.top(passages.into_iter().collect(), limit);
        let score = |weight: u64| weight as f64 / 65_536.0;
        Centre {
            entities: entities
                .into_iter()
                .map(|(entity, weight)| (snapshot.key(entity), score(weight)))
                .collect(),
            passages: passages
                .into_iter()
                .filter_map(|(node, weight)| {
                    let passage = snapshot.as_passage(node)?;
                    Some((snapshot.passage(passage), score(weight)))
                })
                .collect(),
        }
    }

    fn places(&self, level: usize, group: u32) -> &[u32] {
        let level = self.levels.get(level);
        level.map_or(&[], |level| level.members(group))
    }
}

/// Entities that are named together or that something is said of, in the order of their keys.
fn graph(snapshot: &Snapshot, entities: &[u32]) -> Weighted {
    let scale = Scale::new(snapshot, Weights::default());
    let mut place = vec![0u32; snapshot.uses().len()];
    for (at, entity) in (0u32..).zip(entities) {
        if let Some(place) = place.get_mut(*entity as usize) {
            *place = at;
        }
    }
    let place = |entity: u32| place.get(entity as usize).copied().unwrap_or(0);
    let mut pairs: Vec<(u32, u32, u32)> = Vec::new();
    // Weights of one pair are added up, and 1 leaves room for a million of them.
    let whole = |weight: u64| u32::try_from(weight >> 10).unwrap_or(u32::MAX).max(1);
    for entity in entities {
        snapshot.edges(*entity, |edge| {
            let (one, other) = (place(*entity), place(edge.to));
            if snapshot.as_passage(edge.to).is_none() && one < other {
                pairs.push((one, other, whole(scale.weight(*entity, &edge))));
            }
        });
    }
    for passage in snapshot.passages() {
        let links = snapshot.mentions(passage).iter();
        let mut named: Vec<(u32, u32)> = links
            .map(|link| (snapshot.uses_of(link.to), place(link.to)))
            .collect();
        named.sort_unstable();
        named.truncate(TOGETHER);
        let others = named.len().saturating_sub(1).max(1) as f64;
        for (at, (_, one)) in named.iter().enumerate() {
            for (_, other) in named.iter().skip(at.saturating_add(1)) {
                let rare = |place: u32| {
                    let entity = entities.get(place as usize);
                    entity.map_or(0.0, |entity| scale.rarity(*entity))
                };
                // A passage shares what an entity has in it out among the others.
                let weight = rare(*one).min(rare(*other)) / others;
                let weight = whole((weight * 65_536.0) as u64);
                pairs.push(((*one).min(*other), (*one).max(*other), weight));
            }
        }
    }
    Weighted::new(entities.len(), pairs)
}
