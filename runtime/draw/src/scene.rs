//! What there is to draw: steps, what leads from one to another, and what lies within.
//!
//! Every format draws the same scene, so what a picture shows is decided here and how it looks
//! is decided there.

use petgraph::Direction;
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use ropewalk_core::graph::definition::{GraphDefinition, Join};
use ropewalk_core::graph::ir::{Condition, Edge, Graph, Node, NodeId, Work};

use crate::overlay::{EACH, Sum, Sums};
use crate::words;

/// Steps of one picture. Graphs within each other can name the same graph many times over, so
/// what they unfold to has to end somewhere; beyond that they stay closed.
const MOST_UNFOLDED: usize = 1500;

/// A graph to draw, or the body of a map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) lines: Vec<Line>,
    /// Steps that start it; none where that needs no mark.
    pub(crate) starts: Vec<usize>,
    /// Steps that end it.
    pub(crate) ends: Vec<usize>,
}

/// A node to draw.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// With `[*]` for the items of a map.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What the kind is about: the agent's name, the tool's, the list of a map.
    pub(crate) detail: String,
    /// Anything else that is known of it, for where there is room.
    pub(crate) about: Vec<String>,
    pub(crate) run: Option<Sum>,
    pub(crate) inner: Option<Scene>,
}

/// What a node does, by the word of the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Agent,
    Model,
    Tool,
    Map,
    Graph,
    Human,
    Function,
    Set,
}

impl Kind {
    pub(crate) const ALL: [Kind; 8] = [
        Kind::Agent,
        Kind::Model,
        Kind::Tool,
        Kind::Map,
        Kind::Graph,
        Kind::Human,
        Kind::Function,
        Kind::Set,
    ];

    pub(crate) fn of(work: &Work) -> Self {
        match work {
            Work::Agent { .. } => Kind::Agent,
            Work::Model { .. } => Kind::Model,
            Work::Tool { .. } => Kind::Tool,
            Work::Map { .. } => Kind::Map,
            Work::Graph { .. } => Kind::Graph,
            Work::Human { .. } => Kind::Human,
            Work::Function { .. } => Kind::Function,
            Work::Set { .. } => Kind::Set,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Agent => "agent",
            Kind::Model => "model",
            Kind::Tool => "tool",
            Kind::Map => "map",
            Kind::Graph => "graph",
            Kind::Human => "human",
            Kind::Function => "function",
            Kind::Set => "set",
        }
    }
}

/// An edge to draw.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its place in the definition of its graph.
    pub(crate) id: u32,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// What is written beside it, one text a line.
    pub(crate) label: Vec<String>,
    /// When it is taken, in full.
    pub(crate) about: String,
    /// Whether it leads back in a loop.
    pub(crate) back: bool,
    /// Whether it follows a failure.
    pub(crate) on_error: bool,
    /// How often it was taken, where a run is shown.
    pub(crate) taken: Option<u32>,
}

impl Scene {
    /// The scene of a graph. `expand`: whether graphs and maps are opened up.
    pub(crate) fn of(graph: &Graph, sums: Option<&Sums>, expand: bool) -> Self {
        let mut unfolding = Unfolding {
            sums,
            expand,
            left: MOST_UNFOLDED.saturating_sub(graph.flow().node_count()),
        };
        unfolding.graph(graph, "")
    }
}

struct Unfolding<'a> {
    sums: Option<&'a Sums>,
    expand: bool,
    /// Steps that may still be opened up.
    left: usize,
}

impl Unfolding<'_> {
    /// `within`: the path of the node that runs the graph.
    fn graph(&mut self, graph: &Graph, within: &str) -> Scene {
        let flow = graph.flow();
        let mut places = vec![usize::MAX; flow.node_count()];
        let mut steps = Vec::with_capacity(flow.node_count());
        // The order of the definition: what stands first there stands first here.
        for (place, id) in flow.node_indices().enumerate() {
            let Some(node) = flow.node_weight(id) else {
                continue;
            };
            if let Some(slot) = places.get_mut(id.index()) {
                *slot = place;
            }
            let path = join(within, &node.name);
            steps.push(self.step(node, path, graph.definition()));
        }
        let place = |id: NodeId| places.get(id.index()).copied();
        let mut lines: Vec<Line> = flow
            .edge_references()
            .filter_map(|edge| {
                let (from, to) = (place(edge.source())?, place(edge.target())?);
                Some(self.line(edge.weight(), from, to, within))
            })
            .collect();
        lines.sort_by_key(|line| line.id);
        Scene {
            name: graph.name().to_owned(),
            starts: graph
                .plan()
                .starts
                .iter()
                .filter_map(|id| place(*id))
                .collect(),
            ends: ends(graph).into_iter().filter_map(place).collect(),
            steps,
            lines,
        }
    }

    fn step(&mut self, node: &Node, path: String, definition: &GraphDefinition) -> Step {
        let described = definition
            .nodes
            .get(&node.name)
            .map_or("", |node| node.description.trim());
        let mut about = Vec::new();
        if !described.is_empty() {
            about.push(described.to_owned());
        }
        match node.join {
            Join::All => {}
            Join::Any => about.push("starts with the first edge that is taken".to_owned()),
            Join::Every => about.push("starts only when every edge is taken".to_owned()),
        }
        Step {
            name: node.name.clone(),
            kind: Kind::of(&node.work),
            detail: words::detail(&node.work, definition),
            about,
            run: self.sums.map(|sums| sums.node(&path)),
            inner: self.inner(node, &path, definition),
            path,
        }
    }

    fn inner(&mut self, node: &Node, path: &str, definition: &GraphDefinition) -> Option<Scene> {
        if !self.expand {
            return None;
        }
        match &node.work {
            Work::Graph { graph, .. } => {
                self.left = self.left.checked_sub(graph.flow().node_count())?;
                Some(self.graph(graph, path))
            }
            Work::Map { each, .. } => {
                let path = format!("{path}{EACH}");
                // A map over a graph needs no frame for the map and another for the graph.
                if matches!(each.work, Work::Graph { .. }) {
                    return self.inner(each, &path, definition);
                }
                self.left = self.left.checked_sub(1)?;
                let mut step = self.step(each, path, definition);
                // It has no name of its own.
                if !step.detail.is_empty() {
                    step.name = std::mem::take(&mut step.detail);
                } else {
                    step.name = format!("each {}", step.kind.word());
                }
                step.about.clear();
                Some(Scene {
                    name: node.name.clone(),
                    steps: vec![step],
                    ..Scene::default()
                })
            }
            _ => None,
        }
    }

    fn line(&self, edge: &Edge, from: usize, to: usize, within: &str) -> Line {
        Line {
            id: edge.id.0,
            from,
            to,
            label: words::edge_label(edge),
            about: words::edge_about(edge),
            back: edge.max_visits.is_some(),
            on_error: edge.condition == Condition::OnError,
            taken: self.sums.map(|sums| sums.edge(within, edge.id)),
        }
    }
}

fn join(within: &str, name: &str) -> String {
    if within.is_empty() {
        name.to_owned()
    } else {
        format!("{within}/{name}")
    }
}

/// Nodes after which nothing follows, or those that the definition names.
fn ends(graph: &Graph) -> Vec<NodeId> {
    let declared = &graph.definition().end;
    if !declared.is_empty() {
        let ids = declared.iter().filter_map(|name| graph.node_named(name));
        return ids.collect();
    }
    let flow = graph.flow();
    let leads_on = |id: NodeId| {
        flow.edges_directed(id, Direction::Outgoing)
            .any(|edge| edge.weight().max_visits.is_none())
    };
    flow.node_indices().filter(|id| !leads_on(*id)).collect()
}
