//! How likely tokens were under the model itself.

use super::field::{Candidate, Field};

/// What stands for "as good as impossible": minus infinity has no place in JSON.
pub const LEAST_LOGPROB: f32 = -9999.0;

/// Logarithms of probabilities before anything was done to them.
pub(super) struct Distribution {
    field: Field,
    /// Logarithm of the sum over all tokens.
    all: f64,
    top: Vec<Candidate>,
}

impl Distribution {
    /// Of these logits, with the `top` likeliest.
    pub(super) fn of(logits: &[f32], top: usize) -> Self {
        let mut field = Field::default();
        field.fill(logits, None);
        Self {
            all: field.most().map_or(0.0, |most| field.log_sum(most)),
            top: field.likeliest(top),
            field,
        }
    }

    /// Of one token.
    pub(super) fn logprob(&self, token: u32) -> f32 {
        self.field
            .logit(token)
            .map_or(LEAST_LOGPROB, |logit| self.share(logit))
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
