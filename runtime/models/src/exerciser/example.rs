//! A value for a schema: required fields only, the first choice, the least number.
//!
//! A `pattern` is not looked at: what does not match is refused before the call, with the reason.

use std::cell::Cell;

use serde_json::{Map, Value, json};

/// Depth at which a schema that contains itself is given up; optional fields end it long before.
const MAX_DEPTH: usize = 32;

/// Subschemas looked at in all: one that mentions itself twice would grow without end.
const MAX_SUBSCHEMAS: u32 = 10_000;

/// Items made at most, whatever `minItems` asks for.
const MAX_ITEMS: u64 = 1_000;

/// A value that the schema accepts, where one is easily found.
pub fn example(schema: &Value) -> Value {
    let left = Cell::new(MAX_SUBSCHEMAS);
    Examples { root: schema, left }.of(schema, 0)
}

struct Examples<'a> {
    /// What references lead into.
    root: &'a Value,
    /// Subschemas that may still be looked at.
    left: Cell<u32>,
}

impl Examples<'_> {
    fn of(&self, schema: &Value, depth: usize) -> Value {
        let Some(schema) = self.flattened(schema, depth) else {
            return json!("x");
        };
        let first = |key: &str| schema.get(key)?.as_array()?.first();
        let given = schema
            .get("const")
            .or_else(|| first("enum"))
            .or_else(|| first("examples"))
            .or_else(|| schema.get("default"));
        if let Some(value) = given {
            return value.clone();
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
            Some(kind) => kind.as_str(),
            None if schema.contains_key("properties") => Some("object"),
            None => None,
        };
        match kind {
            Some("object") => self.object(&schema, depth),
            Some("array") => self.array(&schema, depth),
            Some("integer") => json!(number(&schema, true) as i64),
            Some("number") => json!(number(&schema, false)),
            Some("boolean") => json!(true),
            Some("null") => Value::Null,
            _ => json!(text(&schema)),
        }
    }

    /// The schema with its references followed, the parts of `allOf` joined, and the first branch
    /// of a choice taken.
    fn flattened(&self, schema: &Value, depth: usize) -> Option<Map<String, Value>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.left.set(self.left.get().checked_sub(1)?);
        let mut flat = schema.as_object()?.clone();
        if let Some(Value::String(reference)) = flat.remove("$ref") {
            let target = reference.strip_prefix('#')?;
            join(
                &mut flat,
                self.flattened(self.root.pointer(target)?, depth + 1)?,
            );
        }
        if let Some(Value::Array(parts)) = flat.remove("allOf") {
            for part in &parts {
                if let Some(part) = self.flattened(part, depth + 1) {
                    join(&mut flat, part);
                }
            }
        }
        for choice in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = flat.remove(choice)
                && let Some(branch) = branches.first()
                && let Some(branch) = self.flattened(branch, depth + 1)
            {
                join(&mut flat, branch);
            }
        }
        Some(flat)
    }

    fn object(&self, schema: &Map<String, Value>, depth: usize) -> Value {
        let properties = schema.get("properties");
        let required = schema.get("required").and_then(Value::as_array);
        let names = required.into_iter().flatten().filter_map(Value::as_str);
        let fields = names.map(|name| {
            let property = properties.and_then(|all| all.get(name));
            let value = property.map_or(json!("x"), |property| self.of(property, depth + 1));
            (name.to_owned(), value)
        });
        Value::Object(fields.collect())
    }

    fn array(&self, schema: &Map<String, Value>, depth: usize) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64);
        let places = schema.get("prefixItems").and_then(Value::as_array);
        (0..least.unwrap_or_default().min(MAX_ITEMS))
            .map(|index| {
                let place = usize::try_from(index).ok();
                let place = place.and_then(|place| places?.get(place));
                let item = place.or_else(|| schema.get("items"));
                item.map_or(json!("x"), |item| self.of(item, depth + 1))
            })
            .collect()
    }
}

/// Makes `schema` ask for what `part` asks for as well.
fn join(schema: &mut Map<String, Value>, part: Map<String, Value>) {
    for (key, theirs) in part {
        let Some(ours) = schema.get_mut(&key) else {
            schema.insert(key, theirs);
            continue;
        };
        match (key.as_str(), ours, theirs) {
            ("properties", Value::Object(ours), Value::Object(theirs)) => {
                for (name, property) in theirs {
                    match ours.get_mut(&name) {
                        Some(Value::Object(known)) => {
                            if let Value::Object(more) = property {
                                join(known, more);
                            }
                        }
                        _ => {
                            ours.insert(name, property);
                        }
                    }
                }
            }
            ("required", Value::Array(ours), Value::Array(theirs)) => ours.extend(theirs),
            ("enum", Value::Array(ours), Value::Array(theirs)) => {
                ours.retain(|value| theirs.contains(value));
            }
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems", ours, theirs)
                if theirs.as_f64() > ours.as_f64() =>
            {
                *ours = theirs;
            }
            ("maximum" | "exclusiveMaximum" | "maxLength", ours, theirs)
                if theirs.as_f64() < ours.as_f64() =>
            {
                *ours = theirs;
            }
            // An integer is a number.
            ("type", ours, theirs) if theirs == "integer" => *ours = theirs,
            _ => {}
        }
    }
}

/// The least number within the bounds; the greatest when there is no least one.
fn number(schema: &Map<String, Value>, whole: bool) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let least = bound("minimum").into_iter().chain(above).reduce(f64::max);
    let most = bound("maximum").into_iter().chain(below).reduce(f64::min);
    let fits = |value: f64| {
        least.is_none_or(|least| value >= least)
            && most.is_none_or(|most| value <= most)
            && above.is_none_or(|above| value > above)
            && below.is_none_or(|below| value < below)
    };
    let step = match (bound("multipleOf").filter(|step| *step > 0.0), whole) {
        // A multiple that is whole: ten steps reach one for every fraction people write.
        (Some(step), true) if step.fract() != 0.0 => {
            let whole = (1..=10).map(|times| step * f64::from(times));
            Some(
                whole
                    .into_iter()
                    .find(|it| it.fract() == 0.0)
                    .unwrap_or(1.0),
            )
        }
        (Some(step), _) => Some(step),
        (None, true) => Some(1.0),
        (None, false) => None,
    };
    let candidates = match (step, least, most) {
        (Some(step), Some(least), _) => {
            let first = (least / step).ceil() * step;
            [first, first + step, least]
        }
        (Some(step), None, Some(most)) => {
            let last = (most / step).floor() * step;
            [last, last - step, most]
        }
        (Some(step), None, None) => [step; 3],
        (None, Some(least), Some(most)) => [least, f64::midpoint(least, most), most],
        (None, Some(least), None) => [least, least + 1.0, least],
        (None, None, Some(most)) => [most, most - 1.0, most],
        (None, None, None) => [1.0; 3],
    };
    let [first, ..] = candidates;
    candidates.into_iter().find(|it| fits(*it)).unwrap_or(first)
}

fn text(schema: &Map<String, Value>) -> String {
    let known = match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("time") => "12:00:00Z",
        Some("duration") => "PT1H",
        Some("email" | "idn-email") => "someone@example.com",
        Some("uri" | "iri" | "url" | "uri-reference" | "iri-reference") => "https://example.com/",
        Some("hostname" | "idn-hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("json-pointer") => "/x",
        _ => "x",
    };
    let length = |key: &str| schema.get(key).and_then(Value::as_u64);
    let least = usize::try_from(length("minLength").unwrap_or_default()).unwrap_or_default();
    let most = length("maxLength").and_then(|most| usize::try_from(most).ok());
    let mut text = known.to_owned();
    while text.len() < least {
        text.push('x');
    }
    text.truncate(most.unwrap_or(text.len()));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(schema: &Value) -> Result<(), String> {
        let value = example(schema);
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(schema)
            .unwrap();
        match validator.validate(&value) {
            Ok(()) => Ok(()),
            Err(error) => Err(format!("{value} does not fit {schema}: {error}")),
        }
    }

    #[test]
    fn references_parts_and_formats_are_met() {
        for schema in [
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer", "minimum": 3}}}),
            json!({"allOf": [{"type": "number", "minimum": 2}, {"maximum": 2.5, "minimum": 1}]}),
            json!({"allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"a": {"minLength": 4}, "b": {"const": 1}}, "required": ["b"]},
            ]}),
            json!({"type": "object", "required": ["next"], "properties": {"next": {"oneOf": [
                {"type": "null"}, {"$ref": "#"}]}}}),
            json!({"type": "array", "minItems": 3, "prefixItems": [{"const": "a"}, {"const": 2}],
                "items": {"type": "boolean"}}),
            json!({"type": "string", "maxLength": 0}),
            json!({"type": "integer", "multipleOf": 0.5, "minimum": 1}),
            json!({"type": "string", "format": "date-time"}),
            json!({"type": "string", "format": "uuid"}),
            json!({"type": "string", "format": "email"}),
        ] {
            fits(&schema).unwrap();
        }
        // One that contains itself without an end is given up, not followed.
        let endless =
            json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}});
        assert!(example(&endless).is_object());
        let twice = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "type": "string"});
        assert!(example(&twice).is_string());
    }

    fn bounded(kind: &'static str) -> impl Strategy<Value = Value> {
        let bound = || prop::option::of(0_i64..4);
        (
            -20_i64..20,
            bound(),
            bound(),
            bound(),
            prop::option::of(1_i64..4),
        )
            .prop_map(move |(base, low, high, above, step)| {
                let mut schema = json!({"type": kind});
                // Always wide enough for a multiple to lie strictly between.
                for (key, value) in [
                    ("minimum", low.map(|low| base - low)),
                    ("exclusiveMinimum", above.map(|above| base - above)),
                    ("maximum", high.map(|high| base + 8 + high)),
                    ("multipleOf", step),
                ] {
                    if let Some(value) = value {
                        schema[key] = json!(value);
                    }
                }
                schema
            })
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (0_u64..5, 5_u64..9).prop_map(|(least, most)| {
                json!({"type": "string", "minLength": least, "maxLength": most})
            }),
            bounded("integer"),
            bounded("number"),
            Just(json!({"type": "boolean"})),
            Just(json!({"enum": ["a", 2]})),
            Just(json!({"const": "only"})),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                (0_u64..3, inner.clone()).prop_map(|(least, items)| {
                    json!({"type": "array", "items": items, "minItems": least})
                }),
                prop::collection::btree_map("[a-c]", inner.clone(), 0..3).prop_map(|properties| {
                    let required: Vec<String> = properties.keys().take(2).cloned().collect();
                    json!({"type": "object", "properties": properties, "required": required,
                        "additionalProperties": false})
                }),
                inner
                    .clone()
                    .prop_map(|branch| json!({"anyOf": [branch, {"type": "null"}]})),
                inner.prop_map(|part| json!({"allOf": [part, {}]})),
            ]
        })
    }

    proptest! {
        #[test]
        fn examples_fit_their_schemas(schema in schemas()) {
            if let Err(problem) = fits(&schema) {
                prop_assert!(false, "{problem}");
            }
        }
    }
}
