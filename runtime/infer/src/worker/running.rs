//! One sequence at work.

use std::sync::atomic::Ordering;

use super::closing::Closing;
use super::{EndReason, Ended, InferError, Job, PageCache, Sampled, Shared};
use crate::cache::Held;
use crate::decoder::Slice;

/// One sequence at work.
pub(super) struct Running {
    job: Job,
    /// Prompt and reply.
    pub(super) tokens: Vec<u32>,
    prompt: usize,
    cached: usize,
    /// How many tokens have been computed.
    pub(super) done: usize,
    pub(super) held: Held,
    /// Whether its prompt was counted.
    counted: bool,
}

impl Running {
    pub(super) fn new(mut job: Job) -> Self {
        let tokens = std::mem::take(&mut job.prompt);
        Self {
            prompt: tokens.len(),
            tokens,
            job,
            cached: 0,
            done: 0,
            held: Held::default(),
            counted: false,
        }
    }

    /// Takes what the cache has of it.
    pub(super) fn begin(&mut self, cache: &mut PageCache, shared: &Shared) {
        let (held, done) = cache.begin(&self.tokens);
        self.held = held;
        self.done = done;
        if !self.counted {
            self.counted = true;
            self.cached = done;
            let count = |counter: &std::sync::atomic::AtomicU64, tokens: usize| {
                counter.fetch_add(tokens as u64, Ordering::Relaxed);
            };
            count(&shared.prompt_tokens, self.prompt);
            count(&shared.cached_tokens, done);
        }
    }

    /// Leaves what it computed to the cache.
    pub(super) fn rest(&mut self, cache: &mut PageCache) {
        let held = std::mem::take(&mut self.held);
        cache.end(held, self.tokens.get(..self.done).unwrap_or_default());
        self.done = 0;
    }

    pub(super) fn cancelled(&self) -> bool {
        self.job.cancelled.load(Ordering::Relaxed)
    }

    /// Whether its reply has begun.
    pub(super) fn is_writing(&self) -> bool {
        self.written() > 0
    }

    pub(super) fn written(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Tokens that are to be computed.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.done
    }

    /// Shares the pages that are full.
    pub(super) fn share(&mut self, cache: &mut PageCache) {
        let computed = self.tokens.get(..self.done).unwrap_or_default();
        cache.share(&mut self.held, computed);
    }

    /// Its part of a batch: the next `count` tokens.
    pub(super) fn slice(&self, count: usize) -> Slice<'_> {
        let upto = self.done + count;
        Slice {
            tokens: self.tokens.get(self.done..upto).unwrap_or_default(),
            position: self.done,
            pages: &self.held.pages,
            logits: usize::from(upto == self.tokens.len()),
        }
    }

    /// Takes the next token, and those that must follow it.
    pub(super) fn take(
        &mut self,
        logits: &mut [f32],
        ends: &[u32],
        closing: &Closing,
        context: usize,
    ) -> Result<Option<EndReason>, InferError> {
        let written = self.written();
        let room = context.saturating_sub(self.prompt);
        let left = self.job.most.min(room).saturating_sub(written);
        let mask = match &mut self.job.matcher {
            None => None,
            Some(matcher) => {
                let mask = matcher.mask()?;
                Some(closing.narrow(mask, left, self.tokens.last().copied()))
            }
        };
        let sampled = self
            .job
            .sampler
            .sample(logits, mask.as_ref(), &self.tokens, written);
        let Some(sampled) = sampled else {
            return Err(InferError::Compute(candle_core::Error::msg(
                "the model gives no token that may come next",
            )));
        };
        if let Some(end) = self.push(&sampled, ends, context)? {
            return Ok(Some(end));
        }
        let forced = match &mut self.job.matcher {
            Some(matcher) => matcher.forced(),
            None => Vec::new(),
        };
        for token in forced {
            let sampled = Sampled {
                token,
                logprob: 0.0,
                top: Vec::new(),
            };
            if let Some(end) = self.push(&sampled, ends, context)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn push(
        &mut self,
        sampled: &Sampled,
        ends: &[u32],
        context: usize,
    ) -> Result<Option<EndReason>, InferError> {
        self.tokens.push(sampled.token);
        let stopped = self.job.listener.token(sampled).is_break();
        if ends.contains(&sampled.token) {
            return Ok(Some(EndReason::Turn));
        }
        if stopped {
            return Ok(Some(EndReason::Stopped));
        }
        if let Some(matcher) = &mut self.job.matcher {
            matcher.accept(sampled.token)?;
            if matcher.is_done() {
                return Ok(Some(EndReason::Turn));
            }
        }
        if self.written() >= self.job.most || self.tokens.len() >= context {
            return Ok(Some(EndReason::Length));
        }
        Ok(None)
    }

    /// Tells the listener.
    pub(super) fn end(self, end: Result<EndReason, InferError>) {
        let ended = end.map(|reason| Ended {
            reason,
            prompt: self.prompt,
            cached: self.cached,
            written: self.written(),
        });
        self.job.listener.end(ended);
    }
}
