//! An engine for tests: calls every tool it is offered once, with arguments its schema accepts,
//! then says what came of it. It finds out whether a server keeps its own promises.

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest, FinishReason, Message, Usage};
use ropewalk_core::tool::{ToolCall, ToolOutcome};
use serde_json::{Map, Value, json};

use crate::engine::{DeltaSink, Engine, EngineError, EngineInfo};

/// Nesting after which arguments are left empty.
const MAX_DEPTH: usize = 16;

/// Calls everything once.
#[derive(Debug)]
pub struct Exerciser {
    info: EngineInfo,
}

impl Default for Exerciser {
    fn default() -> Self {
        let info = EngineInfo {
            id: "exerciser".to_owned(),
            context_tokens: None,
            tools: true,
            structured_output: false,
            streaming: false,
        };
        Self { info }
    }
}

#[async_trait]
impl Engine for Exerciser {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: ChatRequest,
        _deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        let results: Vec<String> = request
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::Tool { name, outcome, .. } => Some(match outcome {
                    ToolOutcome::Ok { .. } => format!("{name}: ok"),
                    ToolOutcome::Error { message } => format!("{name}: failed: {message}"),
                }),
                _ => None,
            })
            .collect();
        let first = results.is_empty() && !request.tools.is_empty();
        let calls = if first {
            let tools = request.tools.iter().enumerate();
            tools
                .map(|(number, tool)| ToolCall {
                    id: format!("call_{}", number + 1),
                    name: tool.name.clone(),
                    arguments: example(&tool.input_schema, 0),
                })
                .collect()
        } else {
            Vec::new()
        };
        let text = match (first, results.is_empty()) {
            (true, _) => String::new(),
            (false, true) => "there is no tool to call".to_owned(),
            (false, false) => results.join("\n"),
        };
        let finish = if first {
            FinishReason::ToolCalls
        } else {
            FinishReason::Stop
        };
        let usage = Usage::default();
        Ok(ChatReply {
            text,
            thinking: None,
            calls,
            finish,
            usage,
            abstained: false,
        })
    }
}

/// A value that a schema accepts: required fields only, the first choice, the least number.
pub fn example(schema: &Value, depth: usize) -> Value {
    let first = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .and_then(|all| all.first())
    };
    if let Some(value) = schema.get("const").or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(branch) = first("anyOf").or_else(|| first("oneOf")) {
        return example(branch, depth + 1);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None if schema.get("properties").is_some() => Some("object"),
        None => None,
    };
    match kind {
        Some("object") => object(schema, depth),
        Some("array") => array(schema, depth),
        Some("integer") => json!(number(schema).ceil() as i64),
        Some("number") => json!(number(schema)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => text(schema),
    }
}

fn object(schema: &Value, depth: usize) -> Value {
    let mut object = Map::new();
    let required = schema.get("required").and_then(Value::as_array);
    if depth < MAX_DEPTH {
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            let property = schema.get("properties").and_then(|all| all.get(name));
            let value = property.map_or(json!("x"), |property| example(property, depth + 1));
            object.insert(name.to_owned(), value);
        }
    }
    Value::Object(object)
}

fn array(schema: &Value, depth: usize) -> Value {
    let least = schema
        .get("minItems")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let item = schema
        .get("items")
        .map_or(json!("x"), |items| example(items, depth + 1));
    (0..least).map(|_| item.clone()).collect()
}

fn number(schema: &Value) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1.0));
    least.or(most).unwrap_or(1.0)
}

fn text(schema: &Value) -> Value {
    let least = schema
        .get("minLength")
        .and_then(Value::as_u64)
        .unwrap_or(1)
        .max(1);
    json!("x".repeat(usize::try_from(least).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schemas() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (0_u64..5).prop_map(|least| json!({"type": "string", "minLength": least})),
            (-5_i64..5).prop_map(|least| json!({"type": "integer", "minimum": least})),
            (-5_i64..5).prop_map(|most| json!({"type": "number", "maximum": most})),
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
                inner.prop_map(|branch| json!({"anyOf": [branch, {"type": "null"}]})),
            ]
        })
    }

    proptest! {
        #[test]
        fn examples_fit_their_schemas(schema in schemas()) {
            let value = example(&schema, 0);
            let validator = jsonschema::validator_for(&schema).unwrap();
            prop_assert!(validator.is_valid(&value), "{value} does not fit {schema}");
        }
    }
}
