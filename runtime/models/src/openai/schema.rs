//! JSON schemas in the words that each dialect takes.
//!
//! - `walk`: where subschemas stand.
//! - `plain`: any JSON Schema without references, older drafts' words and formats of one language;
//!   accepts what the original accepts.
//! - `simple`: the same with fewer words, where that loses nothing.
//! - `strict`: OpenAI's strict mode: closed objects, every property required.
//! - `nulls`: what strict mode added is taken out of an answer again.
//! - `gemini`: the subset of OpenAPI that Gemini takes.

mod gemini;
mod nulls;
mod plain;
mod simple;
mod strict;
mod walk;

use serde_json::{Value, json};

use super::dialect::Dialect;
pub(super) use nulls::Nulls;

/// A schema as one dialect takes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shaped {
    /// What is sent.
    pub schema: Value,
    /// Whether the endpoint is to hold the reply to it to the letter.
    pub strict: bool,
    /// Whether it accepts exactly what the original does; strict mode's nulls aside.
    pub exact: bool,
}

impl Shaped {
    /// A schema for a dialect; `strict` asks for strict mode where the dialect has it.
    pub(super) fn of(schema: &Value, dialect: Dialect, strict: bool) -> Self {
        let plain = plain::plain(schema);
        if dialect == Dialect::Gemini {
            let (schema, exact) = gemini::gemini(&simple::simple(&plain));
            return Self {
                schema,
                strict: false,
                exact,
            };
        }
        if dialect == Dialect::OpenAi
            && strict
            && let Some(schema) = strict::strict(&simple::simple(&plain))
        {
            return Self {
                schema,
                strict: true,
                exact: true,
            };
        }
        Self {
            schema: plain,
            strict: false,
            exact: true,
        }
    }

    /// A tool's arguments; a tool that declares none takes an empty object.
    pub(super) fn of_arguments(schema: &Value, dialect: Dialect, strict: bool) -> Self {
        let none = || json!({"type": "object", "properties": {}});
        let declared = match schema {
            // Providers refuse arguments that are not said to be an object.
            Value::Object(object) if !object.contains_key("type") => {
                let mut object = object.clone();
                object.insert("type".to_owned(), json!("object"));
                Value::Object(object)
            }
            Value::Object(_) => schema.clone(),
            _ => none(),
        };
        let mut shaped = Self::of(&declared, dialect, strict);
        if let Some(object) = shaped.schema.as_object_mut()
            && object.get("type") == Some(&json!("object"))
        {
            object.entry("properties").or_insert_with(|| json!({}));
        }
        shaped
    }
}

#[cfg(test)]
mod properties;
