//! A graph with every definition it needs: what a run carries with it, so that it can go on when
//! the files have changed or are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compile::{Compiled, compile};
use super::definition::GraphDefinition;
use super::diagnostic::Diagnostic;
use super::ir::{Graph, Node, Work};
use super::library::{Found, Library};
use super::source::Source;
use crate::definition::AgentDefinition;
use crate::prompt::PromptDefinition;
use crate::tool::ToolSpec;

/// A graph and the agents, prompts and graphs it names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The graph.
    pub graph: Value,
    /// Graphs within it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub graphs: BTreeMap<String, Value>,
    /// Agents, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<String, Arc<AgentDefinition>>,
    /// Prompts, by file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prompts: BTreeMap<String, String>,
}

impl Bundle {
    /// Everything a compiled graph was made from.
    pub fn of(graph: &Graph) -> Self {
        let mut bundle = Self {
            graph: written(&graph.definition),
            ..Self::default()
        };
        bundle.add(graph);
        bundle
    }

    fn add(&mut self, graph: &Graph) {
        self.prompts.extend(graph.prompts.iter().cloned());
        for node in graph.flow.node_weights() {
            self.add_node(node, graph.definition.nodes.get(&node.name));
        }
    }

    fn add_node(&mut self, node: &Node, definition: Option<&super::definition::NodeDefinition>) {
        match (&node.work, definition) {
            (Work::Agent { agent, .. }, Some(definition)) => {
                if let Some(named) = &definition.agent {
                    self.agents.insert(named.name.clone(), Arc::clone(agent));
                }
            }
            (Work::Graph { graph: inner, .. }, Some(definition)) => {
                if let Some(named) = &definition.graph {
                    self.graphs
                        .insert(named.name.clone(), written(&inner.definition));
                    self.add(inner);
                }
            }
            (Work::Map { each, .. }, Some(definition)) => {
                let inner = definition.map.as_ref().map(|map| &map.each);
                self.add_node(each, inner);
            }
            _ => {}
        }
    }

    /// The graph, compiled again.
    pub fn compile(&self) -> Compiled {
        match serde_json::from_value::<GraphDefinition>(self.graph.clone()) {
            Ok(definition) => compile(definition, None, self),
            Err(error) => Compiled {
                graph: None,
                diagnostics: vec![unreadable(&error)],
            },
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Diagnostic {
    let message = format!("the recorded graph cannot be read: {error}");
    Diagnostic::error(super::diagnostic::Code::Form, "", message)
}

/// A definition as data. Chains of edges stay texts.
fn written(definition: &GraphDefinition) -> Value {
    let mut value = serde_json::to_value(definition).unwrap_or_default();
    if let Some(Value::Array(edges)) = value.get_mut("edges") {
        for (edge, known) in edges.iter_mut().zip(&definition.edges) {
            if !known.chain.is_empty() {
                let steps = known.chain.iter().map(|names| names.join(", "));
                *edge = Value::String(steps.collect::<Vec<_>>().join(" -> "));
            }
        }
    }
    value
}

impl Library for Bundle {
    fn agent(&self, name: &str) -> Found<Arc<AgentDefinition>> {
        found(&self.agents, name)
    }

    fn prompt(&self, name: &str) -> Found<PromptDefinition> {
        match found(&self.prompts, name) {
            Found::Yes(text) => Found::Yes(PromptDefinition::plain(text)),
            Found::No(known) => Found::No(known),
            Found::Broken(problem) => Found::Broken(problem),
            Found::Unchecked => Found::Unchecked,
        }
    }

    fn graph(&self, name: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>> {
        match found(&self.graphs, name) {
            Found::Yes(value) => match serde_json::from_value(value) {
                Ok(definition) => Found::Yes(Ok((definition, Source::default()))),
                Err(error) => Found::Yes(Err(vec![unreadable(&error)])),
            },
            Found::No(known) => Found::No(known),
            Found::Broken(problem) => Found::Broken(problem),
            Found::Unchecked => Found::Unchecked,
        }
    }

    fn tool(&self, _: &str) -> Found<ToolSpec> {
        Found::Unchecked
    }

    fn function(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }

    fn reducer(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }
}

fn found<T: Clone>(known: &BTreeMap<String, T>, name: &str) -> Found<T> {
    match known.get(name) {
        Some(found) => Found::Yes(found.clone()),
        None => Found::No(known.keys().cloned().collect()),
    }
}
