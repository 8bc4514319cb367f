//! Where state lives, and the engines that work on it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use ropewalk_embed::Embedder;
use ropewalk_vector::store::VectorStore;
use ropewalk_vector::store::edge::EdgeStore;

use crate::configuration::VectorConfig;

/// `$ROPEWALK_HOME`, or `.ropewalk` in the working directory.
pub(crate) fn home() -> PathBuf {
    match std::env::var_os("ROPEWALK_HOME") {
        Some(home) if !home.is_empty() => PathBuf::from(home),
        _ => PathBuf::from(".ropewalk"),
    }
}

/// The configured Qdrant server, or the embedded one in the state folder.
pub(crate) async fn store(config: &VectorConfig) -> anyhow::Result<Arc<dyn VectorStore>> {
    if let Some(url) = &config.url {
        anyhow::bail!(
            "[vector] url names the Qdrant server {url}, but this build has only the embedded \
             engine; remove the line to use it"
        );
    }
    let store = tokio::task::spawn_blocking(|| EdgeStore::open(&home().join("vector")));
    Ok(Arc::new(store.await??))
}

/// The configured embedding model, or the shipped one.
pub(crate) async fn embedder(config: &VectorConfig) -> anyhow::Result<Embedder> {
    let folder = config.model_folder.clone();
    let loading = tokio::task::spawn_blocking(move || match folder {
        Some(folder) => Embedder::open(&folder)
            .with_context(|| format!("the embedding model in {}", folder.display())),
        None => Embedder::shipped().context("the shipped embedding model"),
    });
    loading.await?
}
