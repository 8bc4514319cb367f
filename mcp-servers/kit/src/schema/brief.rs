//! Result schemas without prose: every client reads the definitions of every tool into its
//! model's context, and the words about a result are paid for whether the tool is used or not.

use serde_json::{Map, Value};

/// Drops descriptions, the bounds that only restate a Rust type, and below the root the lists of
/// what is required. It accepts what it accepted.
pub(super) fn brief(schema: Map<String, Value>) -> Map<String, Value> {
    let required = schema.get("required").cloned();
    let mut out = parts(schema);
    if let Some(required) = required {
        out.insert("required".to_owned(), required);
    }
    out
}

fn parts(schema: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in schema {
        let value = match (key.as_str(), value) {
            ("description" | "required", _) => continue,
            // An unsigned integer says so; nothing is refused for it.
            ("minimum", value) if value.as_f64() == Some(0.0) => continue,
            // A result may grow fields without breaking who validates it.
            ("additionalProperties", Value::Bool(_)) => continue,
            ("properties", Value::Object(properties)) => Value::Object(
                properties
                    .into_iter()
                    .map(|(name, schema)| (name, shorter(schema)))
                    .collect(),
            ),
            ("items" | "additionalProperties", value) => shorter(value),
            ("anyOf" | "oneOf" | "allOf", Value::Array(branches)) => {
                branches.into_iter().map(shorter).collect()
            }
            (_, value) => value,
        };
        out.insert(key, value);
    }
    out
}

fn shorter(schema: Value) -> Value {
    match schema {
        Value::Object(map) => Value::Object(parts(map)),
        other => other,
    }
}
