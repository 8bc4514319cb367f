//! `docs/graph.schema.json` is made from the types, and tells good graphs from broken ones.
//! `ROPEWALK_UPDATE=1` writes it anew.

use std::path::Path;

use ropewalk_core::graph::definition::GraphDefinition;
use serde_json::Value;

use crate::graph_checks::cases;
use crate::graph_fuzz::graphs;

/// The schema, with what it is before what it says.
fn schema() -> Value {
    let mut made = schemars::schema_for!(GraphDefinition).to_value();
    let made = made.as_object_mut().unwrap();
    let first = ["$schema", "title", "description"].map(|key| {
        let value = made.shift_remove(key).unwrap();
        (key.to_owned(), value)
    });
    let rest = std::mem::take(made);
    Value::Object(first.into_iter().chain(rest).collect())
}

/// Text to data, as any other reader of YAML does it.
fn data(text: &str) -> Value {
    serde_norway::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_file_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/graph.schema.json");
    let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("ROPEWALK_UPDATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "docs/graph.schema.json is not that of the types; run this test with ROPEWALK_UPDATE=1"
    );
}

#[test]
fn it_says_what_it_is() {
    let schema = schema();
    assert_eq!(schema["title"], "Ropewalk graph");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
}

#[test]
fn every_good_graph_satisfies_it() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mended: Vec<String> = cases::cases().map(cases::Case::mended).collect();
    for text in graphs::GRAPHS
        .into_iter()
        .chain(mended.iter().map(String::as_str))
    {
        let errors: Vec<String> = validator
            .iter_errors(&data(text))
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
    }
}

#[test]
fn broken_graphs_do_not() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let with = |node: &str, rest: &str| format!("name: a\nnodes: {{a: {node}}}\n{rest}\n");
    for text in [
        "nodes: {}".to_owned(),
        "name: a".to_owned(),
        with("{function: tidy}", "edgess: []"),
        with("{function: tidy}", "edges: [{to: a}]"),
        with("{function: tidy}", "edges: ['a, b']"),
        with("{function: tidy}", "edges: [{from: a, to: {b: c}}]"),
        with("{function: tidy}", "edges: [{from: a, to: b, on: success}]"),
        with("{function: tidy}", "edges: [{from: a, to: b, else: 3}]"),
        with(
            "{function: tidy}",
            "edges: [{from: a, to: b, chain: [[a], [b]]}]",
        ),
        with(
            "{function: tidy}",
            "edges: [{from: a, to: b, max_visits: -1}]",
        ),
        with("{function: tidy}", "channels: {a: {reducer: mean}}"),
        with("{function: tidy}", "channels: {a: strng}"),
        with("{function: tidy}", "channels: {a: {type: text}}"),
        with("{function: tidy}", "budget: {money: 3}"),
        with("{function: [tidy]}", ""),
        with("{agnet: {name: a, prompt: b}}", ""),
        with("{agent: {name: a}}", ""),
        with("{agent: {prompt: a}}", ""),
        with("{model: {prompt: {path: a}}}", ""),
        with("{tool: {name: a, arguments: [1]}}", ""),
        with("{function: tidy, writes: 3}", ""),
        with("{function: tidy, writes: {a: 3}}", ""),
        with("{function: tidy, writes: [3]}", ""),
        with("{function: tidy, join: some}", ""),
        with("{function: tidy, on_error: ignore}", ""),
        with("{function: tidy, retry: {on: [bad_luck]}}", ""),
        with("{map: {over: items}}", ""),
    ] {
        let data = data(&text);
        assert!(!validator.is_valid(&data), "taken for good:\n{text}");
        // Nor does the compiler take any of them.
        assert!(
            serde_json::from_value::<GraphDefinition>(data).is_err(),
            "{text}"
        );
    }
}
