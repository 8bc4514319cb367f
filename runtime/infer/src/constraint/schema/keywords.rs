//! The keywords of JSON schemas, by what becomes of them.

use serde_json::{Map, Value};

/// Keywords that constrain and that llguidance does not know, or knows only in part.
pub(super) const REFUSED: &[&str] = &[
    "not",
    "if",
    "contains",
    "uniqueItems",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$recursiveRef",
    "extends",
    "disallow",
    "divisibleBy",
];

/// Keywords that are handed on as they are.
pub(super) const KEPT: &[&str] = &[
    "$schema",
    "$id",
    "id",
    "$anchor",
    "$ref",
    "type",
    "const",
    "enum",
    "minItems",
    "maxItems",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];

/// Keywords whose value is a schema.
pub(super) const SCHEMA: &[&str] = &["items", "additionalItems", "additionalProperties"];
/// Keywords whose value is a list of schemas.
pub(super) const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords whose value names schemas.
pub(super) const NAMED_SCHEMAS: &[&str] =
    &["properties", "patternProperties", "$defs", "definitions"];
/// Keywords whose schemas hold for the same value as the schema around them.
pub(super) const IN_PLACE: &[&str] = &["allOf", "anyOf", "oneOf", "$ref"];

/// Formats that llguidance can hold a text to.
pub(super) const FORMATS: &[&str] = &[
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
    "uri",
];
/// Formats that the standard defines and llguidance does not know.
pub(super) const OTHER_FORMATS: &[&str] = &[
    "idn-email",
    "idn-hostname",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Whether a refused keyword holds for every value.
pub(super) fn says_nothing(key: &str, value: &Value) -> bool {
    match key {
        "uniqueItems" => *value == Value::Bool(false),
        "unevaluatedItems" | "unevaluatedProperties" | "propertyNames" => {
            *value == Value::Bool(true) || value.as_object().is_some_and(Map::is_empty)
        }
        "dependencies" | "dependentRequired" | "dependentSchemas" => {
            value.as_object().is_some_and(Map::is_empty)
        }
        _ => false,
    }
}
