//! Keeping a conversation within what its engine can read.
//!
//! The machine cannot count tokens: who runs it counts a request before it is sent, and feeds
//! [`super::Input::Compact`] with what was counted when that is too much. The machine then makes
//! the conversation much shorter at once, and not a little at every turn, because everything after
//! the first changed message must be read anew by the engine. In this order, until it fits:
//!
//! 1. results of tools in older rounds are trimmed to their first words and their passages;
//! 2. the older rounds become one message, a summary that the model writes (`summary`);
//! 3. results in the rounds that were kept are trimmed too.
//!
//! The system prompt and the question stay as they are and where they are. A round, a message of
//! the model with the results of its calls, is never torn apart.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{AgentMachine, Phase, trim};
use crate::message::Message;
use crate::tokens;

/// Messages at the start that always stay: the system prompt and the question.
pub(super) const HEAD: usize = 2;
/// What share of the target older rounds may not take from the latest, in percent.
const RECENT_PERCENT: u64 = 60;
/// Most tokens of a summary.
const LONGEST_SUMMARY: u64 = 1_024;
/// Shortest summary worth a call, in tokens.
const SHORTEST_SUMMARY: u64 = 48;
/// Tokens for what stands around a summary: how it begins, passages it does not name.
const AROUND_SUMMARY: u64 = 100;

/// How much there is room for, and how much is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Tokens that the request has which the machine asks for.
    pub counted: u64,
    /// Most tokens that a request may have: the engine's context without the reply.
    pub most: u64,
    /// Tokens that it is to have after compaction, at most.
    pub target: u64,
    /// Whether the engine writes summaries.
    pub summarise: bool,
}

/// Which rounds are to be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// How many of the oldest.
    pub(super) older: usize,
    /// Tokens that what stands for them may have.
    pub(super) length: u64,
}

/// A [`Room`] in the machine's own estimates, which are all that can be told of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Goal {
    /// Tokens that the conversation should come down to.
    pub(super) target: u64,
    /// Tokens that it must not be more than.
    pub(super) most: u64,
}

impl Room {
    /// What was counted tells how far the estimates are off.
    fn goal(self, estimated: u64) -> Goal {
        let down = |tokens: u64| {
            let scaled = u128::from(tokens) * u128::from(estimated);
            let scaled = scaled / u128::from(self.counted.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Goal {
            target: down(self.target.min(self.most)),
            most: down(self.most),
        }
    }
}

impl AgentMachine {
    /// Makes the next request shorter, or ends when that cannot be done and must be. Unless it
    /// ends or goes over to a summary, the request has fewer tokens than before or is unchanged.
    pub(super) fn compact(&mut self, room: Room) {
        if let Phase::Summary { .. } = self.phase {
            self.summarise_in_smaller_parts(room);
            return;
        }
        let before = self.estimated();
        let goal = room.goal(before);
        if before <= goal.target {
            return;
        }
        self.trim_older(goal);
        if self.estimated() > goal.target {
            let summary = self.worth_a_summary(goal);
            match summary {
                Some(plan) if room.summarise && self.begin_summary(plan, goal) => return,
                Some(plan) => self.replace_older(plan, None),
                None => {}
            }
        }
        self.trim_latest(goal);
        if self.estimated() >= before && room.counted > room.most {
            self.end_full(room);
        }
    }

    /// Results in the rounds that are kept, the oldest first, until they fit; then those rounds
    /// themselves but for the last, if they must.
    pub(super) fn trim_latest(&mut self, goal: Goal) {
        let mut size = self.estimated();
        for to in [trim::To::Passages, trim::To::Ids] {
            for message in self.messages.iter_mut().skip(HEAD) {
                if size <= goal.target {
                    return;
                }
                let before = tokens::of_message(message);
                trim::message(message, to);
                size = size.saturating_sub(before.saturating_sub(tokens::of_message(message)));
            }
        }
        let older = self.rounds().len().saturating_sub(1);
        if size > goal.most && older > 0 {
            let length = self.of_rounds(older) / 2;
            self.replace_older(Plan { older, length }, None);
        }
    }

    /// About how many tokens the next request has.
    pub(super) fn estimated(&self) -> u64 {
        let messages: u64 = self.messages.iter().map(tokens::of_message).sum();
        let tools = self.tools.iter().filter(|_| self.last_turn.is_none());
        let tools = tools.map(tokens::of_tool);
        messages + tools.sum::<u64>()
    }

    /// The parts of the conversation after its head that belong together.
    fn rounds(&self) -> Vec<Range<usize>> {
        let mut rounds: Vec<Range<usize>> = Vec::new();
        for (at, message) in self.messages.iter().enumerate().skip(HEAD) {
            match (message, rounds.last_mut()) {
                (Message::Tool { .. }, Some(round)) => round.end = at + 1,
                _ => rounds.push(at..at + 1),
            }
        }
        rounds
    }

    /// The messages of the oldest rounds.
    pub(super) fn oldest(&self, rounds: usize) -> &[Message] {
        let last = rounds.checked_sub(1);
        let last = last.and_then(|last| self.rounds().get(last).cloned());
        let end = last.map_or(HEAD, |round| round.end);
        self.messages.get(HEAD..end).unwrap_or_default()
    }

    fn of_rounds(&self, oldest: usize) -> u64 {
        self.oldest(oldest).iter().map(tokens::of_message).sum()
    }

    /// Tokens that the rounds may have.
    fn free(&self, goal: Goal) -> u64 {
        let rounds = self.messages.iter().skip(HEAD);
        let rounds: u64 = rounds.map(tokens::of_message).sum();
        let head = self.estimated().saturating_sub(rounds);
        goal.target.saturating_sub(head)
    }

    /// How many rounds are older than the latest ones that fit in so many tokens. The last one
    /// always counts as fitting.
    fn older_than(&self, tokens: u64) -> usize {
        let rounds = self.rounds();
        let mut left = tokens;
        let mut older = rounds.len();
        for (back, round) in rounds.iter().rev().enumerate() {
            let messages = self.messages.get(round.clone()).unwrap_or_default();
            let size: u64 = messages.iter().map(tokens::of_message).sum();
            if size > left && back > 0 {
                break;
            }
            left = left.saturating_sub(size);
            older -= 1;
        }
        older
    }

    fn trim_older(&mut self, goal: Goal) {
        let older = self.older_than(self.free(goal) * RECENT_PERCENT / 100);
        let end = HEAD + self.oldest(older).len();
        for message in self.messages.iter_mut().take(end).skip(HEAD) {
            trim::message(message, trim::To::Passages);
        }
    }

    /// Which rounds one message may stand for, if it would save anything.
    fn worth_a_summary(&self, goal: Goal) -> Option<Plan> {
        let free = self.free(goal);
        let length = (free / 4).min(LONGEST_SUMMARY);
        let older = self.older_than(free.saturating_sub(length + AROUND_SUMMARY));
        let length = length.min(self.of_rounds(older) / 2);
        (older > 0 && length >= SHORTEST_SUMMARY).then_some(Plan { older, length })
    }

    /// Puts one message in the place of the oldest rounds, if it is shorter.
    pub(super) fn replace_older(&mut self, plan: Plan, summary: Option<String>) {
        let gone = self.oldest(plan.older);
        let size: u64 = gone.iter().map(tokens::of_message).sum();
        let shorter = |text: String| {
            let message = Message::User { text };
            (tokens::of_message(&message) < size).then_some(message)
        };
        let summary = summary.and_then(|text| shorter(trim::summary(&text, gone)));
        let message = summary.or_else(|| shorter(trim::digest(gone, plan.length)));
        let Some(message) = message else { return };
        let calls = gone.iter().filter_map(|message| match message {
            Message::Assistant { calls, .. } => Some(calls),
            _ => None,
        });
        let ids: Vec<String> = calls.flatten().map(|call| call.id.clone()).collect();
        let end = HEAD + gone.len();
        self.forgotten_calls.extend(ids);
        self.messages.splice(HEAD..end, [message]);
        self.compactions += 1;
    }
}
