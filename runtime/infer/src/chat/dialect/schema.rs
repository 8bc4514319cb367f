//! JSON schemas as llguidance takes them.

use serde_json::{Map, Value, json};

use crate::constraint::Constraint;
use crate::error::InferError;

/// A schema for a grammar, and what is not enforced of the original.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Enforced {
    pub(super) schema: Value,
    pub(super) unchecked: Option<String>,
}

/// A tool's arguments: always an object.
pub(super) fn arguments(schema: &Value) -> Enforced {
    let mut object = match schema {
        Value::Object(members) => members.clone(),
        _ => Map::new(),
    };
    object
        .entry("type")
        .or_insert_with(|| Value::String("object".to_owned()));
    enforce(&Value::Object(object), &json!({"type": "object"}))
}

/// An answer in JSON.
pub(super) fn answer(schema: &Value) -> Enforced {
    enforce(schema, &json!({}))
}

/// The schema as it is; without what llguidance does not know; or the fallback.
fn enforce(schema: &Value, fallback: &Value) -> Enforced {
    let whole = Constraint::JsonSchema(schema.clone()).check();
    let Err(error) = whole else {
        return Enforced {
            schema: schema.clone(),
            unchecked: None,
        };
    };
    let mut loose = schema.clone();
    loosen(&mut loose);
    let schema = match Constraint::JsonSchema(loose.clone()).check() {
        Ok(()) => loose,
        Err(_) => fallback.clone(),
    };
    let unchecked = match error {
        InferError::Constraint { message, .. } => message,
        other => other.to_string(),
    };
    Enforced {
        schema,
        unchecked: Some(unchecked),
    }
}

/// Keywords that constrain and that llguidance does not know. Without them a schema allows more.
const UNKNOWN: [&str; 14] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Leaves out what llguidance does not know. Only schemas are looked into: a property may be
/// called `not`.
fn loosen(schema: &mut Value) {
    let Value::Object(members) = schema else {
        return;
    };
    members.retain(|keyword, _| !UNKNOWN.contains(&keyword.as_str()) && keyword != "format");
    if !members.contains_key("anyOf")
        && let Some(choices) = members.remove("oneOf")
    {
        members.insert("anyOf".to_owned(), choices);
    }
    for (keyword, member) in members.iter_mut() {
        match (keyword.as_str(), member) {
            (
                "properties" | "patternProperties" | "$defs" | "definitions",
                Value::Object(schemas),
            ) => schemas.values_mut().for_each(loosen),
            ("items" | "prefixItems" | "anyOf" | "allOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(loosen);
            }
            ("items" | "additionalProperties", schema) => loosen(schema),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_enforced_is_named() {
        let exact = arguments(&json!({"type": "object", "properties": {"a": {"type": "integer"}}}));
        assert_eq!(exact.unchecked, None);
        let odd = arguments(&json!({"properties": {
            "not": {"type": "array", "uniqueItems": true, "items": {"enum": [1, 2]}},
            "b": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        }}));
        assert!(odd.unchecked.is_some());
        let properties = &odd.schema["properties"];
        assert_eq!(
            properties["not"],
            json!({"type": "array", "items": {"enum": [1, 2]}})
        );
        assert!(properties["b"]["anyOf"].is_array());
        let wrong = arguments(&json!({"type": "dict", "properties": {"a": {"type": "float"}}}));
        assert!(wrong.unchecked.is_some());
        assert_eq!(wrong.schema["type"], json!("object"));
        let nowhere = arguments(&json!({"$ref": "https://example.org/schema.json"}));
        assert!(nowhere.unchecked.is_some());
        assert!(arguments(&json!(true)).unchecked.is_none());
    }
}
