use std::sync::LazyLock;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::json;

use super::*;
use crate::tokenizer::tests::{byte_level, sentencepiece};

fn made() -> (Tokenizer, Grammars) {
    static MADE: LazyLock<(Tokenizer, Grammars)> = LazyLock::new(|| {
        let tokenizer = byte_level("qwen2");
        let grammars = Grammars::new(&tokenizer).unwrap();
        (tokenizer, grammars)
    });
    MADE.clone()
}

/// Whether a text is taken in the tokenizer's own tokens, and may end there.
fn takes(tokenizer: &Tokenizer, grammars: &Grammars, constraint: &Constraint, text: &str) -> bool {
    let mut matcher = grammars.matcher(constraint).unwrap();
    for token in tokenizer.encode(text, true).unwrap() {
        if !matcher.mask().unwrap().allows(token) {
            return false;
        }
        matcher.accept(token).unwrap();
    }
    let mask = matcher.mask().unwrap();
    tokenizer.ends().iter().all(|end| mask.allows(*end))
}

fn check(constraint: &Constraint, yes: &[&str], no: &[&str]) {
    let (tokenizer, grammars) = made();
    for text in yes {
        assert!(
            takes(&tokenizer, &grammars, constraint, text),
            "{constraint:?} refuses {text}"
        );
    }
    for text in no {
        assert!(
            !takes(&tokenizer, &grammars, constraint, text),
            "{constraint:?} takes {text}"
        );
    }
}

fn refusal(constraint: &Constraint) -> String {
    let (_, grammars) = made();
    match grammars.matcher(constraint) {
        Err(InferError::Constraint { what, message }) => {
            assert_eq!(what, constraint.what());
            message
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{constraint:?} is not refused"),
    }
}

#[test]
fn json_is_written_in_one_form() {
    let object = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "x-guidance": {"lenient": true, "whitespace_flexible": true},
    });
    check(
        &Constraint::JsonSchema(object),
        &[r#"{"a": 1}"#, r#"{"a": -9223372036854774784}"#],
        &[
            r#"{"a":1}"#,
            r#"{ "a": 1}"#,
            "{\n\"a\": 1}",
            r#"{"a": 1.5}"#,
            r#"{"a": 01}"#,
            r#"{"a": 9223372036854774785}"#,
            // Nothing is said of `b`, and no other schema speaks of it.
            r#"{"a": 1, "b": 2}"#,
        ],
    );
}

#[test]
fn anything_is_bounded_in_depth_and_size() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(
        &Constraint::JsonSchema(json!({})),
        &[
            "1",
            "-0.25",
            r#"{"x": [1, null, "é\n"], "y": {}}"#,
            &deep(6),
        ],
        &["1e5", r#""\u0041""#, &deep(7)],
    );
    check(
        &Constraint::JsonSchema(json!({"properties": {"a": true}, "type": ["object", "array"]})),
        &[r#"{"a": {"b": 1}}"#, "{}", "[1]"],
        &[r#"{"b": 1}"#, "1"],
    );
}

#[test]
fn one_key_is_not_written_in_two_ways() {
    let open = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": {"type": "string"},
    });
    check(
        &Constraint::JsonSchema(open),
        &[r#"{"a": 1, "b": "x"}"#],
        &[
            r#"{"a": 1, "a": "x"}"#,
            r#"{"a": 1, "\u0061": "x"}"#,
            r#"{"a": 1, "b": 2}"#,
        ],
    );
}

#[test]
fn objects_that_are_told_apart_by_what_they_lack_stay_open() {
    // Closed, the second would not fit what only the first should; as written, it does.
    let one = json!({"oneOf": [
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"type": "object", "properties": {"b": {"type": "integer"}}},
    ]});
    assert!(refusal(&Constraint::JsonSchema(one)).contains("oneOf"));
    let numbers = json!({"allOf": [{}, {"type": ["number", "array"]}]});
    check(
        &Constraint::JsonSchema(numbers),
        &["1", "[[2]]"],
        &["1e999", "[1e999]", "[[1e999]]"],
    );
    let all = json!({"allOf": [
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
    ]});
    check(
        &Constraint::JsonSchema(all),
        &[r#"{"a": 1, "b": 2}"#],
        &[r#"{"a": 1}"#],
    );
}

#[test]
fn what_cannot_be_held_completely_is_refused() {
    let refused = [
        (json!({"type": "string", "format": "regex"}), "format"),
        (json!({"items": {"not": {"type": "null"}}}), "not"),
        (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
        (json!({"contains": {}, "type": "array"}), "contains"),
        (json!({"if": {}, "then": false}), "if"),
        (json!({"propertyNames": {"pattern": "a"}}), "propertyNames"),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            "dependentRequired",
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#",
                "unevaluatedProperties": false}),
            "unevaluatedProperties",
        ),
        (
            json!({"type": "object", "minProperties": 2}),
            "minProperties",
        ),
        (
            json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            "oneOf",
        ),
        (json!({"type": "string", "pattern": "(?=a)b"}), ""),
        (
            json!({"$ref": "https://example.org/schema"}),
            "nothing is fetched",
        ),
        (
            json!({"$ref": "#/enum/0", "enum": [{}]}),
            "does not lead to a schema",
        ),
        (
            json!({"$ref": "#/$defs/none", "$defs": {}}),
            "does not lead to a schema",
        ),
        (json!({"enum": [18_446_744_073_709_551_615_u64]}), "2^53"),
        (json!({"maximum": 1e300}), "2^53"),
        (json!({"type": "dict"}), "dict"),
        (json!({"properties": {"a": 3}}), "/properties/a"),
        (json!([1]), "schema is expected"),
    ];
    for (schema, expected) in refused {
        let message = refusal(&Constraint::JsonSchema(schema.clone()));
        assert!(message.contains(expected), "{schema}: {message}");
        assert!(!message.contains("non-verbose"));
        assert!(
            Constraint::JsonSchema(schema.clone()).check().is_err(),
            "{schema}"
        );
        // The same holds inline.
        let lark = Constraint::Lark(format!("start: \"x\" %json {schema}"));
        if !schema.is_array() {
            refusal(&lark);
        }
    }
}

#[test]
fn annotations_do_not_stand_in_the_way() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "t", "description": "d", "default": 1, "examples": [1], "deprecated": true,
        "x-order": 3, "discriminator": {"propertyName": "k"}, "nullable": true,
        "type": "object",
        "properties": {
            // Names that are keywords elsewhere.
            "format": {"type": "string", "format": "password"},
            "not": {"type": "integer", "format": "int64"},
        },
        "required": ["format", "not"],
        "unevaluatedProperties": true,
    });
    check(
        &Constraint::JsonSchema(schema),
        &[r#"{"format": "x", "not": 1}"#],
        &[r#"{"format": "x", "not": "1"}"#],
    );
}

#[test]
fn what_allows_nothing_is_refused_at_once() {
    for schema in [
        json!(false),
        json!({"enum": []}),
        json!({"type": "integer", "minimum": 3, "maximum": 2}),
        json!({"type": "object", "properties": {"a": false}, "required": ["a"]}),
        json!({"type": "string", "minLength": 3, "maxLength": 2}),
        json!({"type": "string", "pattern": "^a$", "const": "b"}),
    ] {
        refusal(&Constraint::JsonSchema(schema));
    }
    refusal(&Constraint::Regex(r"[^\s\S]".to_owned()));
    refusal(&Constraint::Regex("(".to_owned()));
    refusal(&Constraint::Lark("start: nothing".to_owned()));
    refusal(&Constraint::Lark("start: <|no_such_token|>".to_owned()));
    refusal(&Constraint::Lark(String::new()));
}

#[test]
fn a_regular_expression_matches_the_whole_text() {
    check(
        &Constraint::Regex("a/b(\\n|\")*[0-9]{2}".to_owned()),
        &["a/b12", "a/b\n\"99"],
        &["a/b1", "xa/b12", "a/b123"],
    );
    // The empty text is a text.
    check(&Constraint::Regex("a?".to_owned()), &["", "a"], &["aa"]);
}

#[test]
fn a_grammar_names_special_tokens_and_holds_schemas() {
    let (tokenizer, _) = made();
    let grammar = r#"
        start: thought <|im_start|> "call " call
        thought: /[^<]*/
        call: %json {"type": "object", "properties": {"n": {"type": "boolean"}}, "required": ["n"]}
    "#;
    let constraint = Constraint::Lark(grammar.to_owned());
    check(
        &constraint,
        &[r#"hm. <|im_start|>call {"n": true}"#],
        &[
            r#"hm. call {"n": true}"#,
            r#"<|im_start|>call {"n":true}"#,
            r#"<|im_start|>call {"n": true}x"#,
        ],
    );
    // Written out as text, it is not the token.
    let (_, grammars) = made();
    let mut matcher = grammars.matcher(&constraint).unwrap();
    let written = tokenizer.encode("<|im_start|>", false).unwrap();
    assert!(written.iter().any(|token| {
        let allowed = matcher.mask().unwrap().allows(*token);
        !(allowed && matcher.accept(*token).is_ok())
    }));
}

#[test]
fn a_grammar_can_end_with_the_token_that_ends_the_turn() {
    let (tokenizer, grammars) = made();
    let constraint = Constraint::Lark(r#"start: "ok" <|im_end|>"#.to_owned());
    let mut matcher = grammars.matcher(&constraint).unwrap();
    for token in tokenizer.encode("ok<|im_end|>", true).unwrap() {
        assert!(!matcher.is_done());
        assert_eq!(
            matcher.mask().unwrap().tokens().collect::<Vec<_>>(),
            [token]
        );
        matcher.accept(token).unwrap();
    }
    assert!(matcher.is_done());
}

#[test]
fn only_the_end_may_follow_what_is_complete() {
    let (tokenizer, grammars) = made();
    assert!(tokenizer.ends().len() > 1);
    let constraint = Constraint::JsonSchema(json!({"const": "x"}));
    let mut matcher = grammars.matcher(&constraint).unwrap();
    let letter = tokenizer.token("a").unwrap();
    for token in tokenizer.encode("\"x\"", false).unwrap() {
        matcher.accept(token).unwrap();
    }
    assert!(matcher.is_done());
    assert!(matcher.forced().is_empty());
    let mut ends = tokenizer.ends().to_vec();
    ends.sort_unstable();
    assert_eq!(matcher.mask().unwrap().tokens().collect::<Vec<_>>(), ends);
    assert!(matcher.accept(letter).is_err());
    matcher.accept(ends[1]).unwrap();

    // One that may go on can end too, and then it is over.
    let constraint = Constraint::Regex("a*".to_owned());
    let mut matcher = grammars.matcher(&constraint).unwrap();
    matcher.accept(letter).unwrap();
    assert!(!matcher.is_done());
    matcher.accept(ends[0]).unwrap();
    assert!(matcher.is_done());

    let mut matcher = grammars.matcher(&constraint).unwrap();
    let other = tokenizer.token("b").unwrap();
    assert!(!matcher.mask().unwrap().allows(other));
    assert!(matcher.accept(other).is_err());
    assert!(matcher.mask().is_err());
    assert!(!matcher.is_done());
}

#[test]
fn forced_tokens_are_those_that_the_model_would_write() {
    let constraint = Constraint::Lark(r#"start: "fn main() { let x = 1; }" /[a-z]+/"#.to_owned());
    for tokenizer in [byte_level("qwen2"), sentencepiece()] {
        let grammars = Grammars::new(&tokenizer).unwrap();
        let mut matcher = grammars.matcher(&constraint).unwrap();
        let forced = matcher.forced();
        let text: Vec<u8> = forced
            .iter()
            .flat_map(|token| tokenizer.bytes(*token).to_vec())
            .collect();
        // The last token may yet turn out to be part of a longer one.
        assert!(b"fn main() { let x = 1; }".starts_with(&text));
        assert!(text.len() > 20);
        let written = tokenizer.encode_within("fn main() { let x = 1; }").unwrap();
        assert!(written.starts_with(&forced));
        for token in forced {
            assert!(matcher.mask().unwrap().allows(token));
            matcher.accept(token).unwrap();
        }
    }
}

#[test]
fn a_matcher_is_followed_on_another_thread() {
    let (_, grammars) = made();
    let constraint = Constraint::JsonSchema(json!({"type": "boolean"}));
    let mut matcher = grammars.matcher(&constraint).unwrap();
    let here = matcher.mask().unwrap();
    let there = std::thread::spawn(move || matcher.mask().unwrap());
    assert_eq!(there.join().unwrap(), here);
}

#[test]
fn hostile_grammars_are_bounded() {
    let (_, grammars) = made();
    let nested = |depth: usize| {
        (0..depth).fold(
            json!({"type": "null"}),
            |inner, _| json!({"type": "array", "items": inner}),
        )
    };
    let chain: serde_json::Map<String, Value> = (0..23_990)
        .map(|at| {
            (
                at.to_string(),
                json!({"$ref": format!("#/$defs/{}", at + 1)}),
            )
        })
        .chain([("23990".to_owned(), json!({"type": "null"}))])
        .collect();
    let product: Vec<Value> = (0..6)
        .map(|part| {
            let parts: Vec<Value> = (0..60)
                .map(|at| json!({"type": "string", "pattern": format!("{part}.*{at}")}))
                .collect();
            json!({ "anyOf": parts })
        })
        .collect();
    let patterns: serde_json::Map<String, Value> = (0..300)
        .map(|at| (format!("^[a-z]{{{}}}$", at + 1), json!(true)))
        .collect();
    let schemas = [
        nested(60),
        nested(400),
        json!({"$ref": "#/$defs/0", "$defs": chain}),
        json!({ "allOf": product }),
        json!({"enum": (0..200_000).collect::<Vec<_>>()}),
        json!({"type": "string", "pattern": "(a{1000}){1000}"}),
        json!({"type": "string", "pattern": "^(.*a.{30}|.*b.{30})$"}),
        json!({"type": "array", "minItems": 4_000_000_000_u64}),
        json!({"type": "object", "patternProperties": patterns}),
        json!({"$ref": "#"}),
        json!({"type": "number", "multipleOf": 0}),
        json!({"type": "number", "multipleOf": 1e-300}),
        json!({"title": "\u{1F600}".repeat(40), "type": "string", "pattern": 3}),
        json!({"type": "string", "minLength": "\u{1F600}".repeat(40)}),
    ];
    for schema in schemas {
        // Whether it is taken or refused, there is an answer.
        let checked = Constraint::JsonSchema(schema.clone()).check();
        let made = grammars.matcher(&Constraint::JsonSchema(schema));
        assert!(checked.is_ok() || made.is_err());
    }
    for lark in [
        "start: start start | \"a\"".to_owned(),
        format!("start: {}\"a\"{}", "(".repeat(60), ")".repeat(60)),
        format!("start: {}", "\"a\"? ".repeat(5000)),
        "start: a{1000000}\na: \"x\"".to_owned(),
    ] {
        let _ = grammars.matcher(&Constraint::Lark(lark));
    }
    let _ = grammars.matcher(&Constraint::Regex("(".repeat(200_000)));
    let _ = grammars.matcher(&Constraint::Regex("(x+x+)+y".repeat(500)));
}

fn schema() -> impl Strategy<Value = Value> {
    let bounds = |low: Option<i64>, width: Option<i64>| {
        let mut bounds = serde_json::Map::new();
        if let Some(low) = low {
            bounds.insert("minimum".to_owned(), low.into());
        }
        if let Some(width) = width {
            let high = low.unwrap_or(-3) + width;
            bounds.insert("maximum".to_owned(), high.into());
        }
        bounds
    };
    let with = |mut schema: Value, more: serde_json::Map<String, Value>| {
        schema.as_object_mut().unwrap().extend(more);
        schema
    };
    let numbers = (
        prop::sample::select(vec!["integer", "number"]),
        prop::option::of(-50_i64..50),
        prop::option::of(0_i64..200),
    )
        .prop_map(move |(kind, low, width)| with(json!({ "type": kind }), bounds(low, width)));
    let texts = prop_oneof![
        (0_u64..4, prop::option::of(0_u64..5)).prop_map(|(least, more)| match more {
            Some(more) => json!({"type": "string", "minLength": least, "maxLength": least + more}),
            None => json!({"type": "string", "minLength": least}),
        }),
        Just(json!({"type": "string", "pattern": "^[a-c]+-[0-9]{2,3}$"})),
        Just(json!({"type": "string", "format": "date"})),
        Just(json!({"type": "string", "format": "int32", "description": "d"})),
    ];
    let literals = prop::sample::select(vec![
        json!({"const": {"k": [1, "x", null]}}),
        json!({"enum": ["a", "\"q\"\n", 7, true, null, -2.5]}),
        json!({"type": "string", "enum": ["é\u{1F600}", ""]}),
        json!({"type": "boolean"}),
        json!({"type": "null"}),
        json!({"type": ["integer", "null"], "minimum": 3}),
        json!({"type": "integer", "multipleOf": 5, "minimum": -20, "maximum": 20}),
        json!({"exclusiveMinimum": 0, "maximum": 9, "type": "integer"}),
        json!({}),
        json!(true),
        json!({"type": "object"}),
        json!({"type": "array"}),
    ]);
    prop_oneof![numbers, texts, literals].prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::subsequence(
            vec!["a", "a b", "é", "\"q\"", "x/y", "~", "type", "$ref"],
            0..4,
        );
        prop_oneof![
            (inner.clone(), 0_u64..3, prop::option::of(0_u64..3)).prop_map(
                |(items, least, more)| {
                    let mut schema = json!({"type": "array", "items": items, "minItems": least});
                    if let Some(more) = more {
                        schema["maxItems"] = (least + more).into();
                    }
                    schema
                }
            ),
            (
                names,
                prop::collection::vec(inner.clone(), 4),
                any::<u8>(),
                prop::option::of(prop::option::of(inner.clone())),
            )
                .prop_map(|(names, schemas, required, others)| {
                    let required: Vec<&str> = names
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| required >> at & 1 == 1)
                        .map(|(_, name)| *name)
                        .collect();
                    let properties: serde_json::Map<String, Value> = names
                        .iter()
                        .map(|name| (*name).to_owned())
                        .zip(schemas)
                        .collect();
                    let mut schema =
                        json!({"type": "object", "properties": properties, "required": required});
                    match others {
                        None => {}
                        Some(None) => schema["additionalProperties"] = false.into(),
                        Some(Some(others)) => schema["additionalProperties"] = others,
                    }
                    schema
                }),
            prop::collection::vec(inner, 1..4).prop_map(|any| json!({ "anyOf": any })),
            any::<bool>().prop_map(|closed| {
                let mut both = json!({"allOf": [
                    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                    {"type": "object", "properties": {"b": {"enum": [[[["x"]]], 1]}}},
                ]});
                if closed {
                    both["allOf"][1]["additionalProperties"] =
                        json!({"minimum": 2, "type": "number"});
                }
                both
            }),
        ]
    })
}

/// Writes a reply from random allowed tokens; the longer it is, the more it tends to close.
fn written(tokenizer: &Tokenizer, matcher: &mut Matcher, seed: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut text = Vec::new();
    for length in 0..4000_u32 {
        let forced = matcher.forced();
        if !forced.is_empty() && random.next_u32() % 2 == 0 {
            for token in forced {
                matcher.accept(token).unwrap();
                text.extend_from_slice(tokenizer.bytes(token));
            }
            continue;
        }
        let mask = matcher.mask().unwrap();
        let allowed: Vec<u32> = mask.tokens().collect();
        assert!(
            allowed
                .iter()
                .all(|token| (*token as usize) < tokenizer.size())
        );
        if let Some(first) = forced.first() {
            assert_eq!(allowed, [*first]);
        }
        let closing: Vec<u32> = allowed
            .iter()
            .copied()
            .filter(|token| {
                tokenizer.ends().contains(token)
                    || matches!(tokenizer.bytes(*token), b"\"" | b"}" | b"]")
            })
            .collect();
        let among = if !closing.is_empty() && random.next_u32() % 40 < 2 + length {
            &closing
        } else {
            &allowed
        };
        let token = among[random.next_u32() as usize % among.len()];
        matcher.accept(token).unwrap();
        if tokenizer.ends().contains(&token) {
            return text;
        }
        text.extend_from_slice(tokenizer.bytes(token));
    }
    panic!("no end: {}", String::from_utf8_lossy(&text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn whatever_is_sampled_parses_and_fits_the_schema(schema in schema(), seed in any::<u64>()) {
        let (tokenizer, grammars) = made();
        let validator = jsonschema::validator_for(&schema).unwrap();
        Constraint::JsonSchema(schema.clone()).check().unwrap();
        let constraints = [
            Constraint::JsonSchema(schema.clone()),
            Constraint::Lark(format!("start: %json {schema}")),
        ];
        for constraint in constraints {
            let mut matcher = grammars.matcher(&constraint).unwrap();
            let text = written(&tokenizer, &mut matcher, seed);
            let text = String::from_utf8(text).unwrap();
            let value: Value = serde_json::from_str(&text).expect(&text);
            prop_assert!(validator.is_valid(&value), "{} does not fit {}", text, schema);
        }
    }
}
