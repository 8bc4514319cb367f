//! Which nodes never both run, because a choice leads to either.
//!
//! A node's *guards* are the edges that were taken if it runs. Two nodes exclude each other when
//! a guard of one contradicts a guard of the other: both leave one node, and at most one of them
//! is taken. With thousands of nodes there are too many pairs to look at, so that whole sets of
//! nodes are joined instead, one bit for each.

use std::collections::HashMap;
use std::ops::Range;

use fixedbitset::FixedBitSet;
use petgraph::stable_graph::{EdgeIndex, StableDiGraph};

use super::Plan;
use crate::graph::definition::Join;
use crate::graph::ir::{Condition, Edge, EdgeId, Node, NodeId};

/// For each node those it excludes, and the contradictions in what a node waits for.
type Found = (Vec<FixedBitSet>, HashMap<NodeId, (EdgeId, EdgeId)>);

/// Finds them. Both are empty where nothing is chosen.
pub(super) fn find(plan: &Plan, flow: &StableDiGraph<Node, Edge>) -> Found {
    let choices = Choices::new(plan, flow);
    if choices.edges.is_empty() {
        return Found::default();
    }
    let guards = choices.guards();
    let contradictions = choices.contradictions(&guards);
    let against = choices.against(&guards);
    (choices.exclusive(&guards, &against), contradictions)
}

/// Edges that are chosen from, in the order of the nodes they leave.
struct Choices<'a> {
    plan: &'a Plan,
    flow: &'a StableDiGraph<Node, Edge>,
    edges: Vec<(EdgeId, &'a Condition)>,
    /// The place of an edge among them.
    place: HashMap<EdgeId, usize>,
    /// Those that leave the same node.
    groups: Vec<Range<usize>>,
}

impl<'a> Choices<'a> {
    fn new(plan: &'a Plan, flow: &'a StableDiGraph<Node, Edge>) -> Self {
        let mut choices = Self {
            plan,
            flow,
            edges: Vec::new(),
            place: HashMap::new(),
            groups: Vec::new(),
        };
        for node in &plan.order {
            let out = plan.out_of(*node).iter().filter_map(|id| {
                let weight = flow.edge_weight(EdgeIndex::new(id.0 as usize))?;
                Some((*id, weight)).filter(|_| weight.max_visits.is_none())
            });
            let start = choices.edges.len();
            choices
                .edges
                .extend(out.map(|(id, edge)| (id, &edge.condition)));
            let group = choices.edges.get(start..).unwrap_or_default();
            if !chosen(group) {
                choices.edges.truncate(start);
                continue;
            }
            for (at, (id, _)) in group.iter().enumerate() {
                choices.place.insert(*id, start + at);
            }
            choices.groups.push(start..choices.edges.len());
        }
        choices
    }

    fn join(&self, node: NodeId) -> Join {
        self.flow
            .node_weight(node)
            .map_or(Join::All, |node| node.join)
    }

    /// Edges into a node, with where they come from and their place among the choices.
    fn leading_to(&self, node: NodeId) -> impl Iterator<Item = (usize, Option<usize>)> {
        self.plan.into_node(node).iter().filter_map(|id| {
            let from = self.plan.edge(*id)?.from;
            Some((from.index(), self.place.get(id).copied()))
        })
    }

    fn guards(&self) -> Vec<FixedBitSet> {
        let none = FixedBitSet::with_capacity(self.edges.len());
        let mut guards = vec![none; self.flow.node_count()];
        for node in &self.plan.order {
            let every = self.join(*node) == Join::Every;
            let mut own: Option<FixedBitSet> = None;
            for (from, choice) in self.leading_to(*node) {
                let Some(mut through) = guards.get(from).cloned() else {
                    continue;
                };
                if let Some(choice) = choice {
                    through.insert(choice);
                }
                match &mut own {
                    None => own = Some(through),
                    Some(own) if every => own.union_with(&through),
                    Some(own) => own.intersect_with(&through),
                }
            }
            if let (Some(own), Some(place)) = (own, guards.get_mut(node.index())) {
                *place = own;
            }
        }
        guards
    }

    /// Only where every edge is waited for can two guards of one node contradict each other.
    fn contradictions(&self, guards: &[FixedBitSet]) -> HashMap<NodeId, (EdgeId, EdgeId)> {
        let mut found = HashMap::new();
        for node in &self.plan.order {
            let Some(guards) = guards
                .get(node.index())
                .filter(|_| self.join(*node) == Join::Every)
            else {
                continue;
            };
            // Edges of one node stand side by side.
            let mut waited = guards
                .ones()
                .filter_map(|edge| self.edges.get(edge))
                .peekable();
            let mut pair = None;
            while let (None, Some(first)) = (pair, waited.next()) {
                let from = |edge: &(EdgeId, _)| self.plan.edge(edge.0).map(|edge| edge.from);
                let mut both = vec![first];
                while let Some(next) = waited.next_if(|next| from(next) == from(first)) {
                    both.push(next);
                }
                pair = contradiction(&both);
            }
            if let Some(pair) = pair {
                found.insert(*node, pair);
            }
        }
        found
    }

    /// For each edge: the nodes that do not run when it is taken.
    fn against(&self, guards: &[FixedBitSet]) -> Vec<FixedBitSet> {
        let none = FixedBitSet::with_capacity(self.flow.node_count());
        let mut under = vec![none.clone(); self.edges.len()];
        for (node, guards) in guards.iter().enumerate() {
            for edge in guards.ones() {
                if let Some(under) = under.get_mut(edge) {
                    under.insert(node);
                }
            }
        }
        let mut against = Vec::with_capacity(self.edges.len());
        for group in &self.groups {
            let (Some(edges), Some(under)) =
                (self.edges.get(group.clone()), under.get(group.clone()))
            else {
                continue;
            };
            let sides = Sides::new(edges, under, &none);
            against.extend(edges.iter().map(|(_, condition)| sides.against(condition)));
        }
        against
    }

    fn exclusive(&self, guards: &[FixedBitSet], against: &[FixedBitSet]) -> Vec<FixedBitSet> {
        let none = FixedBitSet::with_capacity(self.flow.node_count());
        let mut exclusive = vec![none.clone(); self.flow.node_count()];
        for node in &self.plan.order {
            let Some(own) = guards.get(node.index()) else {
                continue;
            };
            let Some(last) = own.ones().next_back() else {
                continue;
            };
            let mut excluded = none.clone();
            let mut add = |set: Option<&FixedBitSet>| {
                if let Some(set) = set {
                    excluded.union_with(set);
                }
            };
            let from = self.edges.get(last).and_then(|(id, _)| self.plan.edge(*id));
            let from = from.map(|edge| edge.from.index());
            if self.join(*node) == Join::Every {
                for (from, choice) in self.leading_to(*node) {
                    add(exclusive.get(from));
                    add(choice.and_then(|choice| against.get(choice)));
                }
            } else if from.is_some_and(|from| is_one_more(own, guards.get(from), last)) {
                // Whatever leads here leads through the last of its guards.
                add(from.and_then(|from| exclusive.get(from)));
                add(against.get(last));
            } else {
                for guard in own.ones() {
                    add(against.get(guard));
                }
            }
            if let Some(place) = exclusive.get_mut(node.index()) {
                *place = excluded;
            }
        }
        exclusive
    }
}

/// Whether a set is another with one more in it.
fn is_one_more(set: &FixedBitSet, other: Option<&FixedBitSet>, more: usize) -> bool {
    other.is_some_and(|other| {
        !other.contains(more)
            && set.count_ones(..) == other.count_ones(..) + 1
            && other.is_subset(set)
    })
}

/// Whether any two edges of one node contradict each other.
fn chosen(edges: &[(EdgeId, &Condition)]) -> bool {
    let has = |kind: fn(&Condition) -> bool| edges.iter().any(|(_, condition)| kind(condition));
    edges.len() > 1
        && (has(|condition| matches!(condition, Condition::Case(..)))
            || has(|condition| *condition == Condition::Otherwise)
            || has(|condition| *condition == Condition::OnError))
}

/// Two edges of one node that are never both taken.
fn contradiction(edges: &[&(EdgeId, &Condition)]) -> Option<(EdgeId, EdgeId)> {
    // A case contradicts all others but its own, so that the first of each kind says it all.
    let mut firsts: Vec<&(EdgeId, &Condition)> = Vec::new();
    for edge in edges {
        let same = |first: &&(EdgeId, &Condition)| match (first.1, edge.1) {
            (Condition::Case(a, x), Condition::Case(b, y)) => a == b && x == y,
            (Condition::When(_), Condition::When(_)) => true,
            (first, other) => first == other,
        };
        let contradicted = firsts
            .iter()
            .find(|first| excludes(first.1, edge.1) || excludes(edge.1, first.1));
        if let Some(first) = contradicted {
            return Some((first.0.min(edge.0), first.0.max(edge.0)));
        }
        if !firsts.iter().any(same) {
            firsts.push(edge);
        }
    }
    None
}

/// Whether an edge is certainly not taken when another of the same node is.
fn excludes(one: &Condition, other: &Condition) -> bool {
    match (one, other) {
        (Condition::Case(a, x), Condition::Case(b, y)) => a == b && x != y,
        (Condition::NoCase(a, cases), Condition::Case(b, y)) => a == b && cases.contains(y),
        (Condition::Otherwise, Condition::When(_)) => true,
        (Condition::OnError, other) => *other != Condition::OnError,
        _ => false,
    }
}

/// The nodes behind the edges of one node, by what the edges wait for.
struct Sides<'a> {
    none: &'a FixedBitSet,
    when: FixedBitSet,
    otherwise: FixedBitSet,
    error: FixedBitSet,
    no_error: FixedBitSet,
    /// By expression.
    switches: HashMap<&'a str, Switch<'a>>,
}

#[derive(Default)]
struct Switch<'a> {
    all: FixedBitSet,
    cases: HashMap<&'a str, FixedBitSet>,
    others: Vec<(&'a [String], &'a FixedBitSet)>,
}

impl<'a> Sides<'a> {
    fn new(
        edges: &[(EdgeId, &'a Condition)],
        under: &'a [FixedBitSet],
        none: &'a FixedBitSet,
    ) -> Self {
        let mut sides = Self {
            none,
            when: none.clone(),
            otherwise: none.clone(),
            error: none.clone(),
            no_error: none.clone(),
            switches: HashMap::new(),
        };
        for ((_, condition), under) in edges.iter().zip(under) {
            if **condition == Condition::OnError {
                sides.error.union_with(under);
            } else {
                sides.no_error.union_with(under);
            }
            match condition {
                Condition::Always | Condition::OnError => {}
                Condition::When(_) => sides.when.union_with(under),
                Condition::Otherwise => sides.otherwise.union_with(under),
                Condition::Case(value, case) => {
                    let switch = sides.switches.entry(value.source()).or_default();
                    switch.all.union_with(under);
                    let same = switch.cases.entry(case).or_default();
                    same.union_with(under);
                }
                Condition::NoCase(value, cases) => {
                    let switch = sides.switches.entry(value.source()).or_default();
                    switch.others.push((cases, under));
                }
            }
        }
        sides
    }

    /// The nodes behind the edges that contradict one of these.
    fn against(&self, condition: &Condition) -> FixedBitSet {
        let mut against = match condition {
            Condition::Always => self.none.clone(),
            Condition::OnError => return self.no_error.clone(),
            Condition::When(_) => self.otherwise.clone(),
            Condition::Otherwise => self.when.clone(),
            Condition::Case(value, case) => match self.switches.get(value.source()) {
                Some(switch) => switch.against(case),
                None => self.none.clone(),
            },
            Condition::NoCase(value, cases) => match self.switches.get(value.source()) {
                Some(switch) => switch.against_none_of(cases, self.none),
                None => self.none.clone(),
            },
        };
        against.union_with(&self.error);
        against
    }
}

impl Switch<'_> {
    fn against(&self, case: &str) -> FixedBitSet {
        let mut against = self.all.clone();
        if let Some(same) = self.cases.get(case) {
            against.difference_with(same);
        }
        for (cases, under) in &self.others {
            if cases.iter().any(|other| other == case) {
                against.union_with(under);
            }
        }
        against
    }

    fn against_none_of(&self, cases: &[String], none: &FixedBitSet) -> FixedBitSet {
        let mut against = none.clone();
        for case in cases {
            if let Some(under) = self.cases.get(case.as_str()) {
                against.union_with(under);
            }
        }
        against
    }
}
