//! Which token is taken.

use ropewalk_core::message::Sampling;

use crate::constraint::TokenMask;

/// A token that was taken, and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability under the model, before temperature, penalties and
    /// cuts; only where asked for, else 0.
    pub logprob: f32,
    /// The likeliest tokens in its place, the likeliest first; as many as asked for.
    pub top: Vec<(u32, f32)>,
}

/// Takes tokens of one reply.
#[derive(Debug)]
pub struct Sampler {}

impl Sampler {
    /// A sampler for one reply. What `sampling` leaves out: temperature 0 (greedy), no cuts, no
    /// penalties. Without a seed it is seeded by chance.
    pub fn new(sampling: &Sampling) -> Self {
        let _ = sampling;
        Self {}
    }

    /// Takes a token. `logits` has one entry per token and is used as scratch. `context` is the
    /// prompt and the reply so far, of which the last `written` are the reply. With a mask, only
    /// tokens that it allows; `None` where it allows none.
    pub fn sample(
        &mut self,
        logits: &mut [f32],
        mask: Option<&TokenMask>,
        context: &[u32],
        written: usize,
    ) -> Option<Sampled> {
        let _ = (logits, mask, context, written);
        None
    }
}
