//! A reply put together from the pieces a stream brings.

use std::collections::HashSet;

use ropewalk_core::message::{ChatReply, Delta, FinishReason, Usage};
use ropewalk_core::tool::ToolCall;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::request::Names;
use crate::engine::DeltaSink;

/// One event's data. Endpoints leave out and add fields as they please, so all is optional.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<WireUsage>,
    /// An error in place of, or in the middle of, a reply.
    #[serde(default)]
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    /// `message` where the endpoint does not stream.
    #[serde(default, alias = "message")]
    delta: Option<Piece>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Piece {
    #[serde(default)]
    content: Value,
    #[serde(default)]
    reasoning_content: Value,
    #[serde(default)]
    reasoning: Value,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Debug, Deserialize)]
struct CallPiece {
    #[serde(default)]
    index: Option<usize>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionPiece>,
}

#[derive(Debug, Deserialize)]
struct FunctionPiece {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// The reply so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    text: String,
    thinking: String,
    calls: Vec<PartialCall>,
    finish: Option<String>,
    usage: Usage,
    /// Whether anything of a reply has come.
    pub begun: bool,
}

#[derive(Debug, Default)]
struct PartialCall {
    index: Option<usize>,
    id: String,
    name: String,
    arguments: String,
}

impl Assembly {
    /// Whether the endpoint said why it ended.
    pub(super) fn finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes in one event and tells the listener what is new.
    pub(super) fn take(&mut self, chunk: Chunk, names: &Names, deltas: &DeltaSink) {
        if let Some(usage) = chunk.usage {
            self.usage = Usage {
                input_tokens: usage.prompt_tokens,
                output_tokens: usage.completion_tokens,
                cached_tokens: 0,
                cost_micros: 0,
            };
        }
        for choice in chunk
            .choices
            .into_iter()
            .flatten()
            .filter(|choice| choice.index == 0)
        {
            if let Some(piece) = choice.delta {
                self.piece(piece, names, deltas);
            }
            if choice.finish_reason.is_some() {
                self.begun = true;
                self.finish = choice.finish_reason;
            }
        }
    }

    fn piece(&mut self, piece: Piece, names: &Names, deltas: &DeltaSink) {
        let mut thinking = words(&piece.reasoning_content);
        if thinking.is_empty() {
            thinking = words(&piece.reasoning);
        }
        if !thinking.is_empty() {
            self.begun = true;
            self.thinking.push_str(&thinking);
            deltas.send(Delta::Thinking { text: thinking });
        }
        let text = words(&piece.content) + piece.refusal.as_deref().unwrap_or_default();
        if !text.is_empty() {
            self.begun = true;
            self.text.push_str(&text);
            deltas.send(Delta::Text { text });
        }
        for call in piece.tool_calls.into_iter().flatten() {
            self.begun = true;
            self.call(call, names, deltas);
        }
    }

    fn call(&mut self, piece: CallPiece, names: &Names, deltas: &DeltaSink) {
        let id = piece.id.filter(|id| !id.is_empty());
        let at = self.place(piece.index, id.as_deref());
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        if let Some(id) = id {
            call.id = id;
        }
        let Some(function) = piece.function else {
            return;
        };
        if let Some(name) = function.name {
            // A name comes whole, and from some endpoints with every piece.
            if call.name != name {
                call.name.push_str(&name);
            }
        }
        let fragment = match function.arguments {
            Value::String(fragment) => fragment,
            Value::Null => String::new(),
            whole => whole.to_string(),
        };
        call.arguments.push_str(&fragment);
        deltas.send(Delta::CallArguments {
            index: at,
            name: names.ours(&call.name),
            fragment,
        });
    }

    /// Which call a piece belongs to. By index; endpoints without indices, or with one index for
    /// all, tell calls apart by id.
    fn place(&mut self, index: Option<usize>, id: Option<&str>) -> usize {
        let known = self.calls.iter().rposition(|call| match (index, id) {
            (None, None) => true,
            (Some(_), None) => call.index == index,
            (None, Some(id)) => call.id == id,
            (Some(_), Some(id)) => call.index == index && (call.id == id || call.id.is_empty()),
        });
        known.unwrap_or_else(|| {
            self.calls.push(PartialCall {
                index,
                ..PartialCall::default()
            });
            self.calls.len() - 1
        })
    }

    /// The whole reply. Call ids that are missing or already taken are replaced.
    pub(super) fn finish(self, names: &Names, taken: &mut HashSet<String>) -> ChatReply {
        let mut calls: Vec<ToolCall> = Vec::new();
        for call in self.calls {
            let mut id = call.id.clone();
            let mut number = taken.len() + 1;
            while id.is_empty() || taken.contains(&id) {
                id = format!("call_{number}");
                number += 1;
            }
            taken.insert(id.clone());
            let name = names.ours(&call.name);
            calls.push(ToolCall {
                id,
                name,
                arguments: arguments(call.arguments),
            });
        }
        let finish = match self.finish.as_deref() {
            Some("length" | "max_tokens") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            // Some endpoints say `stop` after a call.
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        ChatReply {
            text: self.text,
            thinking: (!self.thinking.is_empty()).then_some(self.thinking),
            calls,
            finish,
            usage: self.usage,
            logprobs: Vec::new(),
            abstained: false,
            engine: None,
            passed_over: Vec::new(),
        }
    }
}

/// Arguments as JSON. No text at all means no arguments; text that is no JSON is passed on as a
/// string, so that the check against the tool's schema can tell the model what is wrong.
fn arguments(text: String) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(&text) {
        Ok(Value::Null) => Value::Object(Map::new()),
        Ok(value) => value,
        Err(_) => Value::String(text),
    }
}

/// Text, or the texts of a list of parts.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}
