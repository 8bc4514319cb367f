//! One node: its attempts, its time, its cache.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ropewalk_core::budget::AccountId;
use ropewalk_core::digest::digest;
use ropewalk_core::event::{EffectOutcome, Event};
use ropewalk_core::graph::definition::{ErrorKind, Retry};
use ropewalk_core::graph::expression::Within;
use ropewalk_core::graph::ir::{Node, Work};
use ropewalk_core::graph::machine::{Inputs, NodeError, NodeResult};
use ropewalk_core::policy::Exposure;
use ropewalk_core::secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::sources::Sources;
use super::{Shared, agent, fan, graph, human, model, plain, spans, tool};
use crate::journal::{Effect, Mode, Stop, now_ms};

/// Why a node has no result.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Halt {
    /// It failed.
    Failed(NodeError),
    /// The run does not go on here.
    Stop(Stop),
}

impl Halt {
    pub(super) fn failed(kind: ErrorKind, message: impl Into<String>) -> Self {
        Halt::Failed(NodeError::new(kind, message))
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stop(stop)
    }
}

impl From<ropewalk_core::graph::expression::ExpressionError> for Halt {
    fn from(error: ropewalk_core::graph::expression::ExpressionError) -> Self {
        Halt::Failed(error.into())
    }
}

/// The two ways in which a part of a run ends early.
#[derive(Debug, Clone)]
pub(crate) struct Cancel {
    /// The run stops: what has begun and must not be broken off is waited for.
    stop: CancellationToken,
    /// This part is given up and the run goes on without it.
    give_up: CancellationToken,
}

impl Cancel {
    pub(super) fn of_run(stop: &CancellationToken) -> Self {
        Self {
            stop: stop.clone(),
            give_up: CancellationToken::new(),
        }
    }

    /// A part that can be stopped without the rest.
    pub(super) fn stoppable(&self) -> Self {
        Self {
            stop: self.stop.child_token(),
            give_up: self.give_up.clone(),
        }
    }

    /// A part that can be given up without the rest.
    pub(super) fn expendable(&self) -> Self {
        Self {
            stop: self.stop.clone(),
            give_up: self.give_up.child_token(),
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn give_up(&self) {
        self.give_up.cancel();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled() || self.give_up.is_cancelled()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) async fn cancelled(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.give_up.cancelled() => {}
        }
    }
}

/// An activation of a node at work.
pub(super) struct At<'a> {
    pub(super) shared: &'a Shared,
    pub(super) node: &'a Node,
    pub(super) path: String,
    pub(super) inputs: &'a Inputs,
    /// `item` and `index`, in a map.
    pub(super) names: &'a [(&'a str, Arc<Value>)],
    pub(super) account: AccountId,
    pub(super) cancel: Cancel,
    /// Which tools the values of channels may be from.
    pub(super) sources: &'a Sources,
    /// From 1.
    pub(super) attempt: u32,
    /// Whether anything was done that the log did not hold.
    pub(super) live: AtomicBool,
}

/// An activation's work, of which there may be more inside it.
pub(super) type Working<'a> = Pin<Box<dyn Future<Output = Result<NodeResult, Halt>> + Send + 'a>>;

impl At<'_> {
    /// The values that expressions see.
    pub(super) fn scope(&self) -> Within<'_> {
        Within {
            names: self.names,
            outer: self.inputs,
        }
    }

    /// Does something outside the run, or takes what the log holds of it.
    pub(super) async fn effect<F>(
        &self,
        effect: Effect,
        work: impl FnOnce(String, CancellationToken) -> F,
    ) -> Result<EffectOutcome, Stop>
    where
        F: Future<Output = EffectOutcome>,
    {
        let journal = &self.shared.journal;
        let (outcome, live) = journal.effect(effect, &self.cancel, work).await?;
        if live {
            self.live.store(true, Ordering::Relaxed);
            let cost = crate::journal::past::ended(&outcome);
            self.shared.purse().spend(self.account, cost);
        }
        Ok(outcome)
    }
}

/// Does the work of a node, as often as its retries allow.
pub(super) fn perform<'a>(mut at: At<'a>) -> Working<'a> {
    Box::pin(async move {
        let nests = matches!(at.node.work, Work::Graph { .. } | Work::Map { .. });
        at.account = at
            .shared
            .account(at.account, &at.path, at.node.budget, nests)?;
        let key = cache_key(&at);
        if let Some(result) = cached(&at, key.as_deref()).await {
            return Ok(result);
        }
        let span = spans::node(&at.path, at.node.work.kind(), &at.node.name);
        let outcome = attempts(&mut at).instrument(span).await?;
        keep(&at, key, &outcome).await;
        Ok(outcome)
    })
}

async fn attempts(at: &mut At<'_>) -> Result<NodeResult, Halt> {
    loop {
        at.live.store(false, Ordering::Relaxed);
        let error = match timed(at).await {
            Err(Halt::Failed(error)) => error,
            other => return other,
        };
        let retry = at.node.retry.as_ref();
        let Some(retry) = retry.filter(|retry| tries_again(retry, at, &error)) else {
            return Err(Halt::Failed(error));
        };
        // What the log already holds was waited for then.
        if at.live.load(Ordering::Relaxed) {
            let wait = backoff(retry, &at.path, at.attempt);
            at.shared.journal.record(Event::NodeRetried {
                path: at.path.clone(),
                attempt: at.attempt,
                error,
                wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            });
            tokio::select! {
                () = at.cancel.cancelled() => return Err(Halt::Stop(Stop::Cancelled)),
                () = tokio::time::sleep(wait) => {}
            }
        }
        at.attempt += 1;
    }
}

/// One attempt, given up when its time is over.
async fn timed(at: &At<'_>) -> Result<NodeResult, Halt> {
    let limit = at
        .node
        .timeout
        // A person takes the time they need.
        .filter(|_| !matches!(at.node.work, Work::Human { .. }))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let Some(limit) = limit else {
        return work(at).await;
    };
    let cancel = at.cancel.expendable();
    let attempt = At {
        shared: at.shared,
        node: at.node,
        path: at.path.clone(),
        inputs: at.inputs,
        names: at.names,
        account: at.account,
        cancel: cancel.clone(),
        sources: at.sources,
        attempt: at.attempt,
        live: AtomicBool::new(false),
    };
    let outcome = {
        let mut working = std::pin::pin!(work(&attempt));
        tokio::select! {
            biased;
            outcome = &mut working => outcome,
            () = tokio::time::sleep(limit) => {
                cancel.give_up();
                attempt.live.store(true, Ordering::Relaxed);
                match working.await {
                    // It came to its end after all.
                    Ok(result) => Ok(result),
                    Err(Halt::Stop(Stop::Cancelled)) if !at.cancel.is_cancelled() => {
                        let seconds = limit.as_secs_f64();
                        let message = format!("it took longer than its timeout of {seconds} s");
                        Err(Halt::failed(ErrorKind::Timeout, message))
                    }
                    other => other,
                }
            }
        }
    };
    at.live
        .fetch_or(attempt.live.load(Ordering::Relaxed), Ordering::Relaxed);
    outcome
}

/// What is large is boxed, so that a thousand small nodes at once take little room.
async fn work(at: &At<'_>) -> Result<NodeResult, Halt> {
    let working: Working<'_> = match &at.node.work {
        Work::Function { name, arguments } => {
            if let Some(done) = plain::at_once(at, name, arguments.as_ref()) {
                return done;
            }
            Box::pin(plain::work(at, name, arguments.as_ref()))
        }
        // Values of expressions are the machine's own business.
        Work::Set { .. } => return Ok(NodeResult::of(Value::Null)),
        Work::Agent {
            agent,
            prompt,
            engine,
        } => Box::pin(agent::work(at, agent, prompt, engine.as_deref())),
        Work::Model { .. } => Box::pin(model::work(at)),
        Work::Tool { name, arguments } => Box::pin(tool::work(at, name, arguments)),
        Work::Map { .. } => Box::pin(fan::work(at)),
        Work::Graph { graph, inputs } => Box::pin(graph::work(at, graph, inputs)),
        Work::Human { .. } => Box::pin(human::work(at)),
    };
    working.await
}

/// Whether a failure is tried again. Without a list these are the kinds that may pass by
/// themselves; a tool whose second call would have another effect is not among them.
fn tries_again(retry: &Retry, at: &At<'_>, error: &NodeError) -> bool {
    if at.attempt >= retry.attempts {
        return false;
    }
    if let Some(kinds) = &retry.on {
        return kinds.contains(&error.kind);
    }
    let repeatable = match &at.node.work {
        Work::Tool { name, .. } => tool::is_repeatable(at.shared, name),
        _ => true,
    };
    match error.kind {
        ErrorKind::Model | ErrorKind::Function | ErrorKind::Invalid | ErrorKind::Part => true,
        ErrorKind::Timeout | ErrorKind::Tool => repeatable,
        ErrorKind::Expression | ErrorKind::Denied | ErrorKind::Budget => false,
    }
}

/// The wait before the next attempt. Chance takes a part off it, so that many runs that failed
/// together do not come back together; the same activation always waits the same.
fn backoff(retry: &Retry, path: &str, attempt: u32) -> Duration {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let full = (retry.backoff * retry.factor.powi(exponent)).min(retry.max_backoff);
    let hash = digest(&json!([path, attempt]));
    let chance = hash
        .get(..8)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let chance = f64::from(chance.unwrap_or(0)) / f64::from(u32::MAX);
    let seconds = full * (1.0 - retry.jitter.clamp(0.0, 1.0) * chance);
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::from_secs(60))
}

/// Names the work and all it is made from.
fn cache_key(at: &At<'_>) -> Option<String> {
    at.node.cache?;
    let named: Map<String, Value> = at
        .names
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (**value).clone()))
        .collect();
    Some(digest(&json!({
        "node": format!("{:?}", at.node.work),
        "inputs": at.inputs.to_object(),
        "names": named,
    })))
}

async fn cached(at: &At<'_>, key: Option<&str>) -> Option<NodeResult> {
    let store = at.shared.services.store.as_ref()?;
    let key = key.filter(|_| at.shared.journal.mode() == Mode::Live)?;
    match store.cached(key, now_ms()).await {
        Ok(Some(Value::Array(parts))) => {
            let mut parts = parts.into_iter();
            let mut result = NodeResult::of(parts.next()?);
            result.details = Arc::new(parts.next()?);
            // A result of unknown origin is not taken.
            let reads = Exposure::deserialize(parts.next()?).ok()?;
            if !reads.is_empty() {
                at.shared.journal.record(Event::Exposed {
                    path: at.path.clone(),
                    reads,
                });
            }
            Some(result)
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "the cache cannot be read");
            None
        }
    }
}

async fn keep(at: &At<'_>, key: Option<String>, result: &NodeResult) {
    let (Some(store), Some(key), Some(cache)) = (&at.shared.services.store, key, at.node.cache)
    else {
        return;
    };
    let life = Duration::try_from_secs_f64(cache.ttl).unwrap_or_default();
    let until = now_ms().saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
    // All that the run has read may be in it.
    let reads = at.shared.journal.exposure();
    let mut value = json!([&*result.result, &*result.details, reads]);
    secret::redactor().redact_value(&mut value);
    if let Err(error) = store.cache(&key, &value, until).await {
        tracing::warn!(%error, "a result is not cached");
    }
}
