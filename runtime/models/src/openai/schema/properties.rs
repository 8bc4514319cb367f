//! A schema in other words accepts the same values: any schema, any value, another crate to judge.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use serde_json::{Map, Value, json};

use super::gemini::gemini;
use super::nulls::Nulls;
use super::plain::plain;
use super::simple::simple;
use super::strict::strict;
use super::walk::with_subschemas;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn accepts(schema: &Value, value: &Value) -> bool {
    // Formats are annotations here, as in the newest draft.
    jsonschema::options()
        .should_validate_formats(false)
        .build(schema)
        .unwrap_or_else(|error| panic!("{error}: {schema}"))
        .is_valid(value)
}

/// A scalar value of a small world, so that schemas of the same world are often met.
fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-2_i64..5).prop_map(|n| json!(n)),
        Just(json!(2.5)),
        Just(json!(300)),
        prop_oneof!["", "x", "xy", "yyyy"].prop_map(|text: String| json!(text)),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Value> {
    scalar()
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), inner, 0..3)
                    .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
        .boxed()
}

/// Schemas without schemas in them, of the kinds that every dialect knows.
fn common_leaf() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "description": "text", "default": "x"})),
        Just(json!({"type": "string", "enum": ["x", "xy"]})),
        Just(json!({"type": "string", "const": "x"})),
        Just(json!({"type": "integer", "format": "uint8", "minimum": 0})),
        Just(json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 4})),
        Just(json!({"type": "number", "minimum": 1})),
        Just(json!({"type": "boolean", "default": true})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": ["integer", "string"], "minimum": 1})),
        Just(json!({"type": ["string", "null"], "enum": ["x", null]})),
        Just(json!({"enum": ["x", 1, null]})),
        Just(json!({"const": 1})),
        Just(json!({"type": "string", "pattern": "^x"})),
    ]
    .boxed()
}

fn any_leaf() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => common_leaf(),
        1 => Just(json!({"type": "string", "minLength": 1, "maxLength": 3})),
        1 => Just(json!({"type": "string", "format": "date-time"})),
        1 => Just(json!({"type": "number", "exclusiveMaximum": 2.5, "multipleOf": 0.5})),
        1 => Just(json!(true)),
        1 => Just(json!({})),
        1 => Just(json!({"type": "object"})),
        1 => Just(json!({"type": "array", "uniqueItems": true})),
        1 => Just(json!({"required": ["a"]})),
    ]
    .boxed()
}

/// An object over some of the names.
fn object(
    member: BoxedStrategy<Value>,
    rest: BoxedStrategy<Option<Value>>,
) -> BoxedStrategy<Value> {
    let members = proptest::collection::btree_map(
        proptest::sample::select(&NAMES[..]),
        (member, any::<bool>()),
        0..=3,
    );
    (members, rest)
        .prop_map(|(members, rest)| {
            let required: Vec<&str> = members
                .iter()
                .filter(|(_, (_, required))| *required)
                .map(|(name, _)| *name)
                .collect();
            let mut schema = json!({"type": "object", "required": required});
            let named: Map<String, Value> = members
                .iter()
                .map(|(name, (member, _))| ((*name).to_owned(), member.clone()))
                .collect();
            schema["properties"] = Value::Object(named);
            if let Some(rest) = rest {
                schema["additionalProperties"] = rest;
            }
            schema
        })
        .boxed()
}

fn any_rest(inner: BoxedStrategy<Value>) -> BoxedStrategy<Option<Value>> {
    prop_oneof![
        2 => Just(None),
        2 => Just(Some(json!(false))),
        1 => Just(Some(json!(true))),
        1 => inner.prop_map(Some),
    ]
    .boxed()
}

/// Objects told apart by a tag, as schemars writes enums.
fn tagged(member: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let one = (member, any::<bool>());
    (one.clone(), one)
        .prop_map(|((first, needed), (second, also))| {
            let branch = |tag: &str, member: &Value, needed: bool| {
                let mut required = vec!["a"];
                required.extend(needed.then_some("b"));
                json!({"type": "object", "required": required, "additionalProperties": false,
                       "properties": {"a": {"type": "string", "const": tag}, "b": member}})
            };
            json!({"oneOf": [branch("x", &first, needed), branch("xy", &second, also)]})
        })
        .boxed()
}

/// Any schema whose references, where `loops`, may lead back to it.
fn any_schema(loops: bool) -> BoxedStrategy<Value> {
    let reference = if loops {
        prop_oneof![
            Just(json!({"$ref": "#/$defs/one"})),
            Just(json!({"$ref": "#/$defs/two", "description": "beside"})),
            Just(json!({"$ref": "#"})),
        ]
        .boxed()
    } else {
        Just(json!({"$ref": "#/$defs/leaf", "maximum": 3})).boxed()
    };
    let member = prop_oneof![3 => any_leaf(), 1 => reference];
    member
        .prop_recursive(3, 16, 3, |inner| {
            let inner = inner.boxed();
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                4 => object(inner.clone(), any_rest(inner.clone())),
                1 => tagged(inner.clone()),
                2 => (inner.clone(), 0_u8..2)
                    .prop_map(|(items, least)| json!({"type": "array", "items": items, "minItems": least})),
                1 => pair.clone().prop_map(|(one, two)| json!({"anyOf": [one, two]})),
                1 => pair.clone().prop_map(|(one, two)| json!({"oneOf": [one, two]})),
                1 => pair.clone().prop_map(|(one, two)| json!({"allOf": [one, two]})),
                1 => pair.prop_map(|(one, two)| json!({"if": one, "then": two})),
                1 => inner.clone().prop_map(|only| json!({"allOf": [only], "description": "one"})),
                1 => inner.prop_map(|never| json!({"not": never})),
            ]
        })
        .boxed()
}

/// A whole schema with definitions that may lead to each other and to themselves.
fn whole(loops: bool) -> BoxedStrategy<Value> {
    let inner = any_schema(loops);
    let parts = (
        object(inner.clone(), any_rest(inner.clone())),
        object(inner.clone(), any_rest(inner.clone())),
        object(inner.clone(), any_rest(inner)),
    );
    parts
        .prop_map(|(mut root, one, two)| {
            root["$defs"] = json!({"one": one, "two": two,
                                   "leaf": {"type": ["integer", "string"], "minimum": 1}});
            root["$id"] = json!("https://example.com/schema");
            root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            root
        })
        .boxed()
}

/// A schema that strict mode has words for.
fn sayable() -> BoxedStrategy<Value> {
    common_leaf()
        .prop_recursive(3, 14, 3, |inner| {
            let inner = inner.boxed();
            let closed = Just(Some(json!(false))).boxed();
            prop_oneof![
                4 => object(inner.clone(), closed),
                2 => tagged(inner.clone()),
                2 => (inner.clone(), 0_u8..2)
                    .prop_map(|(items, least)| json!({"type": "array", "items": items, "minItems": least})),
                1 => (inner.clone(), inner)
                    .prop_map(|(one, two)| json!({"anyOf": [one, two]})),
            ]
        })
        .boxed()
}

fn sayable_whole() -> BoxedStrategy<Value> {
    let reference = Just(json!({"$ref": "#/$defs/tree"})).boxed();
    let member = prop_oneof![4 => sayable(), 1 => reference].boxed();
    object(member, Just(Some(json!(false))).boxed())
        .prop_map(|mut root| {
            root["$defs"] = json!({"tree": {
                "type": "object", "additionalProperties": false, "required": ["a"],
                "properties": {
                    "a": {"type": "integer"},
                    "b": {"$ref": "#/$defs/tree"},
                    "c": {"type": "array", "items": {"$ref": "#/$defs/tree"}}
                }
            }});
            root
        })
        .boxed()
}

/// A value that a schema likely accepts, chosen by these numbers.
fn likely(
    schema: &Value,
    root: &Value,
    choices: &mut std::slice::Iter<'_, u8>,
    depth: u8,
) -> Value {
    let mut choose = |most: usize| {
        let choice = choices.next().copied().unwrap_or_default();
        usize::from(choice) % most.max(1)
    };
    if let Some(reference) = schema["$ref"].as_str() {
        let meant = root.pointer(reference.trim_start_matches('#'));
        return match (meant, depth) {
            (Some(meant), ..6) => likely(meant, root, choices, depth + 1),
            _ => json!({"a": 1}),
        };
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        if let Some(branches) = schema[union].as_array() {
            let branch = &branches[choose(branches.len())];
            return likely(branch, root, choices, depth + 1);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[choose(values.len())].clone();
    }
    if schema.get("const").is_some() {
        return schema["const"].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[choose(kinds.len())].as_str(),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let mut object = Map::new();
            for (name, member) in schema["properties"].as_object().into_iter().flatten() {
                let required = schema["required"]
                    .as_array()
                    .is_some_and(|r| r.contains(&json!(name)));
                let skip = choices.next().is_none_or(|choice| choice % 2 == 0);
                if required || !(skip || depth > 6) {
                    object.insert(name.clone(), likely(member, root, choices, depth + 1));
                }
            }
            Value::Object(object)
        }
        Some("array") => {
            let length = choose(3).max(schema["minItems"].as_u64().unwrap_or(0) as usize);
            let items = |_| likely(&schema["items"], root, choices, depth + 1);
            Value::Array((0..length).map(items).collect())
        }
        Some("string") => json!(["x", "xy", "xyz"][choose(3)]),
        Some("integer") => json!([1, 2, 4][choose(3)]),
        Some("number") => json!([1.0, 2.5][choose(2)]),
        Some("boolean") => json!(true),
        _ => Value::Null,
    }
}

/// Values to try a schema on: likely ones, and any.
fn tried(schema: &Value, choices: &[Vec<u8>], values: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = choices
        .iter()
        .map(|choices| likely(schema, schema, &mut choices.iter(), 0))
        .collect();
    all.extend(values.iter().cloned());
    all
}

fn samples() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<Value>)> {
    (
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..24), 8),
        proptest::collection::vec(value(), 8),
    )
}

/// An answer as strict mode gives it: null for what is left out.
fn filled(value: &Value, schema: &Value, definitions: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return filled(value, &definitions[name], definitions);
    }
    if let Some(branches) = schema["anyOf"].as_array() {
        let fits = |branch: &&Value| {
            let mut branch = (*branch).clone();
            if definitions.is_object() {
                branch["$defs"] = definitions.clone();
            }
            accepts(&branch, value)
        };
        return match branches.iter().find(fits) {
            Some(branch) => filled(value, branch, definitions),
            None => value.clone(),
        };
    }
    match value {
        Value::Object(object) => {
            let empty = Map::new();
            let members = schema["properties"].as_object().unwrap_or(&empty);
            let all = members.iter().map(|(name, member)| {
                let value = object.get(name);
                let value = value.map_or(Value::Null, |value| filled(value, member, definitions));
                (name.clone(), value)
            });
            Value::Object(all.collect())
        }
        Value::Array(items) => items
            .iter()
            .map(|item| filled(item, &schema["items"], definitions))
            .collect(),
        other => other.clone(),
    }
}

fn every(schema: &Value, check: &mut impl FnMut(&Map<String, Value>)) {
    if let Value::Object(object) = schema {
        check(object);
        with_subschemas(object, &mut |_, each| {
            every(each, check);
            Value::Null
        });
    }
}

/// Gemini's words as JSON Schema, for the judge.
fn from_gemini(schema: &Value) -> Value {
    let Value::Object(object) = schema else {
        return schema.clone();
    };
    let mut object = with_subschemas(object, &mut |_, each| from_gemini(each));
    match object.remove("nullable") {
        Some(_) => json!({"anyOf": [object, {"type": "null"}]}),
        None => Value::Object(object),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_plain_schema_accepts_the_same(
        schema in prop_oneof![whole(true), whole(false)],
        (choices, values) in samples(),
    ) {
        let rewritten = plain(&schema);
        let simpler = simple(&rewritten);
        every(&rewritten, &mut |object| {
            assert!(!object.contains_key("$schema") && !object.contains_key("$id"), "{rewritten}");
            assert!(object.get("format").is_none_or(|format| format == "date-time"));
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                let name = reference.strip_prefix("#/$defs/").unwrap();
                assert!(rewritten["$defs"].get(name).is_some(), "{reference}: {rewritten}");
            }
        });
        for value in tried(&schema, &choices, &values) {
            let expected = accepts(&schema, &value);
            prop_assert_eq!(accepts(&rewritten, &value), expected, "{} {} {}", schema, rewritten, value);
            prop_assert_eq!(accepts(&simpler, &value), expected, "{} {} {}", schema, simpler, value);
        }
    }

    #[test]
    fn a_strict_schema_says_the_same_with_nulls(
        schema in sayable_whole(),
        (choices, values) in samples(),
    ) {
        let strict = strict(&simple(&plain(&schema)));
        prop_assert!(strict.is_some(), "strict mode has words for {}", schema);
        let strict = strict.unwrap();
        every(&strict, &mut |object| {
            if object.get("type") == Some(&json!("object")) {
                assert_eq!(object["additionalProperties"], false, "{strict}");
                let members: Vec<&String> = object["properties"].as_object().unwrap().keys().collect();
                assert_eq!(json!(members), object["required"], "{strict}");
            }
            for word in ["default", "oneOf", "allOf", "minLength", "$schema"] {
                assert!(!object.contains_key(word), "{word}: {strict}");
            }
        });
        let nulls = Nulls::of(&schema);
        // What strict mode may answer is accepted once its nulls are gone.
        for answer in tried(&strict, &choices, &values) {
            if accepts(&strict, &answer) {
                let removed = nulls.removed(answer.clone());
                prop_assert!(accepts(&schema, &removed), "{} {} {}", schema, answer, removed);
            }
        }
        // What the schema accepts strict mode can say.
        let source = simple(&plain(&schema));
        for wanted in tried(&schema, &choices, &values) {
            if accepts(&schema, &wanted) {
                let answer = filled(&wanted, &source, &source["$defs"]);
                prop_assert!(accepts(&strict, &answer), "{} {} {}", strict, wanted, answer);
            }
        }
    }

    #[test]
    fn a_schema_that_strict_mode_takes_is_never_widened(
        schema in prop_oneof![whole(true), whole(false)],
        (choices, values) in samples(),
    ) {
        if let Some(strict) = strict(&simple(&plain(&schema))) {
            let nulls = Nulls::of(&schema);
            for answer in tried(&strict, &choices, &values) {
                if accepts(&strict, &answer) {
                    let removed = nulls.removed(answer.clone());
                    prop_assert!(accepts(&schema, &removed), "{} {} {}", schema, answer, removed);
                }
            }
        }
    }

    #[test]
    fn geminis_words_are_its_own_and_mean_the_same_where_they_suffice(
        schema in prop_oneof![whole(true), whole(false), sayable_whole()],
        (choices, values) in samples(),
    ) {
        let (written, exact) = gemini(&simple(&plain(&schema)));
        every(&written, &mut |object| {
            for word in ["$ref", "$defs", "$schema", "const", "additionalProperties", "oneOf",
                         "allOf", "not", "default", "exclusiveMinimum", "uniqueItems"] {
                assert!(!object.contains_key(word), "{word}: {written}");
            }
            assert!(!object.get("type").is_some_and(Value::is_array), "{written}");
        });
        if exact {
            let judged = from_gemini(&written);
            for value in tried(&schema, &choices, &values) {
                prop_assert_eq!(
                    accepts(&judged, &value), accepts(&schema, &value),
                    "{} {} {}", schema, written, value
                );
            }
        }
    }
}

#[test]
fn older_drafts_words_become_the_newest() {
    let old = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "definitions": {"n": {"type": "integer"}},
        "properties": {
            "pair": {"type": "array", "items": [{"type": "string"}, {"$ref": "#/definitions/n"}],
                     "additionalItems": false},
            "n": {"$ref": "#/definitions/n", "minimum": 100}
        },
        "dependencies": {"pair": ["n"], "n": {"required": ["pair"]}}
    });
    let new = plain(&old);
    assert_eq!(
        new["properties"]["n"],
        json!({"type": "integer"}),
        "beside a reference nothing counts there"
    );
    for value in [
        json!({"pair": ["x", 1], "n": 1}),
        json!({"pair": ["x", 1]}),
        json!({"n": 1}),
        json!({"pair": ["x", 1, 2], "n": 1}),
        json!({"pair": [1, 1], "n": 1}),
        json!({}),
    ] {
        assert_eq!(accepts(&new, &value), accepts(&old, &value), "{value}");
    }
    let four = json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1, "exclusiveMinimum": true}}});
    assert_eq!(
        plain(&four)["properties"]["a"],
        json!({"type": "integer", "exclusiveMinimum": 1})
    );
}

#[test]
fn references_that_double_at_each_step_or_lead_away_stay() {
    let mut definitions = Map::new();
    definitions.insert("d0".to_owned(), json!({"type": "string"}));
    for step in 1..60 {
        let inner = format!("#/$defs/d{}", step - 1);
        let both =
            json!({"type": "object", "properties": {"a": {"$ref": inner}, "b": {"$ref": inner}}});
        definitions.insert(format!("d{step}"), both);
    }
    let bomb = json!({"$ref": "#/$defs/d59", "$defs": definitions});
    assert_eq!(plain(&bomb), bomb);
    for elsewhere in [
        "https://example.com/other",
        "#/$defs/missing",
        "other.json#/a",
    ] {
        let schema = json!({"type": "object", "properties": {"a": {"$ref": elsewhere}}});
        assert_eq!(plain(&schema), schema);
        assert_eq!(strict(&simple(&plain(&schema))), None);
    }
}

#[test]
fn what_strict_mode_cannot_say_is_left_to_the_check() {
    for schema in [
        json!({"type": "object"})
            .as_object()
            .cloned()
            .map(|mut open| {
                open.insert("additionalProperties".into(), json!(true));
                Value::Object(open)
            })
            .unwrap(),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}}),
        json!({"type": "object", "properties": {"a": {"type": "object"}}}),
        json!({"type": "object", "properties": {"a": {}}}),
        json!({"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}, {"minLength": 3}]}}}),
        json!({"type": "object", "properties": {}, "required": ["a"]}),
    ] {
        assert_eq!(strict(&simple(&plain(&schema))), None, "{schema}");
    }
    let none = json!({"type": "object", "properties": {}});
    assert!(
        strict(&simple(&plain(&none))).is_some(),
        "a tool without arguments"
    );
}

#[test]
fn a_null_that_the_schema_allows_stays() {
    let schema = json!({"type": "object", "required": ["needed"], "properties": {
        "needed": {"type": ["string", "null"]},
        "nullable": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "plain": {"type": "integer"},
        "inner": {"type": "object", "properties": {"x": {"type": "string"}}}
    }});
    let nulls = Nulls::of(&schema);
    let answer = json!({"needed": null, "nullable": null, "plain": null, "inner": {"x": null}, "other": null});
    assert_eq!(
        nulls.removed(answer),
        json!({"needed": null, "nullable": null, "inner": {}, "other": null})
    );
}
