//! An engine that is built when it is first asked, and once: a local model must not be loaded
//! because a configuration names it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use ropewalk_core::message::{ChatReply, ChatRequest};
use ropewalk_core::tokens::{self, TokenCount};

use crate::engine::{Cheaper, DeltaSink, Engine, EngineError, EngineInfo};

type Build = dyn Fn() -> Result<Arc<dyn Engine>, EngineError> + Send + Sync;

/// An engine that is built when it is first asked. A failure is not kept: the next request tries
/// again.
#[derive(Clone)]
pub struct Lazy(Arc<Inner>);

struct Inner {
    /// What is known of it before it is built.
    expected: EngineInfo,
    cheaper: Option<Cheaper>,
    build: Box<Build>,
    /// Held while it is built, so that it is built once.
    building: Mutex<()>,
    built: OnceLock<Arc<dyn Engine>>,
}

impl std::fmt::Debug for Lazy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lazy")
            .field("id", &self.info().id)
            .field("built", &self.0.built.get().is_some())
            .finish()
    }
}

impl Lazy {
    /// An engine that is `expected` to be so, and how it is built. Building may block.
    pub fn new(
        expected: EngineInfo,
        build: impl Fn() -> Result<Arc<dyn Engine>, EngineError> + Send + Sync + 'static,
    ) -> Self {
        Self::with_cheaper(expected, None, build)
    }

    /// The same, with the engine that takes over when a budget runs low.
    pub fn with_cheaper(
        expected: EngineInfo,
        cheaper: Option<Cheaper>,
        build: impl Fn() -> Result<Arc<dyn Engine>, EngineError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            expected,
            cheaper,
            build: Box::new(build),
            building: Mutex::new(()),
            built: OnceLock::new(),
        }))
    }

    /// Whether it has been built.
    pub fn is_built(&self) -> bool {
        self.0.built.get().is_some()
    }

    async fn engine(&self) -> Result<Arc<dyn Engine>, EngineError> {
        if let Some(engine) = self.0.built.get() {
            return Ok(Arc::clone(engine));
        }
        let inner = Arc::clone(&self.0);
        let id = inner.expected.id.clone();
        tokio::task::spawn_blocking(move || inner.get())
            .await
            .map_err(|error| EngineError::Internal {
                engine: id,
                message: format!("it could not be set up: {error}"),
            })?
    }
}

impl Inner {
    fn get(&self) -> Result<Arc<dyn Engine>, EngineError> {
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = self.built.get() {
            return Ok(Arc::clone(engine));
        }
        let engine = (self.build)()?;
        Ok(Arc::clone(self.built.get_or_init(|| engine)))
    }
}

#[async_trait]
impl Engine for Lazy {
    fn info(&self) -> &EngineInfo {
        let built = self.0.built.get();
        built.map_or(&self.0.expected, |engine| engine.info())
    }

    async fn prepare(&self) -> Result<(), EngineError> {
        self.engine().await?.prepare().await
    }

    fn count(&self, request: &ChatRequest) -> TokenCount {
        let built = self.0.built.get();
        built.map_or_else(|| tokens::estimate(request), |engine| engine.count(request))
    }

    fn cheaper(&self) -> Option<Cheaper> {
        let inner = || self.0.built.get().and_then(|engine| engine.cheaper());
        self.0.cheaper.clone().or_else(inner)
    }

    async fn chat(
        &self,
        request: ChatRequest,
        deltas: DeltaSink,
    ) -> Result<ChatReply, EngineError> {
        self.engine().await?.chat(request, deltas).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ropewalk_core::message::Message;

    use super::*;
    use crate::scripted::{Scripted, ScriptedReply};

    fn question() -> ChatRequest {
        let text = "Why?".to_owned();
        ChatRequest {
            messages: vec![Message::User { text }],
            ..ChatRequest::default()
        }
    }

    #[tokio::test]
    async fn it_is_built_by_the_first_request_and_once() {
        let built = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&built);
        let expected = EngineInfo {
            id: "later".to_owned(),
            ..EngineInfo::default()
        };
        let lazy = Lazy::new(expected, move || {
            // The first attempt fails, and is not the last.
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(EngineError::NoKey {
                    engine: "later".to_owned(),
                    variable: "KEY".to_owned(),
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            let reply = ScriptedReply {
                text: "So.".to_owned(),
                when: Some("Why".to_owned()),
                ..ScriptedReply::default()
            };
            Ok(Arc::new(Scripted::new(vec![reply])))
        });
        assert_eq!((lazy.info().id.as_str(), lazy.is_built()), ("later", false));
        assert!(lazy.prepare().await.is_err());
        let asked = (0..8).map(|_| lazy.chat(question(), DeltaSink::none()));
        for reply in futures::future::join_all(asked).await {
            assert_eq!(reply.unwrap().text, "So.");
        }
        assert_eq!(built.load(Ordering::SeqCst), 2);
        assert_eq!(lazy.info().id, "scripted");
    }
}
