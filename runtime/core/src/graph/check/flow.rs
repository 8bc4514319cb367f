//! Whether every node can start, and every one leads somewhere.

use fixedbitset::FixedBitSet;
use petgraph::Direction;
use petgraph::visit::EdgeRef;
use serde_json::Value;

use super::{node_name, node_path};
use crate::graph::compile::Parts;
use crate::graph::definition::{GraphDefinition, Join};
use crate::graph::diagnostic::{Code, Diagnostic};
use crate::graph::ir::{Condition, NodeId};

pub(super) fn check(definition: &GraphDefinition, parts: &Parts, problems: &mut Vec<Diagnostic>) {
    unreachable(parts, problems);
    ends(definition, parts, problems);
    choices(parts, problems);
    never_fires(parts, problems);
    loop_exits(parts, problems);
}

fn spread(parts: &Parts, from: &[NodeId], direction: Direction) -> FixedBitSet {
    let mut seen = FixedBitSet::with_capacity(parts.flow.node_count());
    let mut stack: Vec<NodeId> = from.to_vec();
    for node in from {
        seen.insert(node.index());
    }
    while let Some(node) = stack.pop() {
        for edge in parts.flow.edges_directed(node, direction) {
            let next = match direction {
                Direction::Outgoing => edge.target(),
                Direction::Incoming => edge.source(),
            };
            if !seen.put(next.index()) {
                stack.push(next);
            }
        }
    }
    seen
}

fn unreachable(parts: &Parts, problems: &mut Vec<Diagnostic>) {
    let reached = spread(parts, &parts.plan.starts, Direction::Outgoing);
    for node in parts.flow.node_indices() {
        if !reached.contains(node.index()) {
            let name = node_name(&parts.flow, node);
            let message = format!("nothing leads to `{name}` from the start");
            let hint = format!("add an edge to `{name}`, add it to `start`, or remove it");
            let path = node_path(&parts.flow, node);
            problems.push(Diagnostic::error(Code::Unreachable, path, message).hint(hint));
        }
    }
}

fn ends(definition: &GraphDefinition, parts: &Parts, problems: &mut Vec<Diagnostic>) {
    if definition.end.is_empty() {
        return;
    }
    let ends: Vec<NodeId> = definition
        .end
        .iter()
        .filter_map(|name| parts.plan.by_name.get(name).copied())
        .collect();
    let leads = spread(parts, &ends, Direction::Incoming);
    for node in parts.flow.node_indices() {
        if !leads.contains(node.index()) {
            let name = node_name(&parts.flow, node);
            let message = format!("`{name}` does not lead to any node of `end`");
            let hint = format!("add an edge from `{name}`, or add it to `end`");
            let path = node_path(&parts.flow, node);
            problems.push(Diagnostic::error(Code::NoEnd, path, message).hint(hint));
        }
    }
}

fn choices(parts: &Parts, problems: &mut Vec<Diagnostic>) {
    for node in parts.flow.node_indices() {
        let name = node_name(&parts.flow, node);
        let out: Vec<_> = parts
            .flow
            .edges(node)
            .map(|edge| edge.weight())
            .filter(|edge| edge.max_visits.is_none())
            .collect();
        let whens = out
            .iter()
            .filter(|edge| matches!(edge.condition, Condition::When(_)));
        let whens = whens.count();
        let open = |condition: &Condition| {
            matches!(
                condition,
                Condition::Always | Condition::Otherwise | Condition::NoCase(..)
            )
        };
        if let Some(lonely) = out
            .iter()
            .find(|edge| edge.condition == Condition::Otherwise && whens == 0)
        {
            let message = format!("`else` from `{name}`, which has no `when`");
            let hint = "remove `else: true`: the edge is always taken";
            let path = lonely.path.clone();
            problems.push(Diagnostic::error(Code::Choice, path, message).hint(hint));
        }
        let decided = out
            .iter()
            .filter(|edge| matches!(edge.condition, Condition::When(_) | Condition::Case(..)));
        let first = decided.clone().map(|edge| edge.path.clone()).next_back();
        let gap = decided.count() > 1 && !out.iter().any(|edge| open(&edge.condition));
        if let Some(path) = first.filter(|_| gap) {
            let message = format!("when no condition from `{name}` holds, nothing follows");
            let hint = "add an edge with `else`, so that every case is covered";
            problems.push(Diagnostic::warning(Code::Choice, path, message).hint(hint));
        }
    }
}

fn never_fires(parts: &Parts, problems: &mut Vec<Diagnostic>) {
    let mut never = FixedBitSet::with_capacity(parts.flow.node_count());
    for node in &parts.plan.order {
        let Some(weight) = parts.flow.node_weight(*node) else {
            continue;
        };
        let into = parts.plan.into_node(*node);
        let dead = |id: &&crate::graph::ir::EdgeId| {
            let edge = petgraph::stable_graph::EdgeIndex::new(id.0 as usize);
            let from = parts.plan.edge(**id).map(|edge| edge.from);
            let constant = parts
                .flow
                .edge_weight(edge)
                .is_some_and(|edge| match &edge.condition {
                    Condition::When(when) => when.constant().is_some_and(|value| is_false(&value)),
                    _ => false,
                });
            constant || from.is_some_and(|from| never.contains(from.index()))
        };
        let all_dead = !into.is_empty() && into.iter().all(|id| dead(&id));
        let one_dead = weight.join == Join::Every && into.iter().any(|id| dead(&id));
        let name = &weight.name;
        let path = node_path(&parts.flow, *node);
        if all_dead || one_dead {
            never.insert(node.index());
            let message = format!("`{name}` can never start: an edge it waits for is never taken");
            let hint = "its condition is always false; mend it or remove the edge";
            problems.push(Diagnostic::error(Code::NeverFires, path, message).hint(hint));
        } else if weight.join == Join::Every
            && let Some((a, b)) = parts.plan.contradiction(*node)
        {
            never.insert(node.index());
            let place = |id: crate::graph::ir::EdgeId| {
                let edge = parts.plan.edge(id);
                edge.map(|edge| {
                    let (from, to) = (
                        node_name(&parts.flow, edge.from),
                        node_name(&parts.flow, edge.to),
                    );
                    format!("{from} -> {to}")
                })
                .unwrap_or_default()
            };
            let message = format!(
                "`{name}` can never start: it waits for both {} and {}, of which only one is taken",
                place(a),
                place(b)
            );
            let hint = "use `join: all`, which goes on with what was taken";
            problems.push(Diagnostic::error(Code::NeverFires, path, message).hint(hint));
        }
    }
}

fn is_false(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn loop_exits(parts: &Parts, problems: &mut Vec<Diagnostic>) {
    for found in &parts.plan.loops {
        for id in &found.exits {
            let Some(edge) = parts.plan.edge(*id) else {
                continue;
            };
            let index = petgraph::stable_graph::EdgeIndex::new(id.0 as usize);
            let Some(weight) = parts.flow.edge_weight(index) else {
                continue;
            };
            if edge.from != found.source && weight.condition == Condition::Always {
                let (from, to) = (
                    node_name(&parts.flow, edge.from),
                    node_name(&parts.flow, edge.to),
                );
                let header = node_name(&parts.flow, found.header);
                let message = format!(
                    "`{to}` runs once, after the loop back to `{header}` is over, though `{from}` \
                     is in the loop"
                );
                let hint = format!(
                    "to run `{to}` each time, lead it on to `{}`; to leave the loop, give the edge \
                     a condition",
                    node_name(&parts.flow, found.source)
                );
                let path = weight.path.clone();
                problems.push(Diagnostic::warning(Code::LoopExit, path, message).hint(hint));
            }
        }
    }
}
