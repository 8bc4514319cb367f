//! What replies are held to, kept for the tools that come again: a grammar over many schemas
//! takes longer to make than a token.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ropewalk_core::message::{ChatRequest, Grammar};
use ropewalk_core::tool::ToolSpec;
use ropewalk_infer::chat::dialect::{Held, Thinking};
use ropewalk_infer::error::InferError;
use serde_json::Value;

/// How many are kept.
const MOST: usize = 16;

/// The last grammars.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<(Key, Arc<Held>)>>);

/// What a grammar depends on.
#[derive(PartialEq)]
struct Key {
    tools: Vec<ToolSpec>,
    schema: Option<Value>,
    grammar: Option<Grammar>,
    thinking: Thinking,
}

impl Kept {
    /// The grammar of a request, made where it is not there.
    pub(super) fn get(
        &self,
        request: &ChatRequest,
        thinking: Thinking,
        build: impl FnOnce() -> Result<Held, InferError>,
    ) -> Result<Arc<Held>, InferError> {
        let is_it = |key: &Key| {
            key.tools == request.tools
                && key.schema == request.response_schema
                && key.grammar == request.grammar
                && key.thinking == thinking
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(key, _)| is_it(key))
            && let Some(found) = kept.remove(at)
        {
            let held = Arc::clone(&found.1);
            kept.push_back(found);
            return Ok(held);
        }
        drop(kept);
        let held = Arc::new(build()?);
        let key = Key {
            tools: request.tools.clone(),
            schema: request.response_schema.clone(),
            grammar: request.grammar.clone(),
            thinking,
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, Arc::clone(&held)));
        if kept.len() > MOST {
            kept.pop_front();
        }
        Ok(held)
    }
}
