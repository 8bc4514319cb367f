//! How a family writes tool calls and thinking.

use ropewalk_core::message::Delta;
use ropewalk_core::tool::{ToolCall, ToolSpec};
use serde_json::Value;

use crate::constraint::Constraint;
use crate::tokenizer::Tokenizer;

/// How a family writes tool calls and thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` (Qwen, Hermes and others).
    Hermes,
}

impl Dialect {
    /// Told by what the template says and which special tokens there are.
    pub fn detect(template: &str, tokenizer: &Tokenizer) -> Self {
        let _ = (template, tokenizer);
        Self::Hermes
    }

    /// What a reply must be: thinking (free) where the model thinks, then text (free) with any
    /// number of well-formed calls, or JSON of the schema where one is given. `None` where
    /// everything is allowed.
    pub fn constraint(
        &self,
        tools: &[ToolSpec],
        schema: Option<&Value>,
        thinking: bool,
    ) -> Option<Constraint> {
        let _ = (tools, schema, thinking);
        None
    }

    /// Reads a reply while it is written. `prompt_end` is the end of the prompt: some templates
    /// open the thinking themselves.
    pub fn reader(&self, prompt_end: &str) -> ReplyReader {
        let _ = prompt_end;
        ReplyReader {}
    }
}

/// Reads a reply while it is written: text, thinking, and calls apart.
#[derive(Debug)]
pub struct ReplyReader {}

/// A reply that is read to its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// Words for the reader.
    pub text: String,
    /// Thinking, where there was some.
    pub thinking: Option<String>,
    /// Calls, with ids.
    pub calls: Vec<ToolCall>,
}

impl ReplyReader {
    /// Takes in more of the reply's text (special tokens in their written form), gives what is new.
    pub fn push(&mut self, text: &str) -> Vec<Delta> {
        let _ = text;
        Vec::new()
    }

    /// The whole reply, and deltas that were held back.
    pub fn finish(self) -> (Read, Vec<Delta>) {
        (Read::default(), Vec::new())
    }
}
