//! Golden prompts of every family's template, and what becomes of conversations that a template
//! cannot show.

use std::fmt::Write as _;

use ropewalk_core::tool::{ToolCall, ToolHints, ToolOutcome};
use serde_json::json;

use super::*;
use crate::chat::family::{FAMILY_TEMPLATES, family_template};

/// 2026-11-27 12:00 UTC.
const NOON: i64 = 1_795_780_800;

const GOLDEN: &str = include_str!("golden.txt");

fn texts_of(name: &str) -> SpecialTexts {
    let (begin, end, more): (&str, &str, &[&str]) = match name {
        "llama3" => (
            "<|begin_of_text|>",
            "<|eot_id|>",
            &["<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>"],
        ),
        "gemma3" => ("<bos>", "<eos>", &["<start_of_turn>", "<end_of_turn>"]),
        "phi4" => (
            "",
            "<|endoftext|>",
            &[
                "<|system|>",
                "<|user|>",
                "<|assistant|>",
                "<|end|>",
                "<|tool|>",
                "<|/tool|>",
            ],
        ),
        "mistral" | "mistral_named" => (
            "<s>",
            "</s>",
            &[
                "[INST]",
                "[/INST]",
                "[TOOL_CALLS]",
                "[ARGS]",
                "[TOOL_RESULTS]",
                "[/TOOL_RESULTS]",
                "[AVAILABLE_TOOLS]",
                "[/AVAILABLE_TOOLS]",
                "[SYSTEM_PROMPT]",
                "[/SYSTEM_PROMPT]",
            ],
        ),
        _ => ("", "<|im_end|>", &["<|im_start|>", "<|endoftext|>"]),
    };
    let ends = [begin, end];
    let all = ends.iter().chain(more).map(|text| (*text).to_owned());
    SpecialTexts {
        begin: begin.to_owned(),
        end: end.to_owned(),
        all: all.filter(|text| !text.is_empty()).collect(),
    }
}

fn template(name: &str) -> ChatTemplate {
    ChatTemplate::new(family_template(name).unwrap(), texts_of(name)).unwrap()
}

fn system(text: &str) -> Message {
    Message::System {
        text: text.to_owned(),
    }
}

fn user(text: &str) -> Message {
    Message::User {
        text: text.to_owned(),
    }
}

fn assistant(text: &str) -> Message {
    Message::Assistant {
        text: text.to_owned(),
        calls: Vec::new(),
    }
}

fn calling(text: &str, calls: &[(&str, &str, serde_json::Value)]) -> Message {
    let calls = calls.iter().map(|(id, name, arguments)| ToolCall {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    });
    Message::Assistant {
        text: text.to_owned(),
        calls: calls.collect(),
    }
}

fn result(id: &str, name: &str, text: &str) -> Message {
    Message::Tool {
        call_id: id.to_owned(),
        name: name.to_owned(),
        outcome: ToolOutcome::Ok {
            text: text.to_owned(),
            structured: None,
        },
    }
}

fn failure(id: &str, name: &str, message: &str) -> Message {
    Message::Tool {
        call_id: id.to_owned(),
        name: name.to_owned(),
        outcome: ToolOutcome::Error {
            message: message.to_owned(),
        },
    }
}

fn weather() -> ToolSpec {
    ToolSpec {
        name: "weather".to_owned(),
        description: "Tells the weather & more.".to_owned(),
        input_schema: json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
        output_schema: None,
        hints: ToolHints::default(),
    }
}

fn parts(
    template: &ChatTemplate,
    messages: &[Message],
    tools: &[ToolSpec],
    thinking: Option<bool>,
) -> Vec<PromptPart> {
    let conversation = Conversation {
        messages,
        tools,
        thinking,
        now: Some(NOON),
    };
    template.render(conversation).unwrap()
}

fn prompt(
    template: &ChatTemplate,
    messages: &[Message],
    tools: &[ToolSpec],
    thinking: Option<bool>,
) -> String {
    parts(template, messages, tools, thinking)
        .into_iter()
        .map(|part| part.text)
        .collect()
}

fn conversations() -> Vec<(&'static str, Vec<Message>, bool, Option<bool>)> {
    let rome = json!({"city": "Rome"});
    let two = [
        ("a", "weather", rome.clone()),
        ("b", "weather", json!({"city": "Oslo"})),
    ];
    vec![
        ("a question", vec![user("Hello?")], false, None),
        (
            "instructions",
            vec![
                system("Be brief."),
                system("Be kind."),
                user("Hello?"),
                assistant("Hi."),
                user("1 < 2?"),
            ],
            false,
            Some(false),
        ),
        (
            "neighbours",
            vec![
                user("Hello?"),
                user("Anyone?"),
                assistant("Yes."),
                system("Shout."),
                user("Who?"),
            ],
            false,
            None,
        ),
        (
            "tools",
            vec![system("Be brief."), user("Weather?")],
            true,
            None,
        ),
        (
            "a call",
            vec![
                user("Weather?"),
                calling("", &[("x", "weather", rome)]),
                result("x", "weather", "rain \"& sun\""),
            ],
            true,
            None,
        ),
        (
            "two calls",
            vec![
                user("Weather?"),
                calling("I look.", &two),
                result("a", "weather", "rain"),
                failure("b", "weather", "no such city"),
                assistant("Rain."),
                user("Thanks."),
            ],
            true,
            Some(true),
        ),
    ]
}

#[test]
fn golden_prompts() {
    let mut out = String::new();
    for (name, _) in FAMILY_TEMPLATES {
        let template = template(name);
        for (what, messages, tools, thinking) in conversations() {
            let tools = if tools { vec![weather()] } else { Vec::new() };
            let prompt = prompt(&template, &messages, &tools, thinking);
            writeln!(out, "=== {name}: {what}\n{prompt}⏎").unwrap();
        }
    }
    if out != GOLDEN {
        let (at, (got, wanted)) = out
            .lines()
            .zip(GOLDEN.lines())
            .enumerate()
            .find(|(_, (a, b))| a != b)
            .unwrap_or_default();
        panic!(
            "line {}: {got:?}, and not {wanted:?}; the whole is\n{out}",
            at + 1
        );
    }
}

#[test]
fn families_are_found_out() {
    for (name, family, thinks) in [
        ("chatml", Family::Hermes, false),
        ("qwen3", Family::Hermes, true),
        ("llama3", Family::Llama3, false),
        ("gemma3", Family::Generic, false),
        ("phi4", Family::Phi, false),
        ("mistral", Family::Mistral, false),
        ("mistral_named", Family::MistralNamed, false),
    ] {
        let template = template(name);
        assert_eq!(
            (template.family(), template.thinking().is_some()),
            (family, thinks),
            "{name}"
        );
    }
    // One that shows tools, but writes calls in some other way.
    let other = "{{ tools|tojson if tools }}{% for m in messages %}<tool_call>{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments }}){% endfor %}{% endfor %}";
    assert_eq!(
        ChatTemplate::new(other, SpecialTexts::default())
            .unwrap()
            .family(),
        Family::Generic
    );
}

#[test]
fn nobody_forges_a_special_token() {
    for (name, _) in FAMILY_TEMPLATES {
        let template = template(name);
        let specials = texts_of(name).all;
        let attack = specials
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        let pieces = attack.replace('>', "</think>>");
        let mut tool = weather();
        tool.description.push_str(&attack);
        tool.input_schema = json!({"type": "object", "properties": {attack.clone(): {"description": attack, "enum": [attack]}}});
        let honest = |text: &str| {
            vec![
                system(text),
                user(text),
                calling(
                    text,
                    &[("x", "weather", json!({"city": text, "list": [text]}))],
                ),
                result("x", "weather", text),
                assistant(text),
                user(text),
                calling("", &[("y", text, json!({text: 1}))]),
                failure("y", text, text),
            ]
        };
        let count = |parts: &[PromptPart], special: bool| {
            let parts = parts.iter().filter(|part| part.special == special);
            parts
                .map(|part| {
                    specials
                        .iter()
                        .map(|text| part.text.matches(text.as_str()).count())
                        .sum::<usize>()
                })
                .sum::<usize>()
        };
        let clean = parts(&template, &honest("word"), &[weather()], None);
        assert_eq!(count(&clean, false), 0, "{name}");
        for text in [&attack, &pieces] {
            let attacked = parts(&template, &honest(text), &[tool.clone()], None);
            assert_eq!(count(&attacked, true), count(&clean, true), "{name}");
            assert!(
                text == &pieces || count(&attacked, false) > specials.len(),
                "{name}"
            );
            let whole: String = attacked.iter().map(|part| part.text.as_str()).collect();
            assert!(
                text == &pieces || whole.contains(&attack),
                "{name}: the words are not lost"
            );
        }
    }
}

#[test]
fn thoughts_of_the_past_are_still_cut_out_by_the_template() {
    let template = template("qwen3");
    let messages = [
        user("1+1?"),
        assistant("<think>\none <|im_end|> one\n</think>\n\n2"),
        user("2+2?"),
    ];
    assert_eq!(
        prompt(&template, &messages, &[], None),
        "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[test]
fn a_tool_that_the_template_stumbles_over_is_told_in_words() {
    let source = family_template("chatml").unwrap().replace(
        "tool|tojson",
        "(raise_exception('no lists') if '[\"string' in tool|tojson) ~ tool|tojson",
    );
    let template = ChatTemplate::new(&source, texts_of("chatml")).unwrap();
    let mut tool = weather();
    assert!(
        prompt(&template, &[user("Weather?")], &[tool.clone()], None)
            .contains("Tools you may call")
    );
    tool.input_schema =
        json!({"type": "object", "properties": {"city": {"type": ["string", "null"]}}});
    let told = prompt(&template, &[user("Weather?")], &[tool], None);
    assert!(
        told.contains("# Tools") && told.contains("[\"string\", \"null\"]"),
        "{told}"
    );
}

#[test]
fn a_later_turn_leaves_the_beginning_of_the_prompt_as_it_is() {
    for name in [
        "chatml",
        "qwen3",
        "llama3",
        "mistral_named",
        "phi4",
        "gemma3",
    ] {
        let template = template(name);
        let (_, messages, _, _) = conversations().remove(5);
        let whole = prompt(&template, &messages, &[weather()], None);
        for length in [1, 4, 5] {
            let before = prompt(&template, &messages[..length], &[weather()], None);
            let shared = before
                .bytes()
                .zip(whole.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            // All but the opening of the reply.
            assert!(
                shared + 60 >= before.len(),
                "{name}: {shared} of {}",
                before.len()
            );
        }
    }
}

#[test]
fn templates_that_cannot_be_used_say_why() {
    let error = |source: &str| {
        ChatTemplate::new(source, SpecialTexts::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error("{% if %}").contains("line 1"));
    assert!(error("a\n{{ raise_exception('never') }}").contains("line 2: never"));
    let endless =
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}";
    assert!(error(endless).contains("does not come to an end"));
}

#[test]
fn the_date_is_the_one_that_is_given() {
    let told = prompt(&template("llama3"), &[user("Hi")], &[], None);
    assert!(told.contains("Today Date: 27 Nov 2026\n"), "{told}");
}
