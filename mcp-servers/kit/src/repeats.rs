//! Calls that come twice under one key have one effect.
//!
//! A host that lost the answer to a call cannot know whether the call took effect. It sends the
//! call again with the key that named it the first time, and is given what came of it then. Keys
//! are remembered for a while, in memory: after a restart of the server, it is the host that must
//! not repeat what it does not know of.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::error::ToolError;
use crate::tool::Output;

/// Key of a request's `_meta` that names its effect.
pub(crate) const KEY: &str = "ropewalk/idempotencyKey";

/// Longest key remembered, in bytes.
const MAX_KEY: usize = 200;

/// How many calls are remembered, and for how long.
const MAX_CALLS: u64 = 10_000;
const LASTS: Duration = Duration::from_secs(3600);

/// The calls that were made under a key.
#[derive(Clone)]
pub(crate) struct Repeats(Cache<(Option<Arc<str>>, String), Arc<Made>>);

/// What was called, and what came of it.
struct Made {
    call: u64,
    output: OnceCell<Output>,
}

impl Default for Repeats {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_CALLS)
            .time_to_live(LASTS)
            .build();
        Self(cache)
    }
}

impl Repeats {
    /// What came of the call made first under this key; `work` is the call, if it is this one. A
    /// call that failed, or asks, may be made again.
    ///
    /// The work goes on when whoever waits for it goes away, so that what it did is known to who
    /// asks next.
    pub(crate) async fn once<F>(
        &self,
        caller: Option<Arc<str>>,
        key: &str,
        call: (&str, &Value),
        work: F,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(ToolError::new(
                format!("the key of the call has {} bytes", key.len()),
                format!("send 1 to {MAX_KEY} in `_meta`, under {KEY}"),
            ));
        }
        let call = digest(call);
        let made = self.0.get_with((caller, key.to_owned()), || {
            Arc::new(Made {
                call,
                output: OnceCell::new(),
            })
        });
        if made.call != call {
            return Err(ToolError::new(
                "the key names a call with another tool or other arguments",
                "give every call a key of its own",
            ));
        }
        let making = tokio::spawn(async move {
            let output = made.output.get_or_try_init(|| work).await;
            output.cloned()
        });
        making.await.unwrap_or_else(|error| {
            Err(ToolError::new(
                format!("the call was broken off: {error}"),
                "",
            ))
        })
    }
}

fn digest((tool, arguments): (&str, &Value)) -> u64 {
    let mut arguments = arguments.clone();
    arguments.sort_all_objects();
    let mut hasher = DefaultHasher::new();
    tool.hash(&mut hasher);
    arguments.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Effects(Arc<AtomicUsize>);

    impl Effects {
        async fn take(self, fails: bool) -> Result<Output, ToolError> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            if fails {
                Err(ToolError::new("failed", ""))
            } else {
                Ok(Output::Data(json!(number)))
            }
        }
    }

    async fn call(
        repeats: &Repeats,
        effects: &Effects,
        key: &str,
        a: i32,
    ) -> Result<Output, ToolError> {
        let arguments = json!({ "a": a });
        repeats
            .once(None, key, ("t", &arguments), effects.clone().take(a < 0))
            .await
    }

    #[tokio::test]
    async fn a_key_has_one_effect_however_often_it_comes() {
        let (repeats, effects) = (Repeats::default(), Effects::default());
        let many = (0..20).map(|_| call(&repeats, &effects, "k", 1));
        for output in futures::future::join_all(many).await {
            assert_eq!(output.unwrap(), Output::Data(json!(0)));
        }
        assert_eq!(
            call(&repeats, &effects, "k", 1).await.unwrap(),
            Output::Data(json!(0))
        );
        assert_eq!(
            call(&repeats, &effects, "l", 1).await.unwrap(),
            Output::Data(json!(1))
        );
    }

    #[tokio::test]
    async fn a_key_is_of_use_for_one_call_and_one_caller() {
        let (repeats, effects) = (Repeats::default(), Effects::default());
        call(&repeats, &effects, "k", 1).await.unwrap();
        let error = call(&repeats, &effects, "k", 2).await.unwrap_err();
        assert!(error.to_string().contains("other arguments"), "{error}");
        let eve = Some(Arc::from("eve"));
        let arguments = json!({"a": 1});
        let hers = repeats.once(eve, "k", ("t", &arguments), effects.clone().take(false));
        assert_eq!(hers.await.unwrap(), Output::Data(json!(1)));
        assert!(call(&repeats, &effects, "", 1).await.is_err());
        assert!(
            call(&repeats, &effects, &"k".repeat(1000), 1)
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn what_failed_may_be_tried_again() {
        let (repeats, effects) = (Repeats::default(), Effects::default());
        assert!(call(&repeats, &effects, "k", -1).await.is_err());
        assert!(call(&repeats, &effects, "k", -1).await.is_err());
        assert_eq!(effects.0.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_effect_is_known_though_nobody_waited_for_it() {
        let (repeats, effects) = (Repeats::default(), Effects::default());
        let waited =
            tokio::time::timeout(Duration::from_millis(5), call(&repeats, &effects, "k", 1));
        assert!(waited.await.is_err());
        assert_eq!(
            call(&repeats, &effects, "k", 1).await.unwrap(),
            Output::Data(json!(0))
        );
        assert_eq!(effects.0.load(Ordering::SeqCst), 1);
    }
}
