//! Arguments before a call, structured results after it, each against its schema.

use jsonschema::Validator;
use serde_json::Value;

/// Problems named in one message.
const MOST_PROBLEMS: usize = 5;

/// The compiled schemas of one tool. A schema the validator cannot compile checks nothing: the
/// server still does.
pub(crate) struct ToolSchemas {
    input: Option<Validator>,
    output: Option<Validator>,
}

impl ToolSchemas {
    pub(crate) fn new(input: &Value, output: Option<&Value>) -> Self {
        Self {
            input: jsonschema::validator_for(input).ok(),
            output: output.and_then(|schema| jsonschema::validator_for(schema).ok()),
        }
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

fn problem(validator: &Validator, value: &Value) -> Option<String> {
    let problems: Vec<String> = validator
        .iter_errors(value)
        .take(MOST_PROBLEMS)
        .map(|error| {
            let path = error.instance_path().to_string();
            if path.is_empty() { error.to_string() } else { format!("`{path}`: {error}") }
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}
