//! Content as MCP writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rmcp::model::{
    ContentBlock, PromptMessage as WirePromptMessage, Resource, ResourceContents, Role,
};

use crate::content::{Body, Content, ResourceContent};
use crate::prompt::{PromptMessage, Speaker};

pub(super) fn block(content: Content) -> ContentBlock {
    match content {
        Content::Text(text) => ContentBlock::text(text),
        Content::Image(media) => ContentBlock::image(BASE64.encode(media.bytes), media.mime_type),
        Content::Audio(media) => ContentBlock::audio(BASE64.encode(media.bytes), media.mime_type),
        Content::Resource(resource) => ContentBlock::resource(contents(resource)),
        Content::Link { uri, name } => ContentBlock::resource_link(Resource::new(uri, name)),
    }
}

pub(super) fn contents(resource: ResourceContent) -> ResourceContents {
    let mime_type = Some(resource.mime_type);
    let uri = resource.uri;
    match resource.body {
        Body::Text(text) => ResourceContents::TextResourceContents {
            uri,
            mime_type,
            text,
            meta: None,
        },
        Body::Bytes(bytes) => ResourceContents::BlobResourceContents {
            uri,
            mime_type,
            blob: BASE64.encode(bytes),
            meta: None,
        },
    }
}

/// Bytes it takes on the wire, near enough.
pub(super) fn size(content: &Content) -> usize {
    let body = |body: &Body| match body {
        Body::Text(text) => text.len(),
        Body::Bytes(bytes) => encoded(bytes.len()),
    };
    match content {
        Content::Text(text) => text.len(),
        Content::Image(media) | Content::Audio(media) => encoded(media.bytes.len()),
        Content::Resource(resource) => body(&resource.body),
        Content::Link { uri, name } => uri.len().saturating_add(name.len()),
    }
}

fn encoded(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

pub(super) fn message(message: PromptMessage) -> WirePromptMessage {
    let role = match message.speaker {
        Speaker::User => Role::User,
        Speaker::Assistant => Role::Assistant,
    };
    WirePromptMessage::new(role, block(message.content))
}
