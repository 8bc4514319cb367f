//! Registered functions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ropewalk_core::event::{EffectOutcome, EffectRequest};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::expression::Scope;
use ropewalk_core::graph::ir::{Argument, Node};
use ropewalk_core::graph::machine::{Inputs, NodeError, NodeResult};
use serde_json::{Map, Value};

use super::Shared;
use super::attempt::{At, Halt};
use crate::journal::{Effect, Stop};
use crate::path;
use crate::services::{Function, FunctionCall};

/// Whether a function node ends at once and needs no attempts, no time and no cache.
pub(super) fn is_inline(shared: &Shared, node: &Node, name: &str) -> bool {
    node.retry.is_none()
        && node.timeout.is_none()
        && node.cache.is_none()
        && node.budget.is_none()
        && matches!(shared.services.functions.get(name), Some(Function::Now(_)))
}

/// Calls a function that ends at once.
pub(super) fn now(
    shared: &Shared,
    name: &str,
    arguments: Option<&Argument>,
    inputs: &Inputs,
    scope: &dyn Scope,
) -> Result<NodeResult, NodeError> {
    let Some(Function::Now(work)) = shared.services.functions.get(name) else {
        return Err(unknown(shared, name));
    };
    let arguments = given(arguments, inputs, scope)?;
    work(arguments)
        .map(NodeResult::of)
        .map_err(|message| failed(name, &message))
}

/// The result of a function that ends at once, if it is one.
pub(super) fn at_once(
    at: &At<'_>,
    name: &str,
    arguments: Option<&Argument>,
) -> Option<Result<NodeResult, Halt>> {
    let Some(Function::Now(work)) = at.shared.services.functions.get(name) else {
        return None;
    };
    at.live.store(true, Ordering::Relaxed);
    let given = given(arguments, at.inputs, &at.scope()).map_err(Halt::Failed);
    Some(given.and_then(|arguments| {
        work(arguments)
            .map(NodeResult::of)
            .map_err(|message| Halt::Failed(failed(name, &message)))
    }))
}

pub(super) async fn work(
    at: &At<'_>,
    name: &str,
    arguments: Option<&Argument>,
) -> Result<NodeResult, Halt> {
    let arguments = given(arguments, at.inputs, &at.scope()).map_err(Halt::Failed)?;
    let outcome = match at.shared.services.functions.get(name) {
        None => return Err(Halt::Failed(unknown(at.shared, name))),
        Some(Function::Now(work)) => work(arguments),
        Some(Function::Later(work)) => {
            let call = FunctionCall {
                arguments,
                key: String::new(),
            };
            let mut working = std::pin::pin!(work(call));
            tokio::select! {
                biased;
                outcome = &mut working => outcome,
                () = at.cancel.cancelled() => return Err(Halt::Stop(Stop::Cancelled)),
            }
        }
        Some(Function::Effect { work, repeatable }) => {
            let slot = path::slot(&at.path, at.attempt, 0);
            let request = EffectRequest::Function {
                name: name.to_owned(),
                arguments: Arc::new(Value::Object(arguments.clone())),
            };
            let effect = Effect::new(slot, &at.path, *repeatable, request);
            let outcome = at
                .effect(effect, |key, _| async move {
                    match work(FunctionCall { arguments, key }).await {
                        Ok(value) => EffectOutcome::Value {
                            value: Arc::new(value),
                        },
                        Err(message) => EffectOutcome::Failed {
                            error: failed(name, &message),
                        },
                    }
                })
                .await?;
            return match outcome {
                EffectOutcome::Value { value } => {
                    let mut result = NodeResult::of(Value::Null);
                    result.result = value;
                    Ok(result)
                }
                EffectOutcome::Failed { error } => Err(Halt::Failed(error)),
                _ => Err(Halt::failed(
                    ErrorKind::Function,
                    "the log holds something else",
                )),
            };
        }
    };
    at.live.store(true, Ordering::Relaxed);
    outcome
        .map(NodeResult::of)
        .map_err(|message| Halt::Failed(failed(name, &message)))
}

/// Its arguments, or the channels it reads.
fn given(
    arguments: Option<&Argument>,
    inputs: &Inputs,
    scope: &dyn Scope,
) -> Result<Map<String, Value>, NodeError> {
    match arguments {
        None => Ok(inputs.to_object()),
        Some(arguments) => match arguments.value(scope)? {
            Value::Object(arguments) => Ok(arguments),
            _ => Ok(Map::new()),
        },
    }
}

fn failed(name: &str, message: &str) -> NodeError {
    NodeError::new(ErrorKind::Function, format!("`{name}`: {message}"))
}

fn unknown(shared: &Shared, name: &str) -> NodeError {
    let mut known = shared.services.functions.names();
    known.sort();
    let known = if known.is_empty() {
        "none is registered".to_owned()
    } else {
        format!("registered: {}", known.join(", "))
    };
    let message = format!("there is no function `{name}`; {known}");
    NodeError::new(ErrorKind::Function, message)
}
