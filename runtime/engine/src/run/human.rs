//! Questions to people that the graph asks.

use std::sync::Arc;

use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::ir::Work;
use ropewalk_core::graph::machine::NodeResult;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use serde_json::{Value, json};

use super::attempt::{At, Halt};
use crate::journal::{NOBODY, Stop};

/// A `human` node: waits for the answer, for days if need be.
pub(super) async fn work(at: &At<'_>) -> Result<NodeResult, Halt> {
    let Work::Human {
        ask,
        propose,
        schema,
        who,
    } = &at.node.work
    else {
        return Err(Halt::failed(ErrorKind::Invalid, "not a human node"));
    };
    let scope = at.scope();
    let proposal = match propose {
        Some(propose) => Some(propose.eval(&scope)?),
        None => None,
    };
    let interrupt = Interrupt {
        kind: InterruptKind::Human,
        path: at.path.clone(),
        question: ask.render(&scope)?,
        proposal: proposal.clone(),
        schema: schema.clone(),
        who: who.clone(),
        call: None,
        reasons: Vec::new(),
    };
    let journal = &at.shared.journal;
    let reply = journal
        .ask(&at.path, interrupt, || NOBODY.to_owned())
        .await?
        .reply;
    let word = reply.word();
    let value = match reply {
        Reply::Approve => proposal.unwrap_or(Value::Null),
        Reply::Edit { value } | Reply::Reply { value } => value,
        Reply::Reject { reason } => {
            let message = if reason.is_empty() {
                "a person rejected it".to_owned()
            } else {
                reason
            };
            return Err(Halt::failed(ErrorKind::Denied, message));
        }
        Reply::Escalate { .. } => return Err(Halt::Stop(Stop::Waiting)),
    };
    let mut result = NodeResult::of(value);
    result.details = Arc::new(json!({"decision": word}));
    Ok(result)
}
