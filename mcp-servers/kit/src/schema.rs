//! JSON schemas that every client accepts: no references, no formats that only Rust knows, no
//! unions with null, and no argument that nobody declared.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// Nesting at which a schema is cut off.
const MAX_DEPTH: usize = 32;

/// Subschemas after which the rest is cut off: types that mention each other in many ways could
/// otherwise be written out without end.
const MAX_SUBSCHEMAS: usize = 5_000;

/// The schema of a type in its portable form; always an object schema.
pub fn portable<T: JsonSchema>() -> Map<String, Value> {
    let schema = schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    normalise(schema.to_value())
}

/// Makes any schema portable. It accepts what it accepted before, with three exceptions: explicit
/// nulls for what is optional ([`without_nulls`] takes those out of a value), arguments that
/// nobody declared, and below the point where a type contains itself it accepts anything.
pub fn normalise(schema: Value) -> Map<String, Value> {
    let definitions = schema
        .get("$defs")
        .or_else(|| schema.get("definitions"))
        .cloned();
    let definitions = match definitions {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut portable = Portable {
        definitions: &definitions,
        open: Vec::new(),
        left: MAX_SUBSCHEMAS,
    };
    let mut root = match portable.clean(schema, 0, Closing::Wanted) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    root.entry("type").or_insert_with(|| Value::from("object"));
    let says_what_else = [
        "properties",
        "additionalProperties",
        "patternProperties",
        "anyOf",
        "oneOf",
        "allOf",
    ];
    if !says_what_else.iter().any(|key| root.contains_key(*key)) {
        // A tool without arguments.
        root.insert("properties".to_owned(), Value::Object(Map::new()));
        root.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    root
}

/// Takes nulls out of a value where its schema allows none: clients send null for an optional
/// argument they leave out, and an empty `Option` is written as null.
pub fn without_nulls(value: Value, schema: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter_map(|(name, value)| {
                let Some(inner) = property(schema, &name) else {
                    return Some((name, value));
                };
                if value.is_null() && !accepts_null(inner) {
                    return None;
                }
                let value = without_nulls(value, inner);
                Some((name, value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => match item(schema) {
            Some(inner) => items
                .into_iter()
                .map(|item| without_nulls(item, inner))
                .collect(),
            None => Value::Array(items),
        },
        other => other,
    }
}

/// The schema of a property, looked for in the branches of a union as well.
fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let own = schema
        .get("properties")
        .and_then(|properties| properties.get(name));
    let any = || {
        schema
            .get("additionalProperties")
            .filter(|schema| schema.is_object())
    };
    own.or_else(|| branches(schema).find_map(|branch| property(branch, name)))
        .or_else(any)
}

fn item(schema: &Value) -> Option<&Value> {
    schema
        .get("items")
        .or_else(|| branches(schema).find_map(item))
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["anyOf", "oneOf", "allOf"].into_iter();
    lists
        .filter_map(|key| schema.get(key).and_then(Value::as_array))
        .flatten()
}

fn accepts_null(schema: &Value) -> bool {
    let Value::Object(map) = schema else {
        return schema != &Value::Bool(false);
    };
    let any = |key: &str| {
        let branches = map.get(key).and_then(Value::as_array);
        branches.is_none_or(|branches| branches.iter().any(accepts_null))
    };
    let kind = match map.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        Some(kind) => kind == "null",
    };
    let listed = map.get("enum").and_then(Value::as_array);
    kind && listed.is_none_or(|values| values.contains(&Value::Null))
        && map.get("const").is_none_or(Value::is_null)
        && any("anyOf")
        && any("oneOf")
}

/// Whether an object schema is to refuse what it does not declare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// An argument nobody declared is a mistake the caller wants to hear about.
    Wanted,
    /// It is one part of an object that other parts describe further.
    Impossible,
}

struct Portable<'a> {
    definitions: &'a Map<String, Value>,
    /// Definitions being written out, from the outermost.
    open: Vec<String>,
    /// Subschemas that may still be written.
    left: usize,
}

impl Portable<'_> {
    fn clean(&mut self, schema: Value, depth: usize, closing: Closing) -> Value {
        let Value::Object(mut map) = schema else {
            return schema;
        };
        if depth > MAX_DEPTH || self.left == 0 {
            return Value::Object(Map::new());
        }
        self.left -= 1;
        let opened = self.open.len();
        if !self.inline_reference(&mut map) {
            // The type contains itself: it was written out once, around this place.
            self.open.truncate(opened);
            map.retain(|key, value| key == "description" || (key == "type" && value.is_string()));
            return Value::Object(map);
        }
        for noise in ["$schema", "$defs", "definitions", "$id", "title"] {
            map.remove(noise);
        }
        if map
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(rust_only)
        {
            map.remove("format");
        }
        drop_null_type(&mut map);
        if map.get("default").is_some_and(Value::is_null) {
            map.remove("default");
        }
        let cleaned = match drop_null_branch(&mut map) {
            Some(only) => {
                // What was said of the optional value holds for the value.
                let mut inner = match only {
                    Value::Object(inner) => inner,
                    _ => Map::new(),
                };
                inner.extend(map);
                self.clean(Value::Object(inner), depth + 1, closing)
            }
            None => self.clean_parts(map, depth, closing),
        };
        self.open.truncate(opened);
        cleaned
    }

    fn clean_parts(&mut self, map: Map<String, Value>, depth: usize, closing: Closing) -> Value {
        let declares = map.contains_key("properties");
        let combined = ["anyOf", "oneOf", "allOf"]
            .iter()
            .any(|key| map.contains_key(*key));
        // Parts that describe one object together cannot each refuse what the others declare.
        let parts = if (declares && combined) || map.contains_key("allOf") {
            Closing::Impossible
        } else {
            closing
        };
        let mut out = Map::new();
        for (key, value) in map {
            let value = match (key.as_str(), value) {
                ("properties" | "patternProperties", Value::Object(properties)) => {
                    let mut cleaned = Map::new();
                    for (name, schema) in properties {
                        cleaned.insert(name, self.clean(schema, depth + 1, Closing::Wanted));
                    }
                    Value::Object(cleaned)
                }
                ("anyOf" | "oneOf" | "allOf", Value::Array(branches)) => branches
                    .into_iter()
                    .map(|branch| self.clean(branch, depth + 1, parts))
                    .collect(),
                ("prefixItems", Value::Array(items)) => items
                    .into_iter()
                    .map(|item| self.clean(item, depth + 1, Closing::Wanted))
                    .collect(),
                ("items" | "additionalProperties" | "contains", value) => {
                    self.clean(value, depth + 1, Closing::Wanted)
                }
                // Closing what is negated would open it.
                ("not", value) => self.clean(value, depth + 1, Closing::Impossible),
                (_, value) => value,
            };
            out.insert(key, value);
        }
        if declares && !combined && closing == Closing::Wanted {
            out.entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
        Value::Object(out)
    }

    /// Puts what a reference names in its place; what stands beside the reference is kept. False
    /// when the definition is being written out already: then only its description is put.
    fn inline_reference(&mut self, map: &mut Map<String, Value>) -> bool {
        // A reference may lead to another; more steps than definitions means a circle.
        for _ in 0..=self.definitions.len() {
            let Some(Value::String(reference)) = map.remove("$ref") else {
                return true;
            };
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(Value::Object(target)) = self.definitions.get(name) {
                merge(map, target);
                if self.open.iter().any(|open| open == name) {
                    return false;
                }
                self.open.push(name.to_owned());
            }
        }
        true
    }
}

/// Adds the keywords of `target`. Properties and required names are joined, as in a struct inside
/// a tagged enum, which has the tag beside the reference to its fields.
fn merge(map: &mut Map<String, Value>, target: &Map<String, Value>) {
    for (key, value) in target {
        match (map.get_mut(key), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) if key == "properties" => {
                for (name, schema) in theirs {
                    ours.entry(name.clone()).or_insert_with(|| schema.clone());
                }
            }
            (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                for name in theirs {
                    if !ours.contains(name) {
                        ours.push(name.clone());
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                map.insert(key.clone(), value.clone());
            }
        }
    }
}

fn rust_only(format: &str) -> bool {
    format.starts_with("uint") || format.starts_with("int") || matches!(format, "float" | "double")
}

/// `["string", "null"]` becomes `"string"`.
fn drop_null_type(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        let before = types.len();
        types.retain(|kind| kind != "null");
        let optional = types.len() < before;
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
        if optional && let Some(Value::Array(values)) = map.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
    }
}

/// Removes the null branch of a union; gives back the branch that is left when there is one only.
fn drop_null_branch(map: &mut Map<String, Value>) -> Option<Value> {
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = map.get_mut(key) {
            branches.retain(|branch| branch.get("type") != Some(&Value::from("null")));
            if branches.len() == 1 {
                let only = branches.pop();
                map.remove(key);
                return only;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
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
}
