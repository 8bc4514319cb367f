//! What stands in a schema for a value that may be anything.

use serde_json::{Value, json};

/// How deep a value nests that may be anything.
pub(super) const ANY_DEPTH: usize = 6;

/// How deep numbers are bounded where schemas are combined: there, parts of what may be anything
/// meet parts that another schema describes, and nothing else may be taken from them.
pub(super) const COMBINED_DEPTH: usize = 3;

/// The largest number, positive or negative, that has 64 bits and that floats hold exactly.
pub(super) const LARGEST: i64 = 9_223_372_036_854_774_784;

/// The name of a definition.
pub(super) fn any_name(depth: usize) -> String {
    format!("ropewalk-any-{depth}")
}

/// A reference to it.
pub(super) fn any_reference(depth: usize) -> Value {
    json!({ "$ref": format!("#/$defs/{}", any_name(depth)) })
}

/// A definition: any value that nests at most so deep.
pub(super) fn any(depth: usize) -> Value {
    let mut kinds = vec![
        json!({"type": "null"}),
        json!({"type": "boolean"}),
        json!({"type": "number", "minimum": -LARGEST, "maximum": LARGEST}),
        json!({"type": "string"}),
    ];
    if let Some(inner) = depth.checked_sub(1) {
        kinds.push(json!({"type": "array", "items": any_reference(inner)}));
        kinds.push(json!({"type": "object", "additionalProperties": any_reference(inner)}));
    }
    json!({ "anyOf": kinds })
}

/// Any value, written out, whose numbers are bounded so deep.
pub(super) fn any_combined(depth: usize) -> Value {
    let mut any = json!({
        "type": ["null", "boolean", "number", "string", "array", "object"],
        "minimum": -LARGEST,
        "maximum": LARGEST,
    });
    if let (Some(inner), Some(any)) = (depth.checked_sub(1), any.as_object_mut()) {
        any.insert("items".to_owned(), any_combined(inner));
        any.insert("additionalProperties".to_owned(), any_combined(inner));
    }
    any
}
