//! What the worker's thread does: takes requests in, runs batches, takes tokens.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::closing::Closing;
use super::running::Running;
use super::{EndReason, Job, Shared, WorkerLimits, lock};
use crate::cache::PageCache;
use crate::decoder::Decoder;
use crate::error::InferError;
use crate::tokenizer::Tokenizer;

/// Rows of a batch: prompts are read in pieces of so many tokens.
const BATCH: usize = 256;
/// Rows of prompts in a batch while other replies are being written.
const SHARED_BATCH: usize = 96;

/// What the thread works with.
pub(super) struct Work {
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
    pub(super) fn new(
        shared: Arc<Shared>,
        decoder: Arc<Decoder>,
        cache: PageCache,
        tokenizer: &Tokenizer,
        limits: WorkerLimits,
    ) -> Self {
        Self {
            shared,
            decoder,
            cache,
            limits,
            closing: Closing::of(tokenizer),
            ends: tokenizer.ends().to_vec(),
            tokens: tokenizer.size(),
            running: Vec::new(),
            resting: VecDeque::new(),
        }
    }

    /// Works until the queue is closed.
    pub(super) fn run(&mut self) {
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
                    self.shared.given_way.fetch_add(1, Ordering::Relaxed);
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
