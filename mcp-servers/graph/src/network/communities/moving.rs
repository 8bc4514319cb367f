//! Nodes that move to the group where they add most, one at a time: what both algorithms are made of.

use std::collections::VecDeque;

use fixedbitset::FixedBitSet;

use super::weighted::Weighted;
use crate::network::layer::id;

/// Parts of the resolution that are told apart.
pub(super) const PARTS: f64 = 1_024.0;

/// Weights from a node to groups.
pub(super) struct Around {
    weights: Vec<u64>,
    pub(super) groups: Vec<u32>,
}

impl Around {
    pub(super) fn new(groups: usize) -> Self {
        Self {
            weights: vec![0; groups],
            groups: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, group: u32, weight: u64) {
        if let Some(sum) = self.weights.get_mut(group as usize) {
            if *sum == 0 {
                self.groups.push(group);
            }
            *sum = sum.saturating_add(weight);
        }
    }

    pub(super) fn of(&self, group: u32) -> u64 {
        self.weights.get(group as usize).copied().unwrap_or(0)
    }

    pub(super) fn clear(&mut self) {
        for group in self.groups.drain(..) {
            if let Some(sum) = self.weights.get_mut(group as usize) {
                *sum = 0;
            }
        }
    }
}

/// Nodes that move to the group where they add most, until none does.
pub(super) struct Moving<'a> {
    graph: &'a Weighted,
    of: Vec<u32>,
    degrees: Vec<u64>,
    sizes: Vec<u32>,
    empty: Vec<u32>,
    parts: u64,
}

impl<'a> Moving<'a> {
    pub(super) fn new(graph: &'a Weighted, of: &[u32], parts: u64) -> Self {
        let mut degrees = vec![0u64; graph.nodes()];
        let mut sizes = vec![0u32; graph.nodes()];
        for (node, group) in (0u32..).zip(of) {
            if let Some(sum) = degrees.get_mut(*group as usize) {
                *sum = sum.saturating_add(graph.degree(node));
            }
            if let Some(size) = sizes.get_mut(*group as usize) {
                *size = size.saturating_add(1);
            }
        }
        let free = (0u32..).zip(&sizes).filter(|(_, size)| **size == 0);
        let empty = free.map(|(group, _)| group).collect();
        Self {
            graph,
            of: of.to_vec(),
            degrees,
            sizes,
            empty,
            parts,
        }
    }

    fn group(&self, node: u32) -> u32 {
        self.of.get(node as usize).copied().unwrap_or(0)
    }

    /// What a node adds to a group it is not in.
    fn gain(&self, weight: u64, degree: u64, group: u32) -> i128 {
        let sum = self.degrees.get(group as usize).copied().unwrap_or(0);
        gain(self.graph, weight, degree, sum, self.parts)
    }

    fn shift(&mut self, node: u32, group: u32, join: bool) {
        let degree = self.graph.degree(node);
        if let Some(sum) = self.degrees.get_mut(group as usize) {
            *sum = if join {
                sum.saturating_add(degree)
            } else {
                sum.saturating_sub(degree)
            };
        }
        if let Some(size) = self.sizes.get_mut(group as usize) {
            *size = if join {
                size.saturating_add(1)
            } else {
                size.saturating_sub(1)
            };
            if *size == 0 {
                self.empty.push(group);
            }
        }
        if join && let Some(of) = self.of.get_mut(node as usize) {
            *of = group;
        }
    }

    /// A group that nothing is in. Those that were left may have been moved to again.
    fn alone(&mut self) -> Option<u32> {
        while let Some(group) = self.empty.pop() {
            if self.sizes.get(group as usize).copied() == Some(0) {
                return Some(group);
            }
        }
        None
    }

    pub(super) fn settle(mut self) -> Vec<u32> {
        let nodes = self.graph.nodes();
        let mut queue: VecDeque<u32> = (0..id(nodes)).collect();
        let mut queued = FixedBitSet::with_capacity(nodes);
        queued.insert_range(..);
        let mut around = Around::new(nodes);
        while let Some(node) = queue.pop_front() {
            queued.set(node as usize, false);
            let own = self.group(node);
            for (to, weight) in self.graph.of_node(node) {
                around.add(self.group(*to), *weight);
            }
            let degree = self.graph.degree(node);
            self.shift(node, own, false);
            let mut best = (self.gain(around.of(own), degree, own), own);
            for group in around.groups.iter().copied() {
                let gain = self.gain(around.of(group), degree, group);
                if gain > best.0 || (gain == best.0 && best.1 != own && group < best.1) {
                    best = (gain, group);
                }
            }
            // Better alone than where it costs.
            if best.0 < 0
                && let Some(alone) = self.alone()
            {
                best = (0, alone);
            }
            around.clear();
            self.shift(node, best.1, true);
            if best.1 != own {
                for (to, _) in self.graph.of_node(node) {
                    if self.group(*to) != best.1 && !queued.put(*to as usize) {
                        queue.push_back(*to);
                    }
                }
            }
        }
        self.of
    }
}

/// What a node adds to a group, times all that is the same for every node.
pub(super) fn gain(graph: &Weighted, weight: u64, degree: u64, sum: u64, parts: u64) -> i128 {
    let inside = i128::from(weight) * i128::from(graph.total()) * PARTS as i128;
    inside - i128::from(degree) * i128::from(sum) * i128::from(parts)
}
