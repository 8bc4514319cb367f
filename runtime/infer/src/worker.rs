//! Many replies at once, over one model.
//!
//! One thread runs all sequences in batches: each step takes one token of every reply that is
//! being written and a piece of the prompts that are still being read, so that a long prompt does
//! not hold up the others. A sequence's numbers do not depend on what else is in its batch: the
//! same request and seed give the same reply, whatever the load.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::cache::{CacheUse, PageCache};
use crate::constraint::Matcher;
use crate::decoder::Decoder;
use crate::error::InferError;
use crate::sampling::{Sampled, Sampler};
use crate::tokenizer::Tokenizer;

mod closing;
mod running;
mod work;

use work::Work;

/// Bounds of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Tokens of a sequence, prompt and reply together.
    pub context: usize,
    /// Bytes of keys and values, all sequences and what is kept of earlier ones together.
    pub cache_bytes: usize,
    /// Replies that are written at the same time.
    pub parallel: usize,
    /// Requests that wait beside them; more are refused.
    pub queue: usize,
}

/// One reply that is asked for.
pub struct Job {
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// How tokens are taken.
    pub sampler: Sampler,
    /// What the reply is held to.
    pub matcher: Option<Matcher>,
    /// Most tokens of the reply.
    pub most: usize,
    /// Set from outside to end it.
    pub cancelled: Arc<AtomicBool>,
    /// Who is told.
    pub listener: Box<dyn Listener>,
}

/// Who is told of a reply while it is written. It is called on the worker's thread, and must not
/// take long.
pub trait Listener: Send {
    /// A token was taken; it may be one that ends the turn. `Break` ends the reply.
    fn token(&mut self, sampled: &Sampled) -> ControlFlow<()>;

    /// The reply ended.
    fn end(self: Box<Self>, ended: Result<Ended, InferError>);
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Those of them that were computed before.
    pub cached: usize,
    /// Tokens of the reply.
    pub written: usize,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The model ended its turn, or the grammar was complete.
    Turn,
    /// The listener wanted no more.
    Stopped,
    /// It was as long as it may be.
    Length,
    /// It was cancelled.
    Cancelled,
}

/// There is no room for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{waiting} requests wait already, and the queue holds {queue}; try again later, or raise `queue`"
)]
pub struct Busy {
    /// How many wait.
    pub waiting: usize,
    /// How many may.
    pub queue: usize,
}

/// What a worker has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerStats {
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Those of them that were computed before: their share is the cache's hit rate.
    pub cached_tokens: u64,
    /// Tokens of replies.
    pub written_tokens: u64,
    /// Batches.
    pub batches: u64,
    /// How often a reply gave its memory to older ones, to go on later.
    pub given_way: u64,
    /// What the cache holds.
    pub cache: CacheUse,
}

/// Runs a model on a thread of its own. Dropping it ends what runs.
pub struct Worker {
    shared: Arc<Shared>,
    limits: WorkerLimits,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    written_tokens: AtomicU64,
    batches: AtomicU64,
    given_way: AtomicU64,
    cache: Mutex<CacheUse>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Taken by the thread and not ended.
    running: usize,
    closed: bool,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a worker. The context is cut to what the cache can hold.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(
        decoder: Arc<Decoder>,
        tokenizer: &Tokenizer,
        limits: WorkerLimits,
    ) -> Result<Self, InferError> {
        let cache = PageCache::new(decoder.pages(), limits.cache_bytes);
        let limits = WorkerLimits {
            context: limits.context.min(cache.capacity()),
            parallel: limits.parallel.max(1),
            ..limits
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            prompt_tokens: AtomicU64::new(0),
            cached_tokens: AtomicU64::new(0),
            written_tokens: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            given_way: AtomicU64::new(0),
            cache: Mutex::new(cache.usage()),
        });
        let mut work = Work::new(Arc::clone(&shared), decoder, cache, tokenizer, limits);
        let thread = std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(move || work.run())
            .map_err(|error| {
                InferError::Compute(candle_core::Error::msg(format!("no thread: {error}")))
            })?;
        Ok(Self {
            shared,
            limits,
            thread: Some(thread),
        })
    }

    /// Its bounds, the context cut to what the cache holds.
    pub fn limits(&self) -> WorkerLimits {
        self.limits
    }

    /// Asks for a reply.
    ///
    /// # Errors
    /// [`Busy`] where too many wait; the job is dropped, its listener is not called.
    pub fn submit(&self, job: Job) -> Result<(), Busy> {
        let mut queue = lock(&self.shared.queue);
        let free = self.limits.parallel.saturating_sub(queue.running);
        if queue.waiting.len() >= self.limits.queue.saturating_add(free) {
            return Err(Busy {
                waiting: queue.waiting.len(),
                queue: self.limits.queue,
            });
        }
        queue.waiting.push_back(job);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// What it has done so far.
    pub fn stats(&self) -> WorkerStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WorkerStats {
            prompt_tokens: read(&self.shared.prompt_tokens),
            cached_tokens: read(&self.shared.cached_tokens),
            written_tokens: read(&self.shared.written_tokens),
            batches: read(&self.shared.batches),
            given_way: read(&self.shared.given_way),
            cache: *lock(&self.shared.cache),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
