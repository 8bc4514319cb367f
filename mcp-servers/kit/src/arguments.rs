//! Arguments checked before a tool sees them, with messages a model can act on.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use crate::error::ToolError;
use crate::schema;

/// Problems named in one message; more would only distract.
const MOST_PROBLEMS: usize = 5;

/// Longest value repeated in a message, in bytes of JSON.
const MOST_REPEATED: usize = 200;

/// Checks arguments against one tool's input schema.
pub struct ArgumentCheck {
    schema: Value,
    validator: Option<Validator>,
}

impl ArgumentCheck {
    /// Prepares the check. A schema that is itself invalid lets everything through to the typed
    /// parser, which still refuses what does not fit.
    pub fn new(schema: &Map<String, Value>) -> Self {
        let schema = Value::Object(schema.clone());
        let validator = jsonschema::validator_for(&schema)
            .inspect_err(|error| tracing::error!(%error, "a tool's input schema is invalid"))
            .ok();
        Self { schema, validator }
    }

    /// The arguments without the nulls that stand for what is left out.
    ///
    /// # Errors
    /// When the arguments do not fit the schema; the message names up to five problems.
    pub fn check(&self, arguments: Value) -> Result<Value, ToolError> {
        let arguments = match arguments {
            Value::Null => Value::Object(Map::new()),
            Value::Object(_) => schema::without_nulls(arguments, &self.schema),
            _ => {
                return Err(ToolError::new(
                    "the arguments must be an object",
                    self.known(),
                ));
            }
        };
        let Some(validator) = &self.validator else {
            return Ok(arguments);
        };
        let mut problems = Vec::new();
        for error in validator.iter_errors(&arguments).take(MOST_PROBLEMS) {
            self.describe(&error, &mut problems);
        }
        problems.truncate(MOST_PROBLEMS);
        if problems.is_empty() {
            return Ok(arguments);
        }
        Err(ToolError::new(problems.join("; "), self.known()))
    }

    fn describe(&self, error: &ValidationError<'_>, problems: &mut Vec<String>) {
        let place = error.instance_path().to_string();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let allowed = self.allowed_at(error);
                for name in unexpected {
                    problems.push(unknown(&place, name, &allowed));
                }
            }
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context }
                if !context.is_empty() =>
            {
                // The alternative that came closest says more than that none fits.
                let closest = context.iter().max_by_key(|errors| {
                    let deepest = errors
                        .iter()
                        .map(|error| error.instance_path().to_string().matches('/').count());
                    (deepest.max(), std::cmp::Reverse(errors.len()))
                });
                for error in closest.into_iter().flatten() {
                    self.describe(error, problems);
                }
            }
            _ => {
                let given = error.instance().to_string();
                let what = if given.len() > MOST_REPEATED {
                    error.masked_with("what was given").to_string()
                } else {
                    error.to_string()
                };
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!("`{place}`: ")
                };
                problems.push(format!("{place}{what}"));
            }
        }
    }

    /// The names declared beside the one that was refused.
    fn allowed_at(&self, error: &ValidationError<'_>) -> Vec<String> {
        let keyword = error.schema_path().to_string();
        let parent = keyword
            .strip_suffix("/additionalProperties")
            .unwrap_or_default();
        let declared = self.schema.pointer(&format!("{parent}/properties"));
        declared
            .and_then(Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn known(&self) -> String {
        let declared = self.schema.get("properties").and_then(Value::as_object);
        let mut names: Vec<&str> = declared
            .into_iter()
            .flat_map(|map| map.keys())
            .map(String::as_str)
            .collect();
        if names.is_empty() {
            return "the tool takes no arguments".to_owned();
        }
        // How a map orders its keys depends on how serde_json was built; messages must not.
        names.sort_unstable();
        format!("the arguments are: {}", names.join(", "))
    }
}

fn unknown(place: &str, name: &str, allowed: &[String]) -> String {
    let near = nearest(name, allowed.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    if place.is_empty() {
        return format!("unknown argument `{name}`{near}");
    }
    format!(
        "unknown argument `{name}` in `{place}`{near} (allowed there: {})",
        allowed.join(", ")
    )
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check() -> ArgumentCheck {
        ArgumentCheck::new(&schema::normalise(json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "maxLength": 20},
                "limit": {"type": ["integer", "null"], "minimum": 1},
                "mode": {"enum": ["fast", "exact"]},
                "filter": {"oneOf": [
                    {"type": "object", "properties": {"equals": {"type": "object", "properties": {
                        "field": {"type": "string"}}, "required": ["field"]}},
                        "required": ["equals"]},
                    {"type": "object", "properties": {"exists": {"type": "string"}},
                        "required": ["exists"]},
                ]},
            },
            "required": ["query"],
        })))
    }

    fn refusal(arguments: Value) -> String {
        check().check(arguments).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_argument_is_named_with_the_nearest_known_one() {
        let error = refusal(json!({"query": "x", "limt": 3}));
        assert!(
            error.contains("unknown argument `limt`; did you mean `limit`?"),
            "{error}"
        );
        assert!(error.contains("filter, limit, mode, query"), "{error}");
        let error = refusal(json!({"query": "x", "filter": {"equals": {"field": "a", "feld": 1}}}));
        let expected = "unknown argument `feld` in `/filter/equals`; did you mean `field`?";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place_and_what_is_allowed() {
        let error = refusal(json!({"query": 7, "limit": 0, "mode": "slow"}));
        assert!(
            error.contains("`/query`: 7 is not of type \"string\""),
            "{error}"
        );
        assert!(
            error.contains("`/limit`: 0 is less than the minimum of 1"),
            "{error}"
        );
        assert!(error.contains("\"fast\" or \"exact\""), "{error}");
        assert!(refusal(json!([])).contains("must be an object"));
        assert!(refusal(json!({})).contains("\"query\" is a required property"));
    }

    #[test]
    fn of_several_alternatives_the_closest_is_explained() {
        let error = refusal(json!({"query": "x", "filter": {"equals": {"field": 1}}}));
        assert!(
            error.contains("`/filter/equals/field`: 1 is not of type"),
            "{error}"
        );
    }

    #[test]
    fn a_huge_value_is_not_repeated() {
        let error = refusal(json!({"query": "x".repeat(1 << 20)}));
        assert!(error.len() < 500, "{} bytes", error.len());
        assert!(error.contains("20"), "{error}");
    }

    #[test]
    fn nulls_count_as_left_out() {
        let arguments = check()
            .check(json!({"query": "x", "limit": null, "mode": null}))
            .unwrap();
        assert_eq!(arguments, json!({"query": "x"}));
        let none = ArgumentCheck::new(&schema::normalise(json!({"type": "object"})));
        assert_eq!(none.check(Value::Null).unwrap(), json!({}));
        let error = none.check(json!({"a": 1})).unwrap_err().to_string();
        assert!(
            error.contains("unknown argument `a`") && error.contains("no arguments"),
            "{error}"
        );
    }
}
