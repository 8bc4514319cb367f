//! Forward push: Andersen, Chung and Lang, "Local Graph Partitioning using PageRank Vectors" (2006).
//!
//! Mass that waits on a node is settled there in part and pushed on in part, until little waits
//! anywhere. Nodes are pushed in rounds, so that it does not matter which one comes first.

use fixedbitset::FixedBitSet;

use super::{ONE, Score, Walk};
use crate::network::snapshot::Snapshot;
use crate::network::weights::Scale;

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

pub(super) fn push(
    snapshot: &Snapshot,
    scale: &Scale<'_>,
    seeds: &[(u32, u64)],
    walk: &Walk,
) -> Vec<Score> {
    let damping = walk.damping();
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
