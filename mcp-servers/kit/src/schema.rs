//! JSON schemas that every client accepts: no references, no formats that only Rust knows, no
//! unions with null, and no argument that nobody declared.

use schemars::JsonSchema;
use serde_json::{Map, Value};

mod brief;
mod nulls;
#[cfg(test)]
mod tests;

pub use nulls::without_nulls;

/// Nesting at which a schema is cut off.
const MAX_DEPTH: usize = 32;

/// Subschemas after which the rest is cut off: types that mention each other in many ways could
/// otherwise be written out without end.
const MAX_SUBSCHEMAS: usize = 5_000;

/// The schema of a type in its portable form; always an object schema.
pub fn portable<T: JsonSchema>() -> Map<String, Value> {
    let schema = schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    normalise(schema.to_value())
}

/// The portable schema of a tool's result, without prose.
pub fn portable_result<T: JsonSchema>() -> Map<String, Value> {
    brief::brief(portable::<T>())
}

/// Makes any schema portable. It accepts what it accepted before, with three exceptions: explicit
/// nulls for what is optional ([`without_nulls`] takes those out of a value), arguments that
/// nobody declared, and below the point where a type contains itself it accepts anything.
pub fn normalise(schema: Value) -> Map<String, Value> {
    let definitions = schema
        .get("$defs")
        .or_else(|| schema.get("definitions"))
        .cloned();
    let definitions = match definitions {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut portable = Portable {
        definitions: &definitions,
        open: Vec::new(),
        left: MAX_SUBSCHEMAS,
    };
    let mut root = match portable.clean(schema, 0, Closing::Wanted) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    root.entry("type").or_insert_with(|| Value::from("object"));
    let says_what_else = [
        "properties",
        "additionalProperties",
        "patternProperties",
        "anyOf",
        "oneOf",
        "allOf",
    ];
    if !says_what_else.iter().any(|key| root.contains_key(*key)) {
        // A tool without arguments.
        root.insert("properties".to_owned(), Value::Object(Map::new()));
        root.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    root
}

/// Whether an object schema is to refuse what it does not declare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// An argument nobody declared is a mistake the caller wants to hear about.
    Wanted,
    /// It is one part of an object that other parts describe further.
    Impossible,
}

struct Portable<'a> {
    definitions: &'a Map<String, Value>,
    /// Definitions being written out, from the outermost.
    open: Vec<String>,
    /// Subschemas that may still be written.
    left: usize,
}

impl Portable<'_> {
    fn clean(&mut self, schema: Value, depth: usize, closing: Closing) -> Value {
        let Value::Object(mut map) = schema else {
            // Some clients know no schema but an object; this one accepts anything as well.
            return if schema == Value::Bool(true) {
                Value::Object(Map::new())
            } else {
                schema
            };
        };
        if depth > MAX_DEPTH || self.left == 0 {
            return Value::Object(Map::new());
        }
        self.left -= 1;
        let opened = self.open.len();
        if !self.inline_reference(&mut map) {
            // The type contains itself: it was written out once, around this place.
            self.open.truncate(opened);
            map.retain(|key, value| key == "description" || (key == "type" && value.is_string()));
            return Value::Object(map);
        }
        for noise in ["$schema", "$defs", "definitions", "$id", "title"] {
            map.remove(noise);
        }
        if map
            .get("format")
            .and_then(Value::as_str)
            .is_some_and(rust_only)
        {
            map.remove("format");
        }
        drop_null_type(&mut map);
        if map.get("default").is_some_and(Value::is_null) {
            map.remove("default");
        }
        let cleaned = match drop_null_branch(&mut map) {
            Some(only) => {
                // What was said of the optional value holds for the value.
                let mut inner = match only {
                    Value::Object(inner) => inner,
                    _ => Map::new(),
                };
                inner.extend(map);
                self.clean(Value::Object(inner), depth + 1, closing)
            }
            None => self.clean_parts(map, depth, closing),
        };
        self.open.truncate(opened);
        cleaned
    }

    fn clean_parts(&mut self, map: Map<String, Value>, depth: usize, closing: Closing) -> Value {
        let declares = map.contains_key("properties");
        let combined = ["anyOf", "oneOf", "allOf"]
            .iter()
            .any(|key| map.contains_key(*key));
        // Parts that describe one object together cannot each refuse what the others declare.
        let parts = if (declares && combined) || map.contains_key("allOf") {
            Closing::Impossible
        } else {
            closing
        };
        let mut out = Map::new();
        for (key, value) in map {
            let value = match (key.as_str(), value) {
                ("properties" | "patternProperties", Value::Object(properties)) => {
                    let mut cleaned = Map::new();
                    for (name, schema) in properties {
                        cleaned.insert(name, self.clean(schema, depth + 1, Closing::Wanted));
                    }
                    Value::Object(cleaned)
                }
                ("anyOf" | "oneOf" | "allOf", Value::Array(branches)) => branches
                    .into_iter()
                    .map(|branch| self.clean(branch, depth + 1, parts))
                    .collect(),
                ("prefixItems", Value::Array(items)) => items
                    .into_iter()
                    .map(|item| self.clean(item, depth + 1, Closing::Wanted))
                    .collect(),
                ("additionalProperties", Value::Bool(open)) => Value::Bool(open),
                ("items" | "additionalProperties" | "contains", value) => {
                    self.clean(value, depth + 1, Closing::Wanted)
                }
                // Closing what is negated would open it.
                ("not", value) => self.clean(value, depth + 1, Closing::Impossible),
                (_, value) => value,
            };
            out.insert(key, value);
        }
        fold_constants(&mut out);
        if declares && !combined && closing == Closing::Wanted {
            out.entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
        Value::Object(out)
    }

    /// Puts what a reference names in its place; what stands beside the reference is kept. False
    /// when the definition is being written out already: then only its description is put.
    fn inline_reference(&mut self, map: &mut Map<String, Value>) -> bool {
        // A reference may lead to another; more steps than definitions means a circle.
        for _ in 0..=self.definitions.len() {
            let Some(Value::String(reference)) = map.remove("$ref") else {
                return true;
            };
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(Value::Object(target)) = self.definitions.get(name) {
                merge(map, target);
                if self.open.iter().any(|open| open == name) {
                    return false;
                }
                self.open.push(name.to_owned());
            }
        }
        true
    }
}

/// A choice of constants becomes a plain `enum`; what was said of each joins the description.
fn fold_constants(map: &mut Map<String, Value>) {
    let known = ["type", "const", "enum", "description"];
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(branches)) = map.get(key) else {
            continue;
        };
        let mut values = Vec::new();
        let mut said = Vec::new();
        for branch in branches {
            let Value::Object(branch) = branch else {
                return;
            };
            if branch.keys().any(|key| !known.contains(&key.as_str())) {
                return;
            }
            let named = match (branch.get("const"), branch.get("enum")) {
                (Some(value), None) => vec![value.clone()],
                (None, Some(Value::Array(values))) => values.clone(),
                _ => return,
            };
            if !named.iter().all(Value::is_string) {
                return;
            }
            if let (Some(Value::String(about)), [Value::String(name)]) =
                (branch.get("description"), named.as_slice())
            {
                said.push(format!("{name}: {about}"));
            }
            values.extend(named);
        }
        if values.is_empty() || map.contains_key("enum") || map.contains_key("const") {
            return;
        }
        map.remove(key);
        if !said.is_empty() {
            let own = map
                .get("description")
                .and_then(Value::as_str)
                .map(str::to_owned);
            let all = own.into_iter().chain(said).collect::<Vec<_>>().join(" ");
            map.insert("description".to_owned(), Value::String(all));
        }
        map.insert("type".to_owned(), Value::from("string"));
        map.insert("enum".to_owned(), Value::Array(values));
        return;
    }
}

/// Adds the keywords of `target`. Properties and required names are joined, as in a struct inside
/// a tagged enum, which has the tag beside the reference to its fields.
fn merge(map: &mut Map<String, Value>, target: &Map<String, Value>) {
    for (key, value) in target {
        match (map.get_mut(key), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) if key == "properties" => {
                for (name, schema) in theirs {
                    ours.entry(name.clone()).or_insert_with(|| schema.clone());
                }
            }
            (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                for name in theirs {
                    if !ours.contains(name) {
                        ours.push(name.clone());
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                map.insert(key.clone(), value.clone());
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
        let before = types.len();
        types.retain(|kind| kind != "null");
        let optional = types.len() < before;
        if let [Value::String(only)] = types.as_slice() {
            let only = Value::from(only.as_str());
            map.insert("type".to_owned(), only);
        }
        if optional && let Some(Value::Array(values)) = map.get_mut("enum") {
            values.retain(|value| !value.is_null());
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
