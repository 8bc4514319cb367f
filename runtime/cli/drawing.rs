//! `ropewalk graph draw`: a graph as a picture, with what a run did in it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ropewalk_core::event::{Event, RunOutcome};
use ropewalk_core::graph::ir::{Graph, Node, Work};
use ropewalk_core::secret;
use ropewalk_draw::{EdgeKey, NodeRun, NodeState, Overlay, Picture};
use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::run;
use ropewalk_engine::store::Stamped;

use crate::Ending;
use crate::arguments::{Draw, Format};
use crate::session;

pub(crate) async fn draw(options: Draw) -> anyhow::Result<Ending> {
    let definitions = Definitions::new(session::folders());
    let named = match &options.graph {
        Some(name) => Some(session::graph(name, &definitions)?),
        None => None,
    };
    let (graph, overlay) = match &options.run {
        None => (named.context("name a graph, or a run with --run")?, None),
        Some(run) => {
            let run = run.parse()?;
            let events = session::runs()?.events(run).await?;
            let graph = match named {
                Some(graph) => graph,
                None => run::recorded_graph(run, &events)?,
            };
            let overlay = overlay(&graph, &events);
            (graph, Some(overlay))
        }
    };
    let picture = Picture::of(&graph, overlay.as_ref(), !options.closed);
    let text = match options.format {
        Format::Mermaid => picture.mermaid(),
        Format::Dot => picture.dot(),
        Format::Svg => picture.svg(),
    };
    write(&text, options.output.as_deref())?;
    Ok(Ending::Done)
}

fn write(text: &str, output: Option<&Path>) -> anyhow::Result<()> {
    let text = secret::redactor().redact(text.trim_end()).into_owned();
    match output {
        Some(path) => std::fs::write(path, format!("{text}\n"))
            .with_context(|| format!("cannot write {}", path.display())),
        None => {
            // A reader that has gone away ends the printing, not the program.
            let _ = writeln!(std::io::stdout(), "{text}");
            Ok(())
        }
    }
}

/// What a run did, by the nodes and edges of its graph.
fn overlay(graph: &Arc<Graph>, events: &[Stamped]) -> Overlay {
    let mut overlay = Overlay::default();
    let mut began = std::collections::HashMap::new();
    for stamped in events {
        match &stamped.event {
            Event::NodeStarted { path, .. } => {
                began.insert(path.clone(), stamped.at_ms);
                let node = overlay.nodes.entry(without_visits(path)).or_default();
                node.state = NodeState::Running;
                node.visits += 1;
            }
            Event::NodeEnded { path, end } => {
                let took = began
                    .remove(path)
                    .map(|at| stamped.at_ms.saturating_sub(at));
                let place = without_visits(path);
                let node = overlay.nodes.entry(place.clone()).or_default();
                // What ends at once has no start of its own.
                node.visits += u32::from(took.is_none());
                node.millis = match (node.millis, took) {
                    (Some(before), Some(took)) => Some(before + took),
                    (before, took) => before.or(took),
                };
                node.state = match end.error {
                    Some(_) => NodeState::Failed,
                    None => NodeState::Done,
                };
                node.note = end.error.as_ref().map(ToString::to_string);
                let scope = place.rsplit_once('/').map_or("", |(scope, _)| scope);
                let Some(within) = graph_at(graph, scope) else {
                    continue;
                };
                for edge in end.taken.iter().filter_map(|name| within.edge_named(name)) {
                    *overlay
                        .edges
                        .entry(EdgeKey::within(scope, edge))
                        .or_default() += 1;
                }
            }
            Event::RunEnded {
                outcome: RunOutcome::Completed { .. },
            } => {
                // What has not run by now was not needed.
                for node in graph.flow().node_weights() {
                    overlay.nodes.entry(node.name.clone()).or_insert(NodeRun {
                        state: NodeState::Skipped,
                        ..NodeRun::default()
                    });
                }
            }
            _ => {}
        }
    }
    overlay
}

/// A path without the numbers of visits and attempts; those of items stay.
fn without_visits(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let (name, rest) = match part.find(['#', '~']) {
            None => return part.to_owned(),
            Some(at) => part.split_at_checked(at).unwrap_or((part, "")),
        };
        let item = rest
            .find('[')
            .and_then(|at| rest.get(at..))
            .unwrap_or_default();
        format!("{name}{}", item.split('~').next().unwrap_or_default())
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The graph that runs at a path: of `a/b[2]` the one in the map `b` of the graph in `a`.
fn graph_at<'a>(graph: &'a Arc<Graph>, path: &str) -> Option<&'a Arc<Graph>> {
    let mut graph = graph;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let name = part.split('[').next().unwrap_or(part);
        graph = inner(graph.node(graph.node_named(name)?)?)?;
    }
    Some(graph)
}

fn inner(node: &Node) -> Option<&Arc<Graph>> {
    match &node.work {
        Work::Graph { graph, .. } => Some(graph),
        Work::Map { each, .. } => inner(each),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_visits_and_keep_their_items() {
        assert_eq!(without_visits("a#2/b[3]/c#4"), "a/b[3]/c");
        assert_eq!(without_visits("a#2[3]~b"), "a[3]");
        assert_eq!(without_visits("a~2/b"), "a/b");
    }
}
