//! What a run did, told apart from the graph that it ran.
//!
//! Nodes are named by their path: `draft`, and within other graphs and maps `review/draft` or
//! `sections[2]/draft`, where `[2]` is the item of a map. A picture shows the body of a map once,
//! so what became of all its items is summed up there.

use std::collections::BTreeMap;

use ropewalk_core::graph::ir::EdgeId;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// By the path of the node. A node that is not here was not reached.
    pub nodes: BTreeMap<String, NodeRun>,
    /// How often each edge was taken. One that is not here was not taken.
    pub edges: BTreeMap<EdgeKey, u32>,
}

/// What became of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeRun {
    /// Where it stands.
    pub state: NodeState,
    /// How often it was started.
    pub visits: u32,
    /// How long it took, all visits together.
    pub millis: Option<u64>,
    /// Anything worth saying, such as the error.
    pub note: Option<String>,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It has not started.
    #[default]
    Waiting,
    /// It is at work.
    Running,
    /// It has done its work.
    Done,
    /// It has failed for good.
    Failed,
    /// It was not needed.
    Skipped,
}

/// Names an edge of a graph or of a graph within it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// The path of the node whose graph it belongs to; empty for the graph that is drawn.
    pub within: String,
    /// Its place in that graph's definition.
    pub edge: EdgeId,
}

impl EdgeKey {
    /// An edge of the graph that is drawn.
    pub fn top(edge: EdgeId) -> Self {
        Self::within("", edge)
    }

    /// An edge of the graph that the node of this path runs.
    pub fn within(path: &str, edge: EdgeId) -> Self {
        Self {
            within: path.to_owned(),
            edge,
        }
    }
}

/// What became of everything that one box of the picture stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) state: NodeState,
    /// Paths that were summed up.
    pub(crate) items: u32,
    /// Those of them that failed.
    pub(crate) failed: u32,
    pub(crate) visits: u32,
    /// The longest of them: items of a map run beside each other.
    pub(crate) millis: Option<u64>,
    pub(crate) note: Option<String>,
}

impl Sum {
    fn add(&mut self, run: &NodeRun) {
        self.state = if self.items == 0 {
            run.state
        } else {
            together(self.state, run.state)
        };
        let fails = run.state == NodeState::Failed;
        // What is said of a failure matters more than what is said of the others.
        if run.note.is_some() && (self.note.is_none() || (fails && self.failed == 0)) {
            self.note.clone_from(&run.note);
        }
        self.items = self.items.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(fails));
        self.visits = self.visits.saturating_add(run.visits);
        self.millis = self.millis.max(run.millis);
    }
}

/// The state of two items as one.
fn together(one: NodeState, other: NodeState) -> NodeState {
    use NodeState::{Done, Failed, Running, Skipped, Waiting};
    match (one, other) {
        (Failed, _) | (_, Failed) => Failed,
        (Running, _) | (_, Running) => Running,
        // Some items are done and others are not: the whole is on its way.
        (Done, Waiting) | (Waiting, Done) => Running,
        (Done, _) | (_, Done) => Done,
        (Waiting, _) | (_, Waiting) => Waiting,
        (Skipped, Skipped) => Skipped,
    }
}

/// An overlay by the boxes and lines of the picture instead of by items.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    nodes: BTreeMap<String, Sum>,
    edges: BTreeMap<EdgeKey, u32>,
}

impl Sums {
    pub(crate) fn of(overlay: &Overlay) -> Self {
        let mut sums = Self::default();
        for (path, run) in &overlay.nodes {
            sums.nodes.entry(drawn(path)).or_default().add(run);
        }
        for (key, taken) in &overlay.edges {
            let key = EdgeKey::within(&drawn(&key.within), key.edge);
            let sum = sums.edges.entry(key).or_default();
            *sum = sum.saturating_add(*taken);
        }
        sums
    }

    pub(crate) fn node(&self, path: &str) -> Sum {
        self.nodes.get(path).cloned().unwrap_or_default()
    }

    pub(crate) fn edge(&self, within: &str, edge: EdgeId) -> u32 {
        let key = EdgeKey::within(within, edge);
        self.edges.get(&key).copied().unwrap_or_default()
    }
}

/// The path of the box that stands for a node: items of maps lose their number.
fn drawn(path: &str) -> String {
    let mut drawn = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        drawn.push_str(before);
        match after.split_once(']') {
            Some((digits, after)) if digits.chars().all(|c| c.is_ascii_digit()) => {
                drawn.push_str(EACH);
                rest = after;
            }
            _ => {
                drawn.push('[');
                rest = after;
            }
        }
    }
    drawn.push_str(rest);
    drawn
}

/// Stands for every item of a map in the path of a box.
pub(crate) const EACH: &str = "[*]";

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: NodeState, millis: u64, note: &str) -> NodeRun {
        NodeRun {
            state,
            visits: 1,
            millis: Some(millis),
            note: (!note.is_empty()).then(|| note.to_owned()),
        }
    }

    #[test]
    fn items_of_a_map_are_summed_up_in_one_box() {
        let mut overlay = Overlay::default();
        let nodes = [
            ("sections[0]/draft", run(NodeState::Done, 10, "fine")),
            ("sections[1]/draft", run(NodeState::Failed, 30, "too long")),
            ("sections[12]/draft", run(NodeState::Running, 20, "")),
            ("draft", run(NodeState::Done, 5, "")),
        ];
        for (path, run) in nodes {
            overlay.nodes.insert(path.to_owned(), run);
        }
        for item in ["sections[0]", "sections[1]"] {
            overlay.edges.insert(EdgeKey::within(item, EdgeId(0)), 2);
        }
        let sums = Sums::of(&overlay);
        let sum = sums.node("sections[*]/draft");
        assert_eq!(
            (sum.state, sum.items, sum.failed),
            (NodeState::Failed, 3, 1)
        );
        assert_eq!((sum.visits, sum.millis), (3, Some(30)));
        assert_eq!(sum.note.as_deref(), Some("too long"));
        assert_eq!(sums.node("draft").millis, Some(5));
        assert_eq!(sums.edge("sections[*]", EdgeId(0)), 4);
        assert_eq!(sums.edge("", EdgeId(0)), 0);
    }

    #[test]
    fn some_done_and_some_waiting_is_on_its_way() {
        use NodeState::{Done, Running, Skipped, Waiting};
        assert_eq!(together(Done, Waiting), Running);
        assert_eq!(together(Skipped, Done), Done);
        assert_eq!(together(Skipped, Waiting), Waiting);
    }

    #[test]
    fn only_numbers_in_brackets_are_items() {
        assert_eq!(drawn("a[1][22]/b"), "a[*][*]/b");
        assert_eq!(drawn("a[b]/c["), "a[b]/c[");
    }
}
