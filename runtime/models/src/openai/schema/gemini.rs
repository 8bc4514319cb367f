//! The subset of OpenAPI schemas that Gemini's endpoint takes.

use serde_json::{Map, Value, json};

use super::strict::description;
use super::walk::annotates;

/// Deepest nesting that is written out.
const DEEPEST: usize = 32;

/// A simplified schema in Gemini's words, and whether they say all of it. What they cannot say is
/// left out: the caller checks the answer against the schema itself.
pub(super) fn gemini(schema: &Value) -> (Value, bool) {
    let mut writer = Writer { exact: true };
    let schema = writer.schema(schema, 0);
    (Value::Object(schema), writer.exact)
}

struct Writer {
    exact: bool,
}

impl Writer {
    fn schema(&mut self, schema: &Value, depth: usize) -> Map<String, Value> {
        let Some(object) = schema.as_object().filter(|_| depth < DEEPEST) else {
            return self.anything(Map::new());
        };
        let mut written = Map::new();
        if let Some(Value::String(title)) = object.get("title") {
            written.insert("title".to_owned(), json!(title));
        }
        if let Some(text) = description(object) {
            written.insert("description".to_owned(), json!(text));
        }
        if object.contains_key("$ref") {
            // What contains itself would have no end there.
            self.exact = false;
            written.insert("type".to_owned(), json!("object"));
            return written;
        }
        let unsaid = ["not", "if", "then", "else"];
        self.exact &= !unsaid.iter().any(|keyword| object.contains_key(*keyword));
        for union in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = object.get(union) {
                let alone = object
                    .keys()
                    .all(|keyword| keyword == union || annotates(keyword) || keyword == "$defs");
                self.exact &= alone && union == "anyOf";
                return self.union(branches, written, depth);
            }
        }
        if let Some(Value::Array(members)) = object.get("allOf") {
            self.exact = false;
            let mut merged = object.clone();
            merged.remove("allOf");
            members.iter().for_each(|member| merge(&mut merged, member));
            return self.schema(&Value::Object(merged), depth + 1);
        }
        match object.get("type") {
            Some(Value::String(kind)) => self.of_type(kind, object, written, depth),
            Some(Value::Array(kinds)) => {
                let branches: Vec<Value> = kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .filter_map(|kind| narrowed(object, kind))
                    .collect();
                self.union(&branches, written, depth)
            }
            _ => self.anything(written),
        }
    }

    /// One of several; null among them is a flag there.
    fn union(
        &mut self,
        branches: &[Value],
        mut written: Map<String, Value>,
        depth: usize,
    ) -> Map<String, Value> {
        let null = json!({"type": "null"});
        let others: Vec<&Value> = branches.iter().filter(|branch| **branch != null).collect();
        let nullable = others.len() < branches.len();
        match others.as_slice() {
            [] if nullable => {
                written.insert("type".to_owned(), json!("null"));
                return written;
            }
            [] => return self.anything(written),
            [only] => {
                let mut only = self.schema(only, depth + 1);
                only.append(&mut written);
                written = only;
            }
            several => {
                let branches: Vec<Value> = several
                    .iter()
                    .map(|branch| Value::Object(self.schema(branch, depth + 1)))
                    .collect();
                written.insert("anyOf".to_owned(), Value::Array(branches));
            }
        }
        if nullable {
            written.insert("nullable".to_owned(), json!(true));
        }
        written
    }

    fn of_type(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        mut written: Map<String, Value>,
        depth: usize,
    ) -> Map<String, Value> {
        written.insert("type".to_owned(), json!(kind));
        let (kept, unsaid): (&[&str], &[&str]) = match kind {
            "string" => (&["minLength", "maxLength", "pattern"], &[]),
            "number" => (
                &["minimum", "maximum"],
                &["multipleOf", "exclusiveMinimum", "exclusiveMaximum"],
            ),
            "integer" => (&["minimum", "maximum"], &["multipleOf"]),
            "array" => (
                &["minItems", "maxItems"],
                &["contains", "prefixItems", "unevaluatedItems"],
            ),
            "object" => (
                &["minProperties", "maxProperties"],
                &[
                    "patternProperties",
                    "propertyNames",
                    "dependentRequired",
                    "dependentSchemas",
                    "unevaluatedProperties",
                ],
            ),
            _ => (&[], &[]),
        };
        for keyword in kept {
            if let Some(value) = object.get(*keyword) {
                written.insert((*keyword).to_owned(), value.clone());
            }
        }
        self.exact &= !unsaid.iter().any(|keyword| object.contains_key(*keyword));
        self.values(kind, object, &mut written);
        match kind {
            "string" if object.get("format") == Some(&json!("date-time")) => {
                written.insert("format".to_owned(), json!("date-time"));
            }
            "integer" => self.whole_bounds(object, &mut written),
            "array" => {
                self.exact &= object.get("uniqueItems") != Some(&json!(true));
                let items = match object.get("items") {
                    Some(items) => self.schema(items, depth + 1),
                    None => self.anything(Map::new()),
                };
                written.insert("items".to_owned(), Value::Object(items));
            }
            "object" => self.members(object, &mut written, depth),
            _ => {}
        }
        written
    }

    /// Values can be listed for texts only.
    fn values(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        written: &mut Map<String, Value>,
    ) {
        let listed = match (object.get("const"), object.get("enum")) {
            (Some(value), None) => vec![value.clone()],
            (None, Some(Value::Array(values))) => values.clone(),
            (None, None) => return,
            _ => {
                self.exact = false;
                return;
            }
        };
        let possible: Vec<Value> = listed.into_iter().filter(|value| is(kind, value)).collect();
        if kind == "string" && !possible.is_empty() && possible.iter().all(|text| *text != "") {
            written.insert("enum".to_owned(), Value::Array(possible));
            return;
        }
        if kind == "null" {
            return;
        }
        self.exact = false;
        let list = Value::Array(possible).to_string();
        let text = match written.get("description").and_then(Value::as_str) {
            Some(text) => format!("{text} (one of {list})"),
            None => format!("One of {list}"),
        };
        written.insert("description".to_owned(), json!(text));
    }

    /// A bound that is not reached itself is the next whole number.
    fn whole_bounds(&mut self, object: &Map<String, Value>, written: &mut Map<String, Value>) {
        let bounds = [
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ];
        for (exclusive, inclusive, step) in bounds {
            let Some(bound) = object.get(exclusive) else {
                continue;
            };
            let next = bound.as_i64().and_then(|bound| bound.checked_add(step));
            match (next, object.contains_key(inclusive)) {
                (Some(next), false) => {
                    written.insert(inclusive.to_owned(), json!(next));
                }
                _ => self.exact = false,
            }
        }
    }

    fn members(
        &mut self,
        object: &Map<String, Value>,
        written: &mut Map<String, Value>,
        depth: usize,
    ) {
        let open = match object.get("additionalProperties") {
            None | Some(Value::Bool(true)) => true,
            Some(Value::Object(any)) => any.is_empty(),
            _ => false,
        };
        self.exact &= open;
        let mut members = Map::new();
        if let Some(Value::Object(properties)) = object.get("properties") {
            for (name, property) in properties {
                let member = self.schema(property, depth + 1);
                members.insert(name.clone(), Value::Object(member));
            }
        }
        if let Some(Value::Array(names)) = object.get("required") {
            let listed = |name: &Value| name.as_str().is_some_and(|n| members.contains_key(n));
            let known: Vec<Value> = names.iter().filter(|name| listed(name)).cloned().collect();
            self.exact &= known.len() == names.len();
            if !known.is_empty() {
                written.insert("required".to_owned(), Value::Array(known));
            }
        }
        if !members.is_empty() {
            written.insert("properties".to_owned(), Value::Object(members));
        }
    }

    /// There is no word for any value at all: these are the kinds that need no more words.
    fn anything(&mut self, mut written: Map<String, Value>) -> Map<String, Value> {
        self.exact = false;
        let kinds = ["string", "number", "boolean"].map(|kind| json!({"type": kind}));
        written.insert("anyOf".to_owned(), json!(kinds));
        written
    }
}

/// A schema of several types held to one of them; none where no value of it is left.
fn narrowed(object: &Map<String, Value>, kind: &str) -> Option<Value> {
    let mut one = object.clone();
    one.retain(|keyword, _| !annotates(keyword) && keyword != "$defs");
    one.insert("type".to_owned(), json!(kind));
    let listed = match (one.get("const"), one.get("enum")) {
        (Some(value), _) => vec![value.clone()],
        (None, Some(Value::Array(values))) => values.clone(),
        _ => {
            return Some(if kind == "null" {
                json!({"type": "null"})
            } else {
                Value::Object(one)
            });
        }
    };
    let possible = listed.iter().any(|value| is(kind, value));
    if kind == "null" {
        return possible.then(|| json!({"type": "null"}));
    }
    possible.then_some(Value::Object(one))
}

fn is(kind: &str, value: &Value) -> bool {
    match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(number) => {
            let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
            kind == "number" || (kind == "integer" && whole)
        }
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

/// Adds what a member of `allOf` says and the rest does not.
fn merge(merged: &mut Map<String, Value>, member: &Value) {
    let Value::Object(member) = member else {
        return;
    };
    for (keyword, value) in member {
        match (merged.get_mut(keyword), value) {
            (Some(Value::Object(known)), Value::Object(more)) if keyword == "properties" => {
                for (name, property) in more {
                    known.entry(name).or_insert_with(|| property.clone());
                }
            }
            (Some(Value::Array(known)), Value::Array(more)) if keyword == "required" => {
                let new: Vec<Value> = more
                    .iter()
                    .filter(|n| !known.contains(n))
                    .cloned()
                    .collect();
                known.extend(new);
            }
            (Some(_), _) => {}
            (None, value) => {
                merged.insert(keyword.clone(), value.clone());
            }
        }
    }
}
