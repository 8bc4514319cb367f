//! Which node may start when: tokens over edges, without IO, clock or values.
//!
//! An edge delivers *taken* or *skipped* once its source is settled; a node starts when its join
//! is satisfied, and is itself skipped when it cannot be any more (dead-path elimination, as in
//! WS-BPEL 2.0, section 11.6). A loop is over when its whole body is settled and its loop-back is
//! not taken; edges that leave it are decided then, by its last turn.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::definition::Join;
use super::ir::{EdgeId, Graph, NodeId};

/// What became of a node in its latest turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Not all that it waits for is there.
    Waiting,
    /// It may start.
    Ready,
    /// It runs.
    Active,
    /// It has run.
    Done,
    /// It was not needed.
    Skipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Token {
    None,
    Taken,
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NodeTokens {
    state: NodeState,
    /// Edges into it that have delivered nothing yet.
    open: u32,
    taken: u32,
    /// How often it has run, this time included.
    visits: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LoopTokens {
    /// From 1.
    turn: u32,
    /// Nodes of the body that are not settled.
    open: usize,
    /// Whether the loop-back was taken in this turn.
    again: bool,
}

/// The tokens of a run as they are stored. They only mean something together with the very
/// definition they were made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchedulerState {
    nodes: Vec<NodeTokens>,
    delivered: Vec<Token>,
    held: Vec<Token>,
    loops: Vec<LoopTokens>,
}

/// The tokens of one run of one graph.
#[derive(Debug, Clone)]
pub struct Scheduler {
    graph: Arc<Graph>,
    nodes: Vec<NodeTokens>,
    /// What each edge has delivered in this turn.
    delivered: Vec<Token>,
    /// What an edge that leaves a loop will deliver when the loop is over.
    held: Vec<Token>,
    loops: Vec<LoopTokens>,
    ready: VecDeque<NodeId>,
    settled: VecDeque<NodeId>,
    active: usize,
}

impl Scheduler {
    /// A run at its start.
    pub fn new(graph: Arc<Graph>) -> Self {
        let plan = graph.plan();
        let nodes = graph
            .flow()
            .node_indices()
            .map(|node| NodeTokens {
                state: NodeState::Waiting,
                open: u32::try_from(plan.into_node(node).len()).unwrap_or(u32::MAX),
                taken: 0,
                visits: 0,
            })
            .collect();
        let loops = plan
            .loops
            .iter()
            .map(|found| LoopTokens {
                turn: 1,
                open: found.body.len(),
                again: false,
            })
            .collect();
        let starts = plan.starts.clone();
        let edges = plan.edges.len();
        let mut scheduler = Self {
            nodes,
            delivered: vec![Token::None; edges],
            held: vec![Token::None; edges],
            loops,
            ready: VecDeque::new(),
            settled: VecDeque::new(),
            active: 0,
            graph,
        };
        for node in starts {
            scheduler.activate(node);
        }
        scheduler
    }

    /// The tokens as they are stored.
    pub fn save(&self) -> SchedulerState {
        SchedulerState {
            nodes: self.nodes.clone(),
            delivered: self.delivered.clone(),
            held: self.held.clone(),
            loops: self.loops.clone(),
        }
    }

    /// The tokens as they were stored; what was running may start again. Nothing when they are
    /// not those of this graph.
    pub fn restore(graph: Arc<Graph>, state: SchedulerState) -> Option<Self> {
        let plan = graph.plan();
        let fits = state.nodes.len() == graph.flow().node_count()
            && state.delivered.len() == plan.edges.len()
            && state.held.len() == plan.edges.len()
            && state.loops.len() == plan.loops.len();
        if !fits {
            return None;
        }
        let mut nodes = state.nodes;
        let mut ready = VecDeque::new();
        for node in &plan.order {
            if let Some(tokens) = nodes.get_mut(node.index())
                && matches!(tokens.state, NodeState::Ready | NodeState::Active)
            {
                tokens.state = NodeState::Ready;
                ready.push_back(*node);
            }
        }
        Some(Self {
            nodes,
            delivered: state.delivered,
            held: state.held,
            loops: state.loops,
            active: ready.len(),
            ready,
            settled: VecDeque::new(),
            graph,
        })
    }

    /// The next node that may start. Each is given once.
    pub fn next_ready(&mut self) -> Option<NodeId> {
        let node = self.ready.pop_front()?;
        if let Some(tokens) = self.nodes.get_mut(node.index()) {
            tokens.state = NodeState::Active;
        }
        Some(node)
    }

    /// Whether nothing runs and nothing may start.
    pub fn is_over(&self) -> bool {
        self.active == 0
    }

    /// What became of a node.
    pub fn state(&self, node: NodeId) -> NodeState {
        self.nodes
            .get(node.index())
            .map_or(NodeState::Waiting, |tokens| tokens.state)
    }

    /// How often a node has been started.
    pub fn visits(&self, node: NodeId) -> u32 {
        self.nodes
            .get(node.index())
            .map_or(0, |tokens| tokens.visits)
    }

    /// The turn of a loop, from 1.
    pub fn turn(&self, index: usize) -> u32 {
        self.loops.get(index).map_or(1, |tokens| tokens.turn)
    }

    /// A node that was given by [`Scheduler::next_ready`] has run; these of its edges are taken.
    /// Returns whether it was indeed running.
    pub fn finish(&mut self, node: NodeId, taken: &[EdgeId]) -> bool {
        if self.state(node) != NodeState::Active {
            return false;
        }
        self.active -= 1;
        self.settle(node, NodeState::Done, taken);
        self.drain();
        true
    }

    fn activate(&mut self, node: NodeId) {
        if let Some(tokens) = self.nodes.get_mut(node.index()) {
            tokens.state = NodeState::Ready;
            tokens.visits += 1;
            self.active += 1;
            self.ready.push_back(node);
        }
    }

    /// Decides the edges out of a node. What follows from it is queued, not done at once: a chain
    /// of any length needs no stack.
    fn settle(&mut self, node: NodeId, state: NodeState, taken: &[EdgeId]) {
        if let Some(tokens) = self.nodes.get_mut(node.index()) {
            tokens.state = state;
        }
        let graph = Arc::clone(&self.graph);
        let plan = graph.plan();
        for id in plan.out_of(node) {
            let Some(edge) = plan.edge(*id) else { continue };
            let token = if taken.contains(id) {
                Token::Taken
            } else {
                Token::Skipped
            };
            if let Some(index) = edge.back {
                if let Some(tokens) = self.loops.get_mut(index) {
                    tokens.again = token == Token::Taken;
                }
            } else if edge.leaves.is_some() {
                if let Some(held) = self.held.get_mut(id.0 as usize) {
                    *held = token;
                }
            } else {
                self.deliver(*id, token);
            }
        }
        self.settled.push_back(node);
    }

    fn deliver(&mut self, id: EdgeId, token: Token) {
        let Some(edge) = self.graph.plan().edge(id).copied() else {
            return;
        };
        if let Some(delivered) = self.delivered.get_mut(id.0 as usize) {
            *delivered = token;
        }
        let join = self.graph.node(edge.to).map_or(Join::All, |node| node.join);
        let waits_for = self.graph.plan().into_node(edge.to).len();
        let Some(tokens) = self.nodes.get_mut(edge.to.index()) else {
            return;
        };
        tokens.open = tokens.open.saturating_sub(1);
        tokens.taken += u32::from(token == Token::Taken);
        if tokens.state != NodeState::Waiting {
            return;
        }
        let starts = match join {
            Join::All => tokens.open == 0 && tokens.taken > 0,
            Join::Any => tokens.taken > 0,
            Join::Every => tokens.open == 0 && tokens.taken as usize == waits_for,
        };
        if starts {
            self.activate(edge.to);
        } else if tokens.open == 0 {
            self.settle(edge.to, NodeState::Skipped, &[]);
        }
    }

    /// Tells the loops around settled nodes, until nothing more follows.
    fn drain(&mut self) {
        while let Some(node) = self.settled.pop_front() {
            let graph = Arc::clone(&self.graph);
            // The innermost first: it may begin another turn, which opens those around it again.
            for index in graph.plan().loops_around(node).iter().rev() {
                let over = self.loops.get_mut(*index).is_some_and(|tokens| {
                    tokens.open = tokens.open.saturating_sub(1);
                    tokens.open == 0
                });
                if over {
                    self.end_turn(&graph, *index);
                }
            }
        }
    }

    fn end_turn(&mut self, graph: &Graph, index: usize) {
        let plan = graph.plan();
        let (Some(found), Some(tokens)) = (plan.loops.get(index), self.loops.get_mut(index)) else {
            return;
        };
        let again = std::mem::take(&mut tokens.again) && tokens.turn < found.max_visits;
        if !again {
            for id in &found.exits {
                let held = self.held.get_mut(id.0 as usize);
                let token = held.map_or(Token::None, |held| std::mem::replace(held, Token::None));
                if token != Token::None {
                    self.deliver(*id, token);
                }
            }
            return;
        }
        tokens.turn += 1;
        tokens.open = found.body.len();
        // The body is open again, also for the loops around this one.
        let mut around = found.parent;
        while let Some((outer, tokens)) =
            around.and_then(|outer| Some((plan.loops.get(outer)?, self.loops.get_mut(outer)?)))
        {
            tokens.open += found.body.len();
            around = outer.parent;
        }
        self.reset(graph, index);
        self.activate(found.header);
    }

    /// Brings a body to where it was when the loop was entered. Tokens from outside it stay.
    fn reset(&mut self, graph: &Graph, index: usize) {
        let plan = graph.plan();
        let Some(found) = plan.loops.get(index) else {
            return;
        };
        let inside = |node: NodeId| plan.loops_around(node).contains(&index);
        for node in &found.body {
            let (mut open, mut taken) = (0, 0);
            for id in plan.into_node(*node) {
                let Some(edge) = plan.edge(*id) else { continue };
                let Some(delivered) = self.delivered.get_mut(id.0 as usize) else {
                    continue;
                };
                if inside(edge.from) {
                    *delivered = Token::None;
                }
                open += u32::from(*delivered == Token::None);
                taken += u32::from(*delivered == Token::Taken);
            }
            if let Some(tokens) = self.nodes.get_mut(node.index()) {
                tokens.state = NodeState::Waiting;
                tokens.open = open;
                tokens.taken = taken;
            }
            // Loops within this one begin anew; itself is at its next turn.
            for inner in plan.loops_around(*node) {
                let within = plan
                    .loops
                    .get(*inner)
                    .is_some_and(|inner| inner.header == *node);
                if within
                    && *inner != index
                    && is_within(graph, *inner, index)
                    && let (Some(tokens), Some(inner)) =
                        (self.loops.get_mut(*inner), plan.loops.get(*inner))
                {
                    tokens.turn = 1;
                    tokens.open = inner.body.len();
                    tokens.again = false;
                }
            }
        }
        for id in &found.exits {
            if let Some(held) = self.held.get_mut(id.0 as usize) {
                *held = Token::None;
            }
        }
    }
}

fn is_within(graph: &Graph, inner: usize, outer: usize) -> bool {
    let loops = &graph.plan().loops;
    let mut next = loops.get(inner).and_then(|inner| inner.parent);
    while let Some(parent) = next {
        if parent == outer {
            return true;
        }
        next = loops.get(parent).and_then(|parent| parent.parent);
    }
    false
}
