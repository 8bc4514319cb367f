//! JSON schemas as llguidance takes them.

use std::panic::AssertUnwindSafe;

use llguidance::Logger;
use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::panic_utils::catch_unwind;
use serde_json::{Map, Value, json};

/// A schema for a grammar, and what is not enforced of the original.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Enforced {
    pub(super) schema: Value,
    pub(super) unchecked: Option<String>,
}

/// A tool's arguments: always an object. Where the schema names its properties and says nothing
/// of others, there are no others: what fits the closed schema fits the open one, and a model
/// invents no arguments.
pub(super) fn arguments(schema: &Value) -> Enforced {
    let mut object = match schema {
        Value::Object(members) => members.clone(),
        _ => Map::new(),
    };
    object
        .entry("type")
        .or_insert_with(|| Value::String("object".to_owned()));
    let open = Value::Object(object);
    let mut closed = open.clone();
    close(&mut closed);
    if closed != open && compiles(&written(&closed)).is_ok_and(|lost| lost.is_none()) {
        return Enforced {
            schema: written(&closed),
            unchecked: None,
        };
    }
    enforce(&open, &json!({"type": "object"}))
}

/// An answer in JSON.
pub(super) fn answer(schema: &Value) -> Enforced {
    enforce(schema, &json!({}))
}

/// The schema as it is; without what llguidance does not know; or the fallback.
fn enforce(schema: &Value, fallback: &Value) -> Enforced {
    let exact = written(schema);
    let reason = match compiles(&exact) {
        Ok(unchecked) => {
            return Enforced {
                schema: exact,
                unchecked,
            };
        }
        Err(reason) => reason,
    };
    let mut loose = schema.clone();
    loosen(&mut loose);
    let loose = written(&loose);
    Enforced {
        schema: match compiles(&loose) {
            Ok(_) => loose,
            Err(_) => written(fallback),
        },
        unchecked: Some(reason),
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

/// Whether a grammar can be made of a schema, and what it would not enforce.
fn compiles(schema: &Value) -> Result<Option<String>, String> {
    check(TopLevelGrammar::from_json_schema(schema.clone()))
}

/// Whether a grammar compiles, and what llguidance warns of.
pub(super) fn check(grammar: TopLevelGrammar) -> Result<Option<String>, String> {
    let limits = ParserLimits {
        verbose_errors: false,
        ..ParserLimits::default()
    };
    let compile = || {
        let mut logger = Logger::new(0, 0);
        let init = GrammarInit::Serialized(grammar);
        let compiled = init.to_cgrammar(None, &mut logger, limits, Vec::new())?;
        Ok(compiled.lexer_spec().render_warnings())
    };
    let warnings = catch_unwind(AssertUnwindSafe(compile)).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or("").to_owned()
    })?;
    Ok((!warnings.is_empty()).then(|| warnings.join("; ")))
}

/// The spacing of Python's `json.dumps`, which is what models have seen. Free white space would
/// let a model write nothing else until its tokens are used up.
fn written(schema: &Value) -> Value {
    let mut members = match schema {
        Value::Object(members) => members.clone(),
        Value::Bool(false) => return schema.clone(),
        _ => Map::new(),
    };
    members.insert(
        "x-guidance".to_owned(),
        json!({
            "whitespace_flexible": false,
            "item_separator": ", ",
            "key_separator": ": ",
        }),
    );
    Value::Object(members)
}

/// Keywords beside which a closed list of properties could contradict the schema.
const OPENING: [&str; 13] = [
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "dependentSchemas",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "not",
    "$ref",
];

fn close(schema: &mut Value) {
    let Value::Object(members) = schema else {
        return;
    };
    if let Some(items) = members.get_mut("items") {
        close(items);
    }
    let mixed = OPENING.iter().any(|keyword| members.contains_key(*keyword));
    let Some(Value::Object(properties)) = members.get_mut("properties") else {
        return;
    };
    for property in properties.values_mut() {
        close(property);
    }
    let named: Vec<String> = properties.keys().cloned().collect();
    let required = members.get("required").and_then(Value::as_array);
    let all_named = required.is_none_or(|required| {
        required.iter().all(|key| {
            key.as_str()
                .is_some_and(|key| named.iter().any(|name| name == key))
        })
    });
    if !mixed && all_named && !named.is_empty() {
        members.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_closed_where_that_contradicts_nothing() {
        let schema = json!({
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"b": {"type": "string"}}},
                "c": {"type": "object"},
                "d": {"anyOf": [{"type": "object", "properties": {"e": {}}}]},
                "f": {"type": "array", "items": {"type": "object", "properties": {"g": {}}}},
            },
            "required": ["a"],
        });
        let mut closed = schema.clone();
        close(&mut closed);
        assert_eq!(closed["additionalProperties"], json!(false));
        assert_eq!(
            closed["properties"]["a"]["additionalProperties"],
            json!(false)
        );
        assert_eq!(closed["properties"]["c"], schema["properties"]["c"]);
        assert_eq!(closed["properties"]["d"], schema["properties"]["d"]);
        let items = &closed["properties"]["f"]["items"];
        assert_eq!(items["additionalProperties"], json!(false));
        let mut odd = json!({"properties": {"a": {}}, "required": ["b"]});
        close(&mut odd);
        assert_eq!(odd.get("additionalProperties"), None);
    }

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
