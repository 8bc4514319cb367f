//! A conversation, bent into what a template can show.

use ropewalk_core::message::Message;
use ropewalk_core::tool::{ToolOutcome, ToolSpec};
use serde_json::{Value, json};

use super::guard::Guard;
use super::habits::{CallStyle, Habits, SystemStyle, ToolStyle};
use super::words;
use crate::chat::family::{self, Family};

/// A message as a template is given it. Untrusted text in it is already harmless.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    System(String),
    User(String),
    Assistant {
        text: String,
        calls: Vec<Call>,
    },
    Tool {
        id: String,
        name: String,
        text: String,
    },
}

/// A call in a [`Turn`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// The turns, as the template's habits want them.
pub(super) fn arrange(
    messages: &[Message],
    tools: &[ToolSpec],
    habits: Habits,
    family: Family,
    guard: &Guard<'_>,
    looked_for: &[String],
) -> Vec<Turn> {
    let mut turns = read(messages, guard, looked_for);
    merge_leading_systems(&mut turns);
    if !tools.is_empty() && habits.tools == ToolStyle::Words {
        let words = words::describe(family, &descriptions(tools, guard));
        match turns.first_mut() {
            Some(Turn::System(text)) => {
                text.push_str("\n\n");
                text.push_str(&words);
            }
            _ => turns.insert(0, Turn::System(words)),
        }
    }
    if habits.calls == CallStyle::Words {
        for turn in &mut turns {
            write_calls(turn, family);
        }
    } else if !habits.parallel_calls {
        turns = one_call_at_a_time(turns);
    }
    if !habits.results {
        turns = results_as_user(turns);
    }
    if habits.system != SystemStyle::Anywhere {
        turns = systems_as_user(turns, habits.system);
    }
    if habits.alternates {
        turns = alternate(turns);
    }
    turns
}

/// Tools in the form that OpenAI's interface gave to the world.
pub(super) fn descriptions(tools: &[ToolSpec], guard: &Guard<'_>) -> Vec<Value> {
    let tools = tools.iter().map(|tool| {
        let function = json!({
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.input_schema,
        });
        guard.hide_value(&json!({"type": "function", "function": function}))
    });
    tools.collect()
}

/// The variable `messages`.
pub(super) fn messages(turns: &[Turn], habits: Habits, tools: &[Value]) -> Value {
    let mut system_tools = (habits.tools == ToolStyle::SystemKey && !tools.is_empty())
        .then(|| family::json(&Value::Array(tools.iter().map(function).collect())));
    let mut turns: Vec<Turn> = turns.to_vec();
    if system_tools.is_some() && !matches!(turns.first(), Some(Turn::System(_))) {
        turns.insert(0, Turn::System(String::new()));
    }
    let messages = turns.into_iter().map(|turn| match turn {
        Turn::System(text) => match system_tools.take() {
            Some(tools) => json!({"role": "system", "content": text, "tools": tools}),
            None => json!({"role": "system", "content": text}),
        },
        Turn::User(text) => json!({"role": "user", "content": text}),
        Turn::Assistant { text, calls } if calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        Turn::Assistant { text, calls } => {
            let calls: Vec<Value> = calls.into_iter().map(|call| shown(call, habits)).collect();
            json!({"role": "assistant", "content": text, "tool_calls": calls})
        }
        Turn::Tool { id, name, text } => {
            json!({"role": "tool", "content": text, "tool_call_id": id, "name": name})
        }
    });
    messages.collect()
}

fn function(tool: &Value) -> Value {
    tool.get("function").unwrap_or(tool).clone()
}

fn shown(call: Call, habits: Habits) -> Value {
    let arguments = match habits.calls {
        CallStyle::Strings => Value::String(family::json(&call.arguments)),
        _ => call.arguments,
    };
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    })
}

/// Ids are counted anew: some templates insist on nine letters and digits. A later turn never
/// changes an earlier id, so that the prompt's beginning stays the same.
fn read(messages: &[Message], guard: &Guard<'_>, looked_for: &[String]) -> Vec<Turn> {
    let mut ids: Vec<String> = Vec::new();
    let mut id = |true_id: &str| {
        let at = ids
            .iter()
            .position(|known| known == true_id)
            .unwrap_or_else(|| {
                ids.push(true_id.to_owned());
                ids.len() - 1
            });
        format!("call{at:05}")
    };
    let turns = messages.iter().map(|message| match message {
        Message::System { text } => Turn::System(guard.hide(text)),
        Message::User { text } => Turn::User(guard.hide(text)),
        Message::Assistant { text, calls } => Turn::Assistant {
            text: guard.hide_except(text, looked_for),
            calls: calls
                .iter()
                .map(|call| Call {
                    id: id(&call.id),
                    name: guard.hide(&call.name),
                    arguments: guard.hide_value(&call.arguments),
                })
                .collect(),
        },
        Message::Tool {
            call_id,
            name,
            outcome,
        } => Turn::Tool {
            id: id(call_id),
            name: guard.hide(name),
            text: match outcome {
                ToolOutcome::Ok { text, .. } => guard.hide(text),
                ToolOutcome::Error { message } => format!("Error: {}", guard.hide(message)),
            },
        },
    });
    turns.collect()
}

fn merge_leading_systems(turns: &mut Vec<Turn>) {
    let mut texts = Vec::new();
    while let Some(Turn::System(text)) = turns.first() {
        if !text.is_empty() {
            texts.push(text.clone());
        }
        turns.remove(0);
    }
    if !texts.is_empty() {
        turns.insert(0, Turn::System(texts.join("\n\n")));
    }
}

fn write_calls(turn: &mut Turn, family: Family) {
    if let Turn::Assistant { text, calls } = turn
        && !calls.is_empty()
    {
        if !text.is_empty() {
            text.push('\n');
        }
        let written = family.write(
            calls
                .iter()
                .map(|call| (call.name.as_str(), &call.arguments)),
        );
        text.push_str(&written);
        calls.clear();
    }
}

/// Each call with its result behind it, in a turn of its own.
fn one_call_at_a_time(turns: Vec<Turn>) -> Vec<Turn> {
    let mut out = Vec::with_capacity(turns.len());
    let mut rest = turns.into_iter().peekable();
    while let Some(turn) = rest.next() {
        let Turn::Assistant { text, calls } = turn else {
            out.push(turn);
            continue;
        };
        if calls.len() < 2 {
            out.push(Turn::Assistant { text, calls });
            continue;
        }
        let mut results = Vec::new();
        while let Some(result) = rest.next_if(|turn| matches!(turn, Turn::Tool { .. })) {
            results.push(result);
        }
        let mut text = Some(text);
        for call in calls {
            let answers = |turn: &Turn| matches!(turn, Turn::Tool { id, .. } if *id == call.id);
            let result = results
                .iter()
                .position(answers)
                .map(|at| results.remove(at));
            out.push(Turn::Assistant {
                text: text.take().unwrap_or_default(),
                calls: vec![call],
            });
            out.extend(result);
        }
        out.append(&mut results);
    }
    out
}

fn results_as_user(turns: Vec<Turn>) -> Vec<Turn> {
    let mut out: Vec<Turn> = Vec::with_capacity(turns.len());
    let mut after_result = false;
    for turn in turns {
        match turn {
            Turn::Tool { name, text, .. } => {
                let told = words::result(&name, &text);
                match out.last_mut() {
                    Some(Turn::User(before)) if after_result => {
                        before.push('\n');
                        before.push_str(&told);
                    }
                    _ => out.push(Turn::User(told)),
                }
                after_result = true;
            }
            other => {
                after_result = false;
                out.push(other);
            }
        }
    }
    out
}

/// Instructions that the template cannot show become words of the user: those at the beginning
/// go before the first question, later ones stay where they are.
fn systems_as_user(turns: Vec<Turn>, style: SystemStyle) -> Vec<Turn> {
    let mut out = Vec::with_capacity(turns.len());
    let mut opening: Option<String> = None;
    for (at, turn) in turns.into_iter().enumerate() {
        match turn {
            Turn::System(text) if at == 0 && style == SystemStyle::First => {
                out.push(Turn::System(text));
            }
            Turn::System(text) if at == 0 => opening = Some(text),
            Turn::System(text) => out.push(Turn::User(text)),
            Turn::User(text) => out.push(Turn::User(match opening.take() {
                Some(opening) => format!("{opening}\n\n{text}"),
                None => text,
            })),
            other => {
                out.extend(opening.take().map(Turn::User));
                out.push(other);
            }
        }
    }
    out.extend(opening.map(Turn::User));
    out
}

/// Neighbours of one role become one turn; a gap that remains gets an empty turn. Turns with
/// calls and results stand outside of the count, as templates that are strict about it hold it.
fn alternate(turns: Vec<Turn>) -> Vec<Turn> {
    let mut out: Vec<Turn> = Vec::with_capacity(turns.len());
    let mut user_is_next = true;
    for turn in turns {
        let from_user = match &turn {
            Turn::User(_) => true,
            Turn::Assistant { calls, .. } if calls.is_empty() => false,
            _ => {
                out.push(turn);
                continue;
            }
        };
        if from_user != user_is_next {
            match (out.last_mut(), &turn) {
                (Some(Turn::User(before)), Turn::User(text)) => {
                    join(before, text);
                    continue;
                }
                (
                    Some(Turn::Assistant {
                        text: before,
                        calls,
                    }),
                    Turn::Assistant { text, .. },
                ) if calls.is_empty() => {
                    join(before, text);
                    continue;
                }
                _ if user_is_next => out.push(Turn::User(String::new())),
                _ => out.push(Turn::Assistant {
                    text: String::new(),
                    calls: Vec::new(),
                }),
            }
        }
        out.push(turn);
        user_is_next = !from_user;
    }
    out
}

fn join(before: &mut String, text: &str) {
    if !before.is_empty() && !text.is_empty() {
        before.push_str("\n\n");
    }
    before.push_str(text);
}
