//! Where state lives, and the engines that work on it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use ropewalk_core::digest::digest;
use ropewalk_embed::Embedder;
use ropewalk_vector::store::VectorStore;
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::remote::RemoteStore;
use serde_json::json;

use crate::configuration::VectorConfig;

/// `$ROPEWALK_HOME`, or `.ropewalk` in the working directory.
pub(crate) fn home() -> PathBuf {
    match std::env::var_os("ROPEWALK_HOME") {
        Some(home) if !home.is_empty() => PathBuf::from(home),
        _ => PathBuf::from(".ropewalk"),
    }
}

/// The user's own folder for what no project may bring along: `$ROPEWALK_HOME`, or the place for
/// state in their home. None where there is no home.
pub(crate) fn own() -> Option<PathBuf> {
    let set = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value))
    };
    if let Some(home) = set("ROPEWALK_HOME") {
        return Some(home);
    }
    let state = set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME")?.join(".local").join("state")))
        .or_else(|| set("LOCALAPPDATA"))?;
    Some(state.join("ropewalk"))
}

/// Where the tools of this folder's servers are pinned: what somebody agreed to must not come with
/// the folder. Where the user has no folder of their own, it is the state folder all the same.
pub(crate) fn pins() -> PathBuf {
    let Some(own) = own() else {
        return home();
    };
    let here = std::env::current_dir().unwrap_or_default();
    let here = here.canonicalize().unwrap_or(here);
    own.join("pins")
        .join(digest(&json!(here.to_string_lossy())))
}

/// Where local models lie.
pub(crate) fn models() -> PathBuf {
    home().join("models")
}

/// The configured Qdrant server, or the embedded one in the state folder.
pub(crate) async fn store(config: &VectorConfig) -> anyhow::Result<Arc<dyn VectorStore>> {
    let Some(url) = &config.url else {
        let store = tokio::task::spawn_blocking(|| EdgeStore::open(&home().join("vector")));
        return Ok(Arc::new(store.await??));
    };
    let key = match &config.api_key_env {
        None => None,
        Some(variable) => {
            let key = std::env::var(variable);
            Some(key.map_err(|_| anyhow!("the environment variable {variable} is not set"))?)
        }
    };
    Ok(Arc::new(RemoteStore::connect(url, key).await?))
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
