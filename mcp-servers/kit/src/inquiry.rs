//! Asking the other side in the middle of a call: the person, their model, or their client.
//!
//! A tool asks with [`CallContext::ask`](crate::CallContext::ask) and its short forms, and does not
//! see how the answer comes. In the protocol of 2026-07-28 the call ends with the questions, and
//! the client calls again with the answers: the tool runs again from its start, and what it asked
//! before is answered at once. Older clients are asked while the call waits.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::error::ToolError;

/// Something the other side is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// The person fills in a form.
    Form {
        /// What it is for.
        message: String,
        /// JSON schema of an object whose properties are strings, numbers, booleans and choices.
        fields: Value,
    },
    /// The person opens an address, outside the client's sight.
    Link {
        /// What for.
        message: String,
        /// The address.
        url: String,
    },
    /// The client's model answers.
    Model(ModelQuestion),
    /// The client says which folders it works in.
    Roots,
}

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelQuestion {
    /// The words.
    pub prompt: String,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// 0 for the likeliest words, 1 for the model's own spread; the client's choice when left out.
    pub temperature: Option<f32>,
    /// What the answer must be, in the Lark dialect of llguidance. Clients that do not know of it
    /// leave it out, so the answer is checked all the same.
    pub grammar: Option<String>,
}

/// What a client must be able to do to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faculty {
    /// Show a form.
    Forms,
    /// Send a person to an address.
    Links,
    /// Let its model answer.
    Model,
    /// Name its folders.
    Roots,
}

impl fmt::Display for Faculty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forms => "a person's input (elicitation)",
            Self::Links => "a person to open an address (URL elicitation)",
            Self::Model => "the client's model (sampling)",
            Self::Roots => "the client's folders (roots)",
        })
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To a form.
    Form(FormAnswer),
    /// To an address: whether the person agreed to open it.
    Link(bool),
    /// The model's words.
    Model(String),
    /// The client's folders, as addresses.
    Roots(Vec<String>),
}

/// What became of a form.
#[derive(Debug, Clone, PartialEq)]
pub enum FormAnswer {
    /// Filled in, as its schema says.
    Given(Map<String, Value>),
    /// The person said no.
    Declined,
    /// The person closed it.
    Cancelled,
}

impl Question {
    /// What the client must be able to do.
    pub fn faculty(&self) -> Faculty {
        match self {
            Self::Form { .. } => Faculty::Forms,
            Self::Link { .. } => Faculty::Links,
            Self::Model(_) => Faculty::Model,
            Self::Roots => Faculty::Roots,
        }
    }

    /// What the client sent, if it is an answer to this.
    pub(crate) fn answer(&self, sent: &Value) -> Result<Answer, ToolError> {
        match self {
            Self::Form { fields, .. } => form(fields, sent).map(Answer::Form),
            Self::Link { .. } => Ok(Answer::Link(action(sent)? == "accept")),
            Self::Model(_) => Ok(Answer::Model(said(sent)?)),
            Self::Roots => {
                let roots = sent.get("roots").and_then(Value::as_array);
                let roots = roots.ok_or_else(|| unfit("has no list of `roots`"))?;
                let uri = |root: &Value| root.get("uri").and_then(Value::as_str).map(str::to_owned);
                let uris: Option<Vec<String>> = roots.iter().map(uri).collect();
                Ok(Answer::Roots(
                    uris.ok_or_else(|| unfit("has a root without a `uri`"))?,
                ))
            }
        }
    }
}

fn unfit(what: &str) -> ToolError {
    ToolError::new(
        format!("the client's answer {what}"),
        "answer as the protocol says",
    )
}

fn action(sent: &Value) -> Result<&str, ToolError> {
    let action = sent.get("action").and_then(Value::as_str);
    match action {
        Some(action @ ("accept" | "decline" | "cancel")) => Ok(action),
        _ => Err(unfit("has no `action` of accept, decline or cancel")),
    }
}

fn form(fields: &Value, sent: &Value) -> Result<FormAnswer, ToolError> {
    match action(sent)? {
        "decline" => return Ok(FormAnswer::Declined),
        "cancel" => return Ok(FormAnswer::Cancelled),
        _ => {}
    }
    let nothing = json!({});
    let content = sent.get("content").unwrap_or(&nothing);
    let validator = jsonschema::validator_for(fields).map_err(|error| {
        ToolError::new(
            format!("the form of this tool is broken: {error}"),
            "this is a defect of the server",
        )
    })?;
    if let Some(problem) = validator.iter_errors(content).next() {
        let place = problem.instance_path().to_string();
        return Err(unfit(&format!("does not fit the form at `{place}`")));
    }
    match content {
        Value::Object(map) => Ok(FormAnswer::Given(map.clone())),
        _ => Err(unfit("is not an object")),
    }
}

/// The text of a message, which may be one block or several.
fn said(sent: &Value) -> Result<String, ToolError> {
    let content = sent
        .get("content")
        .ok_or_else(|| unfit("has no `content`"))?;
    let blocks = match content {
        Value::Array(blocks) => blocks.as_slice(),
        block => std::slice::from_ref(block),
    };
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block.get("text").and_then(Value::as_str))
        .collect();
    if texts.is_empty() {
        return Err(unfit("has no text"));
    }
    Ok(texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name_form() -> Question {
        Question::Form {
            message: "Who?".to_owned(),
            fields: json!({"type": "object", "properties": {"name": {"type": "string"}},
                "required": ["name"]}),
        }
    }

    #[test]
    fn a_form_is_given_declined_or_cancelled() {
        let given = name_form().answer(&json!({"action": "accept", "content": {"name": "Ada"}}));
        let Ok(Answer::Form(FormAnswer::Given(given))) = given else {
            panic!("{given:?}");
        };
        assert_eq!(given["name"], "Ada");
        let declined = name_form().answer(&json!({"action": "decline"}));
        assert_eq!(declined, Ok(Answer::Form(FormAnswer::Declined)));
        let cancelled = name_form().answer(&json!({"action": "cancel", "content": {}}));
        assert_eq!(cancelled, Ok(Answer::Form(FormAnswer::Cancelled)));
    }

    #[test]
    fn what_does_not_fit_the_form_is_no_answer() {
        for sent in [
            json!({"action": "accept"}),
            json!({"action": "accept", "content": {"name": 3}}),
            json!({"action": "accept", "content": "Ada"}),
            json!({"action": "yes", "content": {"name": "Ada"}}),
            json!("Ada"),
            json!(null),
        ] {
            assert!(name_form().answer(&sent).is_err(), "{sent}");
        }
    }

    #[test]
    fn a_model_may_answer_in_one_block_or_many() {
        let question = Question::Model(ModelQuestion::default());
        let one = json!({"role": "assistant", "content": {"type": "text", "text": "a"}});
        assert_eq!(question.answer(&one), Ok(Answer::Model("a".to_owned())));
        let two =
            json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
        assert_eq!(question.answer(&two), Ok(Answer::Model("a\nb".to_owned())));
        assert!(question.answer(&json!({"content": []})).is_err());
    }

    #[test]
    fn roots_are_addresses() {
        let sent = json!({"roots": [{"uri": "file:///a", "name": "a"}]});
        let roots = Question::Roots.answer(&sent);
        assert_eq!(roots, Ok(Answer::Roots(vec!["file:///a".to_owned()])));
        assert!(Question::Roots.answer(&json!({"roots": [{}]})).is_err());
    }

    proptest! {
        #[test]
        fn anything_sent_is_judged(text in "[{}\\[\\]:,\"a-z0-9]{0,40}") {
            let sent = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let _ = name_form().answer(&sent);
            let _ = Question::Roots.answer(&sent);
        }
    }
}
