//! What an endpoint turned out not to take, and how to ask instead.
//!
//! Servers that call themselves compatible differ in what they refuse. Each refusal that names a
//! part of the request makes the next attempt leave that part out or say it in a weaker form;
//! once that has been accepted, it is how the endpoint is asked from then on.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::Value;

/// Fields that a request can do without. Longer names come before those they contain.
const OPTIONAL: [&str; 17] = [
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "repeat_penalty",
    "presence_penalty",
    "top_logprobs",
    "logprobs",
    "seed",
    "chat_template_kwargs",
    "include",
    "store",
    "reasoning_content",
    "extra_content",
    "strict",
];
/// How a refusal says that a field is not known, rather than that its value is wrong.
const NOT_KNOWN: [&str; 15] = [
    "unsupported",
    "not supported",
    "not support",
    "unknown",
    "unrecognized",
    "unrecognised",
    "unexpected",
    "not permitted",
    "not allowed",
    "extra input",
    "cannot find field",
    "additional propert",
    "invalid field",
    "must be verified",
    "no such",
];
/// Efforts that stand for not thinking, from the weakest; models know some of them.
const NO_THINKING: [&str; 3] = ["none", "minimal", "low"];
/// The effort that stands for thinking.
const THINKING: [&str; 1] = ["medium"];

/// How the reply is held to a schema, from the strongest form on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AnswerForm {
    /// By schema, in strict mode where the dialect has it.
    #[default]
    Strict,
    /// By schema.
    Schema,
    /// JSON of any shape, with the schema beside that where the dialect knows it, and in the
    /// instructions.
    Object,
    /// By the instructions alone.
    Prompt,
}

/// How tools' arguments are described, from the strongest form on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ToolForm {
    /// By schema, in strict mode where the dialect has it.
    #[default]
    Strict,
    /// By schema.
    Schema,
    /// In words within the description.
    Described,
}

/// How an endpoint is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asking {
    /// How the reply is held to a schema.
    pub answer: AnswerForm,
    /// How tools are described.
    pub tools: ToolForm,
    /// How many efforts of thinking were refused.
    pub effort: usize,
    /// Whether the other name for the most tokens is used.
    pub other_limit: bool,
    /// Whether summaries of thinking are not asked for.
    pub no_summary: bool,
    /// Fields that are left out.
    pub without: BTreeSet<&'static str>,
}

impl Asking {
    /// The effort that stands for thinking or not; none where all were refused.
    pub(super) fn effort(&self, thinking: bool) -> Option<&'static str> {
        let efforts: &[&str] = if thinking { &THINKING } else { &NO_THINKING };
        efforts.get(self.effort).copied()
    }

    /// Takes what is not to be sent out of a body.
    pub(super) fn prune(&self, body: &mut Value) {
        let Some(object) = body.as_object_mut() else {
            return;
        };
        for field in &self.without {
            object.remove(*field);
        }
        let inner = ["reasoning_content", "reasoning", "extra_content"];
        for message in object
            .get_mut("messages")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
            for call in calls.into_iter().flatten() {
                if let (true, Some(call)) =
                    (self.without.contains("extra_content"), call.as_object_mut())
                {
                    call.remove("extra_content");
                }
            }
            if let (true, Some(message)) = (
                self.without.contains("reasoning_content"),
                message.as_object_mut(),
            ) {
                inner.iter().for_each(|field| {
                    message.remove(*field);
                });
            }
        }
    }

    /// How to ask after a refusal of what was sent; none where the refusal names no part that
    /// can be said otherwise.
    pub(super) fn weaker(&self, sent: &Value, status: StatusCode, body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body).to_lowercase();
        // llama-cpp-python calls a request that it cannot read a fault of its own.
        let refused = match status.as_u16() {
            400 | 422 => true,
            500 => text.contains("validation error"),
            _ => false,
        };
        if !refused {
            return None;
        }
        let mut next = self.clone();
        // Asking for counts has no value that could be wrong.
        if sent.get("stream_options").is_some()
            && (text.contains("stream_options") || text.contains("include_usage"))
        {
            next.without.insert("stream_options");
            return Some(next);
        }
        let limited = ["max_tokens", "max_completion_tokens"]
            .iter()
            .any(|field| sent.get(*field).is_some() && names(&text, field));
        if limited && !self.other_limit && not_known(&text) {
            next.other_limit = true;
            return Some(next);
        }
        if (not_known(&text) || text.contains("must be") || text.contains("invalid value"))
            && next.think_otherwise(sent, &text)
        {
            return Some(next);
        }
        if not_known(&text) && next.leave_out(sent, &text) {
            return Some(next);
        }
        next.schema_otherwise(sent, &text).then_some(next)
    }

    fn think_otherwise(&mut self, sent: &Value, text: &str) -> bool {
        let effort =
            sent.get("reasoning_effort").is_some() || sent.pointer("/reasoning/effort").is_some();
        if sent.pointer("/reasoning/summary").is_some() && text.contains("summar") {
            self.no_summary = true;
            return true;
        }
        if effort
            && (text.contains("reasoning_effort")
                || text.contains("reasoning.effort")
                || text.contains("thinking"))
        {
            self.effort += 1;
            return true;
        }
        false
    }

    fn leave_out(&mut self, sent: &Value, text: &str) -> bool {
        let before = self.without.len();
        for field in OPTIONAL {
            let nested = || {
                let messages = sent.get("messages").and_then(Value::as_array);
                messages.into_iter().flatten().any(|message| match field {
                    "reasoning_content" => {
                        message.get(field).is_some() || message.get("reasoning").is_some()
                    }
                    "extra_content" => {
                        let calls = message.get("tool_calls").and_then(Value::as_array);
                        calls
                            .into_iter()
                            .flatten()
                            .any(|call| call.get(field).is_some())
                    }
                    _ => false,
                })
            };
            let named =
                names(text, field) || (field == "reasoning_content" && names(text, "reasoning"));
            if named && (sent.get(field).is_some() || nested()) {
                self.without.insert(field);
                if field == "logprobs" {
                    self.without.insert("top_logprobs");
                }
            }
        }
        self.without.len() > before
    }

    fn schema_otherwise(&mut self, sent: &Value, text: &str) -> bool {
        let format = sent
            .get("response_format")
            .or_else(|| sent.pointer("/text/format"));
        let tools = sent.get("tools").is_some();
        let of_answer = [
            "response_format",
            "json_schema",
            "text.format",
            "response_schema",
        ]
        .iter()
        .any(|word| text.contains(word));
        let of_tools = ["tool", "function"].iter().any(|word| text.contains(word))
            && ["schema", "parameters", "strict", "unknown name", "propert"]
                .iter()
                .any(|word| text.contains(word));
        let of_schema = text.contains("schema") || text.contains("grammar");
        match format {
            Some(format) if of_answer || (of_schema && !(tools && of_tools)) => {
                self.answer_otherwise(format)
            }
            _ if tools && (of_tools || of_schema) => self.tools_otherwise(sent),
            _ => false,
        }
    }

    fn answer_otherwise(&mut self, format: &Value) -> bool {
        let strict = format
            .get("json_schema")
            .unwrap_or(format)
            .get("strict")
            .is_some_and(|strict| strict == true);
        let kind = format.get("type").and_then(Value::as_str);
        self.answer = match kind {
            Some("json_schema") if strict => AnswerForm::Schema,
            Some("json_schema") => AnswerForm::Object,
            _ => AnswerForm::Prompt,
        };
        true
    }

    fn tools_otherwise(&mut self, sent: &Value) -> bool {
        let listed = sent.get("tools").and_then(Value::as_array);
        let strict = listed.into_iter().flatten().any(|tool| {
            let function = tool.get("function").unwrap_or(tool);
            function.get("strict").is_some_and(|strict| strict == true)
        });
        let next = if strict {
            ToolForm::Schema
        } else {
            ToolForm::Described
        };
        let weaker = next > self.tools;
        self.tools = next.max(self.tools);
        weaker
    }
}

fn not_known(text: &str) -> bool {
    NOT_KNOWN.iter().any(|phrase| text.contains(phrase))
}

/// Whether a text names a field, as a word of its own.
fn names(text: &str, field: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(field).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + field.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(asking: &Asking, sent: &Value, message: &str) -> Option<Asking> {
        let body = json!({"error": {"message": message}}).to_string();
        asking.weaker(sent, StatusCode::BAD_REQUEST, body.as_bytes())
    }

    #[test]
    fn a_field_that_is_not_known_is_left_out() {
        let sent = json!({"model": "m", "temperature": 0.2, "top_p": 0.5, "logprobs": true,
                          "top_logprobs": 2});
        let start = Asking::default();
        let message = "Unsupported value: 'temperature' does not support 0.2 with this model.";
        let next = after(&start, &sent, message).unwrap();
        assert_eq!(next.without, BTreeSet::from(["temperature"]));
        let next = after(
            &start,
            &sent,
            "Unknown name \"logprobs\": Cannot find field.",
        )
        .unwrap();
        let mut body = sent.clone();
        next.prune(&mut body);
        assert_eq!(
            body,
            json!({"model": "m", "temperature": 0.2, "top_p": 0.5})
        );
    }

    #[test]
    fn a_value_that_is_wrong_stays_an_error() {
        let sent = json!({"temperature": 9, "top_p": 0.5});
        let start = Asking::default();
        let wrong = "temperature must be at most 2";
        assert_eq!(after(&start, &sent, wrong), None);
        assert_eq!(after(&start, &sent, "unknown field topology"), None);
        let busy = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(start.weaker(&sent, busy, b"unsupported temperature"), None);
    }

    #[test]
    fn the_other_name_for_the_limit_is_tried_once() {
        let sent = json!({"max_tokens": 5});
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                       Use 'max_completion_tokens' instead.";
        let next = after(&Asking::default(), &sent, message).unwrap();
        assert!(next.other_limit);
        assert_eq!(after(&next, &sent, message), None);
    }

    #[test]
    fn schemas_get_weaker_to_the_last_and_then_the_refusal_stands() {
        let mut asking = Asking::default();
        let forms = [
            json!({"type": "json_schema", "json_schema": {"strict": true}}),
            json!({"type": "json_schema", "json_schema": {}}),
            json!({"type": "json_object"}),
        ];
        for form in forms {
            let sent = json!({"response_format": form, "tools": [{"function": {}}]});
            asking = after(&asking, &sent, "Invalid response_format").unwrap();
        }
        assert_eq!(asking.answer, AnswerForm::Prompt);
        let sent = json!({"tools": [{"function": {"strict": true}}]});
        let message = "Invalid schema for function 'x': 'oneOf' is not permitted";
        for expected in [ToolForm::Schema, ToolForm::Described] {
            let strict = expected == ToolForm::Schema;
            let sent = json!({"tools": [{"function": {"strict": strict}}]});
            asking = after(&asking, &sent, message).unwrap();
            assert_eq!(asking.tools, expected);
        }
        let sent_weak = json!({"tools": [{"function": {}}]});
        assert_eq!(after(&asking, &sent_weak, message), None);
        assert_eq!(after(&asking, &sent, "the moon is full"), None);
    }

    #[test]
    fn efforts_are_tried_from_the_weakest() {
        let mut asking = Asking::default();
        let mut tried = Vec::new();
        while let Some(effort) = asking.effort(false) {
            tried.push(effort);
            let sent = json!({"reasoning_effort": effort});
            asking = after(&asking, &sent, "Unsupported value: 'reasoning_effort'").unwrap();
        }
        assert_eq!(tried, NO_THINKING);
    }
}
