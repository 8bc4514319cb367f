//! An order of the nodes: each after what comes before it, and every loop in one stretch.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use petgraph::stable_graph::StableDiGraph;

use super::{Loop, name};
use crate::graph::diagnostic::{Code, Diagnostic};
use crate::graph::ir::{Edge, Node, NodeId};

/// What is put in order at one level: a node, or a loop as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Item {
    Node(NodeId),
    Loop(usize),
}

/// After Kahn (1962), level by level: a loop is one item of the level around it. Where several
/// items may come next, the one that the definition gives first does.
pub(super) fn contiguous(
    flow: &StableDiGraph<Node, Edge>,
    loops: &[Loop],
    loops_of: &[Vec<usize>],
) -> Result<Vec<NodeId>, Vec<usize>> {
    let all: Vec<NodeId> = flow.node_indices().collect();
    let forward: Vec<(NodeId, NodeId)> = flow
        .edge_indices()
        .filter(|edge| {
            let weight = flow.edge_weight(*edge);
            weight.is_some_and(|edge| edge.max_visits.is_none())
        })
        .filter_map(|edge| flow.edge_endpoints(edge))
        .collect();
    let mut order = Vec::with_capacity(all.len());
    level(&all, &forward, 0, loops, loops_of, &mut order)?;
    Ok(order)
}

/// Loops that wait for each other: what leaves a loop is decided when it is over, so that two
/// loops with edges into the middle of each other would never end.
pub(super) fn entangled(
    flow: &StableDiGraph<Node, Edge>,
    loops: &[Loop],
    stuck: &[usize],
) -> Vec<Diagnostic> {
    let found: Vec<&Loop> = stuck.iter().filter_map(|index| loops.get(*index)).collect();
    let headers: Vec<String> = found
        .iter()
        .map(|found| format!("`{}`", name(flow, found.header)))
        .collect();
    let message = format!(
        "the loops back to {} wait for each other to be over, and none ever is",
        headers.join(" and to ")
    );
    let hint = "lead edges between loops into their first node, or remove one of those edges";
    let path = found.last().and_then(|found| {
        let edge = petgraph::stable_graph::EdgeIndex::new(found.edge.0 as usize);
        flow.edge_weight(edge).map(|edge| edge.path.clone())
    });
    vec![Diagnostic::error(Code::Loop, path.unwrap_or_default(), message).hint(hint)]
}

/// The depth of the recursion is that of the loops, which is bounded. Fails with the loops that
/// wait for each other.
fn level(
    nodes: &[NodeId],
    edges: &[(NodeId, NodeId)],
    depth: usize,
    loops: &[Loop],
    loops_of: &[Vec<usize>],
    order: &mut Vec<NodeId>,
) -> Result<(), Vec<usize>> {
    let item = |node: NodeId| {
        let around = loops_of
            .get(node.index())
            .and_then(|around| around.get(depth));
        around.map_or(Item::Node(node), |inner| Item::Loop(*inner))
    };
    let mut first: HashMap<Item, usize> = HashMap::new();
    for node in nodes {
        let first = first.entry(item(*node)).or_insert(node.index());
        *first = (*first).min(node.index());
    }
    let mut waiting: HashMap<Item, usize> = first.keys().map(|item| (*item, 0)).collect();
    let mut after: HashMap<Item, Vec<Item>> = HashMap::new();
    let mut within: HashMap<usize, Vec<(NodeId, NodeId)>> = HashMap::new();
    for (from, to) in edges {
        match (item(*from), item(*to)) {
            (Item::Loop(a), Item::Loop(b)) if a == b => {
                within.entry(a).or_default().push((*from, *to));
            }
            (from, to) => {
                after.entry(from).or_default().push(to);
                if let Some(waiting) = waiting.get_mut(&to) {
                    *waiting += 1;
                }
            }
        }
    }
    let mut by_first: HashMap<usize, Item> = HashMap::new();
    let mut ready = BinaryHeap::new();
    for (item, first) in &first {
        by_first.insert(*first, *item);
        if waiting.get(item) == Some(&0) {
            ready.push(Reverse(*first));
        }
    }
    while let Some(Reverse(next)) = ready.pop() {
        let Some(next) = by_first.get(&next).copied() else {
            continue;
        };
        waiting.remove(&next);
        match next {
            Item::Node(node) => order.push(node),
            Item::Loop(inner) => {
                let body = loops.get(inner).map_or(&[][..], |inner| &inner.body);
                let edges = within.remove(&inner).unwrap_or_default();
                level(body, &edges, depth + 1, loops, loops_of, order)?;
            }
        }
        for item in after.remove(&next).unwrap_or_default() {
            let Some(waiting) = waiting.get_mut(&item) else {
                continue;
            };
            *waiting -= 1;
            if *waiting == 0
                && let Some(first) = first.get(&item)
            {
                ready.push(Reverse(*first));
            }
        }
    }
    let mut stuck: Vec<usize> = waiting
        .keys()
        .filter_map(|item| match item {
            Item::Loop(index) => Some(*index),
            Item::Node(_) => None,
        })
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    stuck.sort_unstable();
    Err(stuck)
}
