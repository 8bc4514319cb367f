//! What portable schemas keep, drop and accept.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Inner {
    /// How many.
    count: u32,
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Arguments {
    /// What to look for.
    query: String,
    limit: Option<usize>,
    /// More.
    inner: Option<Inner>,
    many: Vec<Inner>,
}

#[test]
fn references_formats_and_nulls_are_gone_and_meaning_is_kept() {
    let schema = Value::Object(portable::<Arguments>());
    let inner = json!({
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 0, "description": "How many."}},
        "required": ["count"],
        "additionalProperties": false,
    });
    assert_eq!(
        schema["properties"]["query"]["description"],
        "What to look for."
    );
    assert_eq!(
        schema["properties"]["limit"],
        json!({"type": "integer", "minimum": 0})
    );
    assert_eq!(schema["properties"]["many"]["items"], inner);
    assert_eq!(
        schema["properties"]["inner"]["properties"],
        inner["properties"]
    );
    assert_eq!(schema["properties"]["inner"]["description"], "More.");
    assert_eq!(schema["required"], json!(["query", "many"]));
    let text = schema.to_string();
    for banned in ["$ref", "$defs", "uint", "null", "$schema"] {
        assert!(!text.contains(banned), "{banned} is left in {text}");
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is looked at")]
enum Tagged {
    One(Inner),
    Two { other: String },
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Flat {
    id: String,
    #[serde(flatten)]
    tagged: Tagged,
    shade: Option<Shade>,
    #[serde(default)]
    extra: Map<String, Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its schema is looked at")]
enum Shade {
    Dark,
    Light,
}

/// What is wrong with a value after its nulls are taken out.
fn problems<T: JsonSchema>(value: Value) -> Vec<String> {
    let schema = Value::Object(portable::<T>());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = without_nulls(value, &schema);
    validator
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect()
}

#[test]
fn the_fields_of_a_tagged_or_flattened_type_are_all_accepted() {
    let one = json!({"id": "a", "kind": "one", "count": 3, "shade": "dark", "extra": {"x": 1}});
    assert_eq!(problems::<Flat>(one), Vec::<String>::new());
    let two = json!({"id": "a", "kind": "two", "other": "x", "shade": null});
    assert_eq!(problems::<Flat>(two), Vec::<String>::new());
    assert_ne!(
        problems::<Flat>(json!({"id": "a", "kind": "one"})),
        Vec::<String>::new()
    );
    assert_ne!(
        problems::<Tagged>(json!({"kind": "one", "count": -1})),
        Vec::<String>::new()
    );
    let undeclared = json!({"kind": "one", "count": 1, "coumt": 1});
    assert_ne!(problems::<Tagged>(undeclared), Vec::<String>::new());
}

#[test]
fn a_choice_of_words_is_a_plain_list_with_what_was_said_of_each() {
    #[derive(JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only its schema is looked at")]
    enum Mode {
        /// Without care.
        Fast,
        /// With care.
        Exact,
        Plain,
    }
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct Choice {
        /// How.
        mode: Option<Mode>,
        anything: Vec<Value>,
    }
    let schema = Value::Object(portable::<Choice>());
    let mode = &schema["properties"]["mode"];
    assert_eq!(mode["type"], "string");
    let mut words: Vec<&str> = mode["enum"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    words.sort_unstable();
    assert_eq!(words, ["exact", "fast", "plain"]);
    assert_eq!(
        mode["description"],
        "How. fast: Without care. exact: With care."
    );
    assert_eq!(mode.get("oneOf"), None);
    assert_eq!(schema["properties"]["anything"]["items"], json!({}));
}

#[test]
fn a_type_without_fields_refuses_any() {
    #[derive(JsonSchema)]
    struct Nothing {}
    assert_eq!(problems::<Nothing>(json!({})), Vec::<String>::new());
    assert_ne!(problems::<Nothing>(json!({"x": 1})), Vec::<String>::new());
}

#[test]
fn nulls_are_taken_out_where_none_is_allowed_and_kept_where_one_is() {
    let schema = Value::Object(portable::<Flat>());
    let value = json!({"id": "a", "shade": null, "extra": {"kept": null}});
    let expected = json!({"id": "a", "extra": {"kept": null}});
    assert_eq!(without_nulls(value, &schema), expected);
    let schema = Value::Object(portable::<Arguments>());
    let value = json!({"inner": {"count": null}, "many": [{"count": null}, {"count": 1}]});
    let expected = json!({"inner": {}, "many": [{}, {"count": 1}]});
    assert_eq!(without_nulls(value, &schema), expected);
}

#[test]
fn types_that_contain_themselves_in_two_ways_stay_small() {
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct Tree {
        /// What is kept here.
        value: String,
        left: Option<Box<Tree>>,
        right: Option<Box<Tree>>,
        rest: Vec<Tree>,
    }
    let schema = Value::Object(portable::<Tree>());
    assert!(schema.to_string().len() < 2_000, "{schema}");
    let deep = json!({"value": "a", "rest": [], "left": {"value": "b", "rest": [
        {"value": "c", "rest": [], "left": null}]}});
    assert_eq!(problems::<Tree>(deep), Vec::<String>::new());
}

#[test]
fn definitions_that_mention_each_other_do_not_explode() {
    let names: Vec<String> = (0..12).map(|n| format!("T{n}")).collect();
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!({"$ref": format!("#/$defs/{name}")})))
        .collect();
    let all = json!({"type": "object", "properties": properties});
    let definitions: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), all.clone()))
        .collect();
    let schema = normalise(json!({"$ref": "#/$defs/T0", "$defs": definitions}));
    assert!(Value::Object(schema).to_string().len() < 1 << 20);
}

#[test]
fn a_type_that_contains_itself_is_cut_off() {
    let schema = json!({
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    });
    assert!(
        !Value::Object(normalise(schema))
            .to_string()
            .contains("$ref")
    );
    let circle = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
    assert_eq!(normalise(circle).get("type"), Some(&json!("object")));
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("type".to_owned()),
        Just("anyOf".to_owned()),
        Just("properties".to_owned()),
        Just("$ref".to_owned()),
        Just("items".to_owned()),
        "[a-z]{1,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-z#/$]{0,6}".prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_normalised_once_and_for_all(schema in arbitrary_json()) {
        let once = normalise(schema);
        prop_assert_eq!(normalise(Value::Object(once.clone())), once);
    }

    #[test]
    fn taking_nulls_out_twice_changes_nothing(schema in arbitrary_json(), value in arbitrary_json()) {
        let once = without_nulls(value, &schema);
        prop_assert_eq!(without_nulls(once.clone(), &schema), once);
    }

    #[test]
    fn what_the_type_accepts_its_portable_schema_accepts(
        query in "\\PC{0,5}",
        limit in prop::option::of(any::<usize>()),
        inner in prop::option::of(any::<u32>()),
        many in prop::collection::vec(any::<u32>(), 0..3),
    ) {
        let count = |count: u32| json!({"count": count});
        let value = json!({
            "query": query,
            "limit": limit,
            "inner": inner.map(count),
            "many": many.into_iter().map(count).collect::<Vec<_>>(),
        });
        prop_assert!(serde_json::from_value::<Arguments>(value.clone()).is_ok());
        prop_assert_eq!(problems::<Arguments>(value), Vec::<String>::new());
    }
}
