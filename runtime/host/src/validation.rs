//! Arguments before a call, structured results after it, each against its schema.

mod bounds;

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value};

/// Problems named in one message.
const MOST_PROBLEMS: usize = 5;

/// Longest value repeated in a message, in bytes of JSON.
const MOST_REPEATED: usize = 200;

/// The compiled schemas of one tool. A schema that cannot be compiled, or that would make checking
/// endless work, checks nothing: the server still does. Nothing is fetched that a schema refers to.
pub(crate) struct ToolSchemas {
    input: Option<Validator>,
    /// Optional arguments, each with what it may be.
    optional: BTreeMap<String, Validator>,
    output: Option<Validator>,
}

impl ToolSchemas {
    pub(crate) fn new(input: &Value, output: Option<&Value>) -> Self {
        Self {
            optional: optional(input),
            input: compiled(input),
            output: output.and_then(compiled),
        }
    }

    /// The arguments without the nulls that models write for optional arguments they leave out,
    /// where the schema allows no null.
    pub(crate) fn without_nulls(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        let stands_for_nothing = |name: &String, value: &Value| {
            value.is_null()
                && self
                    .optional
                    .get(name)
                    .is_some_and(|schema| !schema.is_valid(&Value::Null))
        };
        let kept = arguments
            .iter()
            .filter(|(name, value)| !stands_for_nothing(name, value));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether structured results are promised.
    pub(crate) fn promises_data(&self) -> bool {
        self.output.is_some()
    }

    /// What is wrong with the arguments, if anything.
    pub(crate) fn input_problem(&self, arguments: &Value) -> Option<String> {
        problem(self.input.as_ref()?, arguments)
    }

    /// What is wrong with the result, if anything.
    pub(crate) fn output_problem(&self, result: &Value) -> Option<String> {
        problem(self.output.as_ref()?, result)
    }
}

fn optional(input: &Value) -> BTreeMap<String, Validator> {
    let required = input.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let properties = input.get("properties").and_then(Value::as_object);
    let properties = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| !is_required(name));
    properties
        // A schema that refers to others cannot be looked at alone; its nulls stay.
        .filter_map(|(name, schema)| Some((name.clone(), compiled(schema)?)))
        .collect()
}

fn compiled(schema: &Value) -> Option<Validator> {
    if !bounds::is_bounded(schema) {
        tracing::warn!("a schema that would be endless work to check is not checked");
        return None;
    }
    jsonschema::validator_for(schema).ok()
}

/// What is wrong with a value, the first few things of it.
pub(crate) fn problem(validator: &Validator, value: &Value) -> Option<String> {
    let problems: Vec<String> = validator
        .iter_errors(value)
        .take(MOST_PROBLEMS)
        .map(|error| {
            let path = error.instance_path().to_string();
            // What was given may be megabytes.
            let what = if error.instance().to_string().len() > MOST_REPEATED {
                error.masked_with("what was given").to_string()
            } else {
                error.to_string()
            };
            if path.is_empty() {
                what
            } else {
                format!("`{path}`: {what}")
            }
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}
