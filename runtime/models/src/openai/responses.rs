//! The Responses API: our conversation as its items, and its events read.

use async_openai::types::responses::{
    CreateResponse, EasyInputContent, EasyInputMessage, FunctionCallOutput,
    FunctionCallOutputItemParam, FunctionTool, FunctionToolCall, IncludeEnum, InputItem,
    InputParam, Item, ResponseFormatJsonSchema, ResponseTextParam, Role,
    TextResponseFormatConfiguration, Tool as ResponsesTool,
};
use ropewalk_core::message::{FinishReason, Message, Usage};
use serde_json::{Map, Value, json};

use super::adapt::AnswerForm;
use super::asked::{Asked, NotSayable, raw_arguments};
use super::dialect::Dialect;
use super::kept::Place;
use super::names::Names;
use super::reply::{Assembly, CallPiece, WireLogprob, usage};
use crate::engine::DeltaSink;

/// Most alternatives that it tells.
const MOST_LOGPROBS: u8 = 20;

/// Whether the protocol has words for all that a request asks for.
pub(super) fn lacks(asked: &Asked<'_>) -> Option<&'static str> {
    let sampling = &asked.sampling;
    if !sampling.stop.is_empty() {
        Some("stop texts")
    } else if sampling.seed.is_some() {
        Some("a seed")
    } else if sampling.presence_penalty.is_some() {
        Some("a presence penalty")
    } else {
        None
    }
}

/// The request's body.
pub(super) fn build(asked: &Asked<'_>) -> Result<Value, NotSayable> {
    if let Some(missing) = lacks(asked) {
        return Err(NotSayable(format!(
            "the Responses API has no word for {missing}; set api = \"chat\" under [engine]"
        )));
    }
    let sampling = &asked.sampling;
    let mut include = Vec::new();
    if sampling.logprobs.is_some() {
        include.push(IncludeEnum::MessageOutputTextLogprobs);
    }
    if asked.dialect == Dialect::OpenAi {
        include.push(IncludeEnum::ReasoningEncryptedContent);
    }
    let tools: Vec<ResponsesTool> = asked
        .tools
        .iter()
        .map(|tool| {
            ResponsesTool::Function(FunctionTool {
                name: tool.name.clone(),
                description: tool.description.clone(),
                parameters: tool.parameters.clone(),
                // Silence means strict here.
                strict: Some(tool.strict.unwrap_or(false)),
                defer_loading: None,
                r#async: None,
                output_schema: None,
                allowed_callers: None,
            })
        })
        .collect();
    let body = CreateResponse {
        model: Some(asked.model.to_owned()),
        input: InputParam::Items(Vec::new()),
        include: (!include.is_empty()).then_some(include),
        store: Some(false),
        stream: Some(asked.stream),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_logprobs: sampling.logprobs.map(|most| most.min(MOST_LOGPROBS)),
        max_output_tokens: sampling.max_tokens,
        tools: (!tools.is_empty()).then_some(tools),
        text: format(asked).map(|format| ResponseTextParam {
            format,
            verbosity: None,
        }),
        ..CreateResponse::default()
    };
    let mut body = super::chat::written(&body)?;
    if let Some(body) = body.as_object_mut() {
        body.insert("input".to_owned(), Value::Array(items(asked)?));
        if let Some(reasoning) = reasoning(asked) {
            body.insert("reasoning".to_owned(), reasoning);
        }
        if let Some(grammar) = &asked.request.grammar {
            body.extend(asked.dialect.grammar(grammar).map_err(NotSayable)?);
        }
    }
    Ok(body)
}

fn format(asked: &Asked<'_>) -> Option<TextResponseFormatConfiguration> {
    let answer = asked.answer.as_ref()?;
    match asked.form {
        AnswerForm::Strict | AnswerForm::Schema => Some(
            TextResponseFormatConfiguration::JsonSchema(ResponseFormatJsonSchema {
                description: None,
                name: "reply".to_owned(),
                schema: answer.schema.clone(),
                strict: Some(answer.strict),
            }),
        ),
        AnswerForm::Object => Some(TextResponseFormatConfiguration::JsonObject),
        AnswerForm::Prompt => None,
    }
}

fn reasoning(asked: &Asked<'_>) -> Option<Value> {
    let thinking = asked.request.thinking?;
    let mut reasoning = Map::new();
    if let Some(effort) = asked.asking.effort(thinking) {
        reasoning.insert("effort".to_owned(), json!(effort));
    }
    if thinking && !asked.asking.no_summary {
        reasoning.insert("summary".to_owned(), json!("auto"));
    }
    (!reasoning.is_empty()).then_some(Value::Object(reasoning))
}

fn items(asked: &Asked<'_>) -> Result<Vec<Value>, NotSayable> {
    let mut items = Vec::new();
    let mut place = Place::default();
    if let Some(instructions) = asked.instructions() {
        items.push(super::chat::written(&said(Role::System, &instructions))?);
    }
    for message in &asked.request.messages {
        match message {
            Message::System { text } => {
                items.push(super::chat::written(&said(Role::System, text))?)
            }
            Message::User { text } => items.push(super::chat::written(&said(Role::User, text))?),
            Message::Assistant { text, calls } => {
                items.extend(asked.turns.of(&place, calls).items);
                if !text.is_empty() || calls.is_empty() {
                    items.push(super::chat::written(&said(Role::Assistant, text))?);
                }
                for call in calls {
                    let call = Item::FunctionCall(FunctionToolCall {
                        arguments: raw_arguments(call),
                        call_id: call.id.clone(),
                        name: asked.names.wire(&call.name),
                        ..FunctionToolCall::default()
                    });
                    items.push(super::chat::written(&call)?);
                }
            }
            Message::Tool {
                call_id, outcome, ..
            } => {
                let output = Item::FunctionCallOutput(FunctionCallOutputItemParam {
                    call_id: Some(call_id.clone()),
                    output: FunctionCallOutput::Text(outcome.text().to_owned()),
                    id: None,
                    status: None,
                    name: None,
                    namespace: None,
                    caller: None,
                });
                items.push(super::chat::written(&output)?);
            }
        }
        place.pass(message);
    }
    Ok(items)
}

fn said(role: Role, text: &str) -> InputItem {
    InputItem::EasyMessage(EasyInputMessage {
        role,
        content: EasyInputContent::Text(text.to_owned()),
        ..EasyInputMessage::default()
    })
}

/// What an event comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// There is more.
    On,
    /// The reply is whole.
    Done,
    /// It failed.
    Failed(Value),
}

/// What an event counts.
pub(super) fn counted(event: &Value) -> Option<Usage> {
    let of = |value: &Value| value.get("usage").filter(|u| u.is_object()).map(usage);
    event.get("response").and_then(of).or_else(|| of(event))
}

/// A whole reply that came in one piece, as the event that would have ended it.
pub(super) fn as_event(body: Value) -> Option<Value> {
    let status = body.get("status")?.as_str()?.to_owned();
    body.get("output")?;
    Some(json!({"type": format!("response.{status}"), "response": body}))
}

/// Adds an event to the reply and tells the listener what is new. Events of other kinds are
/// passed over: the protocol grows.
pub(super) fn take(
    event: &Value,
    assembly: &mut Assembly,
    names: &Names,
    deltas: &DeltaSink,
) -> Step {
    let kind = event
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = |field: &str| {
        let text = event.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let index = event
        .get("output_index")
        .and_then(Value::as_u64)
        .and_then(|index| usize::try_from(index).ok());
    match kind {
        "response.output_text.delta" => {
            assembly.say(text("delta"), deltas);
            likely(event, assembly);
        }
        "response.refusal.delta" => assembly.say(text("delta"), deltas),
        "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
            assembly.think(text("delta"), "reasoning", deltas);
        }
        "response.reasoning_summary_part.added"
            if event.get("summary_index").and_then(Value::as_u64) > Some(0) =>
        {
            assembly.think("\n\n".to_owned(), "reasoning", deltas);
        }
        "response.function_call_arguments.delta" => {
            let piece = CallPiece {
                index,
                fragment: text("delta"),
                ..CallPiece::default()
            };
            assembly.call(piece, names, deltas);
        }
        "response.function_call_arguments.done" => {
            let piece = CallPiece {
                index,
                fragment: text("arguments"),
                ..CallPiece::default()
            };
            assembly.whole_call(piece, names, deltas);
        }
        "response.output_item.added" | "response.output_item.done" => {
            if let Some(item) = event.get("item") {
                let done = kind.ends_with("done");
                of_item(item, index, done, assembly, names, deltas);
            }
        }
        "response.completed" | "response.incomplete" => {
            return ended(event, kind, assembly, names, deltas);
        }
        "response.failed" | "response.cancelled" => {
            let error = event.pointer("/response/error");
            let error = error.filter(|error| !error.is_null()).cloned();
            return Step::Failed(error.unwrap_or_else(|| json!({"message": kind})));
        }
        "error" => {
            let error = event.get("error").filter(|error| error.is_object());
            return Step::Failed(error.unwrap_or(event).clone());
        }
        _ => {}
    }
    Step::On
}

fn of_item(
    item: &Value,
    index: Option<usize>,
    done: bool,
    assembly: &mut Assembly,
    names: &Names,
    deltas: &DeltaSink,
) {
    let text = |field: &str| item.get(field).and_then(Value::as_str).map(str::to_owned);
    match item.get("type").and_then(Value::as_str) {
        Some("function_call") => {
            let piece = CallPiece {
                index,
                id: text("call_id"),
                name: text("name"),
                fragment: text("arguments").unwrap_or_default(),
                extra: None,
            };
            assembly.whole_call(piece, names, deltas);
        }
        Some("reasoning")
            if done && item.get("encrypted_content").is_some_and(Value::is_string) =>
        {
            let mut item = item.clone();
            if let Some(item) = item.as_object_mut() {
                item.remove("status");
            }
            assembly.keep(item);
        }
        _ => {}
    }
}

fn ended(
    event: &Value,
    kind: &str,
    assembly: &mut Assembly,
    names: &Names,
    deltas: &DeltaSink,
) -> Step {
    let output = event.pointer("/response/output").and_then(Value::as_array);
    // What no delta brought, on endpoints that send it whole.
    let silent = assembly.silent();
    for (index, item) in output.into_iter().flatten().enumerate() {
        of_item(item, Some(index), true, assembly, names, deltas);
        let parts = item.get("content").and_then(Value::as_array);
        let spoken = item.get("type").and_then(Value::as_str) == Some("message");
        for part in parts.into_iter().flatten().filter(|_| spoken && silent) {
            let text = part.get("text").or_else(|| part.get("refusal"));
            let text = text.and_then(Value::as_str).unwrap_or_default();
            assembly.say(text.to_owned(), deltas);
            likely(part, assembly);
        }
    }
    let why = event.pointer("/response/incomplete_details/reason");
    assembly.ended(match why.and_then(Value::as_str) {
        Some("content_filter") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Length,
        None if kind.ends_with("incomplete") => FinishReason::Length,
        None => FinishReason::Stop,
    });
    Step::Done
}

fn likely(part: &Value, assembly: &mut Assembly) {
    let tokens = part.get("logprobs").and_then(Value::as_array);
    for token in tokens.into_iter().flatten() {
        if let Ok(token) = serde_json::from_value::<WireLogprob>(token.clone()) {
            assembly.likely([token.into()]);
        }
    }
}
