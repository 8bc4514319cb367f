//! Where the values of channels are from, so that what nobody vouches for is marked in prompts.
//!
//! A `tool` node writes its result into a channel, and a template puts that into a prompt. What of
//! it stands there word for word is put between marks. Which tools a channel may hold results of is
//! told by the graph alone. What a model or an agent wrote is its own word and is not marked.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_core::graph::expression::Expression;
use ropewalk_core::graph::ir::{ChannelId, Graph, Node, Work, WritePlan};
use ropewalk_core::untrusted::envelope;
use serde_json::Value;

use super::attempt::At;

/// Shorter texts are words that occur anywhere, in bytes.
const LEAST_BYTES: usize = 24;

/// Tools whose results channels may hold, by channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(BTreeMap<String, BTreeSet<String>>);

impl Sources {
    /// Those of a graph, whose inputs are known.
    pub(super) fn of(graph: &Graph, given: &Self) -> Self {
        let mut sources = given.clone();
        loop {
            let mut grown = false;
            for node in graph.flow().node_weights() {
                let origins = sources.origins(graph, node);
                if origins.is_empty() {
                    continue;
                }
                for channel in written(node) {
                    let name = graph.channel_name(channel);
                    let known = sources.0.entry(name.to_owned()).or_default();
                    let before = known.len();
                    known.extend(origins.iter().cloned());
                    grown |= known.len() > before;
                }
            }
            if !grown {
                return sources;
            }
        }
    }

    /// Those of the inputs of a graph inside.
    pub(super) fn given(&self, graph: &Graph, inputs: &[(ChannelId, Expression)]) -> Self {
        let mut given = Self::default();
        for (channel, expression) in inputs {
            let names = expression.names().iter();
            let origins: BTreeSet<String> = names
                .filter_map(|name| self.0.get(name))
                .flatten()
                .cloned()
                .collect();
            if !origins.is_empty() {
                let name = graph.channel_name(*channel).to_owned();
                given.0.insert(name, origins);
            }
        }
        given
    }

    /// The tools a node's result may be from.
    fn origins(&self, graph: &Graph, node: &Node) -> BTreeSet<String> {
        match &node.work {
            Work::Tool { name, .. } => BTreeSet::from([name.clone()]),
            Work::Map { each, .. } => self.origins(graph, each),
            Work::Graph { graph: inner, .. } => {
                let nodes = inner.flow().node_weights();
                let mut origins: BTreeSet<String> = nodes
                    .flat_map(|node| Self::default().origins(inner, node))
                    .collect();
                // What it was given it may give back.
                origins.extend(self.read(graph, node));
                origins
            }
            Work::Set { .. } | Work::Function { .. } | Work::Human { .. } => {
                self.read(graph, node).collect()
            }
            Work::Model { .. } | Work::Agent { .. } => BTreeSet::new(),
        }
    }

    fn read<'a>(&'a self, graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = String> + 'a {
        let read = node
            .reads
            .iter()
            .map(|channel| graph.channel_name(*channel));
        read.filter_map(|name| self.0.get(name)).flatten().cloned()
    }
}

fn written(node: &Node) -> Vec<ChannelId> {
    let mut channels: Vec<ChannelId> = match &node.writes {
        WritePlan::Nothing => Vec::new(),
        WritePlan::Whole(channel) => vec![*channel],
        WritePlan::Fields(channels) => channels.clone(),
        WritePlan::Expressions(writes) => writes.iter().map(|(channel, _)| *channel).collect(),
    };
    channels.extend(node.on_error.writes.iter().map(|(channel, _)| *channel));
    if let Work::Set { values } = &node.work {
        channels.extend(values.iter().map(|(channel, _)| *channel));
    }
    channels
}

/// A prompt in which texts that nobody vouches for are marked.
pub(super) fn marked(at: &At<'_>, prompt: String) -> String {
    let outside = &at.shared.outside;
    if outside.is_empty() || at.sources.0.is_empty() {
        return prompt;
    }
    let mut texts: Vec<(String, &str)> = Vec::new();
    for (channel, value) in at.inputs.to_object() {
        let tools = at.sources.0.get(&channel).into_iter().flatten();
        if let Some(tool) = tools.into_iter().find(|tool| outside.contains(*tool)) {
            gather(&value, tool, &mut texts);
        }
    }
    // The whole of a text before what is in it.
    texts.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.cmp(b)));
    texts.dedup();
    let mut pieces = vec![(prompt, false)];
    for (text, tool) in texts {
        pieces = pieces
            .into_iter()
            .flat_map(|piece| split(piece, &text, tool))
            .collect();
    }
    pieces.into_iter().map(|(piece, _)| piece).collect()
}

/// A piece of a prompt, cut at a text that is marked where it stands in it.
fn split((piece, marked): (String, bool), text: &str, tool: &str) -> Vec<(String, bool)> {
    if marked || !piece.contains(text) {
        return vec![(piece, marked)];
    }
    let mut pieces = Vec::new();
    for (index, part) in piece.split(text).enumerate() {
        if index > 0 {
            pieces.push((envelope(tool, text), true));
        }
        pieces.push((part.to_owned(), false));
    }
    pieces
}

/// Every text of a value, as it is and as JSON writes it.
fn gather<'a>(value: &Value, tool: &'a str, texts: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) if text.len() >= LEAST_BYTES => {
            let written = value.to_string();
            let inside = written
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            if let Some(inside) = inside.filter(|inside| inside != text) {
                texts.push((inside.to_owned(), tool));
            }
            texts.push((text.clone(), tool));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, tool, texts)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, tool, texts)),
        _ => {}
    }
}
