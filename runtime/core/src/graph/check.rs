//! What is checked of a graph before it runs, beyond what compiling it finds.

mod flow;
mod race;
mod types;

use petgraph::stable_graph::StableDiGraph;

use super::compile::Parts;
use super::definition::GraphDefinition;
use super::diagnostic::{Diagnostic, Severity};
use super::ir::{ChannelId, Edge, Node, NodeId, Work, WritePlan};
use super::library::Library;

/// Runs every check.
pub(crate) fn all(
    definition: &GraphDefinition,
    parts: &Parts,
    library: &dyn Library,
    problems: &mut Vec<Diagnostic>,
) {
    let before = problems.len();
    flow::check(definition, parts, problems);
    // What runs beside what is only known of nodes that run.
    let added = problems.get(before..).unwrap_or_default();
    if !added
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        race::check(parts, problems);
    }
    types::check(parts, library, problems);
}

/// Every channel a node may write.
pub(crate) fn written(node: &Node) -> Vec<ChannelId> {
    let mut channels: Vec<ChannelId> = match (&node.work, &node.writes) {
        (Work::Set { values }, _) => values.iter().map(|(channel, _)| *channel).collect(),
        (_, WritePlan::Nothing) => Vec::new(),
        (_, WritePlan::Whole(channel)) => vec![*channel],
        (_, WritePlan::Fields(channels)) => channels.clone(),
        (_, WritePlan::Expressions(values)) => values.iter().map(|(channel, _)| *channel).collect(),
    };
    channels.extend(node.on_error.writes.iter().map(|(channel, _)| *channel));
    channels.sort_unstable();
    channels.dedup();
    channels
}

fn node_path(flow: &StableDiGraph<Node, Edge>, node: NodeId) -> String {
    format!("nodes.{}", node_name(flow, node))
}

fn node_name(flow: &StableDiGraph<Node, Edge>, node: NodeId) -> &str {
    flow.node_weight(node).map_or("?", |node| &node.name)
}
