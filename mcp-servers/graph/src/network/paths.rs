//! How two nodes are connected: the cheapest simple paths, each hop with what says so.
//!
//! Yen, "Finding the K Shortest Loopless Paths in a Network" (1971). One Dijkstra search from the
//! end tells what is still ahead of each node; the searches for detours are led by it (A*) and look
//! at little besides the paths they find.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::facts::Fact;
use super::node::Node;
use super::snapshot::{Edge, How, Snapshot};
use super::weights::cost;

/// How many paths, and how hard they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// How many paths at most, up to 50.
    pub paths: usize,
    /// How many nodes one search may look at.
    pub most: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            paths: 3,
            most: 200_000,
        }
    }
}

/// What connects two nodes that follow each other on a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// A passage names an entity; how often, 0 where it stands in a statement alone.
    Mention(u32),
    /// A statement.
    Statement(Box<Fact>),
    /// Passages that follow each other.
    Beside,
    /// Entities that may be one, and how alike they are.
    Synonym(f32),
}

/// A path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Where it begins.
    pub start: Node,
    /// What connects each node to the next one, and that one.
    pub hops: Vec<(Link, Node)>,
    /// What it costs; less is closer.
    pub cost: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Paths {
    /// The cheapest first; those alike by their nodes.
    pub paths: Vec<Path>,
    /// Ends that are not part of the graph.
    pub unknown: Vec<Node>,
    /// Whether a search gave up before it had looked at everything: what is not here may still be.
    pub gave_up: bool,
}

/// Nodes from start to end, and what they cost.
#[derive(Clone, PartialEq, Eq)]
struct Route {
    cost: u64,
    nodes: Vec<u32>,
}

/// What a detour may not use.
#[derive(Default)]
struct Barred {
    nodes: HashSet<u32>,
    /// Nodes that must not follow the first one.
    second: HashSet<u32>,
}

/// What still lies ahead of nodes, at least.
struct Ahead {
    known: HashMap<u32, u64>,
    beyond: u64,
}

impl Ahead {
    fn of(&self, node: u32) -> u64 {
        self.known.get(&node).copied().unwrap_or(self.beyond)
    }
}

impl Snapshot {
    /// The cheapest simple paths between two nodes. From a node to itself there is none.
    pub fn paths(&self, from: &Node, to: &Node, search: &Search) -> Paths {
        let mut found = Paths::default();
        let (start, end) = (self.find(from), self.find(to));
        for (node, at) in [(from, start), (to, end)] {
            if at.is_none() && !found.unknown.contains(node) {
                found.unknown.push(node.clone());
            }
        }
        let (Some(start), Some(end)) = (start, end) else {
            return found;
        };
        if start == end {
            return found;
        }
        let wanted = search.paths.clamp(1, 50);
        let routes = self.yen(start, end, wanted, search.most, &mut found.gave_up);
        found.paths = routes
            .into_iter()
            .map(|route| self.path(start, &route))
            .collect();
        found
    }

    fn yen(
        &self,
        start: u32,
        end: u32,
        wanted: usize,
        most: usize,
        gave_up: &mut bool,
    ) -> Vec<Route> {
        let Some(ahead) = self.look_back(start, end, most, gave_up) else {
            return Vec::new();
        };
        let mut routes: Vec<Route> = Vec::new();
        let mut open: Vec<Route> = Vec::new();
        open.extend(self.shortest(start, end, &Barred::default(), &ahead, most, gave_up));
        while routes.len() < wanted {
            let best = (0..open.len()).min_by(|one, other| {
                let pair = open.get(*one).zip(open.get(*other));
                pair.map_or(Ordering::Equal, |(one, other)| self.order(one, other))
            });
            let Some(best) = best else { break };
            let route = open.swap_remove(best);
            if routes.len().saturating_add(1) < wanted {
                for turn in 0..route.nodes.len().saturating_sub(1) {
                    let detour = self.detour(&route, turn, end, (&routes, &ahead), most, gave_up);
                    open.extend(detour.filter(|detour| !open.contains(detour)));
                }
            }
            open.retain(|other| *other != route);
            routes.push(route);
        }
        routes
    }

    /// The cheapest route that follows another up to a turn and leaves it there, and every other
    /// known one with the same beginning.
    fn detour(
        &self,
        route: &Route,
        turn: usize,
        end: u32,
        (known, ahead): (&[Route], &Ahead),
        most: usize,
        gave_up: &mut bool,
    ) -> Option<Route> {
        let after = turn.saturating_add(1);
        let root = route.nodes.get(..after)?;
        let (&spur, before) = root.split_last()?;
        let mut barred = Barred::default();
        barred.nodes.extend(before);
        for other in known.iter().chain([route]) {
            if other.nodes.get(..after) == Some(root) {
                barred.second.extend(other.nodes.get(after));
            }
        }
        let rest = self.shortest(spur, end, &barred, ahead, most, gave_up)?;
        let mut nodes = before.to_vec();
        nodes.extend(rest.nodes);
        let cost = nodes
            .windows(2)
            .filter_map(|pair| match pair {
                [from, to] => self.hop(*from, *to).map(|(cost, _)| cost),
                _ => None,
            })
            .sum();
        Some(Route { cost, nodes })
    }

    /// Dijkstra from the end until the start is reached; `None` where it is not.
    fn look_back(&self, start: u32, end: u32, most: usize, gave_up: &mut bool) -> Option<Ahead> {
        let mut best: HashMap<u32, u64> = [(end, 0)].into();
        let mut known = HashMap::new();
        let mut heap: BinaryHeap<Reverse<(u64, u32)>> = [Reverse((0, end))].into();
        let mut reached: Option<u64> = None;
        let mut last = 0;
        while let Some(Reverse((far, node))) = heap.pop() {
            if reached.is_some_and(|reached| far > reached) {
                break;
            }
            if known.contains_key(&node) {
                continue;
            }
            // Only between distances, or it would depend on which of those alike came first.
            if known.len() >= most && far > last {
                *gave_up = true;
                return None;
            }
            last = far;
            known.insert(node, far);
            if node == start {
                reached = Some(far);
            }
            self.edges(node, |edge| {
                let far = far.saturating_add(cost(self, node, &edge));
                let kept = best.entry(edge.to).or_insert(u64::MAX);
                if far < *kept {
                    *kept = far;
                    heap.push(Reverse((far, edge.to)));
                }
            });
        }
        reached.map(|beyond| Ahead { known, beyond })
    }

    /// A*, over everything that could be on a cheapest route, so that of those alike the one whose
    /// nodes come first, from its end, is found in whatever order nodes are looked at.
    fn shortest(
        &self,
        start: u32,
        end: u32,
        barred: &Barred,
        ahead: &Ahead,
        most: usize,
        gave_up: &mut bool,
    ) -> Option<Route> {
        let mut best: HashMap<u32, (u64, u32)> = [(start, (0, start))].into();
        let mut done: HashSet<u32> = HashSet::new();
        let mut heap: BinaryHeap<Reverse<(u64, u64, u32)>> =
            [Reverse((ahead.of(start), 0, start))].into();
        let (mut bound, mut last) = (u64::MAX, 0);
        while let Some(Reverse((all, far, node))) = heap.pop() {
            if all > bound {
                break;
            }
            if done.len() > most && all > last {
                *gave_up = true;
                return None;
            }
            last = all;
            if !done.insert(node) {
                continue;
            }
            if node == end {
                bound = far;
                continue;
            }
            self.edges(node, |edge| {
                let to = edge.to;
                let turned = node == start && barred.second.contains(&to);
                if turned || barred.nodes.contains(&to) || to == start {
                    return;
                }
                let far = far.saturating_add(cost(self, node, &edge));
                let kept = best.entry(to).or_insert((u64::MAX, node));
                if far < kept.0 {
                    *kept = (far, node);
                    let all = far.saturating_add(ahead.of(to));
                    heap.push(Reverse((all, far, to)));
                } else if far == kept.0 && self.compare(node, kept.1) == Ordering::Less {
                    kept.1 = node;
                }
            });
        }
        let (cost, _) = best.get(&end).copied().filter(|_| bound < u64::MAX)?;
        let mut nodes = vec![end];
        let mut node = end;
        while node != start {
            node = best.get(&node)?.1;
            nodes.push(node);
        }
        nodes.reverse();
        Some(Route { cost, nodes })
    }

    fn order(&self, one: &Route, other: &Route) -> Ordering {
        let pairs = one.nodes.iter().zip(&other.nodes);
        let nodes = pairs.map(|(one, other)| self.compare(*one, *other));
        let mut nodes = nodes.filter(|order| order.is_ne());
        let shorter = one.nodes.len().cmp(&other.nodes.len());
        let cheaper = one.cost.cmp(&other.cost).then(shorter);
        cheaper.then_with(|| nodes.next().unwrap_or(Ordering::Equal))
    }

    /// The cheapest edge from one node to another; of those alike the first.
    fn hop(&self, from: u32, to: u32) -> Option<(u64, Link)> {
        let mut best: Option<(u64, Edge<'_>)> = None;
        // From the end with fewer edges: an edge costs the same either way round.
        let (near, far) = if self.busy(from) <= self.busy(to) {
            (from, to)
        } else {
            (to, from)
        };
        self.edges(near, |edge| {
            if edge.to != far {
                return;
            }
            let cost = cost(self, near, &edge);
            let better = best.as_ref().is_none_or(|(kept, other)| {
                let order = cost.cmp(kept);
                order.then_with(|| self.compare_how(&edge, other)).is_lt()
            });
            if better {
                best = Some((cost, edge));
            }
        });
        let (cost, edge) = best?;
        Some((cost, self.link(&edge)))
    }

    fn busy(&self, node: u32) -> u32 {
        self.as_passage(node)
            .map_or_else(|| self.uses_of(node), |_| 0)
    }

    fn compare_how(&self, one: &Edge<'_>, other: &Edge<'_>) -> Ordering {
        let rank = |how: &How<'_>| match how {
            How::Said(_) => 0,
            How::Near(_) => 1,
            How::Mention(_) => 2,
            How::Beside { .. } => 3,
        };
        match (&one.how, &other.how) {
            (How::Said(one), How::Said(other)) => {
                self.fact(one).order().cmp(&self.fact(other).order())
            }
            (one, other) => rank(one).cmp(&rank(other)),
        }
    }

    fn link(&self, edge: &Edge<'_>) -> Link {
        match edge.how {
            How::Mention(link) => Link::Mention(link.count()),
            How::Said(said) => Link::Statement(Box::new(self.fact(said))),
            How::Beside { .. } => Link::Beside,
            How::Near(similarity) => Link::Synonym(similarity),
        }
    }

    fn path(&self, start: u32, route: &Route) -> Path {
        let pairs = route.nodes.windows(2).filter_map(|pair| match pair {
            [from, to] => Some((self.hop(*from, *to)?.1, self.name(*to))),
            _ => None,
        });
        Path {
            start: self.name(start),
            hops: pairs.collect(),
            cost: route.cost,
        }
    }
}
