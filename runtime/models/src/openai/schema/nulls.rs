//! What strict mode added is taken out of an answer again.

use serde_json::{Map, Value};

use super::plain::plain;
use super::simple::{accepts_null, simple};

/// Knows where a schema allows no null. In strict mode a property that may be left out comes as
/// null instead; the schema itself would not accept that.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::openai) struct Nulls {
    schema: Value,
    definitions: Value,
}

impl Nulls {
    /// For answers to a schema that was sent in strict mode.
    pub(in crate::openai) fn of(schema: &Value) -> Self {
        let schema = simple(&plain(schema));
        let definitions = schema.get("$defs").cloned().unwrap_or_default();
        Self {
            schema,
            definitions,
        }
    }

    /// The answer without the nulls that stand for properties left out.
    #[must_use]
    pub(in crate::openai) fn removed(&self, answer: Value) -> Value {
        self.strip(answer, &self.schema)
    }

    fn strip(&self, value: Value, schema: &Value) -> Value {
        let Some(schema) = schema.as_object() else {
            return value;
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return match self.definitions.get(name) {
                Some(meant) => self.strip(value, meant),
                None => value,
            };
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf") {
            // Without its nulls the value is of the branch that it was written for.
            let fitting = branches.iter().find_map(|branch| {
                let stripped = self.strip(value.clone(), branch);
                self.accepts(branch, &stripped).then_some(stripped)
            });
            return fitting.unwrap_or(value);
        }
        match value {
            Value::Object(members) => Value::Object(self.members(members, schema)),
            Value::Array(items) => match schema.get("items") {
                Some(each) => items
                    .into_iter()
                    .map(|item| self.strip(item, each))
                    .collect(),
                None => Value::Array(items),
            },
            other => other,
        }
    }

    fn members(
        &self,
        members: Map<String, Value>,
        schema: &Map<String, Value>,
    ) -> Map<String, Value> {
        let required = schema.get("required").and_then(Value::as_array);
        let must = |name: &str| required.is_some_and(|names| names.iter().any(|n| n == name));
        let mut kept = Map::new();
        for (name, value) in members {
            let property = schema
                .get("properties")
                .and_then(|properties| properties.get(&name));
            match property {
                Some(property)
                    if value.is_null()
                        && !must(&name)
                        && !accepts_null(property, &self.definitions, 0) => {}
                Some(property) => {
                    let value = self.strip(value, property);
                    kept.insert(name, value);
                }
                None => {
                    kept.insert(name, value);
                }
            }
        }
        kept
    }

    fn accepts(&self, branch: &Value, value: &Value) -> bool {
        let mut whole = branch.clone();
        if let (Value::Object(whole), false) = (&mut whole, self.definitions.is_null()) {
            whole.insert("$defs".to_owned(), self.definitions.clone());
        }
        jsonschema::is_valid(&whole, value)
    }
}
