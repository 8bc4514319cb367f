//! Personalized PageRank: how often a walk that starts over at the seeds stands on each node.
//!
//! Forward push after Andersen, Chung and Lang, "Local Graph Partitioning using PageRank Vectors"
//! (2006): mass that waits on a node is settled there in part and pushed on in part, until little
//! waits anywhere. It looks at what is near the seeds only, however large the graph is. Nodes are
//! pushed in rounds and mass is counted in whole numbers, so that no order shows in the outcome.

use std::cmp::Ordering;

use fixedbitset::FixedBitSet;

use super::node::{Node, PassageId};
use super::snapshot::Snapshot;
use super::weights::{Scale, Weights};
use crate::name::Key;

/// All mass there is.
const ONE: u64 = 1 << 60;

/// How a walk goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Walk {
    /// How likely it goes on rather than starts over, from 0 to 0.99.
    pub damping: f64,
    /// The part of all mass that may stay where it waits, for each edge of a node. What a query
    /// costs is at most about 1 / (1 - damping) / tolerance edges.
    pub tolerance: f64,
    /// What edges are worth.
    pub weights: Weights,
    /// How many passages, and how many entities, are ranked.
    pub limit: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            damping: 0.5,
            tolerance: 1e-6,
            weights: Weights::default(),
            limit: 100,
        }
    }
}

/// Where a walk stands how often.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    /// Passages, the highest first; those alike by source and number.
    pub passages: Vec<(PassageId, f64)>,
    /// Entities, the highest first; those alike by key.
    pub entities: Vec<(Key, f64)>,
    /// No score is further than this from that of an endless walk. It is the mass that still waited
    /// at the end, and is counted where it waited.
    pub error: f64,
    /// Seeds that are not part of the graph; they count for nothing.
    pub unknown: Vec<Node>,
}

impl Snapshot {
    /// Ranks what is near the seeds. Weights of seeds count relative to each other; those that are
    /// not above zero count for nothing.
    pub fn pagerank(&self, seeds: &[(Node, f64)], walk: &Walk) -> Ranking {
        let (seeds, unknown) = self.seeds(seeds);
        let scale = Scale::new(self, walk.weights);
        let scores = push(self, &scale, &seeds, walk);
        let error = part(scores.iter().map(|score| score.waiting).sum());
        let (mut entities, mut passages) = (Vec::new(), Vec::new());
        for score in &scores {
            let mass = score.settled.saturating_add(score.waiting);
            match self.as_passage(score.node) {
                None => entities.push((score.node, mass)),
                Some(_) => passages.push((score.node, mass)),
            }
        }
        let entities = self.top(entities, walk.limit).into_iter();
        let passages = self.top(passages, walk.limit).into_iter();
        Ranking {
            entities: entities
                .map(|(node, mass)| (self.key(node), part(mass)))
                .collect(),
            passages: passages
                .filter_map(|(node, mass)| Some((self.passage(self.as_passage(node)?), part(mass))))
                .collect(),
            error,
            unknown,
        }
    }

    /// Seeds as nodes with their shares of all mass, and those that there are not.
    pub(super) fn seeds(&self, seeds: &[(Node, f64)]) -> (Vec<(u32, u64)>, Vec<Node>) {
        let mut unknown = Vec::new();
        let mut found = Vec::new();
        for (node, weight) in seeds {
            match self.find(node) {
                Some(node) if weight.is_finite() && *weight > 0.0 => found.push((node, *weight)),
                Some(_) => {}
                None => unknown.push(node.clone()),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        let most = found.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
        let whole = |weight: f64| ((weight / most * 4_294_967_296.0) as u64).max(1);
        let mut seeds: Vec<(u32, u64)> = found
            .into_iter()
            .map(|(node, weight)| (node, whole(weight)))
            .collect();
        seeds.sort_unstable_by_key(|(node, _)| *node);
        seeds.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        let total: u64 = seeds.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut seeds {
            *weight = (*weight as f64 / total as f64 * ONE as f64) as u64;
        }
        (seeds, unknown)
    }

    /// The highest, those alike by name.
    pub(super) fn top(&self, mut all: Vec<(u32, u64)>, limit: usize) -> Vec<(u32, u64)> {
        let order = |one: &(u32, u64), other: &(u32, u64)| -> Ordering {
            let higher = other.1.cmp(&one.1);
            higher.then_with(|| self.compare(one.0, other.0))
        };
        if limit < all.len() {
            all.select_nth_unstable_by(limit, order);
            all.truncate(limit);
        }
        all.sort_unstable_by(order);
        all
    }
}

/// A part of all mass.
fn part(mass: u64) -> f64 {
    mass as f64 / ONE as f64
}

/// Mass of a node: what is settled, and what still waited at the end.
struct Score {
    node: u32,
    settled: u64,
    waiting: u64,
}

/// What is on the way.
struct Mass {
    settled: Vec<u64>,
    waiting: Vec<u64>,
    queued: FixedBitSet,
    touched: Vec<u32>,
}

impl Mass {
    fn new(nodes: usize) -> Self {
        Self {
            settled: vec![0; nodes],
            waiting: vec![0; nodes],
            queued: FixedBitSet::with_capacity(nodes),
            touched: Vec::new(),
        }
    }

    /// Has mass wait on a node; how much waits there now.
    fn give(&mut self, node: u32, mass: u64) -> u64 {
        let at = node as usize;
        let settled = self.settled.get(at).copied().unwrap_or(0);
        let Some(waiting) = self.waiting.get_mut(at) else {
            return 0;
        };
        if settled == 0 && *waiting == 0 && mass > 0 {
            self.touched.push(node);
        }
        *waiting = waiting.saturating_add(mass);
        *waiting
    }

    fn take(&mut self, node: u32) -> u64 {
        self.queued.set(node as usize, false);
        let waiting = self.waiting.get_mut(node as usize);
        waiting.map_or(0, std::mem::take)
    }

    fn settle(&mut self, node: u32, mass: u64) {
        if let Some(settled) = self.settled.get_mut(node as usize) {
            *settled = settled.saturating_add(mass);
        }
    }
}

fn push(snapshot: &Snapshot, scale: &Scale<'_>, seeds: &[(u32, u64)], walk: &Walk) -> Vec<Score> {
    let damping = if walk.damping.is_finite() {
        walk.damping.clamp(0.0, 0.99)
    } else {
        Walk::default().damping
    };
    let each = (walk.tolerance.clamp(1e-12, 1.0) * ONE as f64) as u64;
    let bound = |node: u32| {
        let edges = match snapshot.as_passage(node) {
            None => u64::from(snapshot.uses_of(node)),
            Some(passage) => snapshot.mentions(passage).len() as u64,
        };
        each.saturating_mul(edges.saturating_add(1))
    };
    let mut mass = Mass::new(snapshot.nodes());
    let mut front = Vec::new();
    for (node, share) in seeds {
        // Seeds are pushed whatever they weigh, or a walk from many would not begin.
        if mass.give(*node, *share) > 0 {
            mass.queued.insert(*node as usize);
            front.push(*node);
        }
    }
    let mut row: Vec<(u32, u64)> = Vec::new();
    while !front.is_empty() {
        let taken = front.iter().map(|node| (*node, mass.take(*node)));
        let taken: Vec<(u32, u64)> = taken.collect();
        let mut next = Vec::new();
        for (node, whole) in taken.iter().copied() {
            row.clear();
            let mut total = 0u64;
            snapshot.edges(node, |edge| {
                let weight = scale.weight(node, &edge);
                total = total.saturating_add(weight);
                row.push((edge.to, weight));
            });
            // A walk that cannot go on stays.
            if total == 0 {
                mass.settle(node, whole);
                continue;
            }
            let on = (whole as f64 * damping) as u64;
            let share = on as f64 / total as f64;
            let mut given = 0u64;
            for (to, weight) in &row {
                let gift = (share * *weight as f64) as u64;
                given = given.saturating_add(gift);
                let waits = mass.give(*to, gift);
                if waits >= bound(*to) && !mass.queued.put(*to as usize) {
                    next.push(*to);
                }
            }
            mass.settle(node, whole.saturating_sub(given));
        }
        front = next;
    }
    let mut touched = std::mem::take(&mut mass.touched);
    touched.sort_unstable();
    touched.dedup();
    let at = |list: &[u64], node: u32| list.get(node as usize).copied().unwrap_or(0);
    touched
        .into_iter()
        .map(|node| Score {
            node,
            settled: at(&mass.settled, node),
            waiting: at(&mass.waiting, node),
        })
        .collect()
}
