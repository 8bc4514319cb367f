//! A JSON schema as llguidance is given it.
//!
//! What it would leave out without a word is refused here, and so is what it refuses itself.
//! Annotations are dropped; so is a `format` that no standard defines (`int64`, `password`), which
//! by the standard must not constrain.
//!
//! A schema is also narrowed, which keeps every reply valid and makes it end:
//!
//! - Numbers stay within 64 bits. JSON readers do not take `1e999`, and nothing but a bound ends a
//!   number whose digits are sampled.
//! - An object that lists its properties, and says nothing of others, has no others, unless other
//!   parts of the schema may add some or tell objects apart by them (`allOf`, `oneOf`).
//! - Where anything may stand, it nests at most [`ANY_DEPTH`] deep. Where schemas are combined, it is
//!   left as it is but for numbers in its first [`COMBINED_DEPTH`] levels.
//! - Strings escape with `\n`, `\"` and the like, not with `\u`: two spellings of one key could
//!   otherwise pass as two keys.
//!
//! Whoever writes the schema cannot change these rules: `x-guidance` is taken out.

use serde_json::{Map, Number, Value, json};

mod anything;
mod keywords;
mod shape;

use anything::{ANY_DEPTH, COMBINED_DEPTH, LARGEST, any, any_combined, any_name, any_reference};
use keywords::{
    FORMATS, IN_PLACE, KEPT, NAMED_SCHEMAS, OTHER_FORMATS, REFUSED, SCHEMA, SCHEMAS, says_nothing,
};
use shape::{excludes, leads_to_schema, spreads};

/// How much all schemas of one grammar may hold together, in values.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MOST_VALUES)
    }
}

/// So many references in a row fit on the stack that grammars are compiled on.
const MOST_VALUES: usize = 24_000;

/// What comparing two patterns costs, in values.
const PAIR: usize = 50;

/// Deepest nesting of schemas in schemas.
const DEEPEST: usize = 64;

/// Above this, floats no longer hold each whole number, and bounds would be off.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The schema as llguidance is given it, or why it cannot be held completely.
pub(super) fn prepared(schema: &Value, budget: &mut Budget) -> Result<Value, String> {
    let refers = !spreads(schema, 0);
    let mut preparation = Preparation {
        root: schema,
        refers,
        closes: refers && !excludes(schema),
        budget,
        path: Vec::new(),
        any_used: false,
    };
    let prepared = preparation.schema(schema)?;
    let any_used = preparation.any_used;
    let mut prepared = match prepared {
        Value::Object(prepared) => prepared,
        Value::Bool(false) => return Err("it allows nothing".to_owned()),
        _ => Map::new(),
    };
    if any_used {
        let definitions = prepared
            .entry("$defs")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .ok_or("`$defs` is no object")?;
        for depth in 0..=ANY_DEPTH {
            definitions.insert(any_name(depth), any(depth));
        }
    }
    prepared.insert(
        "x-guidance".to_owned(),
        json!({
            "item_separator": ", ",
            "key_separator": ": ",
            "whitespace_flexible": false,
            "json_allowed_escapes": "nrbtf\\\"",
        }),
    );
    Ok(Value::Object(prepared))
}

struct Preparation<'s> {
    root: &'s Value,
    /// Whether what may be anything may be referred to.
    refers: bool,
    /// Whether objects may be closed.
    closes: bool,
    budget: &'s mut Budget,
    path: Vec<String>,
    any_used: bool,
}

impl Preparation<'_> {
    fn schema(&mut self, schema: &Value) -> Result<Value, String> {
        self.spend(1)?;
        // Two parts of a path lead to a property.
        if self.path.len() > 2 * DEEPEST {
            return Err(format!("it nests deeper than {DEEPEST}"));
        }
        let map = match schema {
            Value::Bool(true) => return Ok(self.anything()),
            Value::Bool(false) => return Ok(Value::Bool(false)),
            Value::Object(map) => map,
            other => return Err(self.wrong(&format!("a schema is expected, not `{other}`"))),
        };
        let mut out = Map::new();
        for (key, value) in map {
            self.path.push(key.clone());
            if let Some(value) = self.keyword(map, key, value)? {
                out.insert(key.clone(), value);
            }
            self.path.pop();
        }
        let constrains = |key: &String| {
            !matches!(
                key.as_str(),
                "$schema" | "$id" | "id" | "$anchor" | "$defs" | "definitions"
            )
        };
        if !out.keys().any(constrains) {
            if let Value::Object(anything) = self.anything() {
                out.extend(anything);
            }
            return Ok(Value::Object(out));
        }
        self.narrow(&mut out);
        Ok(Value::Object(out))
    }

    /// What becomes of a keyword; `None`: it does not constrain.
    fn keyword(
        &mut self,
        schema: &Map<String, Value>,
        key: &str,
        value: &Value,
    ) -> Result<Option<Value>, String> {
        if REFUSED.contains(&key) {
            return if says_nothing(key, value) {
                Ok(None)
            } else {
                Err(self.wrong(&format!(
                    "`{key}` cannot be enforced while a reply is written"
                )))
            };
        }
        if NAMED_SCHEMAS.contains(&key) {
            let Value::Object(named) = value else {
                return Err(self.wrong("it must be an object"));
            };
            if key == "patternProperties" {
                // Each is compared with each.
                self.spend(PAIR * named.len() * named.len() / 2)?;
            }
            let mut out = Map::new();
            for (name, schema) in named {
                self.path.push(name.clone());
                out.insert(name.clone(), self.schema(schema)?);
                self.path.pop();
            }
            return Ok(Some(Value::Object(out)));
        }
        if let (true, Value::Array(schemas)) = (SCHEMAS.contains(&key), value) {
            let mut out = Vec::with_capacity(schemas.len());
            for (at, schema) in schemas.iter().enumerate() {
                self.path.push(at.to_string());
                out.push(self.schema(schema)?);
                self.path.pop();
            }
            return Ok(Some(Value::Array(out)));
        }
        if SCHEMA.contains(&key) {
            return self.schema(value).map(Some);
        }
        match key {
            "format" => return self.format(value),
            "$ref" => self.reference(value)?,
            "minProperties" => self.least_properties(schema, value)?,
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                self.exact(value)?;
            }
            "const" | "enum" => self.literal(value, 0)?,
            _ => {}
        }
        Ok(KEPT.contains(&key).then(|| value.clone()))
    }

    fn format(&self, value: &Value) -> Result<Option<Value>, String> {
        let format = value.as_str().unwrap_or_default();
        if OTHER_FORMATS.contains(&format) {
            return Err(self.wrong(&format!(
                "the format `{format}` cannot be enforced while a reply is written"
            )));
        }
        Ok(FORMATS.contains(&format).then(|| value.clone()))
    }

    /// A reference must lead to what was prepared.
    fn reference(&self, value: &Value) -> Result<(), String> {
        let Some(reference) = value.as_str() else {
            return Err(self.wrong("it must be a text"));
        };
        match reference.strip_prefix('#') {
            Some("") => Ok(()),
            Some(pointer) if pointer.starts_with('/') => {
                if leads_to_schema(self.root, pointer) {
                    Ok(())
                } else {
                    Err(self.wrong(&format!("`{reference}` does not lead to a schema")))
                }
            }
            Some(_anchor) => Ok(()),
            None => Err(self.wrong(&format!(
                "`{reference}` is not in this schema, and nothing is fetched"
            ))),
        }
    }

    /// Properties that are not listed are not counted apart where two have one name.
    fn least_properties(&self, schema: &Map<String, Value>, value: &Value) -> Result<(), String> {
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let least = value.as_u64().unwrap_or_default();
        if least > required as u64 + 1 {
            return Err(self.wrong("it cannot be enforced while a reply is written"));
        }
        Ok(())
    }

    fn exact(&self, value: &Value) -> Result<(), String> {
        match value.as_f64() {
            Some(bound) if bound.abs() > EXACT => Err(self.wrong(&format!(
                "{value} is beyond what can be enforced exactly (2^53)"
            ))),
            _ => Ok(()),
        }
    }

    fn literal(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        self.spend(1)?;
        if depth > DEEPEST {
            return Err(self.wrong(&format!("it nests deeper than {DEEPEST}")));
        }
        let mut inner = |value: &Value| self.literal(value, depth + 1);
        match value {
            Value::Array(values) => values.iter().try_for_each(inner),
            Value::Object(values) => values.values().try_for_each(&mut inner),
            Value::Number(_) => self.exact(value),
            _ => Ok(()),
        }
    }

    fn anything(&mut self) -> Value {
        if self.refers {
            self.any_used = true;
            any_reference(ANY_DEPTH)
        } else {
            any_combined(COMBINED_DEPTH)
        }
    }

    fn narrow(&mut self, schema: &mut Map<String, Value>) {
        let elsewhere = ["const", "enum"].iter().chain(IN_PLACE);
        if elsewhere.into_iter().any(|key| schema.contains_key(*key)) {
            return;
        }
        let may_be = |schema: &Map<String, Value>, wanted: &[&str]| match schema.get("type") {
            None => true,
            Some(Value::String(is)) => wanted.contains(&is.as_str()),
            Some(Value::Array(are)) => are
                .iter()
                .any(|is| is.as_str().is_some_and(|is| wanted.contains(&is))),
            Some(_) => false,
        };
        if may_be(schema, &["number", "integer"]) {
            let has = |key: &str| schema.get(key).is_some_and(Value::is_number);
            let (low, high) = (
                has("minimum") || has("exclusiveMinimum"),
                has("maximum") || has("exclusiveMaximum"),
            );
            if !low {
                schema.insert("minimum".to_owned(), Value::Number(Number::from(-LARGEST)));
            }
            if !high {
                schema.insert("maximum".to_owned(), Value::Number(Number::from(LARGEST)));
            }
        }
        if may_be(schema, &["array"])
            && !["items", "additionalItems"]
                .iter()
                .any(|key| schema.contains_key(*key))
        {
            let items = self.anything();
            schema.insert("items".to_owned(), items);
        }
        if may_be(schema, &["object"]) && !schema.contains_key("additionalProperties") {
            let listed = schema.get("properties").and_then(Value::as_object);
            let required = schema.get("required").and_then(Value::as_array);
            let closes = self.closes
                && listed.is_some_and(|listed| {
                    !listed.is_empty()
                        && required
                            .into_iter()
                            .flatten()
                            .all(|name| name.as_str().is_some_and(|name| listed.contains_key(name)))
                })
                && !schema.contains_key("patternProperties")
                && !schema.contains_key("minProperties");
            let others = if closes {
                Value::Bool(false)
            } else {
                self.anything()
            };
            schema.insert("additionalProperties".to_owned(), others);
        }
    }

    fn spend(&mut self, values: usize) -> Result<(), String> {
        match self.budget.0.checked_sub(values) {
            Some(left) => {
                self.budget.0 = left;
                Ok(())
            }
            None => Err(format!("it holds more than {MOST_VALUES} values")),
        }
    }

    fn wrong(&self, message: &str) -> String {
        if self.path.is_empty() {
            return message.to_owned();
        }
        format!("at `/{}`: {message}", self.path.join("/"))
    }
}
