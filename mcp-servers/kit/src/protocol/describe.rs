//! What a server offers, as MCP tells of it.

use std::sync::Arc;

use rmcp::model::{
    Implementation, Prompt, PromptArgument, Resource, ResourceTemplate, ServerCapabilities,
    ServerConfig, TASKS_EXTENSION_ID, Tool, ToolAnnotations,
};
use serde_json::Map;

use crate::prompt::ServedPrompt;
use crate::resource::ServedResource;
use crate::server::ToolServer;
use crate::tool::ServedTool;

pub(super) fn server(server: &ToolServer) -> ServerConfig {
    let identity = &server.identity;
    let mut info = Implementation::new(identity.name.clone(), identity.version.clone());
    info.title = Some(identity.title.clone());
    let mut config =
        ServerConfig::new(capabilities(server)).with_instructions(identity.instructions.clone());
    config.server_info = info;
    config
}

/// What is there, and what may come.
fn capabilities(server: &ToolServer) -> ServerCapabilities {
    let mut said = ServerCapabilities::builder().enable_tools().build();
    let changes = server.changing.then_some(true);
    if let Some(tools) = &mut said.tools {
        tools.list_changed = changes;
    }
    if server.changing || !server.prompts().is_empty() {
        let mut prompts = rmcp::model::PromptsCapability::default();
        prompts.list_changed = changes;
        said.prompts = Some(prompts);
    }
    if !server.resources().is_empty() {
        let mut resources = rmcp::model::ResourcesCapability::default();
        resources.list_changed = changes;
        resources.subscribe = changes;
        said.resources = Some(resources);
    }
    if server.tools().iter().any(|tool| tool.meta.long) {
        let extensions = said.extensions.get_or_insert_default();
        extensions.insert(TASKS_EXTENSION_ID.to_owned(), Map::new());
    }
    said.completions = server.complete.is_some().then(Map::new);
    said.logging = server.logging.then(Map::new);
    said
}

pub(crate) fn described(tool: &ServedTool) -> Tool {
    let meta = &tool.meta;
    // The title stands beside, and what the specification assumes anyway is not said again.
    let mut annotations = ToolAnnotations::new().open_world(meta.open_world);
    if meta.read_only {
        annotations = annotations.read_only(true);
    } else {
        annotations = annotations
            .destructive(meta.destructive)
            .idempotent(meta.idempotent);
    }
    let told = Tool::new(
        meta.name.clone(),
        meta.description.clone(),
        Arc::clone(&tool.input),
    )
    .with_title(meta.title.clone())
    .with_annotations(annotations);
    match &tool.output {
        Some(output) => told.with_raw_output_schema(Arc::clone(output)),
        None => told,
    }
}

pub(super) fn prompt(prompt: &ServedPrompt) -> Prompt {
    let meta = &prompt.meta;
    let arguments = meta.arguments.iter().map(|argument| {
        PromptArgument::new(&argument.name)
            .with_description(&argument.description)
            .with_required(argument.required)
    });
    Prompt::new(
        &meta.name,
        Some(&meta.description),
        Some(arguments.collect()),
    )
    .with_title(&meta.title)
}

pub(super) fn resource(resource: &ServedResource) -> Resource {
    let meta = &resource.meta;
    Resource::new(&meta.uri, &meta.name)
        .with_description(&meta.description)
        .with_mime_type(&meta.mime_type)
}

pub(super) fn template(resource: &ServedResource) -> ResourceTemplate {
    let meta = &resource.meta;
    ResourceTemplate::new(&meta.uri, &meta.name)
        .with_description(&meta.description)
        .with_mime_type(&meta.mime_type)
}
