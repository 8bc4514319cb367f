//! Whether a reply is what was asked for.

use ropewalk_core::message::{ChatRequest, Grammar};
use ropewalk_core::tool::ToolCall;
use serde_json::Value;

/// The JSON in a reply, if it fits a schema.
///
/// # Errors
/// A sentence that says what does not fit, and where.
pub fn json(text: &str, schema: &Value) -> Result<Value, String> {
    let value: Value =
        serde_json::from_str(unfenced(text)).map_err(|error| format!("it is not JSON: {error}"))?;
    valid(&value, schema)?;
    Ok(value)
}

/// Whether calls are of tools that were offered, with arguments that their schemas allow.
///
/// # Errors
/// A sentence that says which call is wrong, and how.
pub fn calls(calls: &[ToolCall], request: &ChatRequest) -> Result<(), String> {
    for call in calls {
        let offered = request.tools.iter().find(|tool| tool.name == call.name);
        let Some(tool) = offered else {
            return Err(format!("it calls `{}`, which was not offered", call.name));
        };
        valid(&call.arguments, &tool.input_schema)
            .map_err(|problem| format!("the arguments of `{}` do not fit: {problem}", call.name))?;
    }
    Ok(())
}

/// Whether a text is of a grammar. Lark grammars are taken for good: only who writes the text can
/// hold it to one.
///
/// # Errors
/// A sentence that says that it is not.
pub fn grammar(text: &str, grammar: &Grammar) -> Result<(), String> {
    let Grammar::Regex(pattern) = grammar else {
        return Ok(());
    };
    let whole =
        regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())?;
    if whole.is_match(text) {
        Ok(())
    } else {
        Err(format!("it does not match `{pattern}`"))
    }
}

fn valid(value: &Value, schema: &Value) -> Result<(), String> {
    let validator = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    let problem = validator
        .iter_errors(value)
        .next()
        .map(|error| format!("at `{}`: {error}", error.instance_path()));
    problem.map_or(Ok(()), Err)
}

/// What stands between fences, if anything does: many models cannot leave them out.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some((_, fenced)) = text.split_once("```") else {
        return text;
    };
    let fenced = fenced.split_once("```").map_or(fenced, |(inner, _)| inner);
    let start = fenced.find(['{', '[', '"', '\n']).unwrap_or(0);
    fenced.get(start..).unwrap_or(fenced).trim()
}

#[cfg(test)]
mod tests {
    use ropewalk_core::tool::{ToolHints, ToolSpec};
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_found_in_replies() {
        let schema = json!({"type": "object", "required": ["a"]});
        for text in [
            "{\"a\": 1}",
            " ```json\n{\"a\": 1}\n``` ",
            "Here:\n```\n{\"a\": 1}\n```\nDone.",
        ] {
            assert_eq!(super::json(text, &schema), Ok(json!({"a": 1})), "{text}");
        }
        assert!(
            super::json("{\"b\": 1}", &schema)
                .unwrap_err()
                .contains("a")
        );
        assert!(super::json("no", &schema).is_err());
    }

    #[test]
    fn calls_fit_the_tools_on_offer() {
        let tool = ToolSpec {
            name: "read".to_owned(),
            description: String::new(),
            input_schema: json!({"type": "object", "properties": {"id": {"type": "integer"}},
                "required": ["id"]}),
            output_schema: None,
            hints: ToolHints::default(),
        };
        let request = ChatRequest {
            tools: vec![tool],
            ..ChatRequest::default()
        };
        let call = |name: &str, arguments: Value| ToolCall {
            id: "1".to_owned(),
            name: name.to_owned(),
            arguments,
        };
        assert_eq!(calls(&[call("read", json!({"id": 1}))], &request), Ok(()));
        let wrong = calls(&[call("read", json!({"id": "x"}))], &request).unwrap_err();
        assert!(wrong.contains("`read`") && wrong.contains("/id"), "{wrong}");
        assert!(
            calls(&[call("write", json!({}))], &request)
                .unwrap_err()
                .contains("not offered")
        );
    }

    #[test]
    fn a_pattern_is_for_the_whole_text() {
        let digits = Grammar::Regex("[0-9]+|none".to_owned());
        assert_eq!(grammar("12", &digits), Ok(()));
        assert!(grammar("12 or none", &digits).is_err());
    }
}
