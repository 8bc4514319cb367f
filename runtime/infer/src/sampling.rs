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

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use ropewalk_core::message::Sampling;

use crate::constraint::TokenMask;

mod cut;
mod logprob;

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
    candidates: Vec<Candidate>,
    scratch: Vec<Candidate>,
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
            candidates: Vec::new(),
            scratch: Vec::new(),
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
        let token = match self.temperature {
            None => likeliest(logits, mask)?,
            Some(temperature) => self.draw(logits, mask, temperature)?,
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

    fn draw(&mut self, logits: &[f32], mask: Option<&TokenMask>, temperature: f32) -> Option<u32> {
        self.candidates.clear();
        for_each(logits, mask, |candidate| self.candidates.push(candidate));
        if let Some(last) = self.last_kept() {
            self.candidates
                .retain(|candidate| candidate.cmp(&last) != Ordering::Greater);
        }
        let most = self
            .candidates
            .iter()
            .map(|candidate| candidate.logit)
            .fold(f32::MIN, f32::max);
        if let Some(share) = self.min_p {
            // In logarithms: at least `share` as likely as the likeliest.
            let least = most + share.min(1.0).ln();
            self.candidates.retain(|candidate| candidate.logit >= least);
        }
        for candidate in &mut self.candidates {
            candidate.logit = exp((candidate.logit - most) / temperature);
        }
        let sum: f64 = self
            .candidates
            .iter()
            .map(|candidate| f64::from(candidate.logit))
            .sum();
        // 53 random bits: a number from 0 up to but not including 1.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut left = uniform * sum;
        let mut taken = None;
        for candidate in &self.candidates {
            if candidate.logit > 0.0 {
                taken = Some(candidate.token);
                left -= f64::from(candidate.logit);
                if left < 0.0 {
                    break;
                }
            }
        }
        taken
    }

    /// The least likely candidate that top-k and top-p leave; `None`: they leave all.
    fn last_kept(&mut self) -> Option<Candidate> {
        let keeps_all = self.top_k.is_none_or(|k| k >= self.candidates.len());
        if (keeps_all && self.top_p.is_none()) || self.candidates.is_empty() {
            return None;
        }
        self.scratch.clone_from(&self.candidates);
        if let Some(k) = self.top_k {
            cut::keep_likeliest(&mut self.scratch, k);
        }
        if let Some(p) = self.top_p {
            cut::keep_share(&mut self.scratch, p);
        }
        self.scratch.iter().max().copied()
    }
}

/// A token that may be taken, the likelier the less. Its logit is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    logit: f32,
    token: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .logit
            .total_cmp(&self.logit)
            .then(self.token.cmp(&other.token))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Each token that may be taken, in the order of their ids.
fn for_each(logits: &[f32], mask: Option<&TokenMask>, mut each: impl FnMut(Candidate)) {
    let mut offer = |token: u32, logit: f32| {
        if !logit.is_nan() {
            each(Candidate {
                // Adding zero makes one of the two zeros.
                logit: logit.clamp(f32::MIN, f32::MAX) + 0.0,
                token,
            });
        }
    };
    match mask {
        Some(mask) => mask.tokens().for_each(|token| {
            if let Some(&logit) = logits.get(token as usize) {
                offer(token, logit);
            }
        }),
        None => (0..)
            .zip(logits)
            .for_each(|(token, &logit)| offer(token, logit)),
    }
}

fn likeliest(logits: &[f32], mask: Option<&TokenMask>) -> Option<u32> {
    let mut best: Option<Candidate> = None;
    for_each(logits, mask, |candidate| {
        if best.is_none_or(|best| candidate.logit > best.logit) {
            best = Some(candidate);
        }
    });
    best.map(|best| best.token)
}

/// e to a power of zero or less, from additions and multiplications alone: the machine's own
/// differs from machine to machine. Within a few units in the last place.
fn exp(power: f32) -> f32 {
    // Less than any normal number.
    if power < -87.0 {
        return 0.0;
    }
    let halvings = (power * std::f32::consts::LOG2_E).round();
    // The logarithm of 2 in two parts, so that the difference is exact.
    let rest = power - halvings * 0.693_359_4 - halvings * -2.121_944_4e-4;
    // The series of e^x, enough of it for |x| <= ln(2)/2.
    let mut series = 1.0 / 5_040.0;
    for term in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * rest + term;
    }
    let scale = f32::from_bits(((halvings as i32 + 127) as u32) << 23);
    series * scale
}

#[cfg(test)]
mod tests;
