//! How a graph runs: its order, its loops, and what may run beside what.
//!
//! A graph without its loop-backs has no cycle. A loop is the loop-back and its *body*: every
//! node on a way from the loop-back's target (the *header*) to its source. Loops lie within each
//! other or apart, never across, so that the nodes have an order in which every body is one
//! stretch.

mod choices;
mod loops;
mod order;

use std::collections::HashMap;

use fixedbitset::FixedBitSet;
use petgraph::Direction;
use petgraph::stable_graph::StableDiGraph;
use petgraph::visit::{EdgeFiltered, EdgeRef, IntoEdgeReferences};

use super::definition::{GraphDefinition, Join};
use super::diagnostic::{Code, Diagnostic};
use super::ir::{Edge, EdgeId, Node, NodeId};

/// An edge as the scheduler sees it.
#[derive(Debug, Clone, Copy)]
pub struct PlanEdge {
    /// Where it comes from.
    pub from: NodeId,
    /// Where it leads.
    pub to: NodeId,
    /// The loop it leads back in, for a loop-back.
    pub back: Option<usize>,
    /// The outermost loop it leaves: it is decided when that loop is over.
    pub leaves: Option<usize>,
}

/// A loop-back and its body.
#[derive(Debug, Clone)]
pub struct Loop {
    /// Where each iteration starts.
    pub header: NodeId,
    /// Where the loop-back comes from.
    pub source: NodeId,
    /// The loop-back.
    pub edge: EdgeId,
    /// How often the header is visited at most, each time the loop is entered.
    pub max_visits: u32,
    /// Its nodes, in order.
    pub body: Vec<NodeId>,
    /// The loop around it.
    pub parent: Option<usize>,
    /// Edges that are decided when it is over.
    pub exits: Vec<EdgeId>,
}

/// What is known of a graph before it runs.
#[derive(Debug)]
pub struct Plan {
    pub(crate) by_name: HashMap<String, NodeId>,
    /// Nodes that start the graph.
    pub starts: Vec<NodeId>,
    /// Every node, each after what comes before it.
    pub order: Vec<NodeId>,
    /// Place of each node in the order.
    pub(crate) rank: Vec<u32>,
    /// By [`EdgeId`].
    pub edges: Vec<PlanEdge>,
    /// Edges into each node, without loop-backs.
    pub(crate) incoming: Vec<Vec<EdgeId>>,
    /// Edges out of each node, loop-backs included.
    pub(crate) outgoing: Vec<Vec<EdgeId>>,
    /// Inner loops before outer ones.
    pub loops: Vec<Loop>,
    /// The loops around each node, the outermost first.
    pub(crate) loops_of: Vec<Vec<usize>>,
    /// For each node: what is certainly over when it starts.
    pub(crate) before: Vec<FixedBitSet>,
    /// For each node: nodes that do not run when it does. Empty where nothing is chosen.
    pub(crate) exclusive: Vec<FixedBitSet>,
    /// Edges of which only one is taken, where a node waits for both.
    contradictions: HashMap<NodeId, (EdgeId, EdgeId)>,
}

impl Plan {
    /// Looks at a graph whose nodes and edges are all there.
    ///
    /// # Errors
    /// What keeps it from running at all: cycles without a bound, loops that are none, an
    /// unclear start.
    pub(crate) fn new(
        definition: &GraphDefinition,
        flow: &StableDiGraph<Node, Edge>,
        by_name: HashMap<String, NodeId>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let height = acyclic(flow)?;
        let mut edges = vec![None; flow.edge_count()];
        let mut incoming = vec![Vec::new(); flow.node_count()];
        let mut outgoing = vec![Vec::new(); flow.node_count()];
        for edge in flow.edge_references() {
            let plan = PlanEdge {
                from: edge.source(),
                to: edge.target(),
                back: None,
                leaves: None,
            };
            if let Some(place) = edges.get_mut(edge.weight().id.0 as usize) {
                *place = Some(plan);
            }
        }
        let mut edges: Vec<PlanEdge> = edges.into_iter().flatten().collect();
        for edge in flow.edge_indices() {
            let (Some(weight), Some((from, to))) =
                (flow.edge_weight(edge), flow.edge_endpoints(edge))
            else {
                continue;
            };
            push(&mut outgoing, from, weight.id);
            if weight.max_visits.is_none() {
                push(&mut incoming, to, weight.id);
            }
        }
        for list in incoming.iter_mut().chain(&mut outgoing) {
            list.sort_unstable();
        }
        let (mut loops, loops_of) = loops::find(flow, &height, &mut edges)?;
        let starts = starts(definition, flow, &by_name)?;
        let order = order::contiguous(flow, &loops, &loops_of)
            .map_err(|stuck| order::entangled(flow, &loops, &stuck))?;
        let mut rank = vec![0; flow.node_count()];
        for (place, node) in order.iter().enumerate() {
            if let Some(rank) = rank.get_mut(node.index()) {
                *rank = u32::try_from(place).unwrap_or(u32::MAX);
            }
        }
        for found in &mut loops {
            found
                .body
                .sort_by_key(|node| rank.get(node.index()).copied());
        }
        let mut plan = Self {
            by_name,
            starts,
            order,
            rank,
            edges,
            incoming,
            outgoing,
            loops,
            loops_of,
            before: Vec::new(),
            exclusive: Vec::new(),
            contradictions: HashMap::new(),
        };
        plan.before = plan.before(flow);
        (plan.exclusive, plan.contradictions) = choices::find(&plan, flow);
        Ok(plan)
    }

    /// The place of a node in the order.
    pub fn rank_of(&self, node: NodeId) -> u32 {
        self.rank.get(node.index()).copied().unwrap_or(u32::MAX)
    }

    /// Edges into a node, without loop-backs.
    pub fn into_node(&self, node: NodeId) -> &[EdgeId] {
        self.incoming.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// Edges out of a node, loop-backs included, in the order of the definition.
    pub fn out_of(&self, node: NodeId) -> &[EdgeId] {
        self.outgoing.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// The loops around a node, the outermost first.
    pub fn loops_around(&self, node: NodeId) -> &[usize] {
        self.loops_of.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// An edge.
    pub fn edge(&self, id: EdgeId) -> Option<&PlanEdge> {
        self.edges.get(id.0 as usize)
    }

    /// Whether one node is certainly over when another starts.
    pub fn precedes(&self, first: NodeId, second: NodeId) -> bool {
        let before = self.before.get(second.index());
        before.is_some_and(|before| before.contains(first.index()))
    }

    /// Whether two nodes may be at work at the same time.
    pub fn may_overlap(&self, _: &StableDiGraph<Node, Edge>, a: NodeId, b: NodeId) -> bool {
        let excluded = |(a, b): (NodeId, NodeId)| {
            let exclusive = self.exclusive.get(a.index());
            exclusive.is_some_and(|others| others.contains(b.index()))
        };
        a != b
            && !self.precedes(a, b)
            && !self.precedes(b, a)
            && !excluded((a, b))
            && !excluded((b, a))
    }

    /// Of a set of nodes that come earlier in the order: those that may be at work at the same
    /// time as a node.
    pub(crate) fn keep_overlapping(&self, earlier: &mut FixedBitSet, node: NodeId) {
        if let Some(before) = self.before.get(node.index()) {
            earlier.difference_with(before);
        }
        if let Some(exclusive) = self.exclusive.get(node.index()) {
            earlier.difference_with(exclusive);
        }
        earlier.remove(node.index());
    }

    /// Two edges that a node waits for and of which only one is taken: it can then never start.
    pub(crate) fn contradiction(&self, node: NodeId) -> Option<(EdgeId, EdgeId)> {
        self.contradictions.get(&node).copied()
    }

    fn before(&self, flow: &StableDiGraph<Node, Edge>) -> Vec<FixedBitSet> {
        let count = flow.node_count();
        let mut before = vec![FixedBitSet::with_capacity(count); count];
        // Everything that is over once a loop is.
        let mut over: HashMap<usize, FixedBitSet> = HashMap::new();
        for node in &self.order {
            let mut own: Option<FixedBitSet> = None;
            let any = flow
                .node_weight(*node)
                .is_some_and(|node| node.join == Join::Any);
            for id in self.into_node(*node) {
                let Some(edge) = self.edge(*id) else { continue };
                let mut through = before.get(edge.from.index()).cloned().unwrap_or_default();
                through.grow(count);
                through.insert(edge.from.index());
                if let Some(left) = edge.leaves {
                    let over = over.entry(left).or_insert_with(|| {
                        let body = self.loops.get(left).map_or(&[][..], |left| &left.body);
                        let mut all = FixedBitSet::with_capacity(count);
                        for inside in body {
                            all.insert(inside.index());
                            if let Some(before) = before.get(inside.index()) {
                                all.union_with(before);
                            }
                        }
                        all
                    });
                    through.union_with(over);
                }
                match &mut own {
                    None => own = Some(through),
                    Some(own) if any => own.intersect_with(&through),
                    Some(own) => own.union_with(&through),
                }
            }
            if let (Some(own), Some(place)) = (own, before.get_mut(node.index())) {
                *place = own;
            }
        }
        before
    }
}

fn push(lists: &mut [Vec<EdgeId>], node: NodeId, edge: EdgeId) {
    if let Some(list) = lists.get_mut(node.index()) {
        list.push(edge);
    }
}

fn name(flow: &StableDiGraph<Node, Edge>, node: NodeId) -> &str {
    flow.node_weight(node).map_or("?", |node| &node.name)
}

/// Without its loop-backs a graph has no cycle. Gives each node a height that is less than that
/// of every node before it.
fn acyclic(flow: &StableDiGraph<Node, Edge>) -> Result<Vec<usize>, Vec<Diagnostic>> {
    let forward = EdgeFiltered::from_fn(flow, |edge| edge.weight().max_visits.is_none());
    let mut problems = Vec::new();
    let mut height = vec![0; flow.node_count()];
    for (place, component) in petgraph::algo::kosaraju_scc(&forward)
        .into_iter()
        .enumerate()
    {
        for node in &component {
            if let Some(height) = height.get_mut(node.index()) {
                *height = place;
            }
        }
        let inside = |node: &NodeId| height.get(node.index()) == Some(&place);
        let cyclic = component.len() > 1
            || component.first().is_some_and(|node| {
                flow.edges(*node)
                    .any(|edge| edge.target() == *node && edge.weight().max_visits.is_none())
            });
        if !cyclic {
            continue;
        }
        // The edge that leads back is most likely the last one written.
        let last = component
            .iter()
            .flat_map(|node| flow.edges(*node))
            .filter(|edge| edge.weight().max_visits.is_none() && inside(&edge.target()))
            .max_by_key(|edge| edge.weight().id);
        let Some(last) = last else { continue };
        let mut names: Vec<&str> = component.iter().map(|node| name(flow, *node)).collect();
        names.sort_unstable();
        names.truncate(8);
        let message = format!("a cycle without a bound: {}", names.join(", "));
        let hint = format!(
            "say how often: {{from: {}, to: {}, max_visits: 3}}",
            name(flow, last.source()),
            name(flow, last.target())
        );
        let problem = Diagnostic::error(Code::UnboundedCycle, last.weight().path.clone(), message);
        problems.push(problem.hint(hint));
    }
    if problems.is_empty() {
        Ok(height)
    } else {
        Err(problems)
    }
}

/// Where the graph starts: as declared, or at the one node that nothing leads to.
fn starts(
    definition: &GraphDefinition,
    flow: &StableDiGraph<Node, Edge>,
    by_name: &HashMap<String, NodeId>,
) -> Result<Vec<NodeId>, Vec<Diagnostic>> {
    let led_to = |node: NodeId| {
        flow.edges_directed(node, Direction::Incoming)
            .any(|edge| edge.weight().max_visits.is_none())
    };
    let roots: Vec<NodeId> = flow.node_indices().filter(|node| !led_to(*node)).collect();
    if definition.start.is_empty() {
        if roots.len() == 1 {
            return Ok(roots);
        }
        let names: Vec<&str> = roots.iter().map(|node| name(flow, *node)).collect();
        let path = names
            .get(1)
            .map_or_else(String::new, |name| format!("nodes.{name}"));
        let message = format!("nothing leads to several nodes: {}", names.join(", "));
        let hint = format!(
            "add the missing edge; or, if all of them start the graph, write start: [{}]",
            names.join(", ")
        );
        return Err(vec![
            Diagnostic::error(Code::Start, path, message).hint(hint),
        ]);
    }
    let mut starts = Vec::with_capacity(definition.start.len());
    for (index, name) in definition.start.iter().enumerate() {
        let Some(node) = by_name.get(name) else {
            continue;
        };
        if led_to(*node) {
            let message = format!("`{name}` starts the graph and also waits for other nodes");
            let path = format!("start[{index}]");
            let hint = "remove it from `start`, or remove the edges that lead to it";
            return Err(vec![
                Diagnostic::error(Code::Start, path, message).hint(hint),
            ]);
        }
        starts.push(*node);
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}
