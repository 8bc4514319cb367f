//! Arguments checked before a tool sees them, with messages a model can act on.

use serde_json::{Map, Value};

use crate::server::ToolError;

/// Problems named in one message; more would only distract.
const MOST_PROBLEMS: usize = 5;

/// Checks arguments against one tool's input schema.
pub struct ArgumentCheck {
    validator: Option<jsonschema::Validator>,
    allowed: Vec<String>,
}

impl ArgumentCheck {
    /// Prepares the check. A schema that is itself invalid lets everything through to the typed
    /// parser, which still refuses what does not fit.
    pub fn new(schema: &Map<String, Value>) -> Self {
        let allowed = schema
            .get("properties")
            .and_then(Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        Self { validator: jsonschema::validator_for(&Value::Object(schema.clone())).ok(), allowed }
    }

    /// Every problem of the arguments in one message.
    ///
    /// # Errors
    /// When there is any.
    pub fn check(&self, arguments: &Value) -> Result<(), ToolError> {
        let Some(given) = arguments.as_object() else {
            return Err(ToolError::new("the arguments must be an object", self.known()));
        };
        if !self.allowed.is_empty() {
            for name in given.keys().filter(|name| !self.allowed.contains(name)) {
                let near = nearest(name, &self.allowed);
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(ToolError::new(format!("unknown argument `{name}`{near}"), self.known()));
            }
        }
        let Some(validator) = &self.validator else { return Ok(()) };
        let problems: Vec<String> = validator
            .iter_errors(arguments)
            .take(MOST_PROBLEMS)
            .map(|error| {
                let path = error.instance_path().to_string();
                let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
                format!("{place}{error}")
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(ToolError::new(format!("the arguments do not fit: {}", problems.join("; ")), self.known()))
    }

    fn known(&self) -> String {
        format!("the arguments are: {}", self.allowed.join(", "))
    }
}

/// Clients send null for an optional argument they leave out.
pub(crate) fn without_nulls(arguments: Value) -> Value {
    match arguments {
        Value::Null => Value::Object(Map::new()),
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let close = |candidate: &&String| strsim::jaro_winkler(name, candidate) > 0.8;
    known.iter().filter(close).max_by(|a, b| {
        strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check() -> ArgumentCheck {
        let schema = json!({
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
            "required": ["query"],
        });
        ArgumentCheck::new(schema.as_object().unwrap())
    }

    #[test]
    fn an_unknown_argument_is_named_with_the_nearest_known_one() {
        let error = check().check(&json!({"query": "x", "limt": 3})).unwrap_err().to_string();
        assert!(error.contains("unknown argument `limt`; did you mean `limit`?"), "{error}");
        assert!(error.contains("limit, query"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let error = check().check(&json!({"query": 7, "limit": 0})).unwrap_err().to_string();
        assert!(error.contains("`/query`: 7 is not of type \"string\""), "{error}");
        assert!(error.contains("`/limit`"), "{error}");
        assert!(check().check(&json!([])).is_err());
    }

    #[test]
    fn nulls_count_as_left_out() {
        let arguments = without_nulls(json!({"query": "x", "limit": null}));
        assert!(check().check(&arguments).is_ok());
    }
}
