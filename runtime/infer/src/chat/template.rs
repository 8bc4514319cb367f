//! The model's own chat template (minijinja).

use ropewalk_core::message::Message;
use ropewalk_core::tool::ToolSpec;

use crate::error::InferError;

/// A chat template.
#[derive(Debug)]
pub struct ChatTemplate {}

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// What was said.
    pub messages: &'a [Message],
    /// Tools on offer.
    pub tools: &'a [ToolSpec],
    /// Whether the model may think first; its template's default when `None`.
    pub thinking: Option<bool>,
}

impl ChatTemplate {
    /// A template's source, and the written forms of the tokens it may name.
    ///
    /// # Errors
    /// A template that does not parse.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Self, InferError> {
        let _ = (source, begin, end);
        Ok(Self {})
    }

    /// The prompt: the conversation, and the beginning of the reply that is asked for.
    ///
    /// # Errors
    /// What the template itself refuses (`raise_exception`), or where it fails.
    pub fn render(&self, conversation: Conversation<'_>) -> Result<String, InferError> {
        let _ = conversation;
        Ok(String::new())
    }
}
