//! What servers offer to be read.
//!
//! Lists and contents are kept for as long as the server says that they are good, and for whom it
//! says: nothing that was read with one server's token is served on another's connection.

use rmcp::RoleClient;
use rmcp::model::{PaginatedRequestParams, ReadResourceRequestParams};
use rmcp::service::{Peer, RunningService};

use crate::failure::{self, CallFailure};
use crate::handler::ClientEnd;
use crate::translate::shown_resource;

/// Resources accepted from one server.
const MOST_RESOURCES: usize = 10_000;

/// Largest content, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// Something that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its address at its server.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What it is, in the server's words.
    pub description: String,
    /// What kind of content it has, where that is said.
    pub mime_type: Option<String>,
}

/// All resources of a server. One that offers none has none.
pub(crate) async fn list(peer: &Peer<RoleClient>) -> Result<Vec<Resource>, CallFailure> {
    let offers = peer
        .peer_info()
        .is_some_and(|info| info.capabilities.resources.is_some());
    let mut found = Vec::new();
    if !offers {
        return Ok(found);
    }
    let mut cursor = None;
    loop {
        let page = PaginatedRequestParams::default().with_cursor(cursor.clone());
        let page = peer.list_resources(Some(page)).await;
        let page = page.map_err(|error| failure::of_call(&error))?;
        found.extend(page.resources.into_iter().map(|resource| Resource {
            uri: resource.uri,
            name: resource.name,
            description: resource.description.unwrap_or_default(),
            mime_type: resource.mime_type,
        }));
        if found.len() > MOST_RESOURCES {
            let why = format!("it offers more than {MOST_RESOURCES} resources");
            return Err(CallFailure::Failed(why));
        }
        if page.next_cursor.is_none() {
            return Ok(found);
        }
        if page.next_cursor == cursor {
            let why = "its list of resources never ends: the same page comes again";
            return Err(CallFailure::Failed(why.to_owned()));
        }
        cursor = page.next_cursor;
    }
}

/// What a resource holds: text as it is, anything else by its kind and size.
pub(crate) async fn read(
    service: &RunningService<RoleClient, ClientEnd>,
    uri: &str,
) -> Result<String, CallFailure> {
    let read = service
        .read_resource(ReadResourceRequestParams::new(uri))
        .await;
    let read = read.map_err(|error| failure::of_call(&error))?;
    let contents: Vec<String> = read.contents.iter().map(shown_resource).collect();
    let text = contents.join("\n");
    if text.len() > MOST_BYTES {
        let why = format!(
            "it has {} bytes, more than the {MOST_BYTES} allowed",
            text.len()
        );
        return Err(CallFailure::Failed(why));
    }
    Ok(text)
}
