//! Schemas that make checking endless work.
//!
//! A schema of a few hundred bytes can refer to itself so that a small value is looked at more often
//! than there are atoms. What is counted here is how many times parts of the schema look at the
//! values along one path into a value, at worst: references are followed as a validator follows
//! them. The count is bounded, and so is the counting.

use std::collections::HashMap;

use serde_json::Value;

/// Looks along one path of a value beyond which a schema is refused.
const MOST_LOOKS: u64 = 100_000;

/// How deep into a value is counted. What explodes at all has exploded by then.
const DEPTH: u32 = 24;

/// Parts of a schema; more is refused unseen.
const MOST_PARTS: usize = 50_000;

/// Keywords whose schemas look at the same value again.
const SAME: [&str; 9] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "$ref",
];

/// Keywords whose schemas look at values inside.
const INSIDE: [&str; 11] = [
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "contentSchema",
    "properties",
];

/// Whether checking a value against this schema is bounded work.
pub(super) fn is_bounded(schema: &Value) -> bool {
    if count(schema) > MOST_PARTS || has_inner_id(schema, true) {
        return false;
    }
    let mut looks = Looks {
        root: schema,
        known: HashMap::new(),
        under_way: Vec::new(),
    };
    looks
        .of(schema, DEPTH)
        .is_some_and(|looks| looks <= MOST_LOOKS)
}

/// All values in a value; it is as deep as JSON may be, which is bounded where it is read.
fn count(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    };
    inside.saturating_add(1)
}

/// Whether a part of it has an id of its own. References may then lead anywhere in it.
fn has_inner_id(value: &Value, outermost: bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| has_inner_id(item, false)),
        Value::Object(fields) => {
            let own = !outermost && fields.get("$id").is_some_and(Value::is_string);
            own || fields.values().any(|field| has_inner_id(field, false))
        }
        _ => false,
    }
}

/// The part of a schema with this anchor.
fn anchored<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| anchored(item, name)),
        Value::Object(fields) => {
            let names = ["$anchor", "$dynamicAnchor"];
            let own = names
                .iter()
                .any(|keyword| fields.get(*keyword).is_some_and(|own| own == name));
            if own {
                return Some(value);
            }
            fields.values().find_map(|field| anchored(field, name))
        }
        _ => None,
    }
}

struct Looks<'a> {
    root: &'a Value,
    /// By part of the schema and depth.
    known: HashMap<(*const Value, u32), u64>,
    /// Parts that are being counted for the same value: met again, they never end.
    under_way: Vec<*const Value>,
}

impl<'a> Looks<'a> {
    /// Looks at a value of this depth; `None` if they never end, or are too many.
    fn of(&mut self, schema: &'a Value, depth: u32) -> Option<u64> {
        let Value::Object(fields) = schema else {
            return Some(1);
        };
        let part = std::ptr::from_ref(schema);
        if let Some(known) = self.known.get(&(part, depth)) {
            return Some(*known);
        }
        if self.under_way.contains(&part) {
            return None;
        }
        self.under_way.push(part);
        let mut looks: u64 = 1;
        for keyword in SAME {
            let Some(value) = fields.get(keyword) else {
                continue;
            };
            for schema in self.schemas(keyword, value)? {
                looks = looks.saturating_add(self.of(schema, depth)?);
            }
        }
        // A dynamic reference may lead anywhere; it is taken to lead to the whole again, inside.
        let dynamic = fields.contains_key("$dynamicRef") || fields.contains_key("$recursiveRef");
        if let Some(deeper) = depth.checked_sub(1) {
            let outside = std::mem::take(&mut self.under_way);
            let inside = self.inside(fields, dynamic, deeper);
            self.under_way = outside;
            looks = looks.saturating_add(inside?);
        }
        self.under_way.pop();
        if looks > MOST_LOOKS {
            return None;
        }
        self.known.insert((part, depth), looks);
        Some(looks)
    }

    /// Looks at the value inside that is looked at most: one property is one path.
    fn inside(
        &mut self,
        fields: &'a serde_json::Map<String, Value>,
        dynamic: bool,
        depth: u32,
    ) -> Option<u64> {
        let mut everywhere: u64 = 0;
        let mut most: u64 = 0;
        for keyword in INSIDE {
            let Some(value) = fields.get(keyword) else {
                continue;
            };
            for schema in self.schemas(keyword, value)? {
                let looks = self.of(schema, depth)?;
                if keyword == "properties" || keyword == "prefixItems" {
                    most = most.max(looks);
                } else {
                    everywhere = everywhere.saturating_add(looks);
                }
            }
        }
        if dynamic {
            everywhere = everywhere.saturating_add(self.of(self.root, depth)?);
        }
        Some(everywhere.saturating_add(most))
    }

    /// The schemas of a keyword. A reference to elsewhere is to nothing: it is never followed.
    fn schemas(&self, keyword: &str, value: &'a Value) -> Option<Vec<&'a Value>> {
        Some(match (keyword, value) {
            ("$ref", Value::String(reference)) => {
                let own = self.root.get("$id").and_then(Value::as_str);
                let own = own.unwrap_or_default().trim_end_matches('#');
                let local = reference.strip_prefix(own).unwrap_or(reference);
                let Some(fragment) = local.strip_prefix('#') else {
                    // The whole again by its id, or something that is nowhere here.
                    return Some(local.is_empty().then_some(self.root).into_iter().collect());
                };
                let fragment = percent_encoding::percent_decode_str(fragment)
                    .decode_utf8()
                    .ok()?;
                let part = if fragment.is_empty() || fragment.starts_with('/') {
                    self.root.pointer(&fragment)
                } else {
                    anchored(self.root, &fragment)
                };
                part.into_iter().collect()
            }
            (_, Value::Array(all)) => all.iter().collect(),
            ("properties" | "patternProperties" | "dependentSchemas", Value::Object(all)) => {
                all.values().collect()
            }
            (_, one) => vec![one],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each definition takes the next one twice.
    fn laughs(take: impl Fn(&str) -> Value) -> Value {
        let mut definitions = serde_json::Map::new();
        for level in 0..40 {
            let next = format!("#/$defs/l{}", level + 1);
            definitions.insert(format!("l{level}"), take(&next));
        }
        definitions.insert("l40".to_owned(), json!({"type": "string"}));
        json!({"type": "object", "$defs": definitions, "$ref": "#/$defs/l0"})
    }

    #[test]
    fn what_explodes_is_refused() {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let schema = laughs(|next| json!({keyword: [{"$ref": next}, {"$ref": next}]}));
            assert!(!is_bounded(&schema), "{keyword}");
        }
        let nested = laughs(|next| {
            json!({"additionalProperties": {"$ref": next},
                "patternProperties": {".*": {"$ref": next}}})
        });
        assert!(!is_bounded(&nested));
        let itself = json!({"$defs": {"a": {"allOf": [
            {"properties": {"x": {"$ref": "#/$defs/a"}}},
            {"properties": {"x": {"$ref": "#/$defs/a"}}}]}}, "$ref": "#/$defs/a"});
        assert!(!is_bounded(&itself));
    }

    #[test]
    fn what_never_ends_is_refused() {
        assert!(!is_bounded(&json!({"$ref": "#"})));
        let round = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}},
            "properties": {"x": {"$ref": "#/$defs/a"}}});
        assert!(!is_bounded(&round));
    }

    #[test]
    fn other_ways_to_refer_are_followed_too() {
        let by_id = json!({"$id": "https://x/y", "$ref": "https://x/y"});
        assert!(!is_bounded(&by_id));
        let by_pointer = json!({"$id": "https://x/y", "$ref": "https://x/y#/$defs/a",
            "$defs": {"a": {"$ref": "#/$defs/a"}}});
        assert!(!is_bounded(&by_pointer));
        let by_anchor = json!({"$ref": "#a", "$defs": {"x": {"$anchor": "a", "$ref": "#a"}}});
        assert!(!is_bounded(&by_anchor));
        let inner = json!({"$ref": "in", "$defs": {"x": {"$id": "in", "$ref": "in"}}});
        assert!(!is_bounded(&inner));
    }

    #[test]
    fn what_people_write_is_fine() {
        let tree = json!({"$defs": {"node": {"type": "object", "properties": {
            "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"},
            "values": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}},
            "$ref": "#/$defs/node"});
        assert!(is_bounded(&tree));
        let mut wide = serde_json::Map::new();
        for number in 0..500 {
            let one = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
            wide.insert(format!("p{number}"), one);
        }
        assert!(is_bounded(&json!({"type": "object", "properties": wide})));
        assert!(is_bounded(&json!({"$ref": "https://example.com/schema"})));
        assert!(is_bounded(&json!(true)));
    }
}
