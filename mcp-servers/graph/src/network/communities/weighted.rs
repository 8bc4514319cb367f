//! A graph without directions whose edges have whole weights, in offsets and targets.

use crate::network::layer::id;

/// A graph; each edge stands with both of its nodes, by target.
#[derive(Debug, Default)]
pub(super) struct Weighted {
    offsets: Vec<u32>,
    edges: Vec<(u32, u64)>,
    /// Weight of all edges of a node, those to itself twice.
    degrees: Vec<u64>,
    /// Weight of edges of a node to itself, once.
    loops: Vec<u64>,
    /// Weight of all edges, twice.
    total: u64,
}

impl Weighted {
    /// A graph of pairs of nodes; weights of equal pairs are added up.
    pub(super) fn new(nodes: usize, pairs: Vec<(u32, u32, u32)>) -> Self {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(one, other, weight)| (one, other, u64::from(weight)));
        Self::of(nodes, pairs.collect(), vec![0; nodes])
    }

    pub(super) fn of(nodes: usize, mut pairs: Vec<(u32, u32, u64)>, loops: Vec<u64>) -> Self {
        pairs.retain(|(one, other, _)| one != other);
        for pair in &mut pairs {
            *pair = (pair.0.min(pair.1), pair.0.max(pair.1), pair.2);
        }
        rayon::slice::ParallelSliceMut::par_sort_unstable(pairs.as_mut_slice());
        pairs.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 = kept.2.saturating_add(next.2);
            }
            same
        });
        let mut counts = vec![0u32; nodes.saturating_add(1)];
        for (one, other, _) in &pairs {
            for node in [one, other] {
                if let Some(count) = counts.get_mut((*node as usize).saturating_add(1)) {
                    *count = count.saturating_add(1);
                }
            }
        }
        let mut sum = 0u32;
        for count in &mut counts {
            sum = sum.saturating_add(*count);
            *count = sum;
        }
        let offsets = counts.clone();
        let mut edges = vec![(0u32, 0u64); pairs.len().saturating_mul(2)];
        let mut put = |from: u32, to: u32, weight: u64| {
            if let Some(next) = counts.get_mut(from as usize) {
                if let Some(edge) = edges.get_mut(*next as usize) {
                    *edge = (to, weight);
                }
                *next = next.saturating_add(1);
            }
        };
        // Pairs are sorted, so that lower targets come first, and then higher ones, each in order.
        for (one, other, weight) in &pairs {
            put(*other, *one, *weight);
        }
        for (one, other, weight) in &pairs {
            put(*one, *other, *weight);
        }
        let mut graph = Self {
            offsets,
            edges,
            degrees: Vec::new(),
            loops,
            total: 0,
        };
        let degree = |node| {
            let edges = graph.of_node(node).iter();
            let around: u64 = edges.map(|(_, weight)| weight).sum();
            around.saturating_add(graph.loop_of(node).saturating_mul(2))
        };
        graph.degrees = (0..id(nodes)).map(degree).collect();
        graph.total = graph.degrees.iter().sum();
        graph
    }

    pub(super) fn nodes(&self) -> usize {
        self.degrees.len()
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn of_node(&self, node: u32) -> &[(u32, u64)] {
        let at = node as usize;
        let end = self.offsets.get(at.saturating_add(1));
        let range = self.offsets.get(at).zip(end);
        let range = range.map_or(0..0, |(start, end)| *start as usize..*end as usize);
        self.edges.get(range).unwrap_or_default()
    }

    pub(super) fn degree(&self, node: u32) -> u64 {
        self.degrees.get(node as usize).copied().unwrap_or(0)
    }

    pub(super) fn loop_of(&self, node: u32) -> u64 {
        self.loops.get(node as usize).copied().unwrap_or(0)
    }

    /// Newman's modularity of groups, from exact sums.
    pub(super) fn modularity(&self, of: &[u32]) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let group = |node: u32| of.get(node as usize).copied().unwrap_or(0);
        let groups = of
            .iter()
            .max()
            .map_or(0, |most| (*most as usize).saturating_add(1));
        let mut degrees = vec![0u64; groups];
        let mut inside = 0u64;
        for node in 0..id(self.nodes()) {
            if let Some(sum) = degrees.get_mut(group(node) as usize) {
                *sum = sum.saturating_add(self.degree(node));
            }
            inside = inside.saturating_add(self.loop_of(node).saturating_mul(2));
            let edges = self.of_node(node).iter();
            let same = edges.filter(|(to, _)| group(*to) == group(node));
            inside = same.fold(inside, |sum, (_, weight)| sum.saturating_add(*weight));
        }
        let total = self.total as f64;
        let squares = degrees.iter().map(|sum| (*sum as f64 / total).powi(2));
        inside as f64 / total - squares.sum::<f64>()
    }

    /// The graph of groups.
    pub(super) fn grouped(&self, of: &[u32], groups: usize) -> Self {
        let group = |node: u32| of.get(node as usize).copied().unwrap_or(0);
        let mut loops = vec![0u64; groups];
        let mut pairs = Vec::new();
        for node in 0..id(self.nodes()) {
            let here = group(node);
            let mut own = self.loop_of(node);
            for (to, weight) in self.of_node(node) {
                if *to > node {
                    match group(*to) {
                        there if there == here => own = own.saturating_add(*weight),
                        there => pairs.push((here.min(there), here.max(there), *weight)),
                    }
                }
            }
            if let Some(sum) = loops.get_mut(here as usize) {
                *sum = sum.saturating_add(own);
            }
        }
        Self::of(groups, pairs, loops)
    }
}
