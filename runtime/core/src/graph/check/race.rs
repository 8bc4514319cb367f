//! Nodes that may run at the same time and touch one channel.

use super::{node_name, node_path, written};
use crate::graph::compile::Parts;
use crate::graph::diagnostic::{Code, Diagnostic};
use crate::graph::ir::{Channel, NodeId};

/// Mistakes reported of one channel.
const MOST_REPORTED: usize = 3;

pub(super) fn check(parts: &Parts, problems: &mut Vec<Diagnostic>) {
    let count = parts.channels.len();
    let mut writers: Vec<Vec<NodeId>> = vec![Vec::new(); count];
    let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); count];
    // In the order of the plan, so that a node may only come before those after it.
    for id in &parts.plan.order {
        let Some(node) = parts.flow.node_weight(*id) else {
            continue;
        };
        for channel in written(node) {
            if let Some(writers) = writers.get_mut(channel.0 as usize) {
                writers.push(*id);
            }
        }
        for channel in &node.reads {
            if let Some(readers) = readers.get_mut(channel.0 as usize) {
                readers.push(*id);
            }
        }
    }
    for (index, channel) in parts.channels.iter().enumerate() {
        let (Some(writers), Some(readers)) = (writers.get(index), readers.get(index)) else {
            continue;
        };
        let mut found = Vec::new();
        if !channel.reducer.joins_concurrent_writes() {
            write_races(parts, writers, &mut found);
            report_writes(parts, channel, &found, problems);
        }
        if found.is_empty() {
            read_races(parts, channel, writers, readers, problems);
        }
    }
}

fn write_races(parts: &Parts, writers: &[NodeId], found: &mut Vec<(NodeId, NodeId)>) {
    // Writers that follow each other one by one need no pairwise look.
    let chained = writers
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if parts.plan.precedes(*a, *b)));
    if chained {
        return;
    }
    for (index, a) in writers.iter().enumerate() {
        for b in writers.iter().skip(index + 1) {
            if parts.plan.may_overlap(&parts.flow, *a, *b) {
                found.push((*a, *b));
                if found.len() >= MOST_REPORTED {
                    return;
                }
            }
        }
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

fn read_races(
    parts: &Parts,
    channel: &Channel,
    writers: &[NodeId],
    readers: &[NodeId],
    problems: &mut Vec<Diagnostic>,
) {
    let rank = |node: &NodeId| parts.plan.rank_of(*node);
    let chained = writers
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if parts.plan.precedes(*a, *b)));
    let mut reported = 0;
    for reader in readers {
        let race = |writer: &&NodeId| parts.plan.may_overlap(&parts.flow, *reader, **writer);
        let raced = if chained {
            // Only the neighbours in a chain can overlap with the reader, or all between them do.
            let after = writers.partition_point(|writer| rank(writer) <= rank(reader));
            let own = writers.get(after.wrapping_sub(1)) == Some(reader);
            let back = if own { 2 } else { 1 };
            let near = after.checked_sub(back).and_then(|near| writers.get(near));
            near.into_iter().chain(writers.get(after)).find(race)
        } else {
            writers.iter().find(race)
        };
        let Some(writer) = raced else { continue };
        reported += 1;
        if reported > MOST_REPORTED {
            return;
        }
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
