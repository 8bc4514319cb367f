//! Calls of models.

use std::sync::Arc;

use ropewalk_core::event::{EffectOutcome, EffectRequest, RecordedRequest};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::ir::Work;
use ropewalk_core::graph::machine::{NodeError, NodeResult};
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Message, Usage};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::attempt::{At, Halt};
use super::{Shared, purse, spans};
use crate::journal::{Effect, as_value};
use crate::path;

/// How often a model may mend a reply that breaks its schema.
const MOST_CORRECTIONS: u32 = 2;

/// A `model` node.
pub(super) async fn work(at: &At<'_>) -> Result<NodeResult, Halt> {
    let Work::Model {
        prompt,
        system,
        schema,
        engine,
        sampling,
    } = &at.node.work
    else {
        return Err(Halt::failed(ErrorKind::Invalid, "not a model node"));
    };
    let engine = engine_of(at, engine.as_deref())?;
    let scope = at.scope();
    let mut messages = Vec::new();
    let mut instructions = match system {
        Some(system) => system.render(&scope)?,
        None => String::new(),
    };
    if let Some(schema) = schema
        && !engine.info().structured_output
    {
        if !instructions.is_empty() {
            instructions.push_str("\n\n");
        }
        instructions.push_str(&format!(
            "Reply with JSON alone, without any other words, that fits this JSON schema:\n{schema}"
        ));
    }
    if !instructions.is_empty() {
        messages.push(Message::System { text: instructions });
    }
    messages.push(Message::User {
        text: prompt.render(&scope)?,
    });
    let mut request = ChatRequest {
        messages,
        tools: Vec::new(),
        sampling: sampling.clone(),
        response_schema: schema.clone(),
        grammar: None,
        thinking: None,
    };
    let mut previous: Option<ChatRequest> = None;
    let mut usage = Usage::default();
    for index in 0.. {
        let reply = chat(at, index, &engine, &request, previous.as_ref()).await?;
        usage = usage.plus(reply.usage);
        let details = json!({
            "engine": engine.info().id,
            "finish": reply.finish,
            "usage": usage,
            "abstained": reply.abstained,
        });
        let Some(schema) = schema else {
            return Ok(with_details(Value::String(reply.text), details));
        };
        let problem = match fitting(&reply.text, schema) {
            Ok(value) => return Ok(with_details(value, details)),
            Err(problem) => problem,
        };
        if index >= MOST_CORRECTIONS {
            let message = format!("the reply does not fit its schema: {problem}");
            let error = NodeError::new(ErrorKind::Invalid, message);
            return Err(Halt::Failed(error.with(json!({"reply": reply.text}))));
        }
        previous = Some(request.clone());
        request.messages.push(Message::Assistant {
            text: reply.text,
            calls: Vec::new(),
        });
        request.messages.push(Message::User {
            text: format!("That does not fit the schema: {problem}. Reply with the JSON alone."),
        });
    }
    Err(Halt::failed(ErrorKind::Invalid, "no reply fits the schema"))
}

fn with_details(result: Value, details: Value) -> NodeResult {
    let mut result = NodeResult::of(result);
    result.details = Arc::new(details);
    result
}

/// The JSON in a reply, if it fits.
fn fitting(text: &str, schema: &Value) -> Result<Value, String> {
    let json = unfenced(text);
    let value: Value =
        serde_json::from_str(json).map_err(|error| format!("it is not JSON: {error}"))?;
    let validator = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    let problem = validator
        .iter_errors(&value)
        .next()
        .map(|error| format!("at `{}`: {error}", error.instance_path()));
    problem.map_or(Ok(value), Err)
}

/// What stands between fences, if anything does: many models cannot leave them out.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some((_, fenced)) = text.split_once("```") else {
        return text;
    };
    let fenced = fenced.split_once("```").map_or(fenced, |(inner, _)| inner);
    let start = fenced.find(['{', '[', '"', '\n']).unwrap_or(0);
    fenced.get(start..).unwrap_or(fenced).trim()
}

pub(super) fn engine_of(at: &At<'_>, name: Option<&str>) -> Result<Arc<dyn Engine>, Halt> {
    let engine = at.shared.services.engines.engine(name);
    engine.map_err(|message| Halt::failed(ErrorKind::Model, message))
}

/// One call of a model, through the budget and the journal.
pub(super) async fn chat(
    at: &At<'_>,
    index: u32,
    engine: &Arc<dyn Engine>,
    request: &ChatRequest,
    previous: Option<&ChatRequest>,
) -> Result<ChatReply, Halt> {
    let slot = path::slot(&at.path, at.attempt, index);
    at.shared
        .afford(at.account, &at.path, &slot, purse::MODEL_CALL)
        .await?;
    let span = spans::model(&engine.info().id);
    spoken(at, slot, engine, request, previous, span).await
}

/// One call of a model that has been paid for.
pub(super) async fn spoken(
    at: &At<'_>,
    slot: String,
    engine: &Arc<dyn Engine>,
    request: &ChatRequest,
    previous: Option<&ChatRequest>,
    span: tracing::Span,
) -> Result<ChatReply, Halt> {
    let effect = Effect {
        slot,
        path: at.path.clone(),
        repeatable: true,
        compared: as_value(request),
        request: EffectRequest::Model {
            engine: engine.info().id.clone(),
            request: RecordedRequest::after(previous, request),
        },
    };
    let calling = at.effect(effect, |_, give_up| {
        let asked = asked(at.shared, &at.path, engine, request.clone());
        async move {
            tokio::select! {
                biased;
                outcome = asked => outcome,
                () = give_up.cancelled() => EffectOutcome::Failed {
                    error: NodeError::new(ErrorKind::Timeout, "the call was given up"),
                },
            }
        }
        .instrument(span)
    });
    match calling.await? {
        EffectOutcome::Reply { reply } => Ok(reply),
        EffectOutcome::Failed { error } => Err(Halt::Failed(error)),
        _ => Err(Halt::failed(
            ErrorKind::Model,
            "the log holds something else",
        )),
    }
}

async fn asked(
    shared: &Shared,
    path: &str,
    engine: &Arc<dyn Engine>,
    request: ChatRequest,
) -> EffectOutcome {
    let (sender, mut deltas) = mpsc::unbounded_channel::<Delta>();
    let sink = match shared.on_delta {
        Some(_) => DeltaSink::new(sender),
        None => DeltaSink::none(),
    };
    let pass_on = |delta: &Delta| {
        if let Some(on_delta) = &shared.on_delta {
            on_delta(path, delta);
        }
    };
    let mut chat = std::pin::pin!(engine.chat(request, sink));
    let reply = loop {
        tokio::select! {
            biased;
            Some(delta) = deltas.recv() => pass_on(&delta),
            reply = &mut chat => break reply,
        }
    };
    while let Ok(delta) = deltas.try_recv() {
        pass_on(&delta);
    }
    let span = tracing::Span::current();
    match reply {
        Ok(reply) => {
            span.record("gen_ai.usage.input_tokens", reply.usage.input_tokens);
            span.record("gen_ai.usage.output_tokens", reply.usage.output_tokens);
            EffectOutcome::Reply { reply }
        }
        Err(error) => {
            span.record("error.type", kind_of(&error));
            let kind = match error {
                EngineError::TimedOut { .. } => ErrorKind::Timeout,
                _ => ErrorKind::Model,
            };
            EffectOutcome::Failed {
                error: NodeError::new(kind, error.to_string()),
            }
        }
    }
}

fn kind_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Unreachable { .. } => "unreachable",
        EngineError::TimedOut { .. } => "timeout",
        EngineError::Refused { .. } => "refused",
        EngineError::NotTheProtocol { .. } => "not_the_protocol",
        EngineError::BrokeOff { .. } => "broke_off",
        EngineError::CircuitOpen { .. } => "circuit_open",
        EngineError::OverLimit { .. } => "over_limit",
        EngineError::TooLong { .. } => "too_long",
        EngineError::AllFailed { .. } => "all_failed",
        EngineError::NoKey { .. } | EngineError::Keyring { .. } => "no_key",
        EngineError::BadRequest { .. } => "bad_request",
        EngineError::Drift { .. } => "drift",
        EngineError::Internal { .. } => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_in_replies() {
        let schema = json!({"type": "object", "required": ["a"]});
        for text in [
            "{\"a\": 1}",
            " ```json\n{\"a\": 1}\n``` ",
            "Here:\n```\n{\"a\": 1}\n```\nDone.",
        ] {
            assert_eq!(fitting(text, &schema), Ok(json!({"a": 1})), "{text}");
        }
        assert!(fitting("{\"b\": 1}", &schema).unwrap_err().contains("a"));
        assert!(fitting("no", &schema).is_err());
    }
}
