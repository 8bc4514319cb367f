//! Which nodes belong to which loop.

use fixedbitset::FixedBitSet;
use petgraph::Direction;
use petgraph::stable_graph::StableDiGraph;
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use super::{Loop, PlanEdge, name};
use crate::graph::diagnostic::{Code, Diagnostic};
use crate::graph::ir::{Edge, Node, NodeId};

/// Loops within each other.
const MOST_NESTED: usize = 16;

type Found = (Vec<Loop>, Vec<Vec<usize>>);

/// Finds every loop, inner ones before outer ones, and the loops around each node, the outermost
/// first. Marks edges that lead back in a loop or leave one. The height of a node is less than
/// that of every node before it.
pub(super) fn find(
    flow: &StableDiGraph<Node, Edge>,
    height: &[usize],
    edges: &mut [PlanEdge],
) -> Result<Found, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut loops = Vec::new();
    let height = |node: NodeId| height.get(node.index()).copied().unwrap_or_default();
    let mut depth: Vec<usize> = vec![0; flow.node_count()];
    for edge in flow.edge_references() {
        let Some(max_visits) = edge.weight().max_visits else {
            continue;
        };
        let (source, header) = (edge.source(), edge.target());
        // Nothing above the header or below the source lies between them.
        let (top, bottom) = (height(header), height(source));
        let within = |node: NodeId| (bottom..=top).contains(&height(node));
        let ahead = reach(flow, header, Direction::Outgoing, within);
        if !ahead.contains(source.index()) {
            let message = format!(
                "`max_visits` on an edge that leads forward, from `{}` to `{}`",
                name(flow, source),
                name(flow, header)
            );
            let hint = "only an edge back to an earlier node makes a loop; remove `max_visits`";
            let path = edge.weight().path.clone();
            problems.push(Diagnostic::error(Code::Loop, path, message).hint(hint));
            continue;
        }
        let mut body = reach(flow, source, Direction::Incoming, within);
        body.intersect_with(&ahead);
        for node in body.ones() {
            let Some(depth) = depth.get_mut(node) else {
                continue;
            };
            *depth += 1;
            if *depth > MOST_NESTED {
                let message = format!("more than {MOST_NESTED} loops within each other");
                let path = edge.weight().path.clone();
                let hint = "let one loop do the work of several, or make a graph of the inner ones";
                problems.push(Diagnostic::error(Code::Loop, path, message).hint(hint));
                return Err(problems);
            }
        }
        loops.push(Loop {
            header,
            source,
            edge: edge.weight().id,
            max_visits,
            body: body.ones().map(NodeId::new).collect(),
            parent: None,
            exits: Vec::new(),
        });
    }
    loops.sort_by_key(|found| (found.body.len(), found.edge));
    let loops_of = nest(flow, &mut loops, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    for (index, found) in loops.iter().enumerate() {
        if let Some(edge) = edges.get_mut(found.edge.0 as usize) {
            edge.back = Some(index);
        }
    }
    for (id, edge) in edges.iter_mut().enumerate() {
        if edge.back.is_some() {
            continue;
        }
        let around = |node: NodeId| loops_of.get(node.index()).map_or(&[][..], Vec::as_slice);
        let left = around(edge.from)
            .iter()
            .find(|outer| !around(edge.to).contains(outer));
        edge.leaves = left.copied();
        if let Some(left) = left.and_then(|left| loops.get_mut(*left)) {
            left.exits.push(crate::graph::ir::EdgeId(
                u32::try_from(id).unwrap_or(u32::MAX),
            ));
        }
    }
    Ok((loops, loops_of))
}

/// Every node that can be reached along forward edges, the first included.
fn reach(
    flow: &StableDiGraph<Node, Edge>,
    from: NodeId,
    direction: Direction,
    within: impl Fn(NodeId) -> bool,
) -> FixedBitSet {
    let mut seen = FixedBitSet::with_capacity(flow.node_count());
    let mut stack = vec![from];
    seen.insert(from.index());
    while let Some(node) = stack.pop() {
        for edge in flow.edges_directed(node, direction) {
            let next = match direction {
                Direction::Outgoing => edge.target(),
                Direction::Incoming => edge.source(),
            };
            if edge.weight().max_visits.is_none() && within(next) && !seen.put(next.index()) {
                stack.push(next);
            }
        }
    }
    seen
}

/// Puts loops into each other; loops that lie across each other are refused.
fn nest(
    flow: &StableDiGraph<Node, Edge>,
    loops: &mut [Loop],
    problems: &mut Vec<Diagnostic>,
) -> Vec<Vec<usize>> {
    let mut around: Vec<Vec<usize>> = vec![Vec::new(); flow.node_count()];
    for index in 0..loops.len() {
        let Some(found) = loops.get(index).cloned() else {
            continue;
        };
        let mut inner: Vec<(usize, usize)> = Vec::new();
        for node in &found.body {
            let Some(own) = around.get_mut(node.index()) else {
                continue;
            };
            if let Some(outermost) = own.last() {
                match inner.iter_mut().find(|(known, _)| known == outermost) {
                    Some((_, count)) => *count += 1,
                    None => inner.push((*outermost, 1)),
                }
            }
            own.push(index);
        }
        for (other, shared) in inner {
            let Some(other) = loops.get_mut(other) else {
                continue;
            };
            if shared == other.body.len() {
                other.parent = Some(index);
                continue;
            }
            let message = format!(
                "the loops back to `{}` and to `{}` share nodes, and neither lies within the other",
                name(flow, other.header),
                name(flow, found.header)
            );
            let hint = "let one loop hold the other, or join their ends in one node first";
            let path = path_of(flow, &found);
            problems.push(Diagnostic::error(Code::Loop, path, message).hint(hint));
        }
    }
    for own in &mut around {
        own.reverse();
    }
    around
}

fn path_of(flow: &StableDiGraph<Node, Edge>, found: &Loop) -> String {
    let edge = petgraph::stable_graph::EdgeIndex::new(found.edge.0 as usize);
    flow.edge_weight(edge)
        .map(|edge| edge.path.clone())
        .unwrap_or_default()
}
