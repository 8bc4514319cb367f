//! Nodes that may run at the same time and touch one channel.

use fixedbitset::FixedBitSet;

use super::{node_name, node_path, written};
use crate::graph::compile::Parts;
use crate::graph::diagnostic::{Code, Diagnostic};
use crate::graph::ir::{Channel, NodeId};

/// Mistakes reported of one channel.
const MOST_REPORTED: usize = 3;

pub(super) fn check(parts: &Parts, problems: &mut Vec<Diagnostic>) {
    // In the order of the plan, so that a node may only come before those after it.
    let mut users: Vec<Vec<Use>> = vec![Vec::new(); parts.channels.len()];
    for id in &parts.plan.order {
        let Some(node) = parts.flow.node_weight(*id) else {
            continue;
        };
        let writes = written(node);
        for channel in &writes {
            if let Some(users) = users.get_mut(channel.0 as usize) {
                let reads = node.reads.contains(channel);
                users.push((*id, reads, true));
            }
        }
        for channel in &node.reads {
            if let Some(users) = users.get_mut(channel.0 as usize)
                && !writes.contains(channel)
            {
                users.push((*id, true, false));
            }
        }
    }
    for (channel, users) in parts.channels.iter().zip(&users) {
        if users.iter().all(|(_, _, writes)| !writes) {
            continue;
        }
        let mut found = Vec::new();
        if !channel.reducer.joins_concurrent_writes() {
            write_races(parts, users, &mut found);
            report_writes(parts, channel, &found, problems);
        }
        if found.is_empty() {
            read_races(parts, channel, users, problems);
        }
    }
}

/// A node that uses a channel, whether it reads it and whether it writes it.
type Use = (NodeId, bool, bool);

fn write_races(parts: &Parts, users: &[Use], found: &mut Vec<(NodeId, NodeId)>) {
    let mut writers = FixedBitSet::with_capacity(parts.flow.node_count());
    for (node, _, _) in users.iter().filter(|(_, _, writes)| *writes) {
        let mut beside = writers.clone();
        parts.plan.keep_overlapping(&mut beside, *node);
        for other in beside.ones() {
            found.push((NodeId::new(other), *node));
            if found.len() >= MOST_REPORTED {
                return;
            }
        }
        writers.insert(node.index());
    }
}

fn report_writes(
    parts: &Parts,
    channel: &Channel,
    found: &[(NodeId, NodeId)],
    problems: &mut Vec<Diagnostic>,
) {
    for (a, b) in found {
        let name = &channel.name;
        let (first, second) = (node_name(&parts.flow, *a), node_name(&parts.flow, *b));
        let message = format!(
            "`{first}` and `{second}` may write `{name}` at the same time: which one stays would \
             be chance"
        );
        let hint = format!(
            "give `{name}` a reducer that joins writes (append, merge, sum ...), write to two \
             channels, add an edge between the two, or choose between them with `switch`"
        );
        let path = node_path(&parts.flow, *b);
        problems.push(Diagnostic::error(Code::WriteRace, path, message).hint(hint));
    }
}

fn read_races(parts: &Parts, channel: &Channel, users: &[Use], problems: &mut Vec<Diagnostic>) {
    let none = FixedBitSet::with_capacity(parts.flow.node_count());
    let (mut readers, mut writers) = (none.clone(), none);
    // A reader and a writer beside it.
    let mut found: Vec<(NodeId, NodeId)> = Vec::new();
    for (node, reads, writes) in users {
        let beside = |others: &FixedBitSet| {
            let mut others = others.clone();
            parts.plan.keep_overlapping(&mut others, *node);
            others.ones().next().map(NodeId::new)
        };
        if *reads {
            found.extend(beside(&writers).map(|writer| (*node, writer)));
            readers.insert(node.index());
        }
        if *writes {
            found.extend(beside(&readers).map(|reader| (reader, *node)));
            writers.insert(node.index());
        }
        if found.len() >= MOST_REPORTED {
            break;
        }
    }
    for (reader, writer) in found.iter().take(MOST_REPORTED) {
        let name = &channel.name;
        let (reads, writes) = (
            node_name(&parts.flow, *reader),
            node_name(&parts.flow, *writer),
        );
        let message = format!(
            "`{reads}` reads `{name}` while `{writes}` may be writing it: what it sees would be \
             chance"
        );
        let hint = format!("add an edge {writes} -> {reads}, or {reads} -> {writes}");
        let path = node_path(&parts.flow, *reader);
        problems.push(Diagnostic::error(Code::ReadRace, path, message).hint(hint));
    }
}
