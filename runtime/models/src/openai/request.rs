//! Our conversation in the provider's words.

use std::collections::HashMap;

use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls,
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestAssistantMessageContent,
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
    ChatCompletionRequestSystemMessageContent, ChatCompletionRequestToolMessage,
    ChatCompletionRequestToolMessageContent, ChatCompletionRequestUserMessage,
    ChatCompletionRequestUserMessageContent, ChatCompletionStreamOptions, ChatCompletionTool,
    ChatCompletionTools, CreateChatCompletionRequest, FunctionCall, FunctionObject, ResponseFormat,
    ResponseFormatJsonSchema, StopConfiguration,
};
use ropewalk_core::message::{ChatRequest, Message, Sampling};
use ropewalk_core::tool::ToolCall;
use serde_json::{Value, json};

/// Longest tool name that providers take.
const LONGEST_NAME: usize = 64;

/// Tool names as the provider sees them: its letters only, at most 64, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    to_wire: HashMap<String, String>,
    from_wire: HashMap<String, String>,
}

impl Names {
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut names = Self::default();
        for tool in &request.tools {
            names.add(&tool.name);
        }
        for message in &request.messages {
            if let Message::Assistant { calls, .. } = message {
                calls.iter().for_each(|call| names.add(&call.name));
            }
        }
        names
    }

    fn add(&mut self, name: &str) {
        if self.to_wire.contains_key(name) {
            return;
        }
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let base: String = name.chars().map(safe).take(LONGEST_NAME).collect();
        let mut wire = if base.is_empty() {
            "_".to_owned()
        } else {
            base.clone()
        };
        let mut number = 2;
        while self.from_wire.contains_key(&wire) {
            let end = format!("_{number}");
            wire = base
                .chars()
                .take(LONGEST_NAME - end.len())
                .collect::<String>()
                + &end;
            number += 1;
        }
        self.from_wire.insert(wire.clone(), name.to_owned());
        self.to_wire.insert(name.to_owned(), wire);
    }

    fn wire(&self, name: &str) -> String {
        self.to_wire
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }

    /// Our name for what the provider calls so; a name it made up stays as it is.
    pub(super) fn ours(&self, wire: &str) -> String {
        self.from_wire
            .get(wire)
            .cloned()
            .unwrap_or_else(|| wire.to_owned())
    }
}

/// The request's body.
pub(super) fn build(
    model: &str,
    request: &ChatRequest,
    defaults: &Sampling,
    names: &Names,
    ask_for_usage: bool,
    new_limit_field: bool,
) -> CreateChatCompletionRequest {
    let asked = &request.sampling;
    let limit = asked.max_tokens.or(defaults.max_tokens);
    let stop = if asked.stop.is_empty() {
        &defaults.stop
    } else {
        &asked.stop
    };
    let tools: Vec<ChatCompletionTools> = request
        .tools
        .iter()
        .map(|tool| {
            let schema = &tool.input_schema;
            let empty = || json!({"type": "object", "properties": {}});
            ChatCompletionTools::Function(ChatCompletionTool {
                function: FunctionObject {
                    name: names.wire(&tool.name),
                    description: Some(tool.description.clone()).filter(|text| !text.is_empty()),
                    parameters: Some(if schema.is_object() {
                        schema.clone()
                    } else {
                        empty()
                    }),
                    strict: None,
                },
            })
        })
        .collect();
    let mut body = CreateChatCompletionRequest {
        model: model.to_owned(),
        messages: request
            .messages
            .iter()
            .map(|message| said(message, names))
            .collect(),
        stream: Some(true),
        stream_options: ask_for_usage.then_some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        }),
        temperature: asked.temperature.or(defaults.temperature),
        top_p: asked.top_p.or(defaults.top_p),
        stop: (!stop.is_empty()).then(|| StopConfiguration::StringArray(stop.clone())),
        tools: (!tools.is_empty()).then_some(tools),
        response_format: request
            .response_schema
            .clone()
            .map(|schema| ResponseFormat::JsonSchema {
                json_schema: ResponseFormatJsonSchema {
                    description: None,
                    name: "reply".to_owned(),
                    schema,
                    strict: None,
                },
            }),
        ..CreateChatCompletionRequest::default()
    };
    #[allow(
        deprecated,
        reason = "the older fields are the ones that other endpoints know"
    )]
    {
        body.seed = asked.seed.or(defaults.seed);
        if new_limit_field {
            body.max_completion_tokens = limit;
        } else {
            body.max_tokens = limit;
        }
    }
    body
}

fn said(message: &Message, names: &Names) -> ChatCompletionRequestMessage {
    match message {
        Message::System { text } => {
            ChatCompletionRequestMessage::System(ChatCompletionRequestSystemMessage {
                content: ChatCompletionRequestSystemMessageContent::Text(text.clone()),
                name: None,
            })
        }
        Message::User { text } => {
            ChatCompletionRequestMessage::User(ChatCompletionRequestUserMessage {
                content: ChatCompletionRequestUserMessageContent::Text(text.clone()),
                name: None,
            })
        }
        Message::Assistant { text, calls } => {
            let content = ChatCompletionRequestAssistantMessageContent::Text(text.clone());
            ChatCompletionRequestMessage::Assistant(ChatCompletionRequestAssistantMessage {
                // Words may be missing only where there are calls.
                content: (!text.is_empty() || calls.is_empty()).then_some(content),
                tool_calls: (!calls.is_empty())
                    .then(|| calls.iter().map(|call| asked(call, names)).collect()),
                ..ChatCompletionRequestAssistantMessage::default()
            })
        }
        Message::Tool {
            call_id, outcome, ..
        } => ChatCompletionRequestMessage::Tool(ChatCompletionRequestToolMessage {
            content: ChatCompletionRequestToolMessageContent::Text(outcome.text().to_owned()),
            tool_call_id: call_id.clone(),
        }),
    }
}

fn asked(call: &ToolCall, names: &Names) -> ChatCompletionMessageToolCalls {
    // Arguments that were no object go back as one: some endpoints refuse their own mistakes.
    let arguments = match &call.arguments {
        Value::Object(_) => call.arguments.to_string(),
        Value::String(raw) => json!({"invalid_json": raw}).to_string(),
        other => json!({"invalid_arguments": other}).to_string(),
    };
    ChatCompletionMessageToolCalls::Function(ChatCompletionMessageToolCall {
        id: call.id.clone(),
        function: FunctionCall {
            name: names.wire(&call.name),
            arguments,
        },
    })
}
