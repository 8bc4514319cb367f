//! Which token is taken.
//!
//! In this order, which is llama.cpp's:
//!
//! 1. the mask: tokens that it does not allow are out of the question;
//! 2. the repetition penalty, over the last [`REPETITION_WINDOW`] tokens of prompt and reply: a
//!    logit above zero is divided by it, one below is multiplied;
//! 3. the presence penalty, over the reply: taken off once, however often a token stands there;
//! 4. with no temperature, the likeliest token;
//! 5. else top-k, top-p of what is left, min-p of what is left, and only then the temperature.
//!
//! Of tokens that are equally likely, the one with the lowest id comes first, everywhere. The
//! random numbers are ChaCha's and the exponential is computed here, so that a seed means the same
//! tokens on every machine, as far as the logits are the same.

use std::hash::{BuildHasher, Hasher, RandomState};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use ropewalk_core::message::Sampling;

use crate::constraint::TokenMask;

mod field;
mod logprob;

use field::{Candidate, Field};
use logprob::Distribution;

/// How many of the last tokens the repetition penalty looks at.
pub const REPETITION_WINDOW: usize = 64;

/// A token that was taken, and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability under the model, before temperature, penalties and
    /// cuts; only where asked for, else 0. Never below [`LEAST_LOGPROB`].
    pub logprob: f32,
    /// The likeliest tokens in its place, the likeliest first; as many as asked for.
    pub top: Vec<(u32, f32)>,
}

pub use logprob::LEAST_LOGPROB;

/// Takes tokens of one reply.
#[derive(Debug)]
pub struct Sampler {
    /// `None`: always the likeliest.
    temperature: Option<f32>,
    /// Keep so many; `None`: all.
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition: Option<f32>,
    presence: Option<f32>,
    logprobs: Option<usize>,
    random: ChaCha8Rng,
    field: Field,
    /// Tokens that were penalised in this step.
    seen: Vec<u32>,
}

impl Sampler {
    /// A sampler for one reply. What `sampling` leaves out: temperature 0 (greedy), no cuts, no
    /// penalties. Without a seed it is seeded by chance. Values that mean nothing (not a number, a
    /// repetition penalty of zero) are as if left out.
    pub fn new(sampling: &Sampling) -> Self {
        let given = |value: Option<f32>| value.filter(|value| !value.is_nan());
        let finite = |value: Option<f32>| value.filter(|value| value.is_finite());
        let seed = match sampling.seed {
            Some(seed) => seed.cast_unsigned(),
            None => RandomState::new().build_hasher().finish(),
        };
        Self {
            temperature: given(sampling.temperature).filter(|t| *t > 0.0),
            top_k: sampling.top_k.filter(|k| *k > 0).map(|k| k as usize),
            top_p: given(sampling.top_p).filter(|p| *p < 1.0),
            min_p: given(sampling.min_p).filter(|p| *p > 0.0),
            repetition: finite(sampling.repetition_penalty).filter(|r| *r > 0.0 && *r != 1.0),
            presence: finite(sampling.presence_penalty).filter(|p| *p != 0.0),
            logprobs: sampling.logprobs.map(usize::from),
            random: ChaCha8Rng::seed_from_u64(seed),
            field: Field::default(),
            seen: Vec::new(),
        }
    }

    /// Takes a token. `logits` has one entry per token and is used as scratch. `context` is the
    /// prompt and the reply so far, of which the last `written` are the reply. With a mask, only
    /// tokens that it allows; `None` where it allows none. A logit that is not a number is never
    /// taken, and where there is no other, nothing is.
    pub fn sample(
        &mut self,
        logits: &mut [f32],
        mask: Option<&TokenMask>,
        context: &[u32],
        written: usize,
    ) -> Option<Sampled> {
        let distribution = self.logprobs.map(|top| Distribution::of(logits, top));
        self.penalise(logits, context, written);
        self.field.fill(logits, mask);
        let most = self.field.most()?;
        let token = match self.temperature {
            None => self.field.first(most)?,
            Some(temperature) => self.draw(most, temperature)?,
        };
        Some(match distribution {
            Some(distribution) => Sampled {
                token,
                logprob: distribution.logprob(token),
                top: distribution.top(),
            },
            None => Sampled {
                token,
                logprob: 0.0,
                top: Vec::new(),
            },
        })
    }

    fn penalise(&mut self, logits: &mut [f32], context: &[u32], written: usize) {
        if let Some(penalty) = self.repetition {
            let window = context.len().saturating_sub(REPETITION_WINDOW);
            self.distinct(context.get(window..).unwrap_or_default());
            for &token in &self.seen {
                if let Some(logit) = logits.get_mut(token as usize) {
                    *logit = if *logit > 0.0 {
                        *logit / penalty
                    } else {
                        *logit * penalty
                    };
                }
            }
        }
        if let Some(penalty) = self.presence {
            let reply = context.len().saturating_sub(written);
            self.distinct(context.get(reply..).unwrap_or_default());
            for &token in &self.seen {
                if let Some(logit) = logits.get_mut(token as usize) {
                    *logit -= penalty;
                }
            }
        }
    }

    fn distinct(&mut self, tokens: &[u32]) {
        self.seen.clear();
        self.seen.extend_from_slice(tokens);
        self.seen.sort_unstable();
        self.seen.dedup();
    }

    fn draw(&mut self, most: f32, temperature: f32) -> Option<u32> {
        let mut last = Candidate::LAST;
        if let Some(k) = self.top_k {
            last = self.field.likeliest(k).pop().unwrap_or(last);
        }
        if let Some(p) = self.top_p {
            last = self.field.share(most, last, p);
        }
        // In logarithms: at least so likely as a share of the likeliest.
        let least = self
            .min_p
            .map_or(f32::MIN, |share| most + share.min(1.0).ln());
        // 53 random bits: a number from 0 up to but not including 1.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        self.field.draw(most, last, least, temperature, uniform)
    }
}

#[cfg(test)]
mod tests;
