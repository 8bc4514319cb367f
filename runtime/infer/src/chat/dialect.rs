//! How a family writes tool calls and thinking: asked for by a grammar, and read back.

mod grammar;
mod hermes;
mod llama;
mod mistral;
mod outline;
mod phi;
mod reader;
#[cfg(test)]
mod reader_tests;
#[cfg(test)]
mod sampled;
mod schema;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ropewalk_core::message::{Grammar, Message};
use ropewalk_core::tool::ToolSpec;
use serde_json::Value;

pub use self::reader::{Read, ReplyReader};
use super::family::Family;
use super::template::ChatTemplate;
use crate::constraint::Constraint;
use crate::error::InferError;
use crate::tokenizer::Tokenizer;

/// How a model writes tool calls and thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    family: Family,
    /// Begins a call.
    open: Marker,
    /// Ends a call, where something does.
    close: Option<Marker>,
    /// Stands between a name and its arguments (Mistral's newer form).
    arguments: Marker,
    /// Begin and end of thinking.
    think: (Marker, Marker),
    /// Whether the template knows thinking.
    thinks: bool,
}

/// A text that steers, and the special token that it is, where it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Marker {
    text: &'static str,
    token: Option<u32>,
}

/// What a reply must be.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Tools that may be called.
    pub tools: &'a [ToolSpec],
    /// One of them must be.
    pub required: bool,
    /// What the reply is when it is no call.
    pub answer: Answer<'a>,
    /// Whether thinking may come first.
    pub thinking: Thinking,
}

/// What a reply is when it is no call.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// Any words.
    Text,
    /// JSON of a schema.
    Schema(&'a Value),
    /// Text of a grammar.
    Grammar(&'a Grammar),
}

/// Where a reply stands with thinking when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// There is none.
    No,
    /// The reply may open it.
    Maybe,
    /// The prompt has opened it: the reply begins inside.
    Begun,
}

/// What a reply is held to while it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The grammar; `None` where everything is allowed.
    pub constraint: Option<Constraint>,
    /// What the grammar does not enforce in full, and what is to be checked when the reply is there.
    pub unchecked: Vec<Unchecked>,
}

/// A schema that is not enforced in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The tool whose arguments are meant; the answer when `None`.
    pub tool: Option<String>,
    /// What llguidance cannot take.
    pub reason: String,
}

impl Dialect {
    /// The dialect of a template's family, with the tokens of a tokenizer.
    pub fn detect(template: &ChatTemplate, tokenizer: &Tokenizer) -> Self {
        let special = |text: &str| {
            let token = tokenizer.token(text)?;
            tokenizer.is_special(token).then_some(token)
        };
        Self::with_tokens(template.family(), template.thinking(), &special)
    }

    /// The dialect of a family, where `special` gives the special token that a text is.
    pub(crate) fn with_tokens(
        family: Family,
        thinking: Option<(&'static str, &'static str)>,
        special: &dyn Fn(&str) -> Option<u32>,
    ) -> Self {
        let marker = |text: &'static str| Marker {
            text,
            token: special(text),
        };
        let opens = family.opens();
        // The first that is a token, the plainest otherwise.
        let open = opens.iter().find(|open| special(open).is_some());
        let open = open.or(opens.last()).copied().unwrap_or("<tool_call>");
        let tags = thinking.unwrap_or(("<think>", "</think>"));
        Self {
            family,
            open: marker(open),
            close: family.close().filter(|_| !open.ends_with('[')).map(marker),
            arguments: marker("[ARGS]"),
            think: (marker(tags.0), marker(tags.1)),
            thinks: thinking.is_some(),
        }
    }

    /// How the model writes tool calls.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Where the reply to a prompt stands with thinking. `prompt_end` is the end of the prompt:
    /// some templates open the thinking, or close it, themselves. `wanted` is what was asked for.
    pub fn thinking(&self, prompt_end: &str, wanted: Option<bool>) -> Thinking {
        let end = prompt_end.trim_end();
        if end.ends_with(self.think.0.text) {
            Thinking::Begun
        } else if end.ends_with(self.think.1.text) || wanted == Some(false) || !self.thinks {
            Thinking::No
        } else {
            Thinking::Maybe
        }
    }

    /// The grammar of a reply: thinking (free) where there is some, then text (free) with any
    /// number of well-formed calls after it, or the answer that is asked for.
    ///
    /// A tool whose schema cannot be enforced in full gets as much of it as can be, and is listed.
    ///
    /// # Errors
    /// A grammar of the caller's that does not parse.
    pub fn constraint(&self, asked: Asked<'_>) -> Result<Held, InferError> {
        let failed = |message: String| InferError::Constraint {
            what: "grammar",
            message,
        };
        // References from one schema to the next recurse while they are compiled: a hostile one
        // may use up this stack, but not the process's.
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("grammar".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, || grammar::build(self, asked))
                .map_err(|error| failed(error.to_string()))?
                .join()
                .map_err(|_| failed("it cannot be compiled".to_owned()))?
        })
    }

    /// Reads a reply while it is written. Calls are read only where tools are offered; their ids
    /// are none of those `taken`.
    pub fn reader(
        &self,
        thinking: Thinking,
        tools: &[ToolSpec],
        taken: BTreeSet<String>,
    ) -> ReplyReader {
        let tags = (self.think.0.text, self.think.1.text);
        let offered = tools.iter().map(|tool| tool.name.clone()).collect();
        ReplyReader::new(
            self.family,
            tags,
            thinking == Thinking::Begun,
            offered,
            taken,
        )
    }
}

/// For compiling. Only what is used of it takes memory.
const STACK: usize = 256 << 20;

/// The ids of all calls in a conversation.
pub fn taken_ids(messages: &[Message]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for message in messages {
        match message {
            Message::Assistant { calls, .. } => {
                ids.extend(calls.iter().map(|call| call.id.clone()));
            }
            Message::Tool { call_id, .. } => {
                ids.insert(call_id.clone());
            }
            Message::System { .. } | Message::User { .. } => {}
        }
    }
    ids
}
