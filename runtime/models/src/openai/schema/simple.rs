//! The same schema with fewer keywords: unions of one kind, no wrapping without use.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::walk::{annotates, with_subschemas};

/// Rewrites a plain schema without changing what it accepts: `oneOf` whose branches exclude each
/// other is `anyOf`, lists of one and mergeable `allOf` go, values without a type get it.
pub(super) fn simple(schema: &Value) -> Value {
    let Value::Object(object) = schema else {
        return schema.clone();
    };
    let mut object = with_subschemas(object, &mut |_, each| simple(each));
    if let Some(Value::Array(types)) = object.get("type")
        && let [only] = types.as_slice()
    {
        let only = only.clone();
        object.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(branches)) = object.get("oneOf")
        && !object.contains_key("anyOf")
        && exclude_each_other(branches)
    {
        rename(&mut object, "oneOf", "anyOf");
    }
    for list in ["anyOf", "oneOf", "allOf"] {
        unwrap_single(&mut object, list);
    }
    merge_all(&mut object);
    type_of_values(&mut object);
    Value::Object(object)
}

/// Whether `null` is accepted, for schemas of the keywords that strict mode knows.
pub(super) fn accepts_null(schema: &Value, definitions: &Value, depth: usize) -> bool {
    let Some(object) = schema.as_object() else {
        return schema == &Value::Bool(true);
    };
    if depth > 16 {
        return false;
    }
    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let meant = definitions.get(name);
        if !meant.is_some_and(|meant| accepts_null(meant, definitions, depth + 1)) {
            return false;
        }
    }
    let of_type = types(object).is_none_or(|types| types.contains("null"));
    let of_enum = object
        .get("enum")
        .and_then(Value::as_array)
        .is_none_or(|values| values.contains(&Value::Null));
    let of_const = object.get("const").is_none_or(Value::is_null);
    let of_any = object
        .get("anyOf")
        .and_then(Value::as_array)
        .is_none_or(|branches| {
            branches
                .iter()
                .any(|branch| accepts_null(branch, definitions, depth + 1))
        });
    of_type && of_enum && of_const && of_any
}

/// The types that a schema names; none where it names none.
pub(super) fn types(object: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    match object.get("type")? {
        Value::String(name) => Some(BTreeSet::from([name.as_str()])),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn rename(object: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = object.remove(from) {
        object.insert(to.to_owned(), value);
    }
}

/// A list of one schema is that schema, where nothing but annotations stands beside it.
fn unwrap_single(object: &mut Map<String, Value>, list: &str) {
    let Some([Value::Object(only)]) = object
        .get(list)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    else {
        return;
    };
    if object
        .keys()
        .all(|keyword| keyword == list || annotates(keyword))
    {
        let mut only = only.clone();
        object.remove(list);
        only.append(object);
        *object = only;
    }
}

/// Members of `allOf` that only list different properties are one object.
fn merge_all(object: &mut Map<String, Value>) {
    let plain_object = |schema: &Map<String, Value>| {
        schema.keys().all(|keyword| {
            matches!(keyword.as_str(), "type" | "properties" | "required") || annotates(keyword)
        }) && schema.get("type") == Some(&json!("object"))
    };
    let Some(Value::Array(members)) = object.get("allOf") else {
        return;
    };
    let mut outer = object.clone();
    outer.remove("allOf");
    outer.entry("type").or_insert_with(|| json!("object"));
    let mut all = vec![outer];
    for member in members {
        let Value::Object(member) = member else {
            return;
        };
        all.push(member.clone());
    }
    if !all.iter().all(plain_object) {
        return;
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut annotations = Map::new();
    for member in all {
        for (keyword, value) in member {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(named)) => {
                    for (name, property) in named {
                        if properties
                            .get(&name)
                            .is_some_and(|known| *known != property)
                        {
                            return;
                        }
                        properties.insert(name, property);
                    }
                }
                ("required", Value::Array(names)) => {
                    for name in names {
                        if !required.contains(&name) {
                            required.push(name);
                        }
                    }
                }
                ("type", _) => {}
                (_, value) => {
                    annotations.entry(keyword).or_insert(value);
                }
            }
        }
    }
    let mut merged = annotations;
    merged.insert("type".to_owned(), json!("object"));
    merged.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        merged.insert("required".to_owned(), Value::Array(required));
    }
    *object = merged;
}

/// Says the type where only values are listed.
fn type_of_values(object: &mut Map<String, Value>) {
    if object.contains_key("type") {
        return;
    }
    let values: Vec<&Value> = match (object.get("const"), object.get("enum")) {
        (Some(value), _) => vec![value],
        (None, Some(Value::Array(values))) => values.iter().collect(),
        _ => return,
    };
    let mut names: Vec<&str> = Vec::new();
    for value in values {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            // `1.0` is an integer in JSON Schema.
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) | Value::Object(_) => return,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let names = match names.as_slice() {
        [] => return,
        [one] => json!(one),
        several => json!(several),
    };
    object.insert("type".to_owned(), names);
}

/// Whether no value can be of two of the branches.
fn exclude_each_other(branches: &[Value]) -> bool {
    branches.iter().enumerate().all(|(at, one)| {
        branches
            .iter()
            .skip(at + 1)
            .all(|other| exclude(one, other, 0))
    })
}

fn exclude(one: &Value, other: &Value, depth: usize) -> bool {
    let (Value::Object(one), Value::Object(other)) = (one, other) else {
        return false;
    };
    if depth > 4 {
        return false;
    }
    if let (Some(these), Some(those)) = (values(one), values(other)) {
        return these
            .iter()
            .all(|value| !those.iter().any(|that| same(value, that)));
    }
    if let (Some(these), Some(those)) = (types(one), types(other)) {
        // An integer is a number too.
        let numeric =
            |types: &BTreeSet<&str>| types.contains("integer") || types.contains("number");
        if these.is_disjoint(&those) && !(numeric(&these) && numeric(&those)) {
            return true;
        }
        let objects = BTreeSet::from(["object"]);
        if these != objects || those != objects {
            return false;
        }
        // Objects that must both have a property, with values that differ.
        return required(one).any(|name| {
            required(other).any(|also| also == name)
                && match (property(one, name), property(other, name)) {
                    (Some(this), Some(that)) => exclude(this, that, depth + 1),
                    _ => false,
                }
        });
    }
    false
}

fn same(one: &Value, other: &Value) -> bool {
    one == other
        || one
            .as_f64()
            .is_some_and(|number| Some(number) == other.as_f64())
}

fn values(object: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (object.get("const"), object.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

fn required(object: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let names = object.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn property<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get("properties")?.get(name)
}
