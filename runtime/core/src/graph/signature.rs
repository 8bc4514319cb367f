//! Whether two versions of a graph are the same to a run that has begun.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ir::{Graph, Work};
use crate::digest::digest;

/// What a graph is made of, each part with a digest of everything that matters to a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Nodes by path: `write`, `research/search`.
    pub nodes: BTreeMap<String, String>,
    /// Channels by path.
    pub channels: BTreeMap<String, String>,
    /// Edges by path, with their conditions.
    pub edges: BTreeSet<String>,
}

/// What differs between the graph a run began with and the graph as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// One line for each change.
    pub lines: Vec<String>,
    /// Nodes that changed, came or went.
    #[serde(skip)]
    pub nodes: BTreeSet<String>,
    /// Whether channels changed.
    #[serde(skip)]
    pub channels: bool,
    /// Nodes whose edges changed.
    #[serde(skip)]
    pub edges_of: BTreeSet<String>,
}

impl Signature {
    /// The signature of a graph and all graphs in it.
    pub fn of(graph: &Graph) -> Self {
        let mut signature = Self {
            nodes: BTreeMap::new(),
            channels: BTreeMap::new(),
            edges: BTreeSet::new(),
        };
        signature.add(graph, "");
        signature
    }

    /// One digest of all of it.
    pub fn digest(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        digest(&value)
    }

    fn add(&mut self, graph: &Graph, prefix: &str) {
        for (name, channel) in &graph.definition.channels {
            let mut value = serde_json::to_value(channel).unwrap_or_default();
            without_descriptions(&mut value);
            self.channels
                .insert(format!("{prefix}{name}"), digest(&value));
        }
        let prompts: BTreeMap<&String, &String> = graph
            .prompts
            .iter()
            .map(|(name, text)| (name, text))
            .collect();
        for node in graph.flow.node_weights() {
            let definition = graph.definition.nodes.get(&node.name);
            let mut value = serde_json::to_value(definition).unwrap_or_default();
            without_descriptions(&mut value);
            let mut files = Vec::new();
            prompt_files(&value, &mut files);
            let texts: Vec<_> = files.iter().map(|file| prompts.get(file)).collect();
            let value = json!({"node": value, "prompts": texts, "agents": agents(&node.work)});
            self.nodes
                .insert(format!("{prefix}{}", node.name), digest(&value));
            self.subgraphs(&node.work, &format!("{prefix}{}/", node.name));
        }
        for edge in graph.flow.edge_indices() {
            let (Some((from, to)), Some(weight)) = (
                graph.flow.edge_endpoints(edge),
                graph.flow.edge_weight(edge),
            ) else {
                continue;
            };
            let name = |id| graph.node(id).map_or("?", |node| &node.name);
            let bound = weight
                .max_visits
                .map(|most| format!(" at most {most} times"));
            let condition = match &weight.condition {
                super::ir::Condition::Always => String::new(),
                super::ir::Condition::When(when) => format!(" when {}", when.source()),
                super::ir::Condition::Otherwise => " else".to_owned(),
                super::ir::Condition::Case(value, case) => {
                    format!(" when {} is {case}", value.source())
                }
                super::ir::Condition::NoCase(value, _) => format!(" else of {}", value.source()),
                super::ir::Condition::OnError => " on error".to_owned(),
            };
            let bound = bound.unwrap_or_default();
            self.edges.insert(format!(
                "{prefix}{} -> {}{condition}{bound}",
                name(from),
                name(to)
            ));
        }
    }

    fn subgraphs(&mut self, work: &Work, prefix: &str) {
        match work {
            Work::Graph { graph, .. } => self.add(graph, prefix),
            Work::Map { each, .. } => self.subgraphs(&each.work, prefix),
            _ => {}
        }
    }

    /// What is different now.
    pub fn difference(&self, now: &Signature) -> Difference {
        let mut found = Difference::default();
        let groups = [
            ("node", &self.nodes, &now.nodes),
            ("channel", &self.channels, &now.channels),
        ];
        for (what, old, new) in groups {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let line = match (old.get(name), new.get(name)) {
                    (Some(old), Some(new)) if old == new => continue,
                    (Some(_), Some(_)) => format!("~ {what} {name}"),
                    (Some(_), None) => format!("- {what} {name}"),
                    _ => format!("+ {what} {name}"),
                };
                found.lines.push(line);
                if what == "node" {
                    found.nodes.insert(name.clone());
                } else {
                    found.channels = true;
                }
            }
        }
        for edge in self.edges.symmetric_difference(&now.edges) {
            let sign = if self.edges.contains(edge) { '-' } else { '+' };
            found.lines.push(format!("{sign} edge {edge}"));
            if let Some(from) = edge.split(" -> ").next() {
                found.edges_of.insert(from.to_owned());
            }
        }
        found
    }
}

impl Difference {
    /// Whether a run may go on with the graph as it is now: nothing that it has started has
    /// changed. `started` are paths of nodes.
    pub fn is_compatible(&self, started: &BTreeSet<String>) -> bool {
        !self.channels && self.nodes.is_disjoint(started) && self.edges_of.is_disjoint(started)
    }
}

fn agents(work: &Work) -> Value {
    match work {
        Work::Agent { agent, .. } => serde_json::to_value(&**agent).unwrap_or_default(),
        Work::Map { each, .. } => agents(&each.work),
        _ => Value::Null,
    }
}

fn without_descriptions(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.remove("description");
    }
}

fn prompt_files(value: &Value, files: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.get("file").and_then(Value::as_str) {
                    Some(file) if ["prompt", "system", "ask"].contains(&name.as_str()) => {
                        files.push(file.to_owned());
                    }
                    _ => prompt_files(value, files),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| prompt_files(item, files)),
        _ => {}
    }
}
