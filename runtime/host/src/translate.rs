//! What MCP says of tools and results, in our words.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents, Tool};
use ropewalk_core::tool::{ToolHints, ToolOutcome, ToolSpec};
use serde_json::Value;

use crate::validation::ToolSchemas;

/// Largest result, in bytes: of its text, and of its data as JSON.
const MAX_RESULT_BYTES: usize = 4 << 20;

/// A tool under the name that it has here.
pub(crate) fn spec_of(name: String, tool: &Tool) -> ToolSpec {
    let hints = tool
        .annotations
        .as_ref()
        .map_or_else(ToolHints::default, |hints| {
            let read_only = hints.read_only_hint.unwrap_or(false);
            ToolHints {
                read_only,
                // What changes nothing destroys nothing, may be repeated, and need not say so.
                idempotent: read_only || hints.idempotent_hint.unwrap_or(false),
                destructive: !read_only && hints.destructive_hint.unwrap_or(true),
                open_world: hints.open_world_hint.unwrap_or(true),
            }
        });
    ToolSpec {
        name,
        description: tool.description.as_deref().unwrap_or_default().to_owned(),
        input_schema: Value::Object((*tool.input_schema).clone()),
        output_schema: tool
            .output_schema
            .as_deref()
            .map(|schema| Value::Object(schema.clone())),
        hints,
    }
}

/// What a result comes to, checked against what its tool promises.
pub(crate) fn outcome(
    name: &str,
    server: &str,
    schemas: &ToolSchemas,
    result: CallToolResult,
) -> Result<ToolOutcome, String> {
    let text = result
        .content
        .iter()
        .map(shown)
        .collect::<Vec<_>>()
        .join("\n");
    let data = result
        .structured_content
        .as_ref()
        .map_or(0, |data| data.to_string().len());
    let bytes = text.len().max(data);
    if bytes > MAX_RESULT_BYTES {
        return Err(format!(
            "`{name}` answered with {bytes} bytes, more than the {MAX_RESULT_BYTES} allowed; ask \
             it for less"
        ));
    }
    if result.is_error == Some(true) {
        return Err(if text.is_empty() {
            format!("`{name}` failed without a reason")
        } else {
            text
        });
    }
    let broken = match &result.structured_content {
        Some(data) => schemas.output_problem(data),
        None if schemas.promises_data() => Some("it gave no structured result".to_owned()),
        None => None,
    };
    if let Some(problem) = broken {
        return Err(format!(
            "server `{server}` broke its own output schema for `{name}`: {problem}"
        ));
    }
    Ok(ToolOutcome::Ok {
        text,
        structured: result.structured_content,
    })
}

/// Text as it is, anything else by its kind and size.
fn shown(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => binary("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => binary("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => shown_resource(&embedded.resource),
        ContentBlock::ResourceLink(link) => format!("[resource {}]", link.uri),
        _ => "[content of an unknown kind]".to_owned(),
    }
}

/// What a resource holds, likewise.
pub(crate) fn shown_resource(contents: &ResourceContents) -> String {
    match contents {
        ResourceContents::TextResourceContents { text, .. } => text.clone(),
        ResourceContents::BlobResourceContents {
            uri,
            mime_type,
            blob,
            ..
        } => binary(
            &format!("resource {uri}"),
            mime_type.as_deref().unwrap_or("?"),
            blob,
        ),
        _ => "[resource of an unknown kind]".to_owned(),
    }
}

/// `[image image/png 1234 bytes]`, from the base64 in which it comes.
fn binary(kind: &str, mime: &str, base64: &str) -> String {
    let bytes = base64.trim_end_matches('=').len() * 3 / 4;
    format!("[{kind} {mime} {bytes} bytes]")
}
