//! Engines over other engines.
//!
//! - [`cascade`]: small first; the next one when a reply will not do.
//! - [`by_request`]: one of several, by what is asked: rules, and labels learned from examples.
//!
//! Both write into a reply which engine it is from. That a cheaper engine takes over when a budget
//! runs low is the business of who keeps the budget: see [`crate::engine::Engine::cheaper`].

pub mod by_request;
pub mod cascade;

use ropewalk_core::message::{ChatReply, ChatRequest, PassedOver};

use crate::engine::{Engine, EngineError, EngineInfo};

/// A reply, marked with the engine it is from.
fn answered(reply: ChatReply, by: &dyn Engine, before: Vec<PassedOver>) -> ChatReply {
    let engine = reply.engine.unwrap_or_else(|| by.info().id.clone());
    let mut passed_over = before;
    passed_over.extend(reply.passed_over);
    ChatReply {
        engine: Some(engine),
        passed_over,
        ..reply
    }
}

/// Why an engine need not be asked: the request is too long for it.
fn too_long(engine: &dyn Engine, request: &ChatRequest) -> Option<String> {
    let window = engine.info().context_tokens?;
    let reply = u64::from(request.sampling.max_tokens.unwrap_or(0));
    let counted = engine.count(request);
    // An estimate may be over: only what is surely too long is passed over.
    let least = if counted.exact {
        counted.tokens
    } else {
        counted.tokens.saturating_mul(counted.tokens) / counted.at_most().max(1)
    };
    (least.saturating_add(reply) > window).then(|| {
        format!(
            "the request has about {} tokens and it has room for {window}",
            counted.tokens
        )
    })
}

/// What engines can do of which any may be asked.
fn together<'a>(id: &str, engines: impl Iterator<Item = &'a EngineInfo> + Clone) -> EngineInfo {
    let contexts = engines.clone().map(|info| info.context_tokens);
    EngineInfo {
        id: id.to_owned(),
        // One whose window is not known may have a larger one than those that are.
        context_tokens: contexts.reduce(|a, b| Some(a?.max(b?))).flatten(),
        tools: engines.clone().any(|info| info.tools),
        structured_output: engines.clone().all(|info| info.structured_output),
        streaming: engines.clone().any(|info| info.streaming),
        charges: engines.clone().any(|info| info.charges),
    }
}

fn misconfigured(engine: &str, message: String) -> EngineError {
    EngineError::BadRequest {
        engine: engine.to_owned(),
        message,
    }
}
