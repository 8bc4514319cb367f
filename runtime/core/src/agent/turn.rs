//! What a reply and the results of its calls do to the machine.

use std::collections::BTreeSet;

use super::{AgentMachine, CallState, LastTurn, OpenCall, Phase, Repeat};
use crate::citation;
use crate::message::{ChatReply, FinishReason, Message};
use crate::tool::{ToolCall, ToolOutcome};
use crate::untrusted::envelope;

/// Identical results of an identical call after which the loop is ended.
const MOST_REPEATS: u32 = 3;

impl AgentMachine {
    /// Goes to the model, or ends when no call is left. The last call has no tools, so that the
    /// model answers from what it has.
    pub(super) fn enter_model(&mut self) {
        if self.model_calls >= self.limits.model_calls {
            self.end_at_limit();
            return;
        }
        let last = self.limits.model_calls - self.model_calls == 1;
        if last && self.last_turn.is_none() && self.model_calls > 0 {
            self.last_turn = Some(LastTurn::ModelCalls);
        }
        if self.last_turn.is_some() && self.model_calls > 0 {
            self.say(
                "This is your last turn and you have no tools. Answer now from what the tools \
                 returned, with citations, or say that it does not hold the answer.",
            );
        }
        self.phase = Phase::Model;
    }

    pub(super) fn take_reply(&mut self, reply: ChatReply) {
        self.model_calls += 1;
        self.usage = self.usage.plus(reply.usage);
        if reply.calls.is_empty() {
            if reply.text.trim().is_empty() {
                self.take_silence();
            } else {
                let truncated = reply.finish == FinishReason::Length;
                self.take_answer(reply.text, reply.abstained, truncated);
            }
            return;
        }
        if self.last_turn.is_some() {
            // It was told that there are no tools. What it said beside its calls may do.
            if reply.text.trim().is_empty() {
                self.end_at_limit();
            } else {
                self.take_answer(reply.text, reply.abstained, false);
            }
            return;
        }
        self.open_calls(reply);
    }

    fn open_calls(&mut self, reply: ChatReply) {
        let calls = with_unique_ids(reply.calls, self.used_ids());
        self.messages.push(Message::Assistant {
            text: reply.text,
            calls: calls.clone(),
        });
        let open = calls.into_iter().map(|call| self.open(call)).collect();
        self.phase = Phase::Tools { open };
        self.close_tools_if_ended();
    }

    fn open(&mut self, call: ToolCall) -> OpenCall {
        let refused = |call, message: String| OpenCall {
            call,
            state: CallState::refused(message),
        };
        if self.tool_calls >= self.limits.tool_calls {
            self.last_turn = Some(LastTurn::ToolCalls);
            let message = format!(
                "not run: the limit of {} tool calls",
                self.limits.tool_calls
            );
            return refused(call, message);
        }
        self.tool_calls += 1;
        if self.offered().any(|name| name == call.name) {
            return OpenCall {
                call,
                state: CallState::Judging,
            };
        }
        let names: Vec<&str> = self.offered().collect();
        let message = format!(
            "there is no tool `{}`; tools: {}",
            call.name,
            names.join(", ")
        );
        refused(call, message)
    }

    /// Once every call has ended: the results become messages, in the order of the calls.
    pub(super) fn close_tools_if_ended(&mut self) {
        let Phase::Tools { open } = &self.phase else {
            return;
        };
        if !open
            .iter()
            .all(|open| matches!(open.state, CallState::Ended { .. }))
        {
            return;
        }
        let Phase::Tools { open } = std::mem::replace(&mut self.phase, Phase::Model) else {
            return;
        };
        for OpenCall { call, state } in open {
            if let CallState::Ended { outcome, untrusted } = state {
                self.take_outcome(call, outcome, untrusted.as_deref());
            }
        }
        self.enter_model();
    }

    fn take_outcome(&mut self, call: ToolCall, outcome: ToolOutcome, untrusted: Option<&str>) {
        for citation in outcome
            .structured()
            .map(citation::collect)
            .unwrap_or_default()
        {
            match self
                .citations
                .iter_mut()
                .find(|known| known.id == citation.id)
            {
                // The same passage again, perhaps with more of it.
                Some(known) if known.quote.len() < citation.quote.len() => *known = citation,
                Some(_) => {}
                None => self.citations.push(citation),
            }
        }
        let repeats = self.count_repeat(&call, &outcome);
        let mut outcome = cut(outcome, self.limits.result_chars);
        if let Some(source) = untrusted {
            outcome = enveloped(outcome, source);
        }
        if repeats > 1 {
            note(
                &mut outcome,
                "\n(You made this very call before, with this very result. Try another way.)",
            );
        }
        if repeats >= MOST_REPEATS && self.last_turn.is_none() {
            self.last_turn = Some(LastTurn::NoProgress);
        }
        self.messages.push(Message::Tool {
            call_id: call.id,
            name: call.name,
            outcome,
        });
    }

    fn count_repeat(&mut self, call: &ToolCall, outcome: &ToolOutcome) -> u32 {
        let key = format!("{} {}", call.name, call.arguments);
        let result = outcome.text().to_owned();
        let repeat = self.repeats.entry(key).or_insert_with(|| Repeat {
            result: result.clone(),
            times: 0,
        });
        if repeat.result != result {
            *repeat = Repeat { result, times: 0 };
        }
        repeat.times += 1;
        repeat.times
    }

    fn take_silence(&mut self) {
        self.empty_replies += 1;
        if self.empty_replies > 1 {
            self.end_empty();
        } else {
            self.say("Your reply was empty. Answer the question, or call a tool.");
            self.enter_model();
        }
    }

    /// A word to the model from the machine itself.
    pub(super) fn say(&mut self, text: &str) {
        self.messages.push(Message::User {
            text: text.to_owned(),
        });
    }

    fn used_ids(&self) -> BTreeSet<String> {
        let calls = self.messages.iter().filter_map(|message| match message {
            Message::Assistant { calls, .. } => Some(calls),
            _ => None,
        });
        let used = calls.flatten().map(|call| call.id.clone());
        used.chain(self.forgotten_calls.iter().cloned()).collect()
    }
}

/// Models leave ids out or use them twice; results could then not be told apart.
fn with_unique_ids(calls: Vec<ToolCall>, mut used: BTreeSet<String>) -> Vec<ToolCall> {
    let mut unique = Vec::with_capacity(calls.len());
    for mut call in calls {
        let mut number = used.len() + 1;
        while call.id.is_empty() || used.contains(&call.id) {
            call.id = format!("call_{number}");
            number += 1;
        }
        used.insert(call.id.clone());
        unique.push(call);
    }
    unique
}

/// The result as the model reads it: at most `limit` characters, the cut marked.
fn cut(outcome: ToolOutcome, limit: usize) -> ToolOutcome {
    let shorten = |text: String| match text.char_indices().nth(limit) {
        None => text,
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            let left = text.chars().count() - limit;
            format!("{kept}\n(cut here: {left} more characters; ask for less, or for a part)")
        }
    };
    match outcome {
        ToolOutcome::Ok { text, structured } => ToolOutcome::Ok {
            text: shorten(text),
            structured,
        },
        ToolOutcome::Error { message } => ToolOutcome::Error {
            message: shorten(message),
        },
    }
}

/// The result as data of somebody whom nobody vouches for.
fn enveloped(outcome: ToolOutcome, source: &str) -> ToolOutcome {
    match outcome {
        ToolOutcome::Ok { text, structured } => ToolOutcome::Ok {
            text: envelope(source, &text),
            structured,
        },
        ToolOutcome::Error { message } => ToolOutcome::Error {
            message: envelope(source, &message),
        },
    }
}

fn note(outcome: &mut ToolOutcome, text: &str) {
    match outcome {
        ToolOutcome::Ok { text: words, .. } | ToolOutcome::Error { message: words } => {
            words.push_str(text);
        }
    }
}
