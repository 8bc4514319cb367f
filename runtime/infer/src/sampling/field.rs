//! The logits of one step as they are sampled from: one number per token, those that may not be
//! taken at minus infinity, all others finite.
//!
//! Every pass is over all tokens in the order of their ids, which is quick and the same on every
//! machine; nothing is sorted but the few tokens that a cut falls among.

use crate::cpu::elementwise;
use std::cmp::Ordering;

use crate::constraint::TokenMask;

const OUT: f32 = f32::NEG_INFINITY;

/// A token that may be taken; the likelier, the less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) logit: f32,
    pub(super) token: u32,
}

impl Candidate {
    /// No token is less likely.
    pub(super) const LAST: Self = Self {
        logit: f32::MIN,
        token: u32::MAX,
    };

    /// Whether a token is at least as likely as this one.
    fn keeps(self, logit: f32, token: u32) -> bool {
        logit > self.logit || (logit == self.logit && token <= self.token)
    }
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

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Field {
    logits: Vec<f32>,
    weights: Vec<f32>,
}

impl Field {
    /// Takes in the logits of a step. What is not a number is out.
    pub(super) fn fill(&mut self, logits: &[f32], mask: Option<&TokenMask>) {
        self.logits.clear();
        // Adding zero makes one of the two zeros.
        let finite = |logit: f32| match logit.is_nan() {
            true => OUT,
            false => logit.clamp(f32::MIN, f32::MAX) + 0.0,
        };
        let Some(mask) = mask else {
            self.logits
                .extend(logits.iter().map(|&logit| finite(logit)));
            return;
        };
        for (part, &word) in logits.chunks(32).zip(&mask.words) {
            match word {
                0 => self.logits.extend(part.iter().map(|_| OUT)),
                _ => self
                    .logits
                    .extend(
                        part.iter()
                            .zip(0..)
                            .map(|(&logit, bit)| match word >> bit & 1 {
                                1 => finite(logit),
                                _ => OUT,
                            }),
                    ),
            }
        }
    }

    /// The largest logit; `None` where nothing may be taken.
    pub(super) fn most(&self) -> Option<f32> {
        let mut lanes = [OUT; LANES];
        for part in self.logits.chunks(LANES) {
            for (lane, &logit) in lanes.iter_mut().zip(part) {
                *lane = if logit > *lane { logit } else { *lane };
            }
        }
        let most = lanes.into_iter().fold(OUT, f32::max);
        (most > OUT).then_some(most)
    }

    /// The first token with a logit.
    pub(super) fn first(&self, logit: f32) -> Option<u32> {
        let at = self.logits.iter().position(|&other| other == logit)?;
        u32::try_from(at).ok()
    }

    /// The `count` likeliest, the likeliest first.
    pub(super) fn likeliest(&self, count: usize) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = Vec::new();
        let room = count.saturating_mul(2).saturating_add(64);
        let mut last = Candidate::LAST;
        for (token, &logit) in (0..).zip(&self.logits) {
            if !last.keeps(logit, token) {
                continue;
            }
            best.push(Candidate { logit, token });
            if best.len() >= room {
                best.select_nth_unstable(count);
                best.truncate(count);
                last = best.iter().max().copied().unwrap_or(last);
            }
        }
        best.sort_unstable();
        best.truncate(count);
        best
    }

    /// The least likely of the fewest tokens whose probabilities come to `share` together, at
    /// least one. Only tokens count that `last` keeps.
    pub(super) fn share(&self, most: f32, last: Candidate, share: f32) -> Candidate {
        let kept = || {
            (0..)
                .zip(&self.logits)
                .filter(move |(token, logit)| last.keeps(**logit, *token))
                .map(|(token, &logit)| Candidate { logit, token })
        };
        // Tokens by how far they are behind the likeliest, in steps; what is further than the last
        // step weighs next to nothing.
        let step = |candidate: &Candidate| {
            let behind = (most - candidate.logit) * STEPS_PER_UNIT;
            (behind as usize).min(STEPS - 1)
        };
        let mut weights = vec![0.0_f64; STEPS];
        for candidate in kept() {
            if let Some(weight) = weights.get_mut(step(&candidate)) {
                *weight += f64::from(exp(candidate.logit - most));
            }
        }
        let mut wanted = f64::from(share.max(0.0)) * weights.iter().sum::<f64>();
        let mut reached = STEPS - 1;
        for (at, weight) in weights.iter().enumerate() {
            if *weight > 0.0 && *weight >= wanted {
                reached = at;
                break;
            }
            wanted -= weight;
        }
        let mut among: Vec<Candidate> = kept()
            .filter(|candidate| step(candidate) == reached)
            .collect();
        among.sort_unstable();
        for candidate in &among {
            wanted -= f64::from(exp(candidate.logit - most));
            if wanted <= 0.0 {
                return *candidate;
            }
        }
        // Rounding left a little over.
        among.last().copied().unwrap_or(last)
    }

    /// The token at `uniform` (0 to 1) of all that `last` keeps and that are at least at `least`,
    /// each as wide as it is likely at a temperature.
    pub(super) fn draw(
        &mut self,
        most: f32,
        last: Candidate,
        least: f32,
        temperature: f32,
        uniform: f64,
    ) -> Option<u32> {
        self.weights.clear();
        self.weights
            .extend((0..).zip(&self.logits).map(|(token, &logit)| {
                let weight = exp((logit - most) / temperature);
                if last.keeps(logit, token) && logit >= least {
                    weight
                } else {
                    0.0
                }
            }));
        let sums: Vec<f64> = self.weights.chunks(BLOCK).map(sum).collect();
        let mut left = uniform * sums.iter().sum::<f64>();
        let mut taken = None;
        for ((block, sum), first) in self
            .weights
            .chunks(BLOCK)
            .zip(&sums)
            .zip((0_u32..).step_by(BLOCK))
        {
            if *sum <= 0.0 {
                continue;
            }
            if left >= *sum {
                left -= sum;
                // If rounding leaves the last block behind, the last token of it is taken.
                let last = block.iter().rposition(|weight| *weight > 0.0);
                taken = last
                    .and_then(|at| u32::try_from(at).ok())
                    .map(|at| first + at);
                continue;
            }
            for (token, &weight) in (first..).zip(block) {
                if weight > 0.0 {
                    taken = Some(token);
                    left -= f64::from(weight);
                    if left < 0.0 {
                        break;
                    }
                }
            }
            break;
        }
        taken
    }

    /// Logarithm of the sum of all probabilities before they are made to come to one.
    pub(super) fn log_sum(&self, most: f32) -> f64 {
        let sum: f64 = self
            .logits
            .iter()
            .map(|logit| f64::from(exp(logit - most)))
            .sum();
        f64::from(most) + sum.ln()
    }

    /// The logit of a token, where it may be taken.
    pub(super) fn logit(&self, token: u32) -> Option<f32> {
        let logit = self.logits.get(token as usize).copied();
        logit.filter(|logit| *logit > OUT)
    }
}

const LANES: usize = 16;
const BLOCK: usize = 512;
const STEPS_PER_UNIT: f32 = 32.0;
const STEPS: usize = 1024;

/// A sum in a fixed order, several at a time.
fn sum(weights: &[f32]) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    for part in weights.chunks(LANES) {
        for (lane, weight) in lanes.iter_mut().zip(part) {
            *lane += weight;
        }
    }
    lanes.into_iter().map(f64::from).sum()
}

/// e to a power of zero or less; nothing below e^-87. From additions and multiplications alone: the
/// machine's own differs from machine to machine, and the same seed must give the same token.
pub(super) fn exp(power: f32) -> f32 {
    if power < -87.0 {
        0.0
    } else {
        elementwise::exp(power)
    }
}
