//! Plain JSON Schema: what every compatible server reads, and nothing lost.
//!
//! References are resolved where that ends; older drafts' words become the newest ones, because
//! `$schema` goes; formats that only one language knows go, since they accept everything anyway.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::walk::{annotates, each_subschema, target, with_subschemas};

/// Most schema nodes that resolving may come to. References to references double at each step.
const MOST_NODES: usize = 20_000;
/// Deepest nesting that is walked.
const DEEPEST: usize = 100;
/// Formats that the standard names.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];
/// Keywords that the drafts before 2019 do not have.
const NEWER: [&str; 7] = [
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependentRequired",
    "dependentSchemas",
    "minContains",
    "maxContains",
];

/// The schema as plain as it gets. One whose references lead outside it, or are too many to
/// write out, stays as it is.
pub(super) fn plain(schema: &Value) -> Value {
    let declared = schema.get("$schema").and_then(Value::as_str);
    let old = declared.is_some_and(|draft| {
        ["draft-03", "draft-04", "draft-05", "draft-06", "draft-07"]
            .iter()
            .any(|name| draft.contains(name))
    });
    let mut resolver = Resolver {
        root: schema,
        old,
        recursive: BTreeMap::new(),
        nodes: 0,
    };
    resolver.resolved().unwrap_or_else(|| schema.clone())
}

struct Resolver<'a> {
    root: &'a Value,
    /// Whether the schema is of a draft in which nothing beside a reference counts.
    old: bool,
    /// References that lead back to themselves, by the name of their definition.
    recursive: BTreeMap<String, String>,
    nodes: usize,
}

impl Resolver<'_> {
    fn resolved(&mut self) -> Option<Value> {
        self.find_recursive()?;
        let mut whole = self.schema(self.root, 0)?;
        let definitions: Vec<(String, String)> = self.recursive.clone().into_iter().collect();
        let mut written = Map::new();
        for (reference, name) in definitions {
            let definition = self.schema(target(self.root, &reference)?, 0)?;
            written.insert(name, definition);
        }
        if let (false, Value::Object(object)) = (written.is_empty(), &mut whole) {
            object.insert("$defs".to_owned(), Value::Object(written));
        }
        Some(whole)
    }

    /// Finds the references that contain themselves; none where one leads nowhere.
    fn find_recursive(&mut self) -> Option<()> {
        let mut inside: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut waiting: Vec<String> = references(self.root, true)?.into_iter().collect();
        while let Some(reference) = waiting.pop() {
            if inside.contains_key(&reference) {
                continue;
            }
            let found = references(target(self.root, &reference)?, reference == "#")?;
            waiting.extend(found.iter().cloned());
            inside.insert(reference, found);
        }
        for reference in inside.keys() {
            let mut reached = BTreeSet::new();
            let mut waiting = vec![reference];
            while let Some(next) = waiting.pop() {
                for inner in inside.get(next).into_iter().flatten() {
                    if reached.insert(inner) {
                        waiting.push(inner);
                    }
                }
            }
            if reached.contains(reference) {
                let last = reference.rsplit('/').next().unwrap_or_default();
                let mut name: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
                while name.is_empty() || self.recursive.values().any(|other| *other == name) {
                    name.push('_');
                }
                self.recursive.insert(reference.clone(), name);
            }
        }
        Some(())
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        self.nodes += 1;
        if self.nodes > MOST_NODES || depth > DEEPEST {
            return None;
        }
        let object = match schema {
            Value::Bool(true) => return Some(json!({})),
            Value::Bool(false) => return Some(json!({"not": {}})),
            Value::Object(object) => object,
            _ => return None,
        };
        let mut object = object.clone();
        let reference = object.remove("$ref");
        if self.old && reference.is_some() {
            object.clear();
        }
        let object = upgraded(object, self.old);
        let mut lost = false;
        let mut own = with_subschemas(&object, &mut |keyword, each| {
            let stays = each.is_boolean() && takes_booleans(keyword);
            if stays {
                return each.clone();
            }
            self.schema(each, depth + 1).unwrap_or_else(|| {
                lost = true;
                Value::Null
            })
        });
        if lost {
            return None;
        }
        let Some(reference) = reference else {
            return Some(Value::Object(own));
        };
        let reference = reference.as_str()?;
        if let Some(name) = self.recursive.get(reference) {
            own.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")));
            return Some(Value::Object(own));
        }
        let meant = self.schema(target(self.root, reference)?, depth + 1)?;
        Some(both(meant, own))
    }
}

/// What a reference means together with what stands beside it.
fn both(meant: Value, beside: Map<String, Value>) -> Value {
    match meant {
        Value::Object(mut meant) if beside.keys().all(|keyword| annotates(keyword)) => {
            meant.extend(beside);
            Value::Object(meant)
        }
        meant => {
            let mut beside = beside;
            match beside.get_mut("allOf").and_then(Value::as_array_mut) {
                Some(all) => all.push(meant),
                None => {
                    beside.insert("allOf".to_owned(), json!([meant]));
                }
            }
            Value::Object(beside)
        }
    }
}

/// Keywords whose `true` and `false` every server knows.
fn takes_booleans(keyword: &str) -> bool {
    matches!(
        keyword,
        "additionalProperties" | "unevaluatedProperties" | "unevaluatedItems" | "items"
    )
}

/// The references in a schema, but for definitions that nothing refers to; none where one is of
/// a kind that is not followed here.
fn references(schema: &Value, root: bool) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    collect(schema, root, 0, &mut found).then_some(found)
}

/// False where a reference cannot be followed.
fn collect(schema: &Value, root: bool, depth: usize, found: &mut BTreeSet<String>) -> bool {
    let Some(object) = schema.as_object() else {
        return true;
    };
    // A base of its own changes what the references below it mean.
    let own_base = !root && object.get("$id").is_some_and(Value::is_string);
    let dynamic = object.contains_key("$dynamicRef") || object.contains_key("$recursiveRef");
    let mut followed = !own_base && !dynamic && depth <= DEEPEST && found.len() <= MOST_NODES;
    match object.get("$ref") {
        Some(Value::String(reference)) => {
            followed &= !reference.contains('%');
            found.insert(reference.clone());
        }
        Some(_) => followed = false,
        None => {}
    }
    let mut counted = object.clone();
    counted.remove("$defs");
    counted.remove("definitions");
    each_subschema(&counted, &mut |each| {
        followed = followed && collect(each, false, depth + 1, found);
    });
    followed
}

/// The keywords of one schema in the newest draft's words, without those that only name things.
fn upgraded(mut object: Map<String, Value>, old: bool) -> Map<String, Value> {
    for keyword in [
        "$schema",
        "$id",
        "$comment",
        "$anchor",
        "$defs",
        "definitions",
    ] {
        object.remove(keyword);
    }
    if old {
        NEWER.iter().for_each(|keyword| {
            object.remove(*keyword);
        });
        if object.get("id").is_some_and(Value::is_string) {
            object.remove("id");
        }
        exclusive(&mut object, "exclusiveMinimum", "minimum");
        exclusive(&mut object, "exclusiveMaximum", "maximum");
    }
    if object.get("items").is_some_and(Value::is_array) {
        if let Some(items) = object.remove("items") {
            object.insert("prefixItems".to_owned(), items);
        }
        if let Some(rest) = object.remove("additionalItems") {
            object.insert("items".to_owned(), rest);
        }
    }
    object.remove("additionalItems");
    if let Some(Value::Object(dependencies)) = object.remove("dependencies") {
        let (names, schemas): (Map<_, _>, Map<_, _>) = dependencies
            .into_iter()
            .partition(|(_, needed)| needed.is_array());
        for (keyword, needed) in [("dependentRequired", names), ("dependentSchemas", schemas)] {
            if !needed.is_empty() {
                object.insert(keyword.to_owned(), Value::Object(needed));
            }
        }
    }
    let known = |format: &Value| format.as_str().is_some_and(|name| FORMATS.contains(&name));
    if object.get("format").is_some_and(|format| !known(format)) {
        object.remove("format");
    }
    object
}

/// Draft 4 says by a boolean that a bound is not reached itself.
fn exclusive(object: &mut Map<String, Value>, exclusive: &str, bound: &str) {
    match object.get(exclusive) {
        Some(Value::Bool(true)) => {
            object.remove(exclusive);
            if let Some(bound) = object.remove(bound) {
                object.insert(exclusive.to_owned(), bound);
            }
        }
        Some(Value::Bool(false)) => {
            object.remove(exclusive);
        }
        _ => {}
    }
}
