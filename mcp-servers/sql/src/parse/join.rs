//! How the tables of a question hang together: the shortest way over foreign keys.

use std::collections::{HashMap, VecDeque};

use crate::parse::facts::{Edge, Facts};
use crate::parse::tape::Tape;

/// Longest way between two tables, in steps.
const LONGEST: usize = 4;

/// Tables joined one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joins {
    pub(super) first: usize,
    pub(super) steps: Vec<Step>,
}

/// A table joined to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) table: usize,
    pub(super) edge: Edge,
}

impl Step {
    /// Whether a row before it may have several rows in it.
    pub(super) fn multiplies(self) -> bool {
        self.edge.from.table == self.table
    }
}

/// Joins tables, beginning with the first; `None` where they do not hang together.
pub(super) fn joins(
    facts: &Facts,
    tables: &[usize],
    hints: &[String],
    tape: &mut Tape,
) -> Option<Joins> {
    let (first, rest) = tables.split_first()?;
    let mut joined = Joins {
        first: *first,
        steps: Vec::new(),
    };
    let mut inside = vec![*first];
    let mut open: Vec<usize> = rest.to_vec();
    while !open.is_empty() {
        open.retain(|table| !inside.contains(table));
        let paths = open.iter().filter_map(|table| path(facts, &inside, *table));
        let Some(path) = paths.min_by_key(Vec::len) else {
            return open.is_empty().then_some(joined);
        };
        for (near, far) in path {
            let edge = edge(facts, near, far, hints, tape)?;
            joined.steps.push(Step { table: far, edge });
            inside.push(far);
        }
    }
    Some(joined)
}

/// The link of two tables; where there are several, the words of the question may tell which.
fn edge(facts: &Facts, near: usize, far: usize, hints: &[String], tape: &mut Tape) -> Option<Edge> {
    let between = |edge: &&Edge| {
        (edge.from.table, edge.to.table) == (near, far)
            || (edge.from.table, edge.to.table) == (far, near)
    };
    let mut edges: Vec<(Edge, f32)> = facts
        .edges_of(near)
        .iter()
        .filter(between)
        .map(|edge| {
            let stems = facts
                .column(edge.from)
                .map_or(&[][..], |column| &column.stems);
            let hinted = hints.iter().any(|hint| {
                let same = crate::parse::lexicon::same(hint);
                stems
                    .iter()
                    .any(|stem| stem == hint || same.contains(&stem.as_str()))
            });
            (*edge, if hinted { 0.0 } else { 1.5 })
        })
        .collect();
    edges.sort_by(|one, two| one.1.total_cmp(&two.1));
    let least = edges.first()?.1;
    let costs: Vec<f32> = edges.iter().map(|(_, cost)| cost - least).collect();
    let way = tape.choose(&costs);
    edges.get(way).map(|(edge, _)| *edge)
}

/// The steps from any of the tables inside to another.
fn path(facts: &Facts, inside: &[usize], to: usize) -> Option<Vec<(usize, usize)>> {
    let mut from: HashMap<usize, Option<usize>> =
        inside.iter().map(|table| (*table, None)).collect();
    let mut open: VecDeque<(usize, usize)> = inside.iter().map(|table| (*table, 0)).collect();
    while let Some((table, steps)) = open.pop_front() {
        if table == to {
            break;
        }
        if steps >= LONGEST {
            continue;
        }
        for edge in facts.edges_of(table) {
            let (one, two) = (edge.from.table, edge.to.table);
            let next = if one == table {
                two
            } else if two == table {
                one
            } else {
                continue;
            };
            from.entry(next).or_insert_with(|| {
                open.push_back((next, steps.saturating_add(1)));
                Some(table)
            });
        }
    }
    let mut path = Vec::new();
    let mut at = to;
    while let Some(before) = from.get(&at)? {
        path.push((*before, at));
        at = *before;
    }
    path.reverse();
    Some(path)
}
