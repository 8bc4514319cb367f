//! Chat completions: our conversation in their words, and their events read.

use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls,
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestAssistantMessageContent,
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestSystemMessageContent, ChatCompletionRequestToolMessage,
    ChatCompletionRequestToolMessageContent, ChatCompletionRequestUserMessage,
    ChatCompletionRequestUserMessageContent, ChatCompletionStreamOptions, ChatCompletionTool,
    ChatCompletionTools, CreateChatCompletionRequest, FunctionCall, FunctionObject, ResponseFormat,
    ResponseFormatJsonSchema, StopConfiguration,
};
use ropewalk_core::message::{FinishReason, Message, Usage};
use ropewalk_core::tool::ToolCall;
use serde::Deserialize;
use serde_json::{Value, json};

use super::adapt::AnswerForm;
use super::asked::{Asked, NotSayable, raw_arguments};
use super::kept::{Place, Turn};
use super::names::Names;
use super::reply::{Assembly, CallPiece, WireLogprob, usage};
use crate::engine::DeltaSink;

/// The request's body.
pub(super) fn build(asked: &Asked<'_>) -> Result<Value, NotSayable> {
    let sampling = &asked.sampling;
    let tools: Vec<ChatCompletionTools> = asked
        .tools
        .iter()
        .map(|tool| {
            ChatCompletionTools::Function(ChatCompletionTool {
                function: FunctionObject {
                    name: tool.name.clone(),
                    description: tool.description.clone(),
                    parameters: tool.parameters.clone(),
                    strict: tool.strict,
                },
            })
        })
        .collect();
    let body = CreateChatCompletionRequest {
        model: asked.model.to_owned(),
        messages: messages(asked),
        stream: Some(asked.stream),
        stream_options: asked.stream.then_some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        }),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        presence_penalty: sampling.presence_penalty,
        logprobs: sampling.logprobs.map(|_| true),
        top_logprobs: sampling.logprobs.map(|most| most.min(MOST_LOGPROBS)),
        stop: (!sampling.stop.is_empty())
            .then(|| StopConfiguration::StringArray(sampling.stop.clone())),
        tools: (!tools.is_empty()).then_some(tools),
        response_format: format(asked),
        ..CreateChatCompletionRequest::default()
    };
    let mut body = written(&body)?;
    if let Some(object) = body.as_object_mut() {
        own_fields(asked, object)?;
        give_back(asked, object);
    }
    Ok(body)
}

/// Most alternatives that endpoints tell.
const MOST_LOGPROBS: u8 = 20;

/// A typed part as JSON. It goes by way of text, in which 0.2 stays 0.2.
pub(super) fn written(part: &impl serde::Serialize) -> Result<Value, NotSayable> {
    serde_json::to_string(part)
        .and_then(|text| serde_json::from_str(&text))
        .map_err(|error| NotSayable(error.to_string()))
}

/// What async-openai's types do not have, or call otherwise.
fn own_fields(
    asked: &Asked<'_>,
    body: &mut serde_json::Map<String, Value>,
) -> Result<(), NotSayable> {
    let sampling = &asked.sampling;
    let dialect = asked.dialect;
    if let Some(seed) = sampling.seed {
        body.insert("seed".to_owned(), json!(seed));
    }
    if let Some(limit) = sampling.max_tokens {
        let field = match (dialect.limit_field(), asked.asking.other_limit) {
            ("max_tokens", true) => "max_completion_tokens",
            (_, true) => "max_tokens",
            (field, false) => field,
        };
        body.insert(field.to_owned(), json!(limit));
    }
    if dialect.cuts() {
        let cuts = [
            ("top_k", sampling.top_k.map(|k| json!(k))),
            ("min_p", sampling.min_p.map(|p| written(&p)).transpose()?),
        ];
        for (field, value) in cuts {
            if let Some(value) = value {
                body.insert(field.to_owned(), value);
            }
        }
    }
    if let Some(penalty) = sampling.repetition_penalty {
        for field in dialect.repetition_fields() {
            body.insert((*field).to_owned(), written(&penalty)?);
        }
    }
    if let Some(thinking) = asked.request.thinking {
        if dialect.thinks_by_template() {
            // Templates differ in what they call it.
            let words = json!({"enable_thinking": thinking, "thinking": thinking});
            body.insert("chat_template_kwargs".to_owned(), words);
        } else if let Some(effort) = asked.asking.effort(thinking) {
            body.insert("reasoning_effort".to_owned(), json!(effort));
        }
    }
    if let Some(grammar) = &asked.request.grammar {
        body.extend(dialect.grammar(grammar).map_err(NotSayable)?);
    }
    if asked.form == AnswerForm::Object
        && dialect.schema_in_json_object()
        && let (Some(answer), Some(Value::Object(format))) =
            (&asked.answer, body.get_mut("response_format"))
    {
        format.insert("schema".to_owned(), answer.schema.clone());
    }
    Ok(())
}

fn format(asked: &Asked<'_>) -> Option<ResponseFormat> {
    let answer = asked.answer.as_ref()?;
    match asked.form {
        AnswerForm::Strict | AnswerForm::Schema => Some(ResponseFormat::JsonSchema {
            json_schema: ResponseFormatJsonSchema {
                description: None,
                name: "reply".to_owned(),
                schema: answer.schema.clone(),
                strict: answer.strict.then_some(true),
            },
        }),
        AnswerForm::Object => Some(ResponseFormat::JsonObject),
        AnswerForm::Prompt => None,
    }
}

fn messages(asked: &Asked<'_>) -> Vec<ChatCompletionRequestMessage> {
    let mut said: Vec<ChatCompletionRequestMessage> = Vec::new();
    let mut instructions = asked.instructions();
    for message in &asked.request.messages {
        let message = match (message, instructions.take()) {
            (Message::System { text }, Some(more)) => system(format!("{text}\n\n{more}")),
            (message, Some(more)) => {
                said.push(system(more));
                one(message, asked)
            }
            (message, None) => one(message, asked),
        };
        said.push(message);
    }
    said.extend(instructions.map(system));
    said
}

fn system(text: String) -> ChatCompletionRequestMessage {
    ChatCompletionRequestMessage::System(ChatCompletionRequestSystemMessage {
        content: ChatCompletionRequestSystemMessageContent::Text(text),
        name: None,
    })
}

fn one(message: &Message, asked: &Asked<'_>) -> ChatCompletionRequestMessage {
    match message {
        Message::System { text } => system(text.clone()),
        Message::User { text } => {
            ChatCompletionRequestMessage::User(ChatCompletionRequestUserMessage {
                content: ChatCompletionRequestUserMessageContent::Text(text.clone()),
                name: None,
            })
        }
        Message::Assistant { text, calls } => {
            let content = ChatCompletionRequestAssistantMessageContent::Text(text.clone());
            let calls_made = || calls.iter().map(|call| made(call, asked)).collect();
            ChatCompletionRequestMessage::Assistant(ChatCompletionRequestAssistantMessage {
                // Words may be missing only where there are calls.
                content: (!text.is_empty() || calls.is_empty()).then_some(content),
                tool_calls: (!calls.is_empty()).then(calls_made),
                ..ChatCompletionRequestAssistantMessage::default()
            })
        }
        Message::Tool {
            call_id, outcome, ..
        } => ChatCompletionRequestMessage::Tool(ChatCompletionRequestToolMessage {
            content: ChatCompletionRequestToolMessageContent::Text(outcome.text().to_owned()),
            tool_call_id: call_id.clone(),
        }),
    }
}

fn made(call: &ToolCall, asked: &Asked<'_>) -> ChatCompletionMessageToolCalls {
    ChatCompletionMessageToolCalls::Function(ChatCompletionMessageToolCall {
        id: call.id.clone(),
        function: FunctionCall {
            name: asked.names.wire(&call.name),
            arguments: raw_arguments(call),
        },
    })
}

/// Puts the model's own thinking and its signatures back beside the calls they came with.
fn give_back(asked: &Asked<'_>, body: &mut serde_json::Map<String, Value>) {
    let Some(Value::Array(written)) = body.get_mut("messages") else {
        return;
    };
    // Instructions of our own may stand before the conversation.
    let ahead = written.len().saturating_sub(asked.request.messages.len());
    let mut place = Place::default();
    for (message, written) in asked
        .request
        .messages
        .iter()
        .zip(written.iter_mut().skip(ahead))
    {
        if let (Message::Assistant { calls, .. }, Value::Object(written)) = (message, written) {
            let turn: Turn = asked.turns.of(&place, calls);
            if let Some((field, thinking)) = turn.thinking {
                written.insert(field.to_owned(), json!(thinking));
            }
            let calls = written.get_mut("tool_calls").and_then(Value::as_array_mut);
            for call in calls.into_iter().flatten().filter_map(Value::as_object_mut) {
                let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
                if let Some(extra) = turn.extra.get(id) {
                    call.insert("extra_content".to_owned(), extra.clone());
                }
            }
        }
        place.pass(message);
    }
}

/// One event's data. Endpoints leave out and add fields as they please, so all is optional.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    /// An error in place of, or in the middle of, a reply.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    /// `message` where the endpoint does not stream.
    #[serde(default, alias = "message")]
    delta: Option<Piece>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    error: Option<Value>,
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
    tool_calls: Option<Vec<WireCall>>,
}

#[derive(Debug, Deserialize)]
struct WireCall {
    #[serde(default)]
    index: Option<usize>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<WireFunction>,
    #[serde(default)]
    extra_content: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireFunction {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Deserialize)]
struct Logprobs {
    #[serde(default)]
    content: Option<Vec<WireLogprob>>,
}

impl Chunk {
    /// What it counts, whatever else it says.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage.as_ref().filter(|u| u.is_object()).map(usage)
    }

    /// The error that it brings.
    pub(super) fn error(&self) -> Option<&Value> {
        let inner = self
            .choices
            .iter()
            .flatten()
            .find_map(|choice| choice.error.as_ref());
        self.error
            .as_ref()
            .or(inner)
            .filter(|error| !error.is_null())
    }

    /// Adds it to the reply and tells the listener what is new.
    pub(super) fn take(self, assembly: &mut Assembly, names: &Names, deltas: &DeltaSink) {
        let choices = self.choices.into_iter().flatten();
        for choice in choices.filter(|choice| choice.index == 0) {
            if let Some(piece) = choice.delta {
                piece.take(assembly, names, deltas);
            }
            let likely = choice.logprobs.and_then(|logprobs| logprobs.content);
            assembly.likely(likely.into_iter().flatten().map(Into::into));
            if let Some(reason) = choice.finish_reason {
                assembly.ended(match reason.as_str() {
                    "length" | "max_tokens" => FinishReason::Length,
                    "content_filter" => FinishReason::ContentFilter,
                    "tool_calls" | "function_call" => FinishReason::ToolCalls,
                    _ => FinishReason::Stop,
                });
            }
        }
    }
}

impl Piece {
    fn take(self, assembly: &mut Assembly, names: &Names, deltas: &DeltaSink) {
        let thinking = words(&self.reasoning_content);
        if thinking.is_empty() {
            assembly.think(words(&self.reasoning), "reasoning", deltas);
        } else {
            assembly.think(thinking, "reasoning_content", deltas);
        }
        let text = words(&self.content) + self.refusal.as_deref().unwrap_or_default();
        assembly.say(text, deltas);
        for call in self.tool_calls.into_iter().flatten() {
            let function = call.function;
            let (name, arguments) = match function {
                Some(function) => (function.name, function.arguments),
                None => (None, Value::Null),
            };
            let fragment = match arguments {
                Value::String(fragment) => fragment,
                Value::Null => String::new(),
                whole => whole.to_string(),
            };
            let piece = CallPiece {
                index: call.index,
                id: call.id,
                name,
                fragment,
                extra: call.extra_content,
            };
            assembly.call(piece, names, deltas);
        }
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
