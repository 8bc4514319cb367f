//! What an endpoint wants back with a later turn, beside words and calls.
//!
//! Some models think across tool calls and ask to be given their own thinking again: as
//! `reasoning_content`, as a signature beside each call, or as encrypted items. A conversation
//! does not carry these, so the engine remembers them by the conversation up to that turn. They
//! are lost with the engine, and the model then goes on without.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use ropewalk_core::message::Message;
use ropewalk_core::tool::ToolCall;
use serde_json::Value;

/// Most turns that are remembered.
const MOST_TURNS: usize = 256;
/// Most bytes of one turn; what is larger is not remembered.
const LARGEST: usize = 1024 * 1024;

/// What one turn came with.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Turn {
    /// Thinking, and the field that it came in.
    pub thinking: Option<(&'static str, String)>,
    /// `extra_content` of calls, by id.
    pub extra: HashMap<String, Value>,
    /// Items of thinking of the Responses API.
    pub items: Vec<Value>,
}

impl Turn {
    fn size(&self) -> usize {
        let values = self.items.iter().chain(self.extra.values());
        self.thinking.as_ref().map_or(0, |(_, text)| text.len())
            + values.map(|value| value.to_string().len()).sum::<usize>()
    }
}

/// A conversation read up to some turn. Ids of calls alone will not do as a key: some endpoints
/// number them anew in each conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(DefaultHasher);

impl Place {
    /// The conversation so far.
    pub(super) fn after(messages: &[Message]) -> Self {
        let mut place = Self::default();
        messages.iter().for_each(|message| place.pass(message));
        place
    }

    /// Goes past a message.
    pub(super) fn pass(&mut self, message: &Message) {
        // A message always serialises; what would not is passed over.
        serde_json::to_string(message)
            .unwrap_or_default()
            .hash(&mut self.0);
    }

    fn key(&self, calls: &[ToolCall]) -> u64 {
        let mut hasher = self.0.clone();
        calls.iter().for_each(|call| call.id.hash(&mut hasher));
        hasher.finish()
    }
}

/// The turns of late.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<VecDeque<(u64, Turn)>>);

impl Turns {
    /// Remembers the turn that came at a place and made these calls.
    pub(super) fn remember(&self, place: &Place, calls: &[ToolCall], turn: Turn) {
        let size = turn.size();
        if calls.is_empty() || size == 0 || size > LARGEST {
            return;
        }
        let key = place.key(calls);
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|(known, _)| *known != key);
        if turns.len() >= MOST_TURNS {
            turns.pop_front();
        }
        turns.push_back((key, turn));
    }

    /// What the turn at a place with these calls came with.
    pub(super) fn of(&self, place: &Place, calls: &[ToolCall]) -> Turn {
        let key = place.key(calls);
        let turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, turn)| turn.clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(id: &str) -> ToolCall {
        ToolCall {
            id: id.into(),
            name: "t".into(),
            arguments: json!({}),
        }
    }

    fn thought(text: &str) -> Turn {
        Turn {
            thinking: Some(("reasoning", text.to_owned())),
            ..Turn::default()
        }
    }

    fn place(text: &str) -> Place {
        Place::after(&[Message::User { text: text.into() }])
    }

    #[test]
    fn a_turn_belongs_to_its_conversation() {
        let turns = Turns::default();
        let calls = [call("call_1"), call("call_2")];
        turns.remember(&place("one"), &calls, thought("mine"));
        assert_eq!(turns.of(&place("one"), &calls), thought("mine"));
        assert_eq!(turns.of(&place("other"), &calls), Turn::default());
        assert_eq!(turns.of(&place("one"), &[call("call_1")]), Turn::default());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let turns = Turns::default();
        let calls = [call("a")];
        for number in 0..MOST_TURNS + 10 {
            turns.remember(&place(&number.to_string()), &calls, thought("x"));
        }
        assert_eq!(turns.of(&place("0"), &calls), Turn::default());
        assert_eq!(turns.of(&place("200"), &calls), thought("x"));
        let large = thought(&"x".repeat(LARGEST + 1));
        turns.remember(&place("large"), &calls, large);
        assert_eq!(turns.of(&place("large"), &calls), Turn::default());
    }
}
