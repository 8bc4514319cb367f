//! What a replay does otherwise than its recording, in words.

use std::sync::Arc;

use ropewalk_core::event::{EffectOutcome, EffectRequest};
use ropewalk_core::message::{ChatReply, FinishReason, Usage};
use ropewalk_core::tool::ToolOutcome;
use serde_json::{Map, Value};
use similar::TextDiff;

use super::Effect;
use super::past::PastEffect;

/// Lines of a difference that are shown.
const MOST_LINES: usize = 60;

/// What the difference between a recording and a run is.
pub(super) fn drift(past: &PastEffect, effect: &Effect) -> String {
    let diff = diff(&pretty(&past.request), &pretty(&effect.compared));
    format!(
        "`{}` asks for something else than the recording at {}:\n{}",
        effect.path, effect.slot, diff
    )
}

/// What the difference between the results of a recording and a replay is.
pub(crate) fn outputs_drift(recorded: &Map<String, Value>, now: &Map<String, Value>) -> String {
    let text = |value: &Map<String, Value>| pretty(&Value::Object(value.clone()));
    format!(
        "it ends with another result:\n{}",
        diff(&text(recorded), &text(now))
    )
}

fn diff(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let diff = diff
        .unified_diff()
        .context_radius(2)
        .header("recorded", "now")
        .to_string();
    let mut lines: Vec<&str> = diff.lines().take(MOST_LINES).collect();
    if diff.lines().count() > MOST_LINES {
        lines.push("…");
    }
    lines.join("\n")
}

pub(super) fn unrecorded(effect: &Effect) -> String {
    format!(
        "`{}` does something that the recording does not hold, at {}: {}",
        effect.path,
        effect.slot,
        words_of(&effect.request)
    )
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A request in a few words.
pub(super) fn words_of(request: &EffectRequest) -> String {
    match request {
        EffectRequest::Model { engine, .. } => format!("a call of {engine}"),
        EffectRequest::Tool { call } => format!("{}({})", call.name, call.arguments),
        EffectRequest::Function { name, arguments } => format!("{name}({arguments})"),
        EffectRequest::Decision { about } => about.clone(),
    }
}

/// What a person says came of an effect, in the form in which it would have come.
pub(super) fn outcome_of(request: &EffectRequest, value: Value) -> EffectOutcome {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match request {
        EffectRequest::Model { .. } => EffectOutcome::Reply {
            reply: ChatReply {
                text: text(&value),
                thinking: None,
                calls: Vec::new(),
                finish: FinishReason::Stop,
                usage: Usage::default(),
                logprobs: Vec::new(),
                abstained: false,
                engine: None,
                passed_over: Vec::new(),
            },
        },
        EffectRequest::Tool { .. } => EffectOutcome::Tool {
            outcome: ToolOutcome::Ok {
                text: text(&value),
                structured: (!value.is_string()).then_some(value),
            },
        },
        EffectRequest::Function { .. } | EffectRequest::Decision { .. } => EffectOutcome::Value {
            value: Arc::new(value),
        },
    }
}
