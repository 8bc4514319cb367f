//! How the parts of a schema hang together.

use serde_json::{Map, Value};

use super::DEEPEST;
use super::keywords::{IN_PLACE, NAMED_SCHEMAS, SCHEMA, SCHEMAS};

/// Whether parts of a schema that hold for the same value may each add properties to it.
pub(super) fn spreads(schema: &Value, depth: usize) -> bool {
    if depth > 2 * DEEPEST {
        return true;
    }
    match schema {
        Value::Array(values) => values.iter().any(|value| spreads(value, depth + 1)),
        Value::Object(map) => {
            let in_place = IN_PLACE.iter().any(|key| map.contains_key(*key));
            let own = [
                "properties",
                "patternProperties",
                "additionalProperties",
                "items",
                "prefixItems",
            ];
            // References below another `$id` start from there, where nothing can be added.
            (depth > 0 && map.contains_key("$id"))
                || map.contains_key("allOf")
                || (in_place && own.iter().any(|key| map.contains_key(*key)))
                || subschemas(map).any(|(_, value)| spreads(value, depth + 1))
        }
        _ => false,
    }
}

/// Whether a value that fits one part of a schema must not fit another. A part that is closed could
/// then pass for one that excludes the other, and the part as it was written does not.
pub(super) fn excludes(schema: &Value) -> bool {
    match schema {
        Value::Array(values) => values.iter().any(excludes),
        Value::Object(map) => {
            map.contains_key("oneOf") || subschemas(map).any(|(_, value)| excludes(value))
        }
        _ => false,
    }
}

/// What of a schema may hold schemas.
fn subschemas(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "const" | "enum"))
}

/// Whether a pointer ends at a place that is prepared.
pub(super) fn leads_to_schema(root: &Value, pointer: &str) -> bool {
    let mut at = root;
    let mut parts = pointer.split('/').skip(1);
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    while let Some(keyword) = parts.next() {
        let keyword = unescaped(keyword);
        let keyword = keyword.as_str();
        let Some(value) = at.get(keyword) else {
            return false;
        };
        let by_name = NAMED_SCHEMAS.contains(&keyword);
        let by_place = SCHEMAS.contains(&keyword) && value.is_array();
        let next = if by_name || by_place {
            let Some(part) = parts.next().map(unescaped) else {
                return false;
            };
            match value {
                Value::Array(values) => part.parse().ok().and_then(|at: usize| values.get(at)),
                other => other.get(part.as_str()),
            }
        } else {
            SCHEMA.contains(&keyword).then_some(value)
        };
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    at.is_object() || at.is_boolean()
}
