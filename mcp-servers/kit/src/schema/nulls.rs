//! Nulls that stand for what is left out.

use serde_json::Value;

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
