//! OpenAI's strict mode: every object closed, every property required, few keywords.

use serde_json::{Map, Value, json};

use super::simple::accepts_null;
use super::walk::annotates;

/// Most properties that strict mode takes in one schema.
const MOST_PROPERTIES: usize = 5_000;
/// Most values of enums together.
const MOST_VALUES: usize = 1_000;
/// Most characters of names and values together.
const MOST_CHARACTERS: usize = 120_000;
/// Deepest nesting of objects.
const DEEPEST: usize = 10;
/// Formats of texts that it holds a model to.
const FORMATS: [&str; 9] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
];
/// Keywords that it enforces as they are.
const KEPT: [&str; 9] = [
    "title",
    "description",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
];
/// Keywords that it does not take and that may forbid something.
const REFUSED: [&str; 19] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "contains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// A simplified schema for strict mode. None where it cannot say all that the schema does: a
/// property that may be left out becomes one that may be null, and nothing else changes, except
/// that properties which the schema does not list are not offered.
pub(super) fn strict(schema: &Value) -> Option<Value> {
    let none = json!({});
    let mut writer = Writer {
        definitions: schema.get("$defs").unwrap_or(&none),
        properties: 0,
        values: 0,
        characters: 0,
    };
    if schema.get("type") != Some(&json!("object")) || schema.get("anyOf").is_some() {
        return None;
    }
    let mut root = writer.object_schema(schema.as_object()?, 0)?;
    if let Some(Value::Object(named)) = schema.get("$defs") {
        let mut written = Map::new();
        for (name, each) in named {
            written.insert(name.clone(), writer.schema(each, 1)?);
        }
        root.insert("$defs".to_owned(), Value::Object(written));
    }
    let fits = writer.properties <= MOST_PROPERTIES
        && writer.values <= MOST_VALUES
        && writer.characters <= MOST_CHARACTERS;
    fits.then_some(Value::Object(root))
}

struct Writer<'a> {
    definitions: &'a Value,
    properties: usize,
    values: usize,
    characters: usize,
}

impl Writer<'_> {
    fn schema(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        self.object_schema(schema.as_object()?, depth)
            .map(Value::Object)
    }

    fn object_schema(
        &mut self,
        schema: &Map<String, Value>,
        depth: usize,
    ) -> Option<Map<String, Value>> {
        if depth > DEEPEST {
            return None;
        }
        let asserts = |keyword: &&String| !annotates(keyword) && keyword.as_str() != "$defs";
        if let Some(reference) = schema.get("$ref") {
            let alone = schema.keys().filter(asserts).count() == 1;
            let name = reference.as_str()?.strip_prefix("#/$defs/")?;
            let known = self.definitions.get(name).is_some();
            return (alone && known)
                .then(|| Map::from_iter([("$ref".to_owned(), reference.clone())]));
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf") {
            if schema.keys().filter(asserts).count() != 1 {
                return None;
            }
            let branches: Option<Vec<Value>> = branches
                .iter()
                .map(|branch| self.schema(branch, depth + 1))
                .collect();
            let mut written = described(schema);
            written.insert("anyOf".to_owned(), Value::Array(branches?));
            return Some(written);
        }
        let harmless = |keyword: &str| match schema.get(keyword) {
            None | Some(Value::Bool(false)) if keyword == "uniqueItems" => true,
            None => true,
            Some(value) => {
                matches!(keyword, "minLength" | "minProperties") && value.as_u64() == Some(0)
            }
        };
        if !REFUSED.iter().all(|keyword| harmless(keyword)) {
            return None;
        }
        let mut written = described(schema);
        let kinds = schema.get("type")?;
        written.insert("type".to_owned(), kinds.clone());
        for keyword in KEPT {
            if let Some(value) = schema.get(keyword) {
                written.entry(keyword).or_insert_with(|| value.clone());
            }
        }
        self.values(schema, &mut written)?;
        if let Some(Value::String(pattern)) = schema.get("pattern") {
            // Looking ahead or behind is not in it.
            if pattern.contains("(?") {
                return None;
            }
            written.insert("pattern".to_owned(), json!(pattern));
        }
        if let Some(format) = schema.get("format")
            && FORMATS.iter().any(|known| format == known)
        {
            written.insert("format".to_owned(), format.clone());
        }
        let is = |name: &str| match kinds {
            Value::Array(kinds) => kinds.iter().any(|kind| kind == name),
            kind => kind == name,
        };
        if is("array") {
            let items = self.schema(schema.get("items")?, depth + 1)?;
            written.insert("items".to_owned(), items);
        }
        if is("object") {
            self.members(schema, &mut written, depth)?;
        }
        Some(written)
    }

    fn values(
        &mut self,
        schema: &Map<String, Value>,
        written: &mut Map<String, Value>,
    ) -> Option<()> {
        for keyword in ["enum", "const"] {
            let Some(value) = schema.get(keyword) else {
                continue;
            };
            let listed = match value {
                Value::Array(values) if keyword == "enum" => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            if listed
                .iter()
                .any(|each| each.is_object() || each.is_array())
            {
                return None;
            }
            self.values += listed.len();
            self.characters += value.to_string().len();
            written.insert(keyword.to_owned(), value.clone());
        }
        Some(())
    }

    fn members(
        &mut self,
        schema: &Map<String, Value>,
        written: &mut Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        let none = Map::new();
        let properties = match schema.get("properties") {
            Some(Value::Object(properties)) => properties,
            _ => &none,
        };
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            // An object that lists nothing is one of any names, but for a tool without arguments.
            None if depth == 0 || !properties.is_empty() => {}
            _ => return None,
        }
        let required: Vec<&str> = match schema.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !required.iter().all(|name| properties.contains_key(*name)) {
            return None;
        }
        let mut members = Map::new();
        for (name, property) in properties {
            self.properties += 1;
            self.characters += name.len();
            let mut member = self.object_schema(property.as_object()?, depth + 1)?;
            let optional = !required.contains(&name.as_str());
            if optional && !accepts_null(property, self.definitions, 0) {
                member = or_null(member);
            }
            members.insert(name.clone(), Value::Object(member));
        }
        let names = members.keys().cloned().map(Value::String).collect();
        written.insert("properties".to_owned(), Value::Object(members));
        written.insert("required".to_owned(), Value::Array(names));
        written.insert("additionalProperties".to_owned(), json!(false));
        Some(())
    }
}

/// Title and description; a default is told in words, since strict mode refuses the keyword.
fn described(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut written = Map::new();
    if let Some(title @ Value::String(_)) = schema.get("title") {
        written.insert("title".to_owned(), title.clone());
    }
    if let Some(text) = description(schema) {
        written.insert("description".to_owned(), json!(text));
    }
    written
}

/// The description, with the default in it.
pub(super) fn description(schema: &Map<String, Value>) -> Option<String> {
    let text = schema.get("description").and_then(Value::as_str);
    let default = schema.get("default").filter(|default| !default.is_null());
    match (text, default) {
        (None, None) => None,
        (Some(text), None) => Some(text.to_owned()),
        (None, Some(default)) => Some(format!("Default: {default}")),
        (Some(text), Some(default)) => Some(format!("{text} (default: {default})")),
    }
}

/// The same schema, or null.
fn or_null(mut schema: Map<String, Value>) -> Map<String, Value> {
    let null = || json!({"type": "null"});
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.push(null());
        return schema;
    }
    let scalar = match schema.get("type") {
        Some(Value::String(name)) => !matches!(name.as_str(), "object" | "array"),
        _ => false,
    };
    if !scalar || schema.contains_key("const") {
        let described: Map<String, Value> = ["title", "description"]
            .iter()
            .filter_map(|keyword| Some(((*keyword).to_owned(), schema.remove(*keyword)?)))
            .collect();
        let mut either = described;
        let branches = vec![Value::Object(schema), null()];
        either.insert("anyOf".to_owned(), Value::Array(branches));
        return either;
    }
    if let Some(kind) = schema.remove("type") {
        schema.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    schema
}
