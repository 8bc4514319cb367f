//! Replies of all families, whole and in pieces, well-formed and not.

use proptest::prelude::*;
use ropewalk_core::message::Delta;
use serde_json::json;

use super::sampled::special;
use super::tests::{THINK, dialects, read, tools};
use super::*;

#[test]
fn habits_of_models_without_a_grammar_are_forgiven() {
    let city = json!({"city": "Rome"});
    for (family, text, words, calls) in [
        (
            Family::Hermes,
            "Sure.\n<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}",
            "Sure.",
            1,
        ),
        (
            Family::Hermes,
            "<tool_call>\n```json\n{\"name\":\"weather\",\"arguments\":{\"city\":\"Rome\"}}\n```\n</tool_call>\nDone.",
            "Done.",
            1,
        ),
        (
            Family::Hermes,
            "<tool_call>{\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"Rome\\\"}\"}</tool_call>",
            "",
            1,
        ),
        (
            Family::Hermes,
            "<tool_call>[{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}, {\"name\": \"now\"}]</tool_call>",
            "",
            2,
        ),
        (
            Family::Hermes,
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}\n</tool_call>\n<tool_call>{\"name\": \"now\", \"arguments\": null}",
            "",
            2,
        ),
        (
            Family::Llama3,
            "```json\n{\"name\": \"weather\", \"parameters\": {\"city\": \"Rome\"}}\n```",
            "",
            1,
        ),
        (
            Family::Llama3,
            "<|python_tag|>{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\": \"Rome\"}}\n{\"name\": \"now\", \"parameters\": {}}",
            "",
            2,
        ),
        (
            Family::Llama3,
            "{\"answer\": {\"city\": \"Rome\"}} is it.",
            "{\"answer\": {\"city\": \"Rome\"}} is it.",
            0,
        ),
        (
            Family::Llama3,
            "{\"name\": \"Rome\", \"parameters\": {}}",
            "{\"name\": \"Rome\", \"parameters\": {}}",
            0,
        ),
        (
            Family::Llama3,
            "{\"name\": \"weather\"}",
            "{\"name\": \"weather\"}",
            0,
        ),
        (Family::Llama3, "[1] is a note", "[1] is a note", 0),
        (
            Family::Mistral,
            "[TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}, \"id\": \"abcdefghi\"}]",
            "",
            1,
        ),
        (
            Family::Mistral,
            "[TOOL_CALLS]weather[CALL_ID]abcdefghi[ARGS]{\"city\": \"Rome\"}[TOOL_CALLS]now[ARGS]{}",
            "",
            2,
        ),
        (
            Family::MistralNamed,
            "[TOOL_CALLS]weather{\"city\": \"Rome\"}",
            "",
            1,
        ),
        (
            Family::Phi,
            "functools[{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}]",
            "",
            1,
        ),
        (
            Family::Phi,
            "<|tool_call|>[{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}]",
            "",
            1,
        ),
    ] {
        let dialect = Dialect::with_tokens(family, THINK, &special);
        let (read, _) = read(&dialect, Thinking::Maybe, text);
        assert_eq!(
            (read.text.as_str(), read.calls.len()),
            (words, calls),
            "{family:?} {text}\n{read:?}"
        );
        assert_eq!(read.broken, Vec::<String>::new(), "{text}");
        if calls > 0 {
            assert_eq!(read.calls[0].arguments, city, "{text}");
        }
    }
}

#[test]
fn calls_that_cannot_be_read_are_kept_as_written() {
    for text in [
        "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Ro",
        "<tool_call>weather(Rome)</tool_call>",
        "<tool_call>",
        "<tool_call>{\"name\": \"weather\", \"arguments\": {city: Rome}}",
    ] {
        let dialect = Dialect::with_tokens(Family::Hermes, None, &special);
        let (read, _) = read(&dialect, Thinking::No, &format!("Hm. {text}"));
        assert_eq!(read.text, "Hm.");
        assert_eq!(read.calls, []);
        assert_eq!(read.broken.len(), 1, "{read:?}");
        assert!(text.starts_with(&read.broken[0]), "{read:?}");
    }
}

#[test]
fn thinking_is_told_apart() {
    let dialect = Dialect::with_tokens(Family::Hermes, THINK, &special);
    assert_eq!(
        dialect.thinking("assistant\n<think>\n", None),
        Thinking::Begun
    );
    assert_eq!(
        dialect.thinking("<think>\n\n</think>\n\n", None),
        Thinking::No
    );
    assert_eq!(dialect.thinking("assistant\n", Some(false)), Thinking::No);
    assert_eq!(dialect.thinking("assistant\n", None), Thinking::Maybe);
    for (begun, text, thought, words) in [
        (
            Thinking::Maybe,
            "<think>\na\nb\n</think>\n\nHello.\n",
            Some("a\nb"),
            "Hello.",
        ),
        (
            Thinking::Begun,
            "a\n</think>\n\nHello.",
            Some("a"),
            "Hello.",
        ),
        (
            Thinking::Begun,
            "\n<think>\na</think>Hello.",
            Some("a"),
            "Hello.",
        ),
        (
            Thinking::Begun,
            "never closed <tool_call>",
            Some("never closed <tool_call>"),
            "",
        ),
        (
            Thinking::Maybe,
            "\n\n<think>\n\n</think>\n\nHello.",
            None,
            "Hello.",
        ),
        (
            Thinking::Maybe,
            "Say <think> and </think>.",
            None,
            "Say <think> and </think>.",
        ),
        (Thinking::No, "  \n", None, ""),
        (Thinking::Maybe, "<thin", None, "<thin"),
    ] {
        let (read, _) = read(&dialect, begun, text);
        assert_eq!(
            (read.thinking.as_deref(), read.text.as_str()),
            (thought, words),
            "{text}"
        );
    }
}

#[test]
fn without_tools_nothing_is_a_call() {
    for dialect in dialects() {
        for text in [
            "{\"name\": \"now\", \"parameters\": {}}",
            "a <tool_call>{}</tool_call> [TOOL_CALLS] functools[",
        ] {
            let mut reader = dialect.reader(Thinking::No, &[], BTreeSet::new());
            reader.push(text);
            let (read, _) = reader.finish();
            assert_eq!(
                read,
                Read {
                    text: text.to_owned(),
                    ..Read::default()
                }
            );
        }
    }
}

#[test]
fn ids_are_none_of_the_conversation() {
    let taken = ["call_1", "call_3"].map(str::to_owned).into();
    let dialect = Dialect::with_tokens(Family::Hermes, None, &special);
    let mut reader = dialect.reader(Thinking::No, &tools(), taken);
    reader.push("<tool_call>{\"name\": \"now\"}</tool_call><tool_call>{\"name\": \"now\"}</tool_call><tool_call>{\"name\": \"now\"}</tool_call>");
    let (read, _) = reader.finish();
    let ids: Vec<_> = read.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_2", "call_4", "call_5"]);
}

#[test]
fn arguments_come_while_they_are_written() {
    let dialect = Dialect::with_tokens(Family::Hermes, None, &special);
    let mut reader = dialect.reader(Thinking::No, &tools(), BTreeSet::new());
    assert_eq!(
        reader.push("<tool_call>\n{\"name\": \"weather\", \"arg"),
        []
    );
    let fragment = |fragment: &str| Delta::CallArguments {
        index: 0,
        name: "weather".to_owned(),
        fragment: fragment.to_owned(),
    };
    assert_eq!(reader.push("uments\": {\"ci"), [fragment("{\"ci")]);
    assert_eq!(
        reader.push("ty\": \"Rome\"}}"),
        [fragment("ty\": \"Rome\"}")]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_in_any_pieces_reads_the_same_and_its_deltas_are_the_whole(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("<tool_call>"), Just("</tool_call>"), Just("<think>"), Just("</think>"),
                Just("<|python_tag|>"), Just("[TOOL_CALLS]"), Just("[ARGS]"), Just("functools["),
                Just("<|tool_call|>"), Just("<|/tool_call|>"), Just("{\"name\": \"weather\", "),
                Just("\"arguments\": {\"city\": \"Rome\"}}"), Just("\"parameters\": {}}"), Just("now"),
                Just("```json\n"), Just("```"), Just(";"), Just(","), Just("[{"), Just("}]"), Just("\""),
                Just("\\"), Just(" \n"), Just("\n"), Just("é𝄞"), Just("<"), Just("a"),
            ],
            0..24,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        which in 0..12usize,
        begun in any::<bool>(),
    ) {
        let dialect = &dialects()[which];
        let thinking = if begun { Thinking::Begun } else { Thinking::Maybe };
        let text = pieces.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
        at.push(text.len());
        at.sort_unstable();
        let mut reader = dialect.reader(thinking, &tools(), BTreeSet::new());
        let (mut from, mut deltas) = (0, Vec::new());
        for to in at {
            deltas.extend(reader.push(&text[from..to]));
            from = to;
        }
        let (pieced, last) = reader.finish();
        deltas.extend(last);
        let (whole, _) = read(dialect, thinking, &text);
        prop_assert_eq!(&pieced, &whole);

        let (mut said, mut thought) = (String::new(), String::new());
        let mut fragments: std::collections::BTreeMap<usize, (String, String)> = Default::default();
        for delta in deltas {
            match delta {
                Delta::Text { text } => said.push_str(&text),
                Delta::Thinking { text } => thought.push_str(&text),
                Delta::CallArguments { index, name, fragment } => {
                    let entry = fragments.entry(index).or_insert((name.clone(), String::new()));
                    prop_assert_eq!(&entry.0, &name);
                    entry.1.push_str(&fragment);
                }
            }
        }
        prop_assert_eq!(&said, &pieced.text);
        prop_assert_eq!(thought, pieced.thinking.clone().unwrap_or_default());
        prop_assert_eq!(said.trim(), said.as_str());
        if pieced.broken.is_empty() {
            prop_assert_eq!(fragments.len(), pieced.calls.len());
            for (call, (name, arguments)) in pieced.calls.iter().zip(fragments.values()) {
                prop_assert_eq!(&call.name, name);
                prop_assert_eq!(&call.arguments, &serde_json::from_str::<Value>(arguments).unwrap());
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), which in 0..12usize) {
        let dialect = &dialects()[which];
        let (read, _) = read(dialect, Thinking::Maybe, &text);
        prop_assert!(read.text.len() <= text.len());
    }
}
