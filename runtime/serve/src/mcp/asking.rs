//! A run's questions, put to the client.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::tool::Permission;
use ropewalk_core::unseen::with_unseen_named;
use ropewalk_engine::Approver;
use ropewalk_mcp_kit::{CallContext, Faculty, FormAnswer, ToolError};
use serde_json::{Map, Value, json};

/// Puts the questions of one run to the client that called for it.
pub(super) struct AtClient {
    context: CallContext,
    /// Why the call must end first: the client answers between rounds.
    pause: Mutex<Option<ToolError>>,
}

impl AtClient {
    pub(super) fn new(context: CallContext) -> Self {
        Self {
            context,
            pause: Mutex::default(),
        }
    }

    /// The questions the client is to answer before the run goes on.
    pub(super) fn pause(&self) -> Option<ToolError> {
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        pause.take()
    }
}

#[async_trait]
impl Approver for AtClient {
    async fn ask(&self, interrupt: &Interrupt) -> Option<Reply> {
        if !self.context.can(Faculty::Forms) {
            return None;
        }
        let name = name(interrupt);
        let asked = self
            .context
            .ask_form(&name, words(interrupt), fields(interrupt));
        match asked.await {
            Ok(FormAnswer::Given(given)) => reply(interrupt, given),
            Ok(FormAnswer::Declined) => Some(Reply::Reject {
                reason: "the person declined".to_owned(),
            }),
            // Closed without a word: it may be answered later.
            Ok(FormAnswer::Cancelled) => None,
            Err(pause) => {
                let mut waits = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
                waits.get_or_insert(pause);
                None
            }
        }
    }

    fn who(&self, _: &Interrupt) -> String {
        match &self.context.caller {
            Some(caller) => format!("the person at the client of {caller}"),
            None => "the person at the client".to_owned(),
        }
    }
}

/// The same whenever the question comes up, and another for every other one.
fn name(interrupt: &Interrupt) -> String {
    match &interrupt.call {
        Some(call) => format!("{}#{}", interrupt.path, call.id),
        None => interrupt.path.clone(),
    }
}

fn words(interrupt: &Interrupt) -> String {
    let mut words = interrupt.question.clone();
    if let Some(call) = &interrupt.call {
        // A person cannot judge what they cannot see.
        let arguments = with_unseen_named(&call.arguments.to_string());
        words.push_str(&format!("\n{}({arguments})", call.name));
    }
    let against = interrupt.reasons.iter();
    for reason in against.filter(|reason| reason.permission != Permission::Allow) {
        words.push_str(&format!("\n- {reason}"));
    }
    match &interrupt.proposal {
        Some(Value::String(text)) => words.push_str(&format!("\n{text}")),
        Some(other) => words.push_str(&format!("\n{other:#}")),
        None => {}
    }
    words
}

/// What a form can ask: an answer that is text, a number or a choice is asked as it is; anything
/// else is asked as JSON.
fn fields(interrupt: &Interrupt) -> Value {
    let decides = json!({"type": "string", "enum": ["yes", "no"],
        "description": "Whether to go on."});
    let answer = interrupt
        .schema
        .as_ref()
        .filter(|schema| is_simple(schema))
        .cloned()
        .unwrap_or_else(|| json!({"type": "string", "description": "The answer."}));
    match (interrupt.kind, &interrupt.proposal) {
        (InterruptKind::Human, None) => json!({
            "type": "object", "properties": {"answer": answer}, "required": ["answer"]}),
        (InterruptKind::Human, Some(_)) => json!({
            "type": "object",
            "properties": {"decision": decides, "instead": {"type": "string",
                "description": "What to use instead of the proposal, if anything."}},
            "required": ["decision"]}),
        _ => json!({
            "type": "object", "properties": {"decision": decides}, "required": ["decision"]}),
    }
}

/// What forms allow for one field.
fn is_simple(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    matches!(kind, Some("string" | "number" | "integer" | "boolean"))
        && schema.get("pattern").is_none()
}

fn reply(interrupt: &Interrupt, mut given: Map<String, Value>) -> Option<Reply> {
    let reply = if let Some(answer) = given.remove("answer") {
        let value = match (&answer, &interrupt.schema) {
            (Value::String(text), Some(schema)) if !is_simple(schema) => {
                serde_json::from_str(text).unwrap_or(answer)
            }
            _ => answer,
        };
        Reply::Reply { value }
    } else {
        let instead = given.remove("instead");
        let instead = instead.filter(|text| text.as_str().is_some_and(|text| !text.is_empty()));
        match (given.get("decision").and_then(Value::as_str), instead) {
            (Some("yes"), Some(Value::String(text))) => Reply::Edit {
                value: serde_json::from_str(&text).unwrap_or(Value::String(text)),
            },
            (Some("yes"), _) => Reply::Approve,
            _ => Reply::Reject {
                reason: "the person said no".to_owned(),
            },
        }
    };
    // An answer that does not fit leaves the question open.
    interrupt.check(&reply).is_ok().then_some(reply)
}
