//! Calls of tools.

use std::sync::Arc;

use ropewalk_core::budget::AccountId;
use ropewalk_core::event::{EffectOutcome, EffectRequest, Event};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::ir::Argument;
use ropewalk_core::graph::machine::{NodeError, NodeResult};
use ropewalk_core::tool::{Permission, ToolCall, ToolOutcome};
use ropewalk_host::ToolProgress;
use ropewalk_host::audit::{Decided, Ended, What};
use serde_json::{Value, json};
use tracing::Instrument;

use super::attempt::{At, Halt};
use super::judgement::{self, Permitted};
use super::{Shared, purse, spans};
use crate::journal::Effect;
use crate::path;
use crate::services::Meanwhile;

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
    if !at.shared.tools.contains_key(name) {
        let message =
            format!("there is no tool `{name}`: is its server configured, and did it start?");
        return Err(Halt::failed(ErrorKind::Tool, message));
    }
    match judgement::judged(at, &slot, &call).await?.permitted {
        Permitted::As(arguments) => call.arguments = arguments,
        Permitted::Result(value) => return Ok(NodeResult::of(value)),
        Permitted::No(reason) => return Err(Halt::failed(ErrorKind::Denied, reason)),
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
        let hints = tool.hints;
        hints.read_only || hints.idempotent
    })
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
            let outcome = at
                .shared
                .call(at.account, &slot, &call, &key, &give_up)
                .await;
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
        account: AccountId,
        slot: &str,
        call: &ToolCall,
        key: &str,
        give_up: &tokio_util::sync::CancellationToken,
    ) -> ToolOutcome {
        // The last word: the rules may have become stricter since it was judged.
        let now = self
            .services
            .tools
            .judge(call, &self.journal.exposure())
            .verdict;
        if now.permission == Permission::Deny {
            let message = judgement::denial(call, &now);
            let decided = What::Decided(Decided::by_policy(now));
            let seen = judgement::seen(&self.journal, slot, call, decided);
            if let Err(error) = self.services.tools.witness(seen).await {
                tracing::error!(error, tool = call.name, "a denial is not in the audit log");
            }
            return ToolOutcome::Error { message };
        }
        // A report that nobody has read yet is overtaken by the next: a busy server cannot make
        // the log long.
        let (reports, mut report) = tokio::sync::watch::channel(None);
        let keep = Arc::new(move |progress: ToolProgress| {
            reports.send_replace(Some(progress));
        });
        let (completed, mut completions) = tokio::sync::mpsc::unbounded_channel();
        let meanwhile = Meanwhile {
            progress: keep,
            payer: self.payer(account, slot, completed),
        };
        let calling = self.services.tools.call(call, key, give_up, meanwhile);
        let mut calling = std::pin::pin!(calling);
        let outcome = loop {
            tokio::select! {
                biased;
                Ok(()) = report.changed() => {
                    let said = report.borrow_and_update().as_ref().map(ToString::to_string);
                    if let Some(message) = said {
                        let slot = slot.to_owned();
                        self.journal.record(Event::EffectProgressed { slot, message });
                    }
                }
                Some(completion) = completions.recv() => self.journal.record(completion),
                outcome = &mut calling => break outcome,
            }
        };
        while let Ok(completion) = completions.try_recv() {
            self.journal.record(completion);
        }
        let ended = Ended::of(&outcome);
        let seen = judgement::seen(&self.journal, slot, call, What::Ended(ended));
        if let Err(error) = self.services.tools.witness(seen).await {
            tracing::error!(
                error,
                tool = call.name,
                "the end of a call is not in the audit log"
            );
        }
        outcome
    }
}
