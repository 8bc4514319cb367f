//! Where the subschemas of a schema stand.

use serde_json::{Map, Value};

/// Keywords that hold one schema.
const ONE: [&str; 12] = [
    "items",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords that hold a list of schemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords that hold named schemas.
const NAMED: [&str; 5] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
    "definitions",
];
/// Keywords that say something about a schema and nothing about what it accepts.
pub(super) const ANNOTATIONS: [&str; 11] = [
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "contentEncoding",
    "contentMediaType",
];

/// Whether a keyword only annotates.
pub(super) fn annotates(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword)
}

/// The same schema with every direct subschema replaced.
pub(super) fn with_subschemas(
    schema: &Map<String, Value>,
    replace: &mut impl FnMut(&str, &Value) -> Value,
) -> Map<String, Value> {
    let mut changed = Map::new();
    for (keyword, value) in schema {
        let key = keyword.as_str();
        let value = match value {
            Value::Array(list) if LIST.contains(&key) => {
                Value::Array(list.iter().map(|each| replace(key, each)).collect())
            }
            Value::Object(named) if NAMED.contains(&key) => {
                let each = named
                    .iter()
                    .map(|(name, each)| (name.clone(), replace(key, each)));
                Value::Object(each.collect())
            }
            Value::Object(_) | Value::Bool(_) if ONE.contains(&key) => replace(key, value),
            other => other.clone(),
        };
        changed.insert(keyword.clone(), value);
    }
    changed
}

/// Calls with every direct subschema.
pub(super) fn each_subschema(schema: &Map<String, Value>, visit: &mut impl FnMut(&Value)) {
    with_subschemas(schema, &mut |_, each| {
        visit(each);
        Value::Null
    });
}

/// The schema that a reference of the form `#/$defs/name` means.
pub(super) fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}
