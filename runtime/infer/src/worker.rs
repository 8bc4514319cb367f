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

use closing::Closing;
use running::Running;

/// Rows of a batch: prompts are read in pieces of so many tokens.
const BATCH: usize = 256;
/// Rows of prompts in a batch while other replies are being written.
const SHARED_BATCH: usize = 96;

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
        let cache = PageCache::new(decoder.kv_shape(), limits.cache_bytes);
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
            cache: Mutex::new(cache.usage()),
        });
        let mut work = Work {
            shared: Arc::clone(&shared),
            decoder,
            cache,
            limits,
            closing: Closing::of(tokenizer),
            ends: tokenizer.ends().to_vec(),
            tokens: tokenizer.size(),
            running: Vec::new(),
            resting: VecDeque::new(),
        };
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

/// What the thread works with.
struct Work {
    shared: Arc<Shared>,
    decoder: Arc<Decoder>,
    cache: PageCache,
    limits: WorkerLimits,
    closing: Closing,
    ends: Vec<u32>,
    /// Tokens that mean something; a model may have more rows.
    tokens: usize,
    running: Vec<Running>,
    /// Sequences that had to give their memory to older ones, the oldest first.
    resting: VecDeque<Running>,
}

impl Work {
    fn run(&mut self) {
        while self.admit() {
            self.drop_cancelled();
            self.step();
            *lock(&self.shared.cache) = self.cache.usage();
        }
        for running in self.running.drain(..).chain(self.resting.drain(..)) {
            running.end(Ok(EndReason::Cancelled));
        }
        let waiting: Vec<Job> = lock(&self.shared.queue).waiting.drain(..).collect();
        for job in waiting {
            Running::new(job).end(Ok(EndReason::Cancelled));
        }
    }

    /// Takes in what waits, as far as there is room; waits where there is nothing to do. False at
    /// the end.
    fn admit(&mut self) -> bool {
        while self.running.len() < self.limits.parallel {
            let fits = |cache: &PageCache, running: &Running| {
                cache.room() >= running.tokens.len() + BATCH.min(running.tokens.len())
            };
            let next = match self.resting.front() {
                Some(rested) if self.running.is_empty() || fits(&self.cache, rested) => {
                    self.resting.pop_front()
                }
                Some(_) => None,
                None => match self.next_job() {
                    Next::Closed => return false,
                    Next::Nothing => None,
                    Next::Job(job) => Some(Running::new(*job)),
                },
            };
            let Some(mut next) = next else {
                break;
            };
            next.begin(&mut self.cache, &self.shared);
            self.running.push(next);
        }
        !lock(&self.shared.queue).closed
    }

    fn next_job(&self) -> Next {
        let mut queue = lock(&self.shared.queue);
        loop {
            if queue.closed {
                return Next::Closed;
            }
            if let Some(job) = queue.waiting.pop_front() {
                queue.running += 1;
                return Next::Job(Box::new(job));
            }
            if !self.running.is_empty() {
                return Next::Nothing;
            }
            queue = self
                .shared
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn drop_cancelled(&mut self) {
        let mut at = 0;
        while let Some(running) = self.running.get(at) {
            if running.cancelled() {
                self.finish(at, Ok(EndReason::Cancelled));
            } else {
                at += 1;
            }
        }
        let resting = std::mem::take(&mut self.resting).into_iter();
        let (ended, kept): (VecDeque<Running>, _) = resting.partition(Running::cancelled);
        self.resting = kept;
        for running in ended {
            lock(&self.shared.queue).running -= 1;
            running.end(Ok(EndReason::Cancelled));
        }
    }

    /// One batch.
    fn step(&mut self) {
        let writing = self.running.iter().any(Running::is_writing);
        let mut rows = if writing { SHARED_BATCH } else { BATCH };
        let mut at = 0;
        let mut taken = Vec::new();
        while at < self.running.len() {
            let Some(running) = self.running.get_mut(at) else {
                break;
            };
            let wanted = running.pending().min(rows.max(1));
            let upto = running.done + wanted;
            if self.cache.grow(&mut running.held, upto) {
                if !running.is_writing() {
                    rows = rows.saturating_sub(wanted);
                }
                taken.push(wanted);
                at += 1;
            } else if self.running.len() == 1 {
                self.finish(at, Ok(EndReason::Length));
            } else {
                // The youngest gives way, and goes on when there is room again.
                if let Some(mut youngest) = self.running.pop() {
                    youngest.rest(&mut self.cache);
                    self.resting.push_front(youngest);
                }
            }
        }
        taken.truncate(self.running.len());
        if taken.is_empty() {
            return;
        }
        let slices: Vec<_> = self
            .running
            .iter()
            .zip(&taken)
            .map(|(running, count)| running.slice(*count))
            .collect();
        let logits = self.decoder.run(&slices, &mut self.cache.pages);
        drop(slices);
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        match logits {
            Ok(logits) => self.take_in(&taken, logits),
            Err(error) => {
                let message = error.to_string();
                while !self.running.is_empty() {
                    let error = candle_core::Error::msg(message.clone());
                    self.finish(0, Err(InferError::Compute(error)));
                }
            }
        }
    }

    /// Takes a token of every sequence whose logits are there.
    fn take_in(&mut self, taken: &[usize], mut logits: Vec<f32>) {
        let vocabulary = self.decoder.spec().vocabulary;
        let mut rows = logits.chunks_exact_mut(vocabulary.max(1));
        let mut ended = Vec::new();
        for (at, (running, count)) in self.running.iter_mut().zip(taken).enumerate() {
            running.done += count;
            running.share(&mut self.cache);
            if running.pending() > 0 {
                continue;
            }
            let Some(row) = rows.next() else {
                continue;
            };
            let size = self.tokens.min(row.len());
            let row = row.get_mut(..size).unwrap_or_default();
            let before = running.written();
            let end = running.take(row, &self.ends, &self.closing, self.limits.context);
            let written = running.written() - before;
            self.shared
                .written_tokens
                .fetch_add(written as u64, Ordering::Relaxed);
            match end {
                Ok(None) => {}
                Ok(Some(reason)) => ended.push((at, Ok(reason))),
                Err(error) => ended.push((at, Err(error))),
            }
        }
        for (at, end) in ended.into_iter().rev() {
            self.finish(at, end);
        }
    }

    fn finish(&mut self, at: usize, end: Result<EndReason, InferError>) {
        if at >= self.running.len() {
            return;
        }
        let mut running = self.running.remove(at);
        running.rest(&mut self.cache);
        lock(&self.shared.queue).running -= 1;
        *lock(&self.shared.cache) = self.cache.usage();
        running.end(end);
    }
}

enum Next {
    Job(Box<Job>),
    /// There is other work.
    Nothing,
    Closed,
}
