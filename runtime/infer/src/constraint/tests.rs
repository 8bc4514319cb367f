use serde_json::json;

use super::*;
use crate::tokenizer::tests::{byte_level, sentencepiece};

fn grammars() -> (Tokenizer, Grammars) {
    let tokenizer = byte_level("qwen2");
    let grammars = Grammars::new(&tokenizer).unwrap();
    (tokenizer, grammars)
}

/// Whether a text is taken token by token, in the tokenizer's own tokens, and may end there.
fn takes(tokenizer: &Tokenizer, grammars: &Grammars, constraint: &Constraint, text: &str) -> bool {
    let mut matcher = grammars.matcher(constraint).unwrap();
    for token in tokenizer.encode(text, false).unwrap() {
        // The canonical tokens are forced; any others are taken too.
        if !matcher.mask().unwrap().allows(token) {
            return false;
        }
        matcher.accept(token).unwrap();
    }
    let mask = matcher.mask().unwrap();
    tokenizer.ends().iter().all(|end| mask.allows(*end))
}

#[test]
fn explore() {
    let (tokenizer, grammars) = grammars();
    for (schema, yes, no) in [
        (
            json!({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}),
            vec![r#"{"a": 1}"#, r#"{"a": -9223372036854774784}"#],
            vec![
                r#"{"a":1}"#,
                r#"{"a": 1.5}"#,
                r#"{"a": 1, "b": 2}"#,
                r#"{"a": 9223372036854774785}"#,
                r#"{"a": 01}"#,
            ],
        ),
        (
            json!({}),
            vec!["1", "[]", r#"{"x": [1, null, "é"]}"#, "-1.5", "0.25"],
            vec!["1e5", r#""\u0041""#],
        ),
        (
            json!({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":{"type":"string"}}),
            vec![r#"{"a": 1, "b": "x"}"#],
            vec![
                r#"{"a": 1, "a": "x"}"#,
                r#"{"a": 1, "\u0061": "x"}"#,
                r#"{"a": 1, "b": 2}"#,
            ],
        ),
        (
            json!({"type":"array","items":{"enum":["x", 1, null, {"k": [1.5]}]},"minItems":1,"maxItems":2}),
            vec![r#"["x"]"#, r#"[1, {"k": [1.5]}]"#],
            vec!["[]", r#"["x", "x", "x"]"#],
        ),
    ] {
        let c = Constraint::JsonSchema(schema.clone());
        for text in yes {
            assert!(takes(&tokenizer, &grammars, &c, text), "{schema} {text}");
        }
        for text in no {
            assert!(!takes(&tokenizer, &grammars, &c, text), "{schema} {text}");
        }
    }
}
