//! Calls of tools, whatever chance writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ropewalk_core::tool::{ToolHints, ToolSpec};
use ropewalk_infer::chat::dialect::{Answer, Asked, Thinking};
use ropewalk_infer::worker::EndReason;
use serde_json::{Value, json};

use super::{heavy, hot};

/// Real tools, or a few of our own.
fn tools() -> Vec<ToolSpec> {
    let data = std::env::var_os("ROPEWALK_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let corpus = data.join("retrieval/bfcl_tools/corpus.jsonl");
    let tool = |name: &str, schema: Value| ToolSpec {
        name: name.to_owned(),
        description: String::new(),
        input_schema: schema,
        output_schema: None,
        hints: ToolHints::default(),
    };
    if let Ok(text) = std::fs::read_to_string(&corpus) {
        let all = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        // Every so many, so that they are not all of one kind.
        return all
            .step_by(12)
            .take(50)
            .map(|entry| {
                let mut schema = entry["inputSchema"].clone();
                plain_types(&mut schema);
                tool(entry["title"].as_str().unwrap_or("tool"), schema)
            })
            .enumerate()
            .map(|(number, mut tool)| {
                tool.name = format!("t{number}_{}", tool.name);
                tool
            })
            .collect();
    }
    println!(
        "there is no {}; tools of our own stand in",
        corpus.display()
    );
    vec![
        tool(
            "search",
            json!({"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1, "maximum": 50}}, "required": ["query"]}),
        ),
        tool(
            "book",
            json!({"type": "object", "properties": {"seats": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 4}, "class": {"enum": ["first", "second"]}}, "required": ["seats", "class"]}),
        ),
        tool(
            "note",
            json!({"type": "object", "properties": {"about": {"type": "object", "properties": {"who": {"type": "string"}, "when": {"type": ["string", "null"]}}, "required": ["who"]}, "urgent": {"type": "boolean"}, "weight": {"type": "number"}}, "required": ["about", "urgent", "weight"]}),
        ),
    ]
}

/// The set writes some types in Python's words.
fn plain_types(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(kind)) = fields.get("type") {
                let plain = match kind.as_str() {
                    "dict" => Some("object"),
                    "float" | "double" => Some("number"),
                    "tuple" => Some("array"),
                    "any" => None,
                    other => Some(other),
                }
                .map(str::to_owned);
                match plain {
                    Some(plain) => fields.insert("type".to_owned(), json!(plain)),
                    None => fields.remove("type"),
                };
            }
            fields.values_mut().for_each(plain_types);
        }
        Value::Array(all) => all.iter_mut().for_each(plain_types),
        _ => {}
    }
}

#[test]
fn sampled_hot_from_random_weights_every_call_parses_and_validates() {
    let count = if heavy() { 10_000 } else { 150 };
    let folder = tempfile::tempdir().unwrap();
    let model = hot::model(folder.path());
    let tools = tools();
    let validators: Vec<_> = tools
        .iter()
        .map(|tool| jsonschema::validator_for(&tool.input_schema).unwrap())
        .collect();
    // Each reply is offered a few of the tools, so that all of them are called.
    let groups: Vec<&[ToolSpec]> = tools.chunks(5).collect();
    let held: Vec<_> = groups
        .iter()
        .map(|tools| {
            let held = model.dialect.constraint(Asked {
                tools,
                required: true,
                answer: Answer::Text,
                thinking: Thinking::No,
            });
            let held = held.unwrap();
            assert_eq!(held.unchecked, [], "every schema can be enforced");
            held.constraint.unwrap()
        })
        .collect();
    let mut called = BTreeSet::new();
    let (mut calls, mut tokens) = (0, 0);
    hot::replies(&model, &held, count, |reply| {
        let (number, text) = (reply.number, &reply.text);
        tokens += reply.tokens;
        let offered = groups[number % groups.len()];
        let mut reader = model.dialect.reader(Thinking::No, offered, BTreeSet::new());
        reader.push(text);
        let (read, _) = reader.finish();
        assert_eq!(
            reply.reason,
            EndReason::Turn,
            "reply {number} broke off: {text}"
        );
        assert!(
            !read.calls.is_empty() && read.broken.is_empty(),
            "reply {number}: {text}"
        );
        for call in &read.calls {
            let tool = tools.iter().position(|tool| tool.name == call.name);
            let tool = tool.unwrap_or_else(|| panic!("reply {number} calls {}", call.name));
            assert!(
                validators[tool].is_valid(&call.arguments),
                "reply {number}: {} does not fit {}",
                call.arguments,
                tools[tool].input_schema
            );
            called.insert(tool);
            calls += 1;
        }
    });
    println!(
        "{calls} calls of {} tools in {count} replies of {tokens} tokens: all parse and validate",
        called.len()
    );
    assert!(calls >= count);
}
