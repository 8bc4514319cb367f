//! How likely tokens were under the model itself.

use super::{Candidate, cut, for_each};

/// What stands for "as good as impossible": minus infinity has no place in JSON.
pub const LEAST_LOGPROB: f32 = -9999.0;

/// Logarithms of probabilities before anything was done to them.
pub(super) struct Distribution {
    logits: Vec<f32>,
    /// Logarithm of the sum over all tokens.
    all: f64,
    top: Vec<Candidate>,
}

impl Distribution {
    /// Of these logits, with the `top` likeliest.
    pub(super) fn of(logits: &[f32], top: usize) -> Self {
        let mut candidates = Vec::with_capacity(logits.len());
        for_each(logits, None, |candidate| candidates.push(candidate));
        let most = candidates
            .iter()
            .map(|candidate| candidate.logit)
            .fold(f32::MIN, f32::max);
        let sum: f64 = candidates
            .iter()
            .map(|candidate| f64::from(candidate.logit - most).exp())
            .sum();
        cut::keep_likeliest(&mut candidates, top);
        candidates.sort_unstable();
        Self {
            logits: logits.to_vec(),
            all: f64::from(most) + sum.ln(),
            top: candidates,
        }
    }

    /// Of one token.
    pub(super) fn logprob(&self, token: u32) -> f32 {
        match self.logits.get(token as usize) {
            Some(logit) if !logit.is_nan() => self.share(logit.clamp(f32::MIN, f32::MAX)),
            _ => LEAST_LOGPROB,
        }
    }

    /// The likeliest, the likeliest first.
    pub(super) fn top(&self) -> Vec<(u32, f32)> {
        self.top
            .iter()
            .map(|candidate| (candidate.token, self.share(candidate.logit)))
            .collect()
    }

    fn share(&self, logit: f32) -> f32 {
        ((f64::from(logit) - self.all) as f32).clamp(LEAST_LOGPROB, 0.0)
    }
}
