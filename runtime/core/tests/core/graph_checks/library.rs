//! What the graphs of these tests may name.

use std::sync::Arc;

use ropewalk_core::definition::AgentDefinition;
use ropewalk_core::graph::definition::GraphDefinition;
use ropewalk_core::graph::diagnostic::Diagnostic;
use ropewalk_core::graph::library::{Found, Library};
use ropewalk_core::graph::source::Source;
use ropewalk_core::graph::yaml;
use ropewalk_core::prompt::PromptDefinition;
use ropewalk_core::tool::{ToolHints, ToolSpec};
use serde_json::json;

/// A few of everything.
pub struct Shelf;

const GRAPHS: [(&str, &str); 4] = [
    (
        "inner",
        "name: inner\nchannels: {topic: string, depth: {type: integer, default: 1}, summary: string}\n\
         input: [topic, depth]\noutput: [summary]\nnodes:\n  write: {set: {summary: topic}}\n",
    ),
    ("left", "name: left\nnodes:\n  right: {graph: right}\n"),
    ("right", "name: right\nnodes:\n  left: {graph: left}\n"),
    (
        "broken",
        "name: broken\nnodes:\n  a: {function: tidy}\nedges:\n  - a -> b\n",
    ),
];

fn known<T>(names: &[&str]) -> Found<T> {
    Found::No(names.iter().map(|name| (*name).to_owned()).collect())
}

fn tool(name: &str, input: serde_json::Value, output: Option<serde_json::Value>) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: "A tool.".to_owned(),
        input_schema: input,
        output_schema: output,
        hints: ToolHints::default(),
    }
}

impl Library for Shelf {
    fn agent(&self, name: &str) -> Found<Arc<AgentDefinition>> {
        match name {
            "writer" => {
                let text = "---\nname: writer\n---\nWrite.\n";
                Found::Yes(Arc::new(AgentDefinition::parse("writer.md", text).unwrap()))
            }
            "unreadable" => Found::Broken("agents/unreadable.md: line 1: no front matter".into()),
            _ => known(&["writer", "unreadable"]),
        }
    }

    fn prompt(&self, name: &str) -> Found<PromptDefinition> {
        match name {
            "ask" => Found::Yes(PromptDefinition::plain("What is {{ question }}?")),
            "list" => {
                let text = "---\nvariables: {items: array}\n---\n{{ items|join(', ') }}";
                Found::Yes(PromptDefinition::parse("prompts/list.md", text).unwrap())
            }
            _ => known(&["ask"]),
        }
    }

    fn graph(&self, name: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>> {
        match GRAPHS.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => Found::Yes(yaml::parse(&format!("graphs/{name}.yaml"), text)),
            None if name == "locked" => Found::Broken("graphs/locked.yaml: not readable".into()),
            None => known(&["inner", "left", "right", "broken", "locked"]),
        }
    }

    fn tool(&self, name: &str) -> Found<ToolSpec> {
        match name {
            "kit__search" => Found::Yes(tool(
                name,
                json!({
                    "type": "object",
                    "properties": {
                        "query": {"type": "string"},
                        "limit": {"type": "integer", "minimum": 1},
                    },
                    "required": ["query"],
                    "additionalProperties": false,
                }),
                Some(json!({
                    "type": "object",
                    "properties": {"hits": {"type": "array"}, "total": {"type": "integer"}},
                })),
            )),
            "kit__note" => Found::Yes(tool(name, json!({"type": "object"}), None)),
            _ => known(&["kit__search", "kit__note"]),
        }
    }

    fn function(&self, name: &str) -> Found<()> {
        match name {
            "tidy" => Found::Yes(()),
            _ => known(&["tidy"]),
        }
    }

    fn reducer(&self, name: &str) -> Found<()> {
        match name {
            "longest" => Found::Yes(()),
            _ => known(&["longest"]),
        }
    }

    fn engine(&self, name: &str) -> Found<()> {
        match name {
            "small" | "local" => Found::Yes(()),
            _ => known(&["default", "local", "small"]),
        }
    }
}
