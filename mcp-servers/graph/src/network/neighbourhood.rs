//! What is around a node, in pages: breadth first, with a bound on how many neighbours of one node
//! are looked at, so that an entity that everything names does not bring everything.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::node::Node;
use super::snapshot::Snapshot;
use super::weights::{Scale, Weights};

/// How far around, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Around {
    /// How many hops away, at most 8.
    pub hops: u32,
    /// How many neighbours of one node are followed, those of most weight.
    pub fan_out: usize,
    /// How many nodes are looked at in all, at most 100,000.
    pub most: usize,
    /// How many nodes a page has.
    pub limit: usize,
    /// What edges are worth.
    pub weights: Weights,
}

impl Default for Around {
    fn default() -> Self {
        Self {
            hops: 2,
            fan_out: 50,
            most: 10_000,
            limit: 50,
            weights: Weights::default(),
        }
    }
}

/// A node near the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The node.
    pub node: Node,
    /// How many hops away it is.
    pub distance: u32,
    /// How likely a walk goes there the most likely way.
    pub weight: f64,
    /// The node before it on that way; `None` for a start.
    pub from: Option<Node>,
}

/// A page of a neighbourhood.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Page {
    /// By distance, then by weight from the highest, then by name.
    pub nodes: Vec<Neighbour>,
    /// Where the next page begins, if there is one. Positions hold for this snapshot.
    pub next: Option<usize>,
    /// How many nodes there are on all pages.
    pub total: usize,
    /// Nodes that have more neighbours than were followed, and how many more.
    pub left_out: Vec<(Node, usize)>,
    /// Whether there were more nodes than are looked at in all.
    pub cut: bool,
    /// Starts that are not part of the graph.
    pub unknown: Vec<Node>,
}

/// A node that was reached: over which one, and how likely.
#[derive(Clone, Copy)]
struct Reached {
    node: u32,
    from: Option<u32>,
    distance: u32,
    weight: f64,
}

impl Snapshot {
    /// What is around the starts, from a position on.
    pub fn neighbourhood(&self, starts: &[Node], around: &Around, position: usize) -> Page {
        let mut page = Page::default();
        let mut layer = Vec::new();
        for start in starts {
            match self.find(start) {
                Some(node) => layer.push(node),
                None => page.unknown.push(start.clone()),
            }
        }
        page.unknown.sort_unstable();
        page.unknown.dedup();
        layer.sort_unstable_by(|one, other| self.compare(*one, *other));
        layer.dedup();
        let (reached, left_out) = self.reach(&layer, around, &mut page.cut);
        page.total = reached.len();
        let rest = reached.get(position..).unwrap_or_default();
        let limit = around.limit.max(1);
        let shown = rest.get(..limit).unwrap_or(rest);
        let end = position.saturating_add(shown.len());
        page.next = (end < reached.len()).then_some(end);
        page.nodes = shown
            .iter()
            .map(|reached| Neighbour {
                node: self.name(reached.node),
                distance: reached.distance,
                weight: reached.weight,
                from: reached.from.map(|node| self.name(node)),
            })
            .collect();
        page.left_out = left_out
            .into_iter()
            .map(|(node, many)| (self.name(node), many))
            .collect();
        page
    }

    fn reach(
        &self,
        starts: &[u32],
        around: &Around,
        cut: &mut bool,
    ) -> (Vec<Reached>, Vec<(u32, usize)>) {
        let scale = Scale::new(self, around.weights);
        let most = around.most.min(100_000);
        let mut left_out = Vec::new();
        let mut all: Vec<Reached> = starts
            .iter()
            .map(|node| Reached {
                node: *node,
                from: None,
                distance: 0,
                weight: 1.0,
            })
            .collect();
        if all.len() > most {
            *cut = true;
            all.truncate(most);
        }
        let mut seen: HashSet<u32> = all.iter().map(|reached| reached.node).collect();
        let mut layer = all.clone();
        for distance in 1..=around.hops.min(8) {
            let mut next: HashMap<u32, Reached> = HashMap::new();
            for here in &layer {
                let (row, more) = self.strongest(&scale, here.node, around.fan_out);
                if more > 0 {
                    left_out.push((here.node, more));
                }
                for (node, share) in row {
                    if seen.contains(&node) {
                        continue;
                    }
                    let found = Reached {
                        node,
                        from: Some(here.node),
                        distance,
                        weight: here.weight * share,
                    };
                    let kept = next.entry(node).or_insert(found);
                    // Layers are in an order of their own, so that the first of those alike stays.
                    if found.weight > kept.weight {
                        *kept = found;
                    }
                }
            }
            let mut sorted: Vec<Reached> = next.into_values().collect();
            sorted.sort_unstable_by(|one, other| {
                let heavier = other.weight.total_cmp(&one.weight);
                heavier.then_with(|| self.compare(one.node, other.node))
            });
            let room = most.saturating_sub(all.len());
            if sorted.len() > room {
                *cut = true;
                sorted.truncate(room);
            }
            seen.extend(sorted.iter().map(|reached| reached.node));
            all.extend_from_slice(&sorted);
            layer = sorted;
            if layer.is_empty() {
                break;
            }
        }
        (all, left_out)
    }

    /// The neighbours of a node of most weight with their parts of all of it, and how many more
    /// there are.
    pub(super) fn strongest(
        &self,
        scale: &Scale<'_>,
        node: u32,
        most: usize,
    ) -> (Vec<(u32, f64)>, usize) {
        let mut row: Vec<(u32, u64)> = Vec::new();
        self.edges(node, |edge| row.push((edge.to, scale.weight(node, &edge))));
        row.sort_unstable_by_key(|(to, _)| *to);
        row.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        let total: u64 = row.iter().map(|(_, weight)| weight).sum();
        let more = row.len().saturating_sub(most);
        let top = self.top(row, most).into_iter();
        let shares = top.map(|(to, weight)| (to, weight as f64 / total.max(1) as f64));
        (shares.collect(), more)
    }
}
