//! Calls of models.

use std::sync::Arc;

use ropewalk_core::event::{EffectOutcome, EffectRequest, RecordedRequest};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::ir::Work;
use ropewalk_core::graph::machine::{NodeError, NodeResult};
use ropewalk_core::message::{ChatReply, ChatRequest, Delta, Message, Usage};
use ropewalk_models::engine::{DeltaSink, Engine, EngineError};
use ropewalk_models::fitting;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::attempt::{At, Halt};
use super::{Shared, sources, spans};
use crate::journal::{Effect, Mode, as_value};
use crate::path;

/// How often a model may mend a reply that breaks its schema.
const MOST_CORRECTIONS: u32 = 2;

/// What an engine is told that cannot hold its reply to a schema.
const FITS: &str = "Reply with JSON alone, without any other words, that fits this JSON schema:";

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
    let engine = engine_of(at, engine.as_deref()).await?;
    let scope = at.scope();
    let mut messages = Vec::new();
    let mut instructions = match system {
        Some(system) => sources::marked(at, system.render(&scope)?),
        None => String::new(),
    };
    if let Some(schema) = schema
        && is_told_of_its_schema(at, &*engine)
    {
        if !instructions.is_empty() {
            instructions.push_str("\n\n");
        }
        instructions.push_str(&format!("{FITS}\n{schema}"));
    }
    if !instructions.is_empty() {
        messages.push(Message::System { text: instructions });
    }
    messages.push(Message::User {
        text: sources::marked(at, prompt.render(&scope)?),
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
            "engine": reply.engine.as_ref().unwrap_or(&engine.info().id),
            "finish": reply.finish,
            "usage": usage,
            "abstained": reply.abstained,
        });
        let Some(schema) = schema else {
            return Ok(with_details(Value::String(reply.text), details));
        };
        let problem = match fitting::json(&reply.text, schema) {
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

/// Whether the schema stands in the instructions: where the engine cannot hold a reply to it, and
/// in a replay, which has no engine, where it stood in the recording.
fn is_told_of_its_schema(at: &At<'_>, engine: &dyn Engine) -> bool {
    let journal = &at.shared.journal;
    if journal.mode() == Mode::Live {
        return !engine.info().structured_output;
    }
    let first = path::slot(&at.path, at.attempt, 0);
    journal.with_past(|past| {
        let request = past.effects.get(&first).map(|effect| &effect.request);
        let text = request.and_then(|request| request.pointer("/messages/0/text"));
        text.and_then(Value::as_str)
            .is_some_and(|text| text.contains(FITS))
    })
}

fn with_details(result: Value, details: Value) -> NodeResult {
    let mut result = NodeResult::of(result);
    result.details = Arc::new(details);
    result
}

/// The engine of a name, ready to be asked.
pub(super) async fn engine_of(at: &At<'_>, name: Option<&str>) -> Result<Arc<dyn Engine>, Halt> {
    let engine = at.shared.services.engines.engine(name);
    let engine = engine.map_err(|message| Halt::failed(ErrorKind::Model, message))?;
    prepared(&engine).await?;
    Ok(engine)
}

pub(super) async fn prepared(engine: &Arc<dyn Engine>) -> Result<(), Halt> {
    let prepared = engine.prepare().await;
    prepared.map_err(|error| Halt::failed(ErrorKind::Model, error.to_string()))
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
    let engine = at.shared.within_budget(at.account, engine);
    let call = at.shared.call_of(at.account, &*engine, request);
    at.shared
        .afford_call(at.account, &at.path, &slot, call)
        .await?;
    let span = spans::model(&engine.info().id);
    spoken(at, slot, &engine, request, previous, span).await
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
            spans::replied(&span, &reply);
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
        EngineError::Busy { .. } => "busy",
        EngineError::TooLong { .. } => "too_long",
        EngineError::AllFailed { .. } => "all_failed",
        EngineError::NoKey { .. } | EngineError::Keyring { .. } => "no_key",
        EngineError::BadRequest { .. } => "bad_request",
        EngineError::Drift { .. } => "drift",
        EngineError::Internal { .. } => "internal",
    }
}
