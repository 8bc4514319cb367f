//! Tools that give content, fail, report progress, speak to the log, and change what is offered.

use std::time::Duration;

use ropewalk_mcp_kit::{
    CallContext, Content, LogLevel, PromptMessage, PromptMeta, ResourceContent, ToolError,
    ToolMeta, ToolServer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A picture of one red point.
pub(super) const PICTURE: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53,
    0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00,
    0x00, 0x03, 0x01, 0x01, 0x00, 0x18, 0xdd, 0x8d, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e,
    0x44, 0xae, 0x42, 0x60, 0x82,
];

/// A recording of nothing: a header and no samples.
const RECORDING: &[u8] = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\
    \x02\0\x10\0data\0\0\0\0";

#[derive(Deserialize, JsonSchema)]
pub(super) struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Done {
    done: bool,
}

pub(super) fn meta(name: &'static str, description: &'static str) -> ToolMeta {
    ToolMeta::reading(name, name, description)
}

fn gives(
    server: ToolServer,
    name: &'static str,
    description: &'static str,
    content: Vec<Content>,
) -> ToolServer {
    server.content_tool(meta(name, description), move |_: Nothing, _| {
        std::future::ready(Ok(content.clone()))
    })
}

async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

pub(super) fn add(server: ToolServer) -> ToolServer {
    let simple = Content::text("This is a simple text response for testing.");
    let server = gives(server, "test_simple_text", "Gives text.", vec![simple]);
    let picture = Content::image("image/png", PICTURE.to_vec());
    let server = gives(
        server,
        "test_image_content",
        "Gives a picture.",
        vec![picture.clone()],
    );
    let recording = Content::audio("audio/wav", RECORDING.to_vec());
    let server = gives(
        server,
        "test_audio_content",
        "Gives a recording.",
        vec![recording],
    );
    let embedded = ResourceContent::text(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    );
    let server = gives(
        server,
        "test_embedded_resource",
        "Gives a resource.",
        vec![Content::Resource(embedded)],
    );
    let mixed = ResourceContent::text(
        "test://mixed-content-resource",
        "application/json",
        json!({"test": "data", "value": 123}).to_string(),
    );
    let several = vec![
        Content::text("Multiple content types test:"),
        picture,
        Content::Resource(mixed),
    ];
    let server = gives(
        server,
        "test_multiple_content_types",
        "Gives several kinds of content.",
        several,
    );
    changing(telling(server))
}

/// Tools that tell something on the way.
fn telling(server: ToolServer) -> ToolServer {
    server
        .content_tool(
            meta("test_error_handling", "Fails."),
            |_: Nothing, _| async {
                Err(ToolError::new(
                    "This tool intentionally returns an error for testing",
                    "",
                ))
            },
        )
        .content_tool(
            meta("test_tool_with_progress", "Reports how far it is."),
            |_: Nothing, context: CallContext| async move {
                for done in [0.0, 50.0, 100.0] {
                    context.progress.report(done, Some(100.0), "working");
                    a_moment().await;
                }
                Ok(vec![Content::text("Progress was reported.")])
            },
        )
        .content_tool(
            meta("test_tool_with_logging", "Speaks to the log."),
            |_: Nothing, context: CallContext| async move {
                for words in ["started", "processing data", "completed"] {
                    context.log.say(LogLevel::Info, format!("Tool {words}"));
                    a_moment().await;
                }
                Ok(vec![Content::text("It is in the log.")])
            },
        )
        .content_tool(
            meta(
                "test_logging_tool",
                "Speaks to the log of who asked for it.",
            ),
            |_: Nothing, context: CallContext| async move {
                context.log.say(LogLevel::Info, "Nobody may hear this");
                Ok(vec![Content::text("It may be in the log.")])
            },
        )
}

/// Tools that change what is offered.
fn changing(server: ToolServer) -> ToolServer {
    let (tools, prompts) = (server.clone(), server.clone());
    server
        .tool(
            meta("test_trigger_tool_change", "Adds a tool, or takes it away."),
            move |_: Nothing, _| {
                let name = "test_changing_tool";
                if !tools.remove_tool(name) {
                    let schema = json!({"type": "object"});
                    tools.add_tool(meta(name, "Comes and goes."), schema, None, |_, _| async {
                        Ok(json!({}))
                    });
                }
                std::future::ready(Ok(Done { done: true }))
            },
        )
        .tool(
            meta(
                "test_trigger_prompt_change",
                "Adds a prompt, or takes it away.",
            ),
            move |_: Nothing, _| {
                let name = "test_changing_prompt";
                if !prompts.remove_prompt(name) {
                    let meta = PromptMeta {
                        name: name.to_owned(),
                        title: name.to_owned(),
                        description: "Comes and goes.".to_owned(),
                        arguments: Vec::new(),
                    };
                    prompts.add_prompt(meta, |_, _| async {
                        Ok(vec![PromptMessage::user(Content::text("Hello"))])
                    });
                }
                std::future::ready(Ok(Done { done: true }))
            },
        )
}
