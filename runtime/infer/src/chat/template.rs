//! The model's own chat template (minijinja).
//!
//! Templates differ in what they can show: some refuse a system role, insist on strict turns, or
//! know no tools. What a template can do is tried out once, when it is loaded ([`habits`]), and a
//! conversation is bent to that ([`turns`]). What people and tools said can never become a
//! special token ([`guard`]).

mod date;
mod guard;
mod habits;
mod jinja;
pub(crate) mod json;
#[cfg(test)]
mod tests;
mod turns;
mod words;

use minijinja::value::Serde;
use minijinja::{Value, context};
use ropewalk_core::message::Message;
use ropewalk_core::tool::ToolSpec;

pub use self::guard::PromptPart;
use self::guard::{Guard, Specials};
use self::habits::{Habits, ToolStyle};
use self::jinja::Jinja;
use super::family::Family;
use crate::error::InferError;
use crate::tokenizer::Tokenizer;

/// A chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    jinja: Jinja,
    tokens: SpecialTexts,
    specials: Specials,
    /// What the template looks for in an assistant's text.
    looked_for: Vec<String>,
    family: Family,
    habits: Habits,
    thinking: Option<(&'static str, &'static str)>,
}

/// The written forms of a model's special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTexts {
    /// What a prompt begins with (`<s>`), or nothing.
    pub begin: String,
    /// What ends a text (`</s>`), or nothing.
    pub end: String,
    /// Every special token, those two included.
    pub all: Vec<String>,
}

impl SpecialTexts {
    /// Those of a tokenizer. The end is its first one.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        let text = |token: u32| String::from_utf8(tokenizer.bytes(token).to_vec()).ok();
        let size = u32::try_from(tokenizer.size()).unwrap_or(u32::MAX);
        let begin = tokenizer.begin().and_then(text).unwrap_or_default();
        let end = tokenizer.ends().first().copied().and_then(text);
        Self {
            begin,
            end: end.unwrap_or_default(),
            all: (0..size)
                .filter(|token| tokenizer.is_special(*token))
                .filter_map(text)
                .collect(),
        }
    }
}

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// What was said.
    pub messages: &'a [Message],
    /// Tools on offer.
    pub tools: &'a [ToolSpec],
    /// Whether the model may think first; its template's default when `None`.
    pub thinking: Option<bool>,
    /// The moment that the template takes for now, in seconds since 1970; this machine's clock
    /// when `None`. Templates print the date (in UTC).
    pub now: Option<i64>,
}

impl ChatTemplate {
    /// A template's source, and the special tokens that it may write.
    ///
    /// # Errors
    /// A template that does not parse, or that fails on a single question.
    pub fn new(source: &str, tokens: SpecialTexts) -> Result<Self, InferError> {
        let jinja = Jinja::new(source)?;
        let render = |messages: serde_json::Value, tools: Option<serde_json::Value>| {
            let context = variables(&messages, tools.as_ref(), None, 0, &tokens);
            jinja.render(context, 0)
        };
        render(
            serde_json::json!([{"role": "user", "content": "Hello"}]),
            None,
        )?;
        let (family, habits) = habits::learn(Family::of_source(source), &|messages, tools| {
            render(messages, tools).ok()
        });
        let specials = Specials::new(&tokens.all);
        let looked_for = specials.harmless(guard::looked_for(source));
        let thinking = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];
        Ok(Self {
            thinking: thinking
                .into_iter()
                .find(|(_, close)| source.contains(close)),
            jinja,
            tokens,
            specials,
            looked_for,
            family,
            habits,
        })
    }

    /// How the model writes tool calls.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The tags that the model's thinking stands between, where its template knows any.
    pub fn thinking(&self) -> Option<(&'static str, &'static str)> {
        self.thinking
    }

    /// The prompt: the conversation, and the beginning of the reply that is asked for. Its parts,
    /// one after the other, are the text.
    ///
    /// # Errors
    /// What the template itself refuses (`raise_exception`), or where it fails.
    pub fn render(&self, conversation: Conversation<'_>) -> Result<Vec<PromptPart>, InferError> {
        match self.render_with(conversation, self.habits) {
            // A template may stumble over one tool's schema: then the tools are told in words.
            Err(error)
                if !conversation.tools.is_empty() && self.habits.tools != ToolStyle::Words =>
            {
                let habits = Habits {
                    tools: ToolStyle::Words,
                    ..self.habits
                };
                self.render_with(conversation, habits).map_err(|_| error)
            }
            other => other,
        }
    }

    fn render_with(
        &self,
        conversation: Conversation<'_>,
        habits: Habits,
    ) -> Result<Vec<PromptPart>, InferError> {
        let texts = texts(conversation)?;
        let guard = Guard::new(&self.specials, texts.iter().map(String::as_str))?;
        let turns = turns::arrange(
            conversation.messages,
            conversation.tools,
            habits,
            self.family,
            &guard,
            &self.looked_for,
        );
        let tools = turns::descriptions(conversation.tools, &guard);
        let messages = turns::messages(&turns, habits, &tools);
        let tools = (habits.tools == ToolStyle::Variable && !tools.is_empty())
            .then(|| serde_json::Value::Array(tools));
        let context = variables(
            &messages,
            tools.as_ref(),
            conversation.thinking,
            conversation.now.unwrap_or_else(date::now),
            &self.tokens,
        );
        let size = texts.iter().map(String::len).sum();
        Ok(guard.reveal(&self.jinja.render(context, size)?))
    }
}

/// All texts of a conversation, to count them and to see which characters occur.
fn texts(conversation: Conversation<'_>) -> Result<Vec<String>, InferError> {
    let failed = |error: serde_json::Error| InferError::Template {
        message: format!("the conversation cannot be written out: {error}"),
    };
    let mut texts = Vec::new();
    for message in conversation.messages {
        texts.push(serde_json::to_string(message).map_err(failed)?);
    }
    for tool in conversation.tools {
        texts.push(serde_json::to_string(tool).map_err(failed)?);
    }
    Ok(texts)
}

/// What a template finds: the names are those of `transformers`.
fn variables(
    messages: &serde_json::Value,
    tools: Option<&serde_json::Value>,
    thinking: Option<bool>,
    now: i64,
    tokens: &SpecialTexts,
) -> Value {
    let strftime_now = move |format: String| date::strftime(&format, now);
    let base = context! {
        messages => Value::from(Serde(messages)),
        tools => tools.map(|tools| Value::from(Serde(tools))),
        documents => (),
        add_generation_prompt => true,
        bos_token => tokens.begin.as_str(),
        eos_token => tokens.end.as_str(),
        strftime_now => Value::from_function(strftime_now),
    };
    match thinking {
        // Some templates call the same switch `thinking`.
        Some(thinking) => context! { enable_thinking => thinking, thinking => thinking, ..base },
        None => base,
    }
}
