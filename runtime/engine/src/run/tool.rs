//! Calls of tools.

use std::sync::Arc;

use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::ir::Argument;
use ropewalk_core::graph::machine::{NodeError, NodeResult};
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome};
use ropewalk_host::ToolProgress;
use serde_json::{Value, json};
use tracing::Instrument;

use super::attempt::{At, Halt};
use super::{Shared, purse, spans};
use crate::journal::{Effect, NOBODY, Stop};
use crate::path;

/// A `tool` node.
pub(super) async fn work(
    at: &At<'_>,
    name: &str,
    arguments: &Argument,
) -> Result<NodeResult, Halt> {
    let slot = path::slot(&at.path, at.attempt, 0);
    let mut call = ToolCall {
        id: slot.clone(),
        name: name.to_owned(),
        arguments: arguments.value(&at.scope())?,
    };
    let offered = at.shared.tools.get(name);
    match offered.map(|tool| tool.permission) {
        None => {
            let message =
                format!("there is no tool `{name}`: is its server configured, and did it start?");
            return Err(Halt::failed(ErrorKind::Tool, message));
        }
        Some(Permission::Deny) => {
            let message = format!("policy denies `{name}`");
            return Err(Halt::failed(ErrorKind::Denied, message));
        }
        Some(Permission::Ask) => match permitted(at, &slot, &call).await? {
            Permitted::As(arguments) => call.arguments = arguments,
            Permitted::Result(value) => return Ok(NodeResult::of(value)),
            Permitted::No(reason) => return Err(Halt::failed(ErrorKind::Denied, reason)),
        },
        Some(Permission::Allow) => {}
    }
    at.shared
        .afford(at.account, &at.path, &slot, purse::TOOL_CALL)
        .await?;
    match called(at, slot, call, None).await? {
        ToolOutcome::Ok { text, structured } => {
            let details = json!({"text": text});
            let mut result = NodeResult::of(structured.unwrap_or(Value::String(text)));
            result.details = Arc::new(details);
            Ok(result)
        }
        ToolOutcome::Error { message } => {
            Err(Halt::Failed(NodeError::new(ErrorKind::Tool, message)))
        }
    }
}

/// Whether a second call does no harm.
pub(super) fn is_repeatable(shared: &Shared, name: &str) -> bool {
    shared.tools.get(name).is_some_and(|tool| {
        let hints = tool.spec.hints;
        hints.read_only || hints.idempotent
    })
}

/// What a person makes of a call.
pub(super) enum Permitted {
    /// It may run, with these arguments.
    As(Value),
    /// It need not run: this is its result.
    Result(Value),
    /// It may not, and this is why.
    No(String),
}

/// Asks a person whether a call may run.
pub(super) async fn permitted(at: &At<'_>, slot: &str, call: &ToolCall) -> Result<Permitted, Halt> {
    let journal = &at.shared.journal;
    let interrupt = Interrupt {
        kind: InterruptKind::Approval,
        path: at.path.clone(),
        question: format!("May `{}` run?", call.name),
        proposal: Some(call.arguments.clone()),
        schema: None,
        who: None,
        call: Some(call.clone()),
    };
    let id = format!("{slot}@{}", call.name);
    let nobody = || {
        let how = at.shared.services.tools.how_to_allow(&call.name);
        format!(
            "`{}` was not run: it needs permission and {NOBODY}. To allow it, {how}",
            call.name
        )
    };
    Ok(match journal.ask(&id, interrupt, nobody).await? {
        Reply::Approve => Permitted::As(call.arguments.clone()),
        Reply::Edit { value } => Permitted::As(value),
        Reply::Reply { value } => Permitted::Result(value),
        Reply::Reject { reason } => Permitted::No(refusal(&call.name, reason)),
        Reply::Escalate { .. } => return Err(Halt::Stop(Stop::Waiting)),
    })
}

fn refusal(tool: &str, reason: String) -> String {
    if reason.is_empty() {
        format!("a person refused to run `{tool}`; do without it")
    } else if reason.contains(NOBODY) {
        reason
    } else {
        format!("a person refused to run `{tool}`: {reason}")
    }
}

/// One call, through the journal. `asked_by` is the call of a model that it follows from.
pub(super) async fn called(
    at: &At<'_>,
    slot: String,
    call: ToolCall,
    asked_by: Option<tracing::Span>,
) -> Result<ToolOutcome, Halt> {
    let repeatable = is_repeatable(at.shared, &call.name);
    let request = EffectRequest::Tool { call: call.clone() };
    let effect = Effect::new(slot.clone(), &at.path, repeatable, request);
    let span = spans::tool(&call.name, &call.id);
    if let Some(asked_by) = asked_by {
        span.follows_from(asked_by);
    }
    let calling = at.effect(effect, |key, give_up| {
        async move {
            let outcome = at.shared.call(&slot, &call, &key, &give_up).await;
            if let ToolOutcome::Error { .. } = outcome {
                tracing::Span::current().record("error.type", "tool_error");
            }
            EffectOutcome::Tool { outcome }
        }
        .instrument(span)
    });
    match calling.await? {
        EffectOutcome::Tool { outcome } => Ok(outcome),
        EffectOutcome::Failed { error } => Err(Halt::Failed(error)),
        _ => Err(Halt::failed(
            ErrorKind::Tool,
            "the log holds something else",
        )),
    }
}

impl Shared {
    async fn call(
        &self,
        slot: &str,
        call: &ToolCall,
        key: &str,
        give_up: &tokio_util::sync::CancellationToken,
    ) -> ToolOutcome {
        // A report that nobody has read yet is overtaken by the next: a busy server cannot make
        // the log long.
        let (reports, mut report) = tokio::sync::watch::channel(None);
        let keep = Arc::new(move |progress: ToolProgress| {
            reports.send_replace(Some(progress));
        });
        let calling = self.services.tools.call(call, key, give_up, keep);
        let mut calling = std::pin::pin!(calling);
        loop {
            tokio::select! {
                biased;
                Ok(()) = report.changed() => {
                    let said = report.borrow_and_update().as_ref().map(ToString::to_string);
                    if let Some(message) = said {
                        let slot = slot.to_owned();
                        self.journal.record(Event::EffectProgressed { slot, message });
                    }
                }
                outcome = &mut calling => return outcome,
            }
        }
    }
}
