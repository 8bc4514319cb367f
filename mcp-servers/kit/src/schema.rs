//! JSON schemas that every client accepts: no references, no formats that only Rust knows, no
//! unions with null, and no argument that nobody declared.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// Nesting at which a recursive type is cut off.
const MAX_DEPTH: usize = 24;

/// The schema of a type in its portable form; always an object schema.
pub fn portable<T: JsonSchema>() -> Map<String, Value> {
    let schema = schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    normalise(schema.to_value())
}

/// Makes any schema portable, without loss of what it accepts apart from explicit nulls.
pub fn normalise(schema: Value) -> Map<String, Value> {
    let definitions = schema.get("$defs").or_else(|| schema.get("definitions")).cloned();
    let definitions = match definitions {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut root = match clean(schema, &definitions, 0) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    root.entry("type").or_insert_with(|| Value::from("object"));
    root
}

fn clean(schema: Value, definitions: &Map<String, Value>, depth: usize) -> Value {
    let Value::Object(mut map) = schema else { return schema };
    if depth > MAX_DEPTH {
        return Value::Object(Map::new());
    }
    inline_reference(&mut map, definitions);
    for noise in ["$schema", "$defs", "definitions", "$id", "title"] {
        map.remove(noise);
    }
    if map.get("format").and_then(Value::as_str).is_some_and(rust_only) {
        map.remove("format");
    }
    drop_null_type(&mut map);
    if let Some(only) = drop_null_branch(&mut map) {
        let mut inner = match clean(only, definitions, depth + 1) {
            Value::Object(inner) => inner,
            _ => Map::new(),
        };
        // What was said of the optional value holds for the value.
        for (key, value) in map {
            if key == "description" || !inner.contains_key(&key) {
                inner.insert(key, value);
            }
        }
        map = inner;
    }
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    let declares_properties = map.contains_key("properties");
    let cleaned = map
        .into_iter()
        .map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("properties" | "patternProperties", Value::Object(properties)) => {
                    let properties = properties.into_iter();
                    let properties = properties
                        .map(|(name, schema)| (name, clean(schema, definitions, depth + 1)));
                    Value::Object(properties.collect())
                }
                ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(branches)) => {
                    let branches = branches.into_iter();
                    branches.map(|branch| clean(branch, definitions, depth + 1)).collect()
                }
                ("items" | "additionalProperties" | "not" | "contains", value) => {
                    clean(value, definitions, depth + 1)
                }
                (_, value) => value,
            };
            (key, value)
        })
        .collect::<Map<String, Value>>();
    let mut map = cleaned;
    if declares_properties {
        // An argument nobody declared is a mistake the caller wants to hear about.
        map.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    Value::Object(map)
}

fn inline_reference(map: &mut Map<String, Value>, definitions: &Map<String, Value>) {
    // A reference may lead to another; more steps than definitions means a circle.
    for _ in 0..=definitions.len() {
        let Some(Value::String(reference)) = map.remove("$ref") else { return };
        let name = reference.rsplit('/').next().unwrap_or_default();
        if let Some(Value::Object(target)) = definitions.get(name) {
            for (key, value) in target {
                map.entry(key.clone()).or_insert_with(|| value.clone());
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
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
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
        assert_eq!(schema["properties"]["query"]["description"], "What to look for.");
        assert_eq!(schema["properties"]["limit"], json!({"type": "integer", "minimum": 0}));
        assert_eq!(schema["properties"]["many"]["items"], inner);
        assert_eq!(schema["properties"]["inner"]["properties"], inner["properties"]);
        assert_eq!(schema["properties"]["inner"]["description"], "More.");
        assert_eq!(schema["required"], json!(["query", "many"]));
        let text = schema.to_string();
        for banned in ["$ref", "$defs", "uint", "null", "$schema"] {
            assert!(!text.contains(banned), "{banned} is left in {text}");
        }
    }

    #[test]
    fn a_type_that_contains_itself_is_cut_off() {
        let schema = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        });
        assert!(!Value::Object(normalise(schema)).to_string().contains("$ref"));
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
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from),
            "[a-z#/$]{0,6}".prop_map(Value::from)];
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
    }
}
