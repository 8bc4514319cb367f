//! A reply put together from the pieces that either protocol brings.

use std::collections::{HashMap, HashSet};

use ropewalk_core::message::{ChatReply, Delta, FinishReason, TokenLogprob, Usage};
use ropewalk_core::tool::ToolCall;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::kept::Turn;
use super::names::Names;
use super::schema::Nulls;
use crate::engine::DeltaSink;

/// The reply so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    text: String,
    thinking: String,
    thinking_field: Option<&'static str>,
    calls: Vec<PartialCall>,
    finish: Option<FinishReason>,
    logprobs: Vec<TokenLogprob>,
    items: Vec<Value>,
    /// Tokens it has cost as far as told.
    pub usage: Usage,
    /// Whether anything of a reply has come.
    pub begun: bool,
}

/// A piece of one call.
#[derive(Debug, Default)]
pub(super) struct CallPiece {
    /// Its position among the calls, where told.
    pub index: Option<usize>,
    /// Its id, where told.
    pub id: Option<String>,
    /// The tool's name on the wire, where told.
    pub name: Option<String>,
    /// More of its arguments.
    pub fragment: String,
    /// What the endpoint wants back with it.
    pub extra: Option<Value>,
}

/// Where nulls that strict mode asked for are taken out again.
#[derive(Debug, Default)]
pub(super) struct AddedNulls {
    /// By tool.
    pub tools: HashMap<String, Nulls>,
    /// Of the answer.
    pub answer: Option<Nulls>,
}

#[derive(Debug, Default)]
struct PartialCall {
    index: Option<usize>,
    id: String,
    name: String,
    arguments: String,
    extra: Option<Value>,
}

impl Assembly {
    /// Whether the endpoint said why it ended.
    pub(super) fn finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Counts add up within one stream on some endpoints and come once on others; none shrinks.
    pub(super) fn used(&mut self, told: Usage) {
        self.usage = Usage {
            input_tokens: self.usage.input_tokens.max(told.input_tokens),
            output_tokens: self.usage.output_tokens.max(told.output_tokens),
            cached_tokens: self.usage.cached_tokens.max(told.cached_tokens),
            cost_micros: 0,
        };
    }

    /// The endpoint said why it ended.
    pub(super) fn ended(&mut self, reason: FinishReason) {
        self.begun = true;
        self.finish = Some(reason);
    }

    /// More of the answer.
    pub(super) fn say(&mut self, text: String, deltas: &DeltaSink) {
        if !text.is_empty() {
            self.begun = true;
            self.text.push_str(&text);
            deltas.send(Delta::Text { text });
        }
    }

    /// More of the thinking, and the field it came in.
    pub(super) fn think(&mut self, text: String, field: &'static str, deltas: &DeltaSink) {
        if !text.is_empty() {
            self.begun = true;
            self.thinking_field.get_or_insert(field);
            self.thinking.push_str(&text);
            deltas.send(Delta::Thinking { text });
        }
    }

    /// How likely the next tokens were.
    pub(super) fn likely(&mut self, tokens: impl IntoIterator<Item = TokenLogprob>) {
        self.logprobs.extend(tokens);
    }

    /// An item that is to be sent back with the next turn; the same one may come twice.
    pub(super) fn keep(&mut self, item: Value) {
        let id = item.get("id").filter(|id| id.is_string());
        let known = |other: &Value| *other == item || (id.is_some() && other.get("id") == id);
        if !self.items.iter().any(known) {
            self.items.push(item);
        }
    }

    /// Whether nothing of the answer itself has come.
    pub(super) fn silent(&self) -> bool {
        self.text.is_empty()
    }

    /// A call as a whole; what has come of its arguments already is not added again.
    pub(super) fn whole_call(&mut self, mut piece: CallPiece, names: &Names, deltas: &DeltaSink) {
        let at = self.place(piece.index, piece.id.as_deref());
        if let Some(call) = self.calls.get(at).filter(|call| !call.arguments.is_empty()) {
            piece.fragment = String::new();
            if piece.name.as_ref().is_none_or(|name| *name == call.name) {
                return;
            }
        }
        self.call(piece, names, deltas);
    }

    /// More of a call.
    pub(super) fn call(&mut self, piece: CallPiece, names: &Names, deltas: &DeltaSink) {
        self.begun = true;
        let id = piece.id.filter(|id| !id.is_empty());
        let at = self.place(piece.index, id.as_deref());
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        if let Some(id) = id {
            call.id = id;
        }
        if piece.extra.is_some() {
            call.extra = piece.extra;
        }
        if let Some(name) = piece.name {
            // A name comes whole, and from some endpoints with every piece.
            if call.name != name {
                call.name.push_str(&name);
            }
        }
        // Some endpoints close a call by sending it once more. Nothing can follow a whole object,
        // so what equals it is that.
        if piece.fragment == call.arguments && is_object(&call.arguments) {
            return;
        }
        call.arguments.push_str(&piece.fragment);
        deltas.send(Delta::CallArguments {
            index: at,
            name: names.ours(&call.name),
            fragment: piece.fragment,
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

    /// The whole reply, and what is to be remembered with it. Call ids that are missing or
    /// already taken are replaced.
    pub(super) fn finish(
        self,
        names: &Names,
        taken: &mut HashSet<String>,
        nulls: &AddedNulls,
    ) -> (ChatReply, Turn) {
        let mut turn = Turn {
            thinking: self
                .thinking_field
                .map(|field| (field, self.thinking.clone())),
            items: self.items,
            ..Turn::default()
        };
        let mut calls: Vec<ToolCall> = Vec::new();
        let mut came: Vec<(String, usize)> = Vec::new();
        for call in self.calls {
            let name = names.ours(&call.name);
            let mut value = arguments(call.arguments);
            if let (true, Some(nulls)) = (value.is_object(), nulls.tools.get(&name)) {
                value = nulls.removed(value);
            }
            // The same call under the same id is one call, however often it was sent.
            let again = came.iter().any(|(id, at)| {
                *id == call.id
                    && calls
                        .get(*at)
                        .is_some_and(|known| known.name == name && known.arguments == value)
            });
            if again && !call.id.is_empty() {
                continue;
            }
            let mut id = call.id.clone();
            let mut number = taken.len() + 1;
            while id.is_empty() || taken.contains(&id) {
                id = format!("call_{number}");
                number += 1;
            }
            taken.insert(id.clone());
            came.push((call.id, calls.len()));
            if let Some(extra) = call.extra {
                turn.extra.insert(id.clone(), extra);
            }
            calls.push(ToolCall {
                id,
                name,
                arguments: value,
            });
        }
        let finish = match self.finish {
            Some(FinishReason::Length) => FinishReason::Length,
            Some(FinishReason::ContentFilter) => FinishReason::ContentFilter,
            // Some endpoints say that they stopped after a call.
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        let reply = ChatReply {
            text: without_nulls(self.text, nulls.answer.as_ref()),
            thinking: (!self.thinking.is_empty()).then_some(self.thinking),
            calls,
            finish,
            usage: self.usage,
            logprobs: self.logprobs,
            abstained: false,
            engine: None,
            passed_over: Vec::new(),
        };
        (reply, turn)
    }
}

fn is_object(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}') && serde_json::from_str::<Value>(text).is_ok()
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

fn without_nulls(text: String, nulls: Option<&Nulls>) -> String {
    let Some(nulls) = nulls else { return text };
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        return text;
    };
    let removed = nulls.removed(value.clone());
    if removed == value {
        text
    } else {
        removed.to_string()
    }
}

/// A token and how likely it was, as both protocols write it.
#[derive(Debug, Deserialize)]
pub(super) struct WireLogprob {
    #[serde(default)]
    token: String,
    #[serde(default)]
    logprob: Option<f32>,
    #[serde(default)]
    top_logprobs: Option<Vec<WireTop>>,
}

#[derive(Debug, Deserialize)]
struct WireTop {
    #[serde(default)]
    token: String,
    #[serde(default)]
    logprob: Option<f32>,
}

impl From<WireLogprob> for TokenLogprob {
    fn from(wire: WireLogprob) -> Self {
        // Endpoints write null for what is not finite.
        let known = |logprob: Option<f32>| logprob.unwrap_or(f32::MIN);
        let mut top: Vec<(String, f32)> = wire
            .top_logprobs
            .into_iter()
            .flatten()
            .map(|top| (top.token, known(top.logprob)))
            .collect();
        top.sort_by(|one, other| other.1.total_cmp(&one.1));
        Self {
            token: wire.token,
            logprob: known(wire.logprob),
            top,
        }
    }
}

/// Counts as both protocols write them, under either's names.
pub(super) fn usage(wire: &Value) -> Usage {
    let count = |value: &Value| {
        let float = || value.as_f64().filter(|number| *number >= 0.0);
        value
            .as_u64()
            .or_else(|| float().map(|number| number as u64))
    };
    let of = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| wire.pointer(name).and_then(count))
    };
    let input = of(&["/prompt_tokens", "/input_tokens"]).unwrap_or(0);
    let output = of(&["/completion_tokens", "/output_tokens"]).unwrap_or(0);
    let reasoning = of(&[
        "/completion_tokens_details/reasoning_tokens",
        "/output_tokens_details/reasoning_tokens",
    ]);
    let reasoning = reasoning.unwrap_or(0);
    // Most count thinking among what they write. Where the sum shows that it is not, or where
    // more was thought than written in all, it is added.
    let sum = of(&["/total_tokens"]).unwrap_or(0);
    let beyond = sum.saturating_sub(input.saturating_add(output));
    let cached = of(&[
        "/prompt_tokens_details/cached_tokens",
        "/input_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
    ]);
    if reasoning > 0 {
        tracing::debug!(reasoning, "tokens of thinking");
    }
    Usage {
        input_tokens: input,
        output_tokens: output.saturating_add(beyond).max(reasoning),
        cached_tokens: cached.unwrap_or(0),
        cost_micros: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn counts(value: &Value) -> (u64, u64, u64) {
        let usage = usage(value);
        (usage.input_tokens, usage.output_tokens, usage.cached_tokens)
    }

    #[test]
    fn counts_are_read_under_every_name() {
        let chat = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3}});
        assert_eq!(counts(&chat), (10, 5, 4));
        let responses = json!({"input_tokens": 10, "output_tokens": 5,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens_details": {"reasoning_tokens": 3}});
        assert_eq!(counts(&responses), (10, 5, 4));
        let thinking_apart = json!({"prompt_tokens": 10, "completion_tokens": 5,
            "total_tokens": 22, "completion_tokens_details": {"reasoning_tokens": 7}});
        assert_eq!(counts(&thinking_apart), (10, 12, 0));
        let nulls = json!({"prompt_tokens": null, "input_tokens": 3, "completion_tokens": 1.0,
            "prompt_tokens_details": null, "prompt_cache_hit_tokens": 2});
        assert_eq!(counts(&nulls), (3, 1, 2));
    }
}
