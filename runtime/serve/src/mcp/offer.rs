//! Which graphs and agents there are, and what they take and give.

use std::sync::Arc;

use ropewalk_core::graph::definition::{ChannelDefinition, ValueType};
use ropewalk_core::graph::diagnostic::{Diagnostic, Severity};
use ropewalk_core::graph::ir::{ChannelId, Graph, Work};
use ropewalk_core::graph::library::{Found, Library};
use ropewalk_core::graph::{Compiled, compile_text};
use ropewalk_engine::definitions::Definitions;
use ropewalk_mcp_kit::ToolMeta;
use serde_json::{Map, Value, json};

use super::NotOffered;

/// The graph that answers questions, and the name it is offered under.
const ASSISTANT: (&str, &str) = ("assistant", "ask");

/// A graph as a tool.
pub(super) struct Offer {
    pub(super) meta: ToolMeta,
    pub(super) input: Value,
    pub(super) output: Value,
    pub(super) graph: Arc<Graph>,
}

/// What is offered, and what is not.
pub(super) fn offers(definitions: &Definitions) -> (Vec<Offer>, Vec<NotOffered>) {
    let mut offers = Vec::new();
    let mut refused = Vec::new();
    let mut take = |name: &str, compiled: Result<Offer, String>| match compiled {
        Ok(offer) => offers.push(offer),
        Err(why) => refused.push(NotOffered {
            name: name.to_owned(),
            why,
        }),
    };
    let (assistant, ask) = ASSISTANT;
    take(ask, graph(definitions, assistant, ask));
    let graphs = definitions.own_names("graphs", "yaml");
    for name in graphs.iter().filter(|name| *name != assistant) {
        take(name, graph(definitions, name, name));
    }
    for name in definitions.own_names("agents", "md") {
        if name != assistant && !graphs.contains(&name) {
            take(&name, agent(definitions, &name));
        }
    }
    (offers, refused)
}

fn graph(definitions: &Definitions, name: &str, tool: &str) -> Result<Offer, String> {
    let compiled = definitions
        .compile(name)
        .map_err(|error| error.to_string())?;
    let graph = sound(compiled)?;
    let said = graph.definition().description.clone();
    Ok(offer(tool, &said, graph))
}

/// An agent alone is a graph of one node.
fn agent(definitions: &Definitions, name: &str) -> Result<Offer, String> {
    let Found::Yes(agent) = definitions.agent(name) else {
        return Err("its file cannot be read; `ropewalk graph check` says why".to_owned());
    };
    let text = json!({
        "name": name,
        "channels": {
            "question": {"type": "string", "description": "What the agent is to do or answer."},
            "answer": "string",
            "citations": "array",
        },
        "input": ["question"],
        "output": ["answer", "citations"],
        "nodes": {"answer": {
            "agent": {"name": name, "prompt": "{{ question }}"},
            "writes": {"answer": "result", "citations": "details.citations"},
        }},
    });
    let compiled = compile_text(&format!("agents/{name}.md"), &text.to_string(), definitions);
    Ok(offer(name, &agent.settings.description, sound(compiled)?))
}

fn sound(compiled: Compiled) -> Result<Arc<Graph>, String> {
    compiled.graph.ok_or_else(|| {
        let errors = compiled.diagnostics.iter();
        let errors = errors.filter(|found| found.severity == Severity::Error);
        let lines: Vec<String> = errors.map(Diagnostic::to_string).collect();
        lines.join("; ")
    })
}

fn offer(tool: &str, said: &str, graph: Arc<Graph>) -> Offer {
    let title = tool.replace(['-', '_'], " ");
    let description = if said.trim().is_empty() {
        format!("Runs the workflow {title}.")
    } else {
        said.trim().to_owned()
    };
    // What a graph's tools do is known only when it runs.
    let alone = !graph.with_subgraphs().into_iter().any(touches_the_world);
    Offer {
        meta: ToolMeta {
            read_only: alone,
            destructive: !alone,
            idempotent: alone,
            open_world: !alone,
            long: true,
            ..ToolMeta::reading(tool.to_owned(), title, description)
        },
        input: schema(&graph, graph.inputs(), Side::Input),
        output: schema(&graph, graph.outputs(), Side::Output),
        graph,
    }
}

fn touches_the_world(graph: &Graph) -> bool {
    graph.flow().node_weights().any(|node| match &node.work {
        Work::Tool { .. } | Work::Function { .. } => true,
        Work::Agent { agent, .. } => !agent.settings.tools.is_empty(),
        Work::Map { each, .. } => match &each.work {
            Work::Agent { agent, .. } => !agent.settings.tools.is_empty(),
            Work::Tool { .. } | Work::Function { .. } => true,
            _ => false,
        },
        _ => false,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

/// Channels as the properties of an object. An input without a default must be given; an output
/// may be left empty by the way a run takes.
fn schema(graph: &Graph, channels: &[ChannelId], side: Side) -> Value {
    let defined = &graph.definition().channels;
    let mut properties = Map::new();
    let mut required = Vec::new();
    for id in channels {
        let name = graph.channel_name(*id);
        let Some(channel) = defined.get(name) else {
            continue;
        };
        if side == Side::Input && channel.default.is_none() {
            required.push(Value::from(name));
        }
        properties.insert(name.to_owned(), value_schema(channel));
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn value_schema(channel: &ChannelDefinition) -> Value {
    let mut schema = match &channel.schema {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    let kind = match channel.value_type {
        ValueType::Any => None,
        ValueType::String => Some("string"),
        ValueType::Number => Some("number"),
        ValueType::Integer => Some("integer"),
        ValueType::Boolean => Some("boolean"),
        ValueType::Object => Some("object"),
        ValueType::Array => Some("array"),
    };
    if let Some(kind) = kind {
        schema.entry("type").or_insert_with(|| Value::from(kind));
    }
    if schema.get("type").is_some_and(|kind| kind == "array") {
        schema.entry("items").or_insert_with(|| json!({}));
    }
    if !channel.description.is_empty() {
        schema.insert(
            "description".to_owned(),
            Value::from(channel.description.as_str()),
        );
    }
    if let Some(default) = &channel.default {
        schema.insert("default".to_owned(), default.clone());
    }
    Value::Object(schema)
}
