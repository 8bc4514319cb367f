//! What a template can show, found out by trying.

use serde_json::{Value, json};

use crate::chat::family::Family;

/// What a template makes of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolStyle {
    /// It prints the variable `tools`.
    Variable,
    /// It prints what the system message has under `tools`.
    SystemKey,
    /// Nothing: they are described in the system text.
    Words,
}

/// What it makes of calls in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallStyle {
    /// It writes them out, arguments given as objects.
    Objects,
    /// It writes them out, arguments given as text.
    Strings,
    /// Nothing: they are part of the assistant's text.
    Words,
}

/// Where instructions may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SystemStyle {
    Anywhere,
    First,
    Never,
}

/// What a template can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Habits {
    pub(super) system: SystemStyle,
    /// It insists that user and assistant take turns.
    pub(super) alternates: bool,
    pub(super) tools: ToolStyle,
    pub(super) calls: CallStyle,
    /// Several calls in one turn.
    pub(super) parallel_calls: bool,
    /// The role `tool`.
    pub(super) results: bool,
}

/// Renders messages, with tools or without; `None` where the template fails.
pub(super) type Try<'a> = &'a dyn Fn(Value, Option<Value>) -> Option<String>;

/// Tries a template out on small conversations whose words are found again or not.
pub(super) fn learn(family: Family, render: Try<'_>) -> (Family, Habits) {
    let shows = |messages: Value, tools: Option<Value>, words: &[&str]| {
        render(messages, tools).is_some_and(|text| words.iter().all(|word| text.contains(word)))
    };
    let user = |text: &str| json!({"role": "user", "content": text});
    let assistant = |text: &str| json!({"role": "assistant", "content": text});
    let system = |text: &str| json!({"role": "system", "content": text});

    let alternates = !shows(json!([user("Vq1"), user("Vq2")]), None, &["Vq1", "Vq2"]);
    let anywhere = json!([
        system("Vs1"),
        user("Vq1"),
        assistant("Va1"),
        system("Vs2"),
        user("Vq2")
    ]);
    let system_style = if !shows(json!([system("Vs1"), user("Vq1")]), None, &["Vs1", "Vq1"]) {
        SystemStyle::Never
    } else if shows(anywhere, None, &["Vs1", "Vs2", "Vq2"]) {
        SystemStyle::Anywhere
    } else {
        SystemStyle::First
    };

    let mut habits = Habits {
        system: system_style,
        alternates,
        tools: ToolStyle::Words,
        calls: CallStyle::Words,
        parallel_calls: true,
        results: false,
    };
    if family == Family::Generic {
        return (family, habits);
    }

    let function = json!({
        "name": "Vtool",
        "description": "Vdescription",
        "parameters": {"type": "object", "properties": {"Vkey": {"type": "string", "description": "Vinner"}}, "required": ["Vkey"]},
    });
    let tools = json!([{"type": "function", "function": function}]);
    let told = ["Vtool", "Vdescription", "Vkey", "Vinner", "Vq1"];
    let in_system = json!([{"role": "system", "content": "Vs1", "tools": json!([function]).to_string()}, user("Vq1")]);
    if shows(json!([user("Vq1")]), Some(tools), &told) {
        habits.tools = ToolStyle::Variable;
    } else if shows(in_system, None, &told) {
        habits.tools = ToolStyle::SystemKey;
    } else {
        // The form of calls is of no use where nothing says which tools there are.
        return (Family::Generic, habits);
    }

    let call = |id: &str, value: &str, as_text: bool| {
        let arguments = json!({"Vkey": value});
        let arguments = if as_text {
            Value::String(format!("{{\"Vkey\": \"{value}\"}}"))
        } else {
            arguments
        };
        json!({"id": id, "type": "function", "function": {"name": "Vtool", "arguments": arguments}})
    };
    let calls =
        |calls: Vec<Value>| json!({"role": "assistant", "content": "", "tool_calls": calls});
    let result = |id: &str, text: &str| json!({"role": "tool", "content": text, "tool_call_id": id, "name": "Vtool"});
    for (style, as_text) in [(CallStyle::Objects, false), (CallStyle::Strings, true)] {
        let history = json!([
            user("Vq1"),
            calls(vec![call("call00000", "Vx", as_text)]),
            result("call00000", "Vr1"),
        ]);
        let Some(text) = render(history, None) else {
            continue;
        };
        if !writes_call(family, &text, "Vx") {
            continue;
        }
        habits.calls = style;
        habits.results = text.contains("Vr1");
        let two = json!([
            user("Vq1"),
            calls(vec![
                call("call00000", "Vx", as_text),
                call("call00001", "Vy", as_text)
            ]),
            result("call00000", "Vr1"),
            result("call00001", "Vr2"),
        ]);
        let mut words = vec!["Vx", "Vy"];
        if habits.results {
            words.extend(["Vr1", "Vr2"]);
        }
        habits.parallel_calls = shows(two, None, &words);
        return (family, habits);
    }
    if family != Family::Phi {
        // Calls in some form that is not known here. (Phi's templates show none at all.)
        habits.tools = ToolStyle::Words;
        return (Family::Generic, habits);
    }
    let history = json!([user("Vq1"), assistant("Va1"), result("call00000", "Vr1")]);
    habits.results = shows(history, None, &["Vq1", "Va1", "Vr1"]);
    (family, habits)
}

/// Whether a text holds a call as the family writes it, with the spacing of Python or without.
fn writes_call(family: Family, text: &str, value: &str) -> bool {
    let key = family.arguments_key();
    let forms = if family == Family::MistralNamed {
        [
            format!("[ARGS]{{\"Vkey\": \"{value}\"}}"),
            format!("[ARGS]{{\"Vkey\":\"{value}\"}}"),
        ]
    } else {
        [
            format!("{{\"name\": \"Vtool\", \"{key}\": {{\"Vkey\": \"{value}\"}}"),
            format!("{{\"name\":\"Vtool\",\"{key}\":{{\"Vkey\":\"{value}\"}}"),
        ]
    };
    let opened = |before: &str| match family {
        Family::Llama3 => true,
        Family::MistralNamed => before.contains("[TOOL_CALLS]Vtool"),
        _ => {
            let before = before.trim_end();
            let before = before.strip_suffix('[').unwrap_or(before).trim_end();
            family.opens().iter().any(|open| before.ends_with(open))
        }
    };
    forms.iter().any(|form| {
        let mut found = text.match_indices(form.as_str());
        found.any(|(at, _)| text.get(..at).is_some_and(opened))
    })
}
