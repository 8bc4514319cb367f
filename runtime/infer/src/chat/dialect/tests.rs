//! Grammars of all families: what they allow, and that it reads back.

use ropewalk_core::message::Delta;
use ropewalk_core::tool::{ToolHints, ToolSpec};
use serde_json::json;

use super::sampled::{END, accepts, factory, matcher, special, written};
use super::*;

pub(super) const THINK: Option<(&str, &str)> = Some(("<think>", "</think>"));

fn tool(name: &str, input_schema: Value) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: "Does things.".to_owned(),
        input_schema,
        output_schema: None,
        hints: ToolHints::default(),
    }
}

pub(super) fn tools() -> Vec<ToolSpec> {
    let weather = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
        },
        "required": ["city"],
    });
    vec![
        tool("weather", weather),
        tool(
            "now",
            json!({"type": "object", "properties": {}, "additionalProperties": false}),
        ),
    ]
}

pub(super) fn dialects() -> Vec<Dialect> {
    let families = [
        Family::Hermes,
        Family::Llama3,
        Family::Mistral,
        Family::MistralNamed,
        Family::Phi,
        Family::Generic,
    ];
    let both = families.iter().flat_map(|family| {
        [
            Dialect::with_tokens(*family, THINK, &special),
            Dialect::with_tokens(*family, THINK, &|_| None),
        ]
    });
    both.collect()
}

/// Marks the markers that are special tokens of a dialect, for [`super::sampled::tokens`].
fn marked(dialect: &Dialect, text: &str) -> String {
    let close = dialect.close.iter();
    let markers = [
        &dialect.open,
        &dialect.arguments,
        &dialect.think.0,
        &dialect.think.1,
    ];
    let mut text = text.to_owned();
    for marker in markers.into_iter().chain(close) {
        if marker.token.is_some() {
            text = text.replace(marker.text, &format!("⟦{}⟧", marker.text));
        }
    }
    text
}

fn held(dialect: &Dialect, tools: &[ToolSpec], thinking: Thinking) -> Constraint {
    let asked = Asked {
        tools,
        required: false,
        answer: Answer::Text,
        thinking,
    };
    let held = dialect.constraint(asked).unwrap();
    assert_eq!(held.unchecked, []);
    held.constraint.unwrap()
}

pub(super) fn read(dialect: &Dialect, thinking: Thinking, text: &str) -> (Read, Vec<Delta>) {
    let mut reader = dialect.reader(thinking, &tools(), BTreeSet::new());
    let mut deltas = reader.push(text);
    let (read, last) = reader.finish();
    deltas.extend(last);
    (read, deltas)
}

#[test]
fn calls_are_asked_for_and_read_back_in_every_family() {
    let factory = factory();
    let (city, none) = (json!({"city": "Rome", "days": 3}), json!({}));
    for dialect in dialects() {
        let constraint = held(&dialect, &tools(), Thinking::Maybe);
        let mut one = dialect.family.write([("weather", &city)].into_iter());
        let mut two = dialect
            .family
            .write([("weather", &city), ("now", &none)].into_iter());
        if dialect.open.text == "functools[" {
            for text in [&mut one, &mut two] {
                *text = text
                    .replace("<|tool_call|>", "functools")
                    .replace("<|/tool_call|>", "");
            }
        }
        let before = if dialect.family.bare() {
            ""
        } else {
            "Let me see.\n"
        };
        for (text, wanted) in [
            (one.clone(), 1),
            (two.clone(), 2),
            (format!("{before}{two}"), 2),
            (
                format!("<think>\nhm {{ <tool {{\n</think>\n\n{before}{one}"),
                1,
            ),
            ("No { call < here.".to_owned(), 0),
            ("<think>so</think>No call.".to_owned(), 0),
        ] {
            let given = marked(&dialect, &text);
            assert_eq!(
                accepts(&factory, &constraint, &given),
                Ok(()),
                "{dialect:?}\n{text}"
            );
            let (read, _) = read(&dialect, Thinking::Maybe, &text);
            assert_eq!(read.calls.len(), wanted, "{dialect:?}\n{text}\n{read:?}");
            assert_eq!(read.broken, Vec::<String>::new());
            if wanted > 0 {
                assert_eq!(
                    (read.calls[0].name.as_str(), &read.calls[0].arguments),
                    ("weather", &city)
                );
                assert_eq!(read.calls[0].id, "call_1");
            }
            if wanted > 1 {
                assert_eq!(
                    (read.calls[1].name.as_str(), &read.calls[1].arguments),
                    ("now", &none)
                );
            }
            assert_eq!(
                read.thinking.is_some(),
                text.starts_with("<think>"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_wrong_call_cannot_be_written() {
    let factory = factory();
    for dialect in dialects() {
        let constraint = held(&dialect, &tools(), Thinking::Maybe);
        let good = json!({"city": "Rome"});
        let wrong = [
            ("wether", json!({"city": "Rome"})),
            ("weather", json!({"city": 5})),
            ("weather", json!({"days": 3})),
            ("weather", json!({"city": "Rome", "days": 99})),
            ("weather", json!({"city": "Rome", "other": 1})),
            ("now", json!({"city": "Rome"})),
        ];
        for (name, arguments) in &wrong {
            for before in ["", "<think>x</think>", "Text. "] {
                if !before.is_empty() && dialect.family.bare() && !before.starts_with('<') {
                    continue;
                }
                let call = dialect.family.write([(*name, arguments)].into_iter());
                let call = match dialect.open.text {
                    "functools[" => call
                        .replace("<|tool_call|>", "functools")
                        .replace("<|/tool_call|>", ""),
                    _ => call,
                };
                let text = marked(&dialect, &format!("{before}{call}"));
                assert!(
                    accepts(&factory, &constraint, &text).is_err(),
                    "{dialect:?}\n{text}"
                );
            }
        }
        // A marker spelled out with other tokens counts as one, or is refused.
        let call = dialect.family.write([("weather", &good)].into_iter());
        for text in [
            call.replace("weather", "x"),
            format!("Say {} and go on.", dialect.open.text),
            format!("Say {} and go on.", dialect.family.opens()[0]),
        ] {
            assert!(
                accepts(&factory, &constraint, &text).is_err(),
                "{dialect:?}\n{text}"
            );
        }
    }
}

#[test]
fn required_calls_answers_and_both() {
    let factory = factory();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    let tools = tools();
    let city = json!({"city": "Rome"});
    for dialect in dialects() {
        let call = dialect.family.write([("weather", &city)].into_iter());
        let call = match dialect.open.text {
            "functools[" => call
                .replace("<|tool_call|>", "functools")
                .replace("<|/tool_call|>", ""),
            _ => call,
        };
        let call = marked(&dialect, &call);
        let ask = |tools, required, answer, thinking| {
            let asked = Asked {
                tools,
                required,
                answer,
                thinking,
            };
            dialect.constraint(asked).unwrap().constraint.unwrap()
        };
        let required = ask(&tools, true, Answer::Text, Thinking::No);
        assert_eq!(accepts(&factory, &required, &call), Ok(()));
        assert!(accepts(&factory, &required, "Words.").is_err());
        assert!(accepts(&factory, &required, "").is_err());

        let answer = ask(&[], false, Answer::Schema(&schema), Thinking::Begun);
        let close = marked(&dialect, "</think>");
        assert_eq!(
            accepts(
                &factory,
                &answer,
                &format!("any {{ thing{close}\n\n{{\"n\": 1}}")
            ),
            Ok(())
        );
        assert!(accepts(&factory, &answer, "{\"n\": 1}").is_err());
        assert!(accepts(&factory, &answer, &format!("a{close}{{\"n\": \"x\"}}")).is_err());

        let either = ask(&tools, false, Answer::Schema(&schema), Thinking::No);
        assert_eq!(accepts(&factory, &either, &call), Ok(()), "{dialect:?}");
        assert_eq!(accepts(&factory, &either, "{\"n\": 1}"), Ok(()));
        assert!(accepts(&factory, &either, "Words.").is_err());

        // An answer that begins as a call does.
        let named = json!({"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}, "required": ["name", "size"]});
        let either = ask(&tools, false, Answer::Schema(&named), Thinking::No);
        assert_eq!(accepts(&factory, &either, &call), Ok(()), "{dialect:?}");
        assert_eq!(
            accepts(&factory, &either, r#"{"name": "weathers", "size": 1}"#),
            Ok(()),
            "{dialect:?}"
        );

        let regex = Grammar::Regex("[0-9]+/[0-9]+".to_owned());
        let regex = ask(&[], false, Answer::Grammar(&regex), Thinking::No);
        assert_eq!(accepts(&factory, &regex, "12/7"), Ok(()));
        assert!(accepts(&factory, &regex, "12-7").is_err());

        let lark = Grammar::Lark("start: \"SELECT \" NAME\nNAME: /[a-z]+/".to_owned());
        let lark = ask(&[], false, Answer::Grammar(&lark), Thinking::Maybe);
        assert_eq!(accepts(&factory, &lark, "SELECT a"), Ok(()));
        assert!(accepts(&factory, &lark, "DROP a").is_err());
    }
    let dialect = &dialects()[0];
    for grammar in [
        Grammar::Regex("(".to_owned()),
        Grammar::Lark("start: x".to_owned()),
    ] {
        let asked = Asked {
            tools: &[],
            required: false,
            answer: Answer::Grammar(&grammar),
            thinking: Thinking::No,
        };
        assert!(
            matches!(
                dialect.constraint(asked),
                Err(InferError::Constraint { .. })
            ),
            "{grammar:?}"
        );
    }
    let nothing = Asked {
        tools: &[],
        required: false,
        answer: Answer::Text,
        thinking: Thinking::Maybe,
    };
    assert_eq!(dialect.constraint(nothing).unwrap().constraint, None);
}

#[test]
fn a_schema_that_cannot_be_enforced_is_listed() {
    let odd = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}, "uniqueItems": true}}, "required": ["a"]});
    let tools = [
        tools().remove(0),
        tool("odd", odd),
        tool("worse", json!({"type": "dict"})),
    ];
    let dialect = Dialect::with_tokens(Family::Hermes, None, &special);
    let asked = Asked {
        tools: &tools,
        required: true,
        answer: Answer::Text,
        thinking: Thinking::No,
    };
    let held = dialect.constraint(asked).unwrap();
    let listed: Vec<_> = held
        .unchecked
        .iter()
        .map(|unchecked| unchecked.tool.as_deref())
        .collect();
    assert_eq!(listed, [Some("odd"), Some("worse")]);
    let (factory, constraint) = (factory(), held.constraint.unwrap());
    for (name, arguments, fits) in [
        ("odd", json!({"a": [1, 1]}), true),
        ("odd", json!({"a": ["x"]}), false),
        ("worse", json!({"any": [null]}), true),
    ] {
        let call = marked(
            &dialect,
            &dialect.family.write([(name, &arguments)].into_iter()),
        );
        assert_eq!(
            accepts(&factory, &constraint, &call).is_ok(),
            fits,
            "{call}"
        );
    }
}

#[test]
fn names_and_schemas_cannot_break_out_of_the_grammar() {
    let names = [
        "a\"b",
        "x\\",
        "%json {}",
        "new\nline",
        "é<[1]>\u{7f}",
        "a | b",
        "#",
        "\u{1}",
    ];
    let tools: Vec<_> = names.iter().map(|name| tool(name, json!({"type": "object", "properties": {"\"} | \"x": {"const": "}\n/*\"`"}}, "description": "}\nstart: \"x\""}))).collect();
    let factory = factory();
    for dialect in dialects() {
        let constraint = held(&dialect, &tools, Thinking::No);
        for name in names {
            if dialect.family == Family::MistralNamed {
                matcher(&factory, &constraint);
                continue;
            }
            let none = json!({});
            let call = json!({"name": name, dialect.family.arguments_key(): none});
            let call = dialect.family.write([(name, &none)].into_iter()).replace(
                &crate::chat::family::json(&call),
                &format!(
                    "{{\"name\": {}, \"{}\": {{}}}}",
                    json!(name),
                    dialect.family.arguments_key()
                ),
            );
            let call = match dialect.open.text {
                "functools[" => call
                    .replace("<|tool_call|>", "functools")
                    .replace("<|/tool_call|>", ""),
                _ => call,
            };
            assert_eq!(
                accepts(&factory, &constraint, &marked(&dialect, &call)),
                Ok(()),
                "{dialect:?} {name}"
            );
        }
    }
}

/// Writes whatever a grammar allows, by chance, until it may end.
fn sample(
    factory: &llguidance::ParserFactory,
    constraint: &Constraint,
    mut seed: u64,
) -> Option<String> {
    let mut matcher = matcher(factory, constraint);
    let mut reply = Vec::new();
    let mut next = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..300 {
        let mask = matcher.compute_mask_or_eos().unwrap();
        let allowed: Vec<u32> = (0..END + 9)
            .filter(|token| mask.is_allowed(*token))
            .collect();
        assert!(!allowed.is_empty(), "{}", String::from_utf8_lossy(&reply));
        // Closing what is open, and special tokens, are more likely than any byte.
        let likely: Vec<u32> = allowed
            .iter()
            .copied()
            .filter(|token| *token >= 256 || b"\"}]:,{[<".contains(&(*token as u8)))
            .collect();
        let from = if !likely.is_empty() && next(2) == 0 {
            &likely
        } else {
            &allowed
        };
        let token = from[next(from.len())];
        if token == END {
            return String::from_utf8(reply).ok();
        }
        reply.extend(written(token));
        matcher.consume_token(token).unwrap();
    }
    None
}

#[test]
fn whatever_a_grammar_allows_reads_back_as_calls_that_fit() {
    let factory = factory();
    let tools = tools();
    let validators: Vec<_> = tools
        .iter()
        .map(|tool| jsonschema::validator_for(&tool.input_schema).unwrap())
        .collect();
    for dialect in dialects() {
        for (required, thinking) in [
            (false, Thinking::Maybe),
            (true, Thinking::No),
            (true, Thinking::Begun),
        ] {
            let asked = Asked {
                tools: &tools,
                required,
                answer: Answer::Text,
                thinking,
            };
            let constraint = dialect.constraint(asked).unwrap().constraint.unwrap();
            let mut finished = 0;
            for seed in 0..12 {
                let Some(reply) = sample(&factory, &constraint, seed) else {
                    continue;
                };
                finished += 1;
                let (read, _) = read(&dialect, thinking, &reply);
                assert_eq!(read.broken, Vec::<String>::new(), "{dialect:?}\n{reply}");
                assert!(
                    !required || !read.calls.is_empty(),
                    "{dialect:?}\n{reply}\n{read:?}"
                );
                for call in &read.calls {
                    let at = tools.iter().position(|tool| tool.name == call.name);
                    let at = at.unwrap_or_else(|| panic!("{dialect:?}\n{reply}"));
                    assert!(
                        validators[at].is_valid(&call.arguments),
                        "{dialect:?}\n{reply}"
                    );
                }
            }
            assert!(
                finished > 2,
                "{dialect:?} {required} {thinking:?}: {finished}"
            );
        }
    }
}

#[test]
fn long_chains_of_references_do_not_overflow_the_stack() {
    let next = |at: usize| json!({"type": "array", "items": {"$ref": format!("#/$defs/d{at}")}});
    let mut definitions: serde_json::Map<String, Value> = (0..3_000)
        .map(|at| (format!("d{at}"), next(at + 1)))
        .collect();
    definitions.insert("d3000".to_owned(), json!({"type": "null"}));
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions});
    let endless = json!({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}});
    let tools = [tool("long", schema), tool("endless", endless)];
    let dialect = Dialect::with_tokens(Family::Hermes, None, &special);
    let asked = Asked {
        tools: &tools,
        required: true,
        answer: Answer::Text,
        thinking: Thinking::No,
    };
    assert!(dialect.constraint(asked).unwrap().constraint.is_some());
}
