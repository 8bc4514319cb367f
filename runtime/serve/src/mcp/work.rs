//! One call is one run; a call in several rounds is the same run taken up again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ropewalk_core::event::{EffectRequest, Event};
use ropewalk_core::graph::ir::Graph;
use ropewalk_engine::run::{self, Resumed, RunEnd, RunOptions, RunResult};
use ropewalk_engine::services::Services;
use ropewalk_engine::store::Stamped;
use ropewalk_engine::{RunId, Unanswered};
use ropewalk_mcp_kit::{CallContext, Progress, ToolError};
use serde_json::{Map, Value};

use super::asking::AtClient;

/// Works on the run of a call until it ends, or must ask.
pub(super) async fn work(
    services: &Services,
    graph: &Arc<Graph>,
    arguments: Value,
    context: CallContext,
) -> Result<Value, ToolError> {
    let inputs = match arguments {
        Value::Object(inputs) => inputs,
        _ => Map::new(),
    };
    // Known before the run starts: whatever round comes next finds the same one.
    let id = context
        .once("run", async { Ok(RunId::generate().to_string()) })
        .await?;
    let id: RunId = id
        .parse()
        .map_err(|error| ToolError::from_error(&error as &dyn std::error::Error))?;
    let client = Arc::new(AtClient::new(context.clone()));
    let options = RunOptions {
        id: Some(id),
        approver: Some(client.clone()),
        unanswered: Unanswered::Suspend,
        on_event: Some(told(context.progress.clone())),
        cancel: context.cancel.clone(),
        ..RunOptions::default()
    };
    let begun = match &services.store {
        Some(store) => store.summary(id).await.is_ok(),
        None => false,
    };
    let end = if begun {
        run::resume(services, id, Resumed::AsRecorded, options).await
    } else {
        run::start(services, graph, &inputs, options).await
    };
    let end = end.map_err(|error| {
        ToolError::new(
            format!("the run cannot go on: {error}"),
            "call again to begin anew",
        )
    })?;
    // What was asked may not have been needed in the end.
    match (&end.result, client.pause()) {
        (RunResult::Suspended { .. }, Some(pause)) => Err(pause),
        _ => ended(&end),
    }
}

fn ended(end: &RunEnd) -> Result<Value, ToolError> {
    let id = end.run;
    match &end.result {
        RunResult::Completed { outputs } => Ok(Value::Object((**outputs).clone())),
        RunResult::Failed { node, error } => Err(ToolError::new(
            format!("`{node}` failed: {error}"),
            format!("to try it again: ropewalk runs resume {id}"),
        )),
        RunResult::Suspended { reason } => Err(ToolError::new(
            format!("the run {id} is suspended: {reason}"),
            format!(
                "answer it with `ropewalk runs answer {id} ANSWER` and go on with `ropewalk runs \
                 resume {id}`, or call from a client that can ask a person"
            ),
        )),
    }
}

/// Reports what the run does: each thing done is one step, of an unknown number.
fn told(progress: Progress) -> ropewalk_engine::Listener {
    let steps = AtomicU64::new(0);
    Arc::new(move |stamped: &Stamped| {
        let words = match &stamped.event {
            Event::NodeStarted { path, .. } => path.to_string(),
            Event::EffectStarted { request, .. } => match request {
                EffectRequest::Model { .. } => "the engine is thinking".to_owned(),
                EffectRequest::Tool { call } => call.name.clone(),
                EffectRequest::Function { name, .. } => name.clone(),
                EffectRequest::Decision { .. } => return,
            },
            Event::EffectProgressed { message, .. } => message.clone(),
            _ => return,
        };
        let step = steps.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        #[allow(
            clippy::cast_precision_loss,
            reason = "no run has so many steps that one is lost"
        )]
        progress.report(step as f64, None, &words);
    })
}
