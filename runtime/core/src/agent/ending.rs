//! How the machine ends: with an answer whose citations resolve, or with words that say why not.

use super::{AgentMachine, LastTurn, Phase, Room};
use crate::answer::{Answer, StopReason};
use crate::citation::{self, Citation};
use crate::message::Message;

/// How often a model may mend its citations.
const MOST_CORRECTIONS: u32 = 1;

/// Passages shown when there is no answer.
const CLOSEST: usize = 3;

impl AgentMachine {
    /// An answer whose citations all resolve ends the run; one that cites what no tool returned
    /// goes back once, and is then refused.
    pub(super) fn take_answer(&mut self, text: String, abstained: bool, truncated: bool) {
        let check = citation::check(&text, &self.citations);
        let may_correct = self.corrections < MOST_CORRECTIONS
            && self.model_calls < self.limits.model_calls
            && !truncated;
        let silent = check.cited.is_empty() && !self.citations.is_empty() && !abstained;
        if !check.unresolved.is_empty() {
            if may_correct {
                let wrong = check.unresolved.join(", ");
                self.ask_to_mend(
                    text,
                    &format!("No tool returned a passage with the id {wrong}."),
                );
            } else {
                self.end_refused(&check.unresolved);
            }
        } else if silent && may_correct {
            self.ask_to_mend(text, "Your answer cites nothing.");
        } else {
            let stop = if abstained {
                StopReason::Abstained
            } else {
                StopReason::Answered
            };
            self.messages.push(Message::Assistant {
                text: text.clone(),
                calls: Vec::new(),
            });
            self.end(text, stop, check.cited, silent, truncated);
        }
    }

    fn ask_to_mend(&mut self, text: String, problem: &str) {
        self.corrections += 1;
        let ids: Vec<&str> = self
            .citations
            .iter()
            .map(|citation| citation.id.as_str())
            .collect();
        let known = if ids.is_empty() {
            "No passages were found, so cite none.".to_owned()
        } else {
            format!("The ids are: {}.", ids.join(", "))
        };
        self.messages.push(Message::Assistant {
            text,
            calls: Vec::new(),
        });
        self.say(&format!(
            "{problem} {known} Write the answer again, citing the passages it rests on as [id], \
             or say that they do not hold the answer."
        ));
        self.enter_model();
    }

    fn end_refused(&mut self, wrong: &[String]) {
        let text = format!(
            "The model's answer is withheld: it cites {}, which no tool returned in this run.",
            wrong.join(", ")
        );
        self.end_without(text, StopReason::CitationsRefused);
    }

    pub(super) fn end_at_limit(&mut self) {
        let (stop, reason) = match self.last_turn {
            Some(LastTurn::ToolCalls) => (
                StopReason::ToolCallLimit,
                format!("the limit of {} tool calls", self.limits.tool_calls),
            ),
            Some(LastTurn::NoProgress) => (
                StopReason::NoProgress,
                "repeating the same call with the same result".to_owned(),
            ),
            Some(LastTurn::Budget) => (StopReason::Budget, "the end of its budget".to_owned()),
            Some(LastTurn::ModelCalls) | None => (
                StopReason::ModelCallLimit,
                format!("the limit of {} model calls", self.limits.model_calls),
            ),
        };
        let text = format!("I stopped at {reason}, without an answer. The question needs help.");
        self.end_without(text, stop);
    }

    pub(super) fn end_failed(&mut self, message: &str) {
        self.model_calls += 1;
        let text = format!("The model failed, so there is no answer: {message}");
        self.end_without(text, StopReason::ModelFailed);
    }

    pub(super) fn end_spent(&mut self, message: &str) {
        let text = format!("The budget is spent, so there is no answer: {message}");
        self.end_without(text, StopReason::Budget);
    }

    /// What may not be left out is too much.
    pub(super) fn end_full(&mut self, room: Room) {
        let text = format!(
            "The conversation has {} tokens and the engine has room for {}, although it was \
             shortened as far as it can be, so there is no answer: use an engine with a larger \
             context (`context_tokens`), offer fewer tools, or ask for less at once.",
            room.counted, room.most
        );
        self.end_without(text, StopReason::ContextFull);
    }

    pub(super) fn end_empty(&mut self) {
        let text = "The model replied with nothing, twice, so there is no answer.".to_owned();
        self.end_without(text, StopReason::EmptyReply);
    }

    pub(super) fn end_cancelled(&mut self) {
        let text = "The run was cancelled before there was an answer.".to_owned();
        self.end_without(text, StopReason::Cancelled);
    }

    /// No answer: what was found closest goes along, so that the work is not lost.
    fn end_without(&mut self, text: String, stop: StopReason) {
        let mut closest = self.citations.clone();
        closest.sort_by(|a, b| b.score.total_cmp(&a.score));
        closest.truncate(CLOSEST);
        let text = if closest.is_empty() {
            text
        } else {
            format!(
                "{text} The closest passages found are: {}.",
                markers(&closest)
            )
        };
        self.end(text, stop, closest, false, false);
    }

    fn end(
        &mut self,
        text: String,
        stop: StopReason,
        citations: Vec<Citation>,
        uncited: bool,
        truncated: bool,
    ) {
        let answer = Answer {
            text,
            stop,
            citations,
            uncited,
            truncated,
            model_calls: self.model_calls + self.summary_calls,
            tool_calls: self.tool_calls,
            usage: self.usage,
        };
        self.phase = Phase::Done {
            answer: Box::new(answer),
        };
    }
}

fn markers(citations: &[Citation]) -> String {
    citations
        .iter()
        .map(|citation| format!("[{}]", citation.id))
        .collect::<Vec<_>>()
        .join(" ")
}
