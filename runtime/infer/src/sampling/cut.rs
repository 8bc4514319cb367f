//! Keeping the likeliest, without sorting all.

use super::{Candidate, exp};

/// Leaves the `count` likeliest, in no order.
pub(super) fn keep_likeliest(candidates: &mut Vec<Candidate>, count: usize) {
    if count < candidates.len() {
        candidates.select_nth_unstable(count);
        candidates.truncate(count);
    }
}

/// Leaves the fewest of the likeliest whose probabilities come to `share` together, at least one,
/// in no order.
pub(super) fn keep_share(candidates: &mut Vec<Candidate>, share: f32) {
    let most = candidates
        .iter()
        .map(|candidate| candidate.logit)
        .fold(f32::MIN, f32::max);
    let weight = |candidates: &[Candidate]| -> f64 {
        candidates
            .iter()
            .map(|candidate| f64::from(exp(candidate.logit - most)))
            .sum()
    };
    let mut wanted = f64::from(share.max(0.0)) * weight(candidates);
    // What is before `kept` stays. What is between it and `open` is likelier than what is after,
    // and is halved until one is left.
    let mut kept = 0;
    let mut open = candidates.len();
    while open - kept > 1 {
        let half = (open - kept) / 2;
        let Some(undecided) = candidates.get_mut(kept..open) else {
            break;
        };
        undecided.select_nth_unstable(half);
        let likelier = weight(undecided.get(..half).unwrap_or_default());
        if likelier >= wanted {
            open = kept + half;
        } else {
            wanted -= likelier;
            kept += half;
        }
    }
    candidates.truncate(open);
}
