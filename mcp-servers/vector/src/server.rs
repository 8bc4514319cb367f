//! All of it as six MCP tools: search, read, ingest, collections, delete, status.

mod filters;
mod manage;
mod retrieve;

use std::sync::Arc;

use ropewalk_embed::Embedder;
use ropewalk_mcp_kit::{ServerIdentity, ToolError, ToolMeta, ToolServer};

use crate::ingest::Ingestor;
use crate::store::VectorStore;

/// The collection used when a call names none.
pub const DEFAULT_COLLECTION: &str = "documents";

/// What the tools work on.
#[derive(Clone)]
pub struct VectorServer {
    store: Arc<dyn VectorStore>,
    embedder: Embedder,
    ingestor: Ingestor,
    collection: String,
}

impl VectorServer {
    /// Tools over a store; calls that name no collection use `collection`.
    pub fn new(store: Arc<dyn VectorStore>, embedder: Embedder, collection: &str) -> Self {
        let ingestor = Ingestor::new(Arc::clone(&store), embedder.clone());
        Self {
            store,
            embedder,
            ingestor,
            collection: collection.to_owned(),
        }
    }

    /// The MCP server.
    pub fn tools(self) -> ToolServer {
        let identity = ServerIdentity {
            name: "vector".to_owned(),
            title: "Ropewalk vector retrieval".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: "Searches ingested documents by meaning and by words. Search first; \
                           read a hit's parent when the passage alone is not enough; cite \
                           passages by their id in square brackets. A call that names no \
                           collection uses the server's own."
                .to_owned(),
        };
        let tool = |server: &Self| server.clone();
        let (search, read, collections, status, ingest, delete) = (
            tool(&self),
            tool(&self),
            tool(&self),
            tool(&self),
            tool(&self),
            tool(&self),
        );
        let store = Arc::clone(&self.store);
        ToolServer::new(identity)
            .check("vector store", move || {
                let store = Arc::clone(&store);
                async move { store.status().await.map_err(|error| error.to_string()) }
            })
            .tool(
                ToolMeta::reading(
                    "search",
                    "Search",
                    "Finds the passages that best answer a question or match words, with \
                     citations and scores.",
                ),
                move |arguments, _| {
                    let server = search.clone();
                    async move { server.search(arguments).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "read",
                    "Read",
                    "Reads around a cited passage: itself, its neighbours, its parent section, or \
                     the whole document.",
                ),
                move |arguments, _| {
                    let server = read.clone();
                    async move { server.read(arguments).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "collections",
                    "Collections",
                    "Lists collections, describes one (vectors, fields, documents), or counts \
                     passages.",
                ),
                move |arguments, _| {
                    let server = collections.clone();
                    async move { server.collections(arguments).await }
                },
            )
            .tool(
                ToolMeta::reading(
                    "status",
                    "Status",
                    "Says what keeps the vectors and which model embeds.",
                ),
                move |_: manage::NoArguments, _| {
                    let server = status.clone();
                    async move { server.status().await }
                },
            )
            .tool(
                ToolMeta {
                    read_only: false,
                    long: true,
                    ..ToolMeta::reading(
                        "ingest",
                        "Ingest",
                        "Brings files, folders or one text into a collection. Only what changed is \
                         done again; what is gone is removed.",
                    )
                },
                move |arguments, context| {
                    let server = ingest.clone();
                    async move { server.ingest(arguments, context).await }
                },
            )
            .tool(
                ToolMeta {
                    read_only: false,
                    destructive: true,
                    ..ToolMeta::reading(
                        "delete",
                        "Delete",
                        "Removes a document, a folder's documents, or a collection.",
                    )
                },
                move |arguments, _| {
                    let server = delete.clone();
                    async move { server.delete(arguments).await }
                },
            )
    }

    fn named(&self, collection: Option<String>) -> String {
        collection
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.collection.clone())
    }
}

fn failed(error: impl std::error::Error) -> ToolError {
    ToolError::from_error(&error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::edge::EdgeStore;

    #[tokio::test]
    async fn the_server_is_fit_to_be_served() {
        let folder = tempfile::tempdir().unwrap();
        let store = EdgeStore::open(folder.path()).unwrap();
        let embedder = Embedder::shipped().unwrap();
        let server = VectorServer::new(Arc::new(store), embedder, DEFAULT_COLLECTION).tools();
        assert_eq!(server.definitions().len(), 6);
        for finding in server.examine().await {
            assert!(finding.outcome.is_ok(), "{finding:?}");
        }
    }
}
