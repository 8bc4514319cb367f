//! Replies as grammars in llguidance's Lark.
//!
//! A marker that is a special token is asked for as that token, and free text can hold no special
//! token; one that is plain text ends the free text before it the moment it is complete (a lazy
//! terminal). In both cases free text may not spell a marker out: the reader takes it for one.

use ropewalk_core::message::Grammar;
use serde_json::Value;

use super::schema::{self, Enforced};
use super::{Answer, Asked, Dialect, Held, Marker, Thinking, Unchecked};
use crate::chat::family::Family;
use crate::constraint::Constraint;
use crate::error::InferError;

/// A tool in a grammar.
pub(super) struct Offered {
    pub(super) name: String,
    /// JSON schema of its arguments.
    pub(super) schema: Value,
}

/// The rules of one family's calls.
pub(super) struct Calls {
    /// What follows the first opening marker, and whatever calls come after that.
    pub(super) after_open: String,
    /// Further rules.
    pub(super) rules: Vec<String>,
}

pub(super) fn build(dialect: &Dialect, asked: Asked<'_>) -> Result<Held, InferError> {
    let mut unchecked = Vec::new();
    let tools = offered(asked, &mut unchecked);
    if tools.is_empty() && matches!(asked.answer, Answer::Text) {
        return Ok(Held {
            constraint: None,
            unchecked,
        });
    }
    let mut rules = vec![start(dialect, asked.thinking)];
    rules.push("WS: /[ \\t\\r\\n]{1,4}/".to_owned());
    let answer = answer(asked.answer, &mut rules, &mut unchecked)?;
    if tools.is_empty() {
        rules.push(format!("reply: WS? {}", answer.unwrap_or_default()));
    } else {
        let calls = match dialect.family {
            Family::Hermes | Family::Generic => super::hermes::calls(dialect, &tools),
            Family::Llama3 => super::llama::calls(dialect, &tools),
            Family::Mistral => super::mistral::array(dialect, &tools),
            Family::MistralNamed => super::mistral::named(dialect, &tools),
            Family::Phi => super::phi::calls(dialect, &tools),
        };
        reply(
            dialect,
            asked.required,
            answer.as_deref(),
            &calls,
            &mut rules,
        );
        rules.extend(calls.rules);
    }
    Ok(Held {
        constraint: Some(Constraint::Lark(rules.join("\n"))),
        unchecked,
    })
}

impl Marker {
    /// The marker in a rule.
    pub(super) fn lark(&self) -> String {
        match self.token {
            Some(token) => format!("<[{token}]>"),
            None => literal(self.text),
        }
    }
}

/// `call: ...`: one of the tools as `{"name": ..., KEY: {...}}`, exactly as models write it.
pub(super) fn objects(tools: &[Offered], key: &str) -> String {
    let forms = tools.iter().map(|tool| {
        let name = Value::String(tool.name.clone());
        let head = literal(&format!("{{\"name\": {name}, \"{key}\": "));
        format!("{head} %json {} \"}}\"", tool.schema)
    });
    format!("call: {}", forms.collect::<Vec<_>>().join("\n    | "))
}

/// The same where an answer in JSON may stand in a call's place. The terminals are those of JSON:
/// a longer one would swallow the beginning of the answer.
pub(super) fn bare_objects(tools: &[Offered], key: &str) -> String {
    let forms = tools.iter().map(|tool| {
        let name = literal(&Value::String(tool.name.clone()).to_string());
        let key = literal(&format!("\"{key}\""));
        format!("{name} \", \" {key} \": \" %json {} \"}}\"", tool.schema)
    });
    let forms = forms.collect::<Vec<_>>().join("\n    | ");
    format!("call: \"{{\" \"\\\"name\\\"\" \": \" named\nnamed: {forms}")
}

/// A text as a Lark string.
pub(super) fn literal(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted.replace('\u{7f}', "\\u007f")
}

/// A text as it stands in a Lark regular expression.
fn pattern(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if r"\.+*?()|[]{}^$#&-~/".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn start(dialect: &Dialect, thinking: Thinking) -> String {
    let (open, close) = (&dialect.think.0, &dialect.think.1);
    let thought = match close.token {
        Some(_) => format!(
            "thought: THOUGHT? {}\nTHOUGHT: /(?s:.+)/ & ~/(?s:.*){}(?s:.*)/",
            close.lark(),
            pattern(close.text)
        ),
        None => format!("thought[lazy]: /(?s:.*){}/", pattern(close.text)),
    };
    match thinking {
        Thinking::No => "start: reply".to_owned(),
        Thinking::Maybe => format!("start: ({} thought)? reply\n{thought}", open.lark()),
        Thinking::Begun => format!("start: thought reply\n{thought}"),
    }
}

/// What a reply after the thinking is. Without an answer that is asked for, free text may stand
/// before the calls, or alone.
fn reply(
    dialect: &Dialect,
    required: bool,
    answer: Option<&str>,
    calls: &Calls,
    rules: &mut Vec<String>,
) {
    let after = &calls.after_open;
    let open = dialect.open.lark();
    let opened = match dialect.family {
        Family::Llama3 if dialect.open.token.is_some() => format!("{open}? {after}"),
        Family::Llama3 => after.clone(),
        _ => format!("{open} {after}"),
    };
    if let Some(answer) = answer.filter(|_| !required) {
        rules.push(format!("reply: WS? ({opened} | {answer})"));
        return;
    }
    if required {
        rules.push(format!("reply: WS? {opened}"));
        return;
    }
    // Thinking and bare JSON are told by what a reply begins with.
    let mut begins = pattern(dialect.think.0.text);
    if dialect.family.bare() {
        begins.push_str(r"|(```[a-zA-Z]*\s*)?[\[{]");
    }
    let opens = dialect.family.opens().iter();
    let opens = opens
        .map(|open| pattern(open))
        .collect::<Vec<_>>()
        .join("|");
    let limits = format!("~/(?s:.*)({opens})(?s:.*)/ & ~/\\s*({begins})(?s:.*)/");
    rules.push(format!("TEXT: /(?s:.+)/ & {limits}"));
    if dialect.family.bare() {
        rules.push(format!("reply: TEXT? | WS? {opened}"));
    } else if dialect.open.token.is_some() {
        rules.push(format!("reply: TEXT? ({opened})?"));
    } else {
        rules.push(format!("reply: TEXT? | said {after}"));
        rules.push(format!("said[lazy]: BEFORE {open}"));
        rules.push(format!("BEFORE: /(?s:.*)/ & {limits}"));
    }
}

fn offered(asked: Asked<'_>, unchecked: &mut Vec<Unchecked>) -> Vec<Offered> {
    let mut tools: Vec<Offered> = Vec::new();
    for tool in asked.tools {
        if tools.iter().any(|known| known.name == tool.name) {
            continue;
        }
        let Enforced {
            schema,
            unchecked: reason,
        } = schema::arguments(&tool.input_schema);
        if let Some(reason) = reason {
            unchecked.push(Unchecked {
                tool: Some(tool.name.clone()),
                reason,
            });
        }
        tools.push(Offered {
            name: tool.name.clone(),
            schema,
        });
    }
    tools
}

fn answer(
    answer: Answer<'_>,
    rules: &mut Vec<String>,
    unchecked: &mut Vec<Unchecked>,
) -> Result<Option<String>, InferError> {
    let rule = match answer {
        Answer::Text => return Ok(None),
        Answer::Schema(schema) => {
            let enforced = schema::answer(schema);
            unchecked.extend(
                enforced
                    .unchecked
                    .map(|reason| Unchecked { tool: None, reason }),
            );
            format!("answer: %json {}", enforced.schema)
        }
        Answer::Grammar(Grammar::Regex(regex)) => {
            let rule = match regex.as_str() {
                "" => "answer: \"\"".to_owned(),
                regex => format!("answer: ANSWER\nANSWER: /{}/", slashes_escaped(regex)),
            };
            own(&rule, "regular expression")?;
            rule
        }
        Answer::Grammar(Grammar::Lark(lark)) => {
            let rule = format!("answer: %lark {{\n{lark}\n}}");
            own(&rule, "grammar")?;
            rule
        }
    };
    rules.push(rule);
    Ok(Some("answer".to_owned()))
}

/// Whether a caller's own rule compiles.
fn own(rule: &str, what: &'static str) -> Result<(), InferError> {
    let lark = format!("start: answer\n{rule}");
    Constraint::Lark(lark).check().map_err(|error| match error {
        InferError::Constraint { message, .. } => InferError::Constraint { what, message },
        other => other,
    })
}

/// A regular expression between slashes.
fn slashes_escaped(regex: &str) -> String {
    let mut out = String::with_capacity(regex.len());
    let mut escaped = false;
    for character in regex.chars() {
        if character == '/' && !escaped {
            out.push('\\');
        }
        escaped = character == '\\' && !escaped;
        out.push(character);
    }
    out
}
