//! Numbers that make sense where they stand.

use super::Compiler;
use crate::budget::BudgetLimits;
use crate::graph::definition::NodeDefinition;
use crate::graph::diagnostic::Code;

/// Most seconds of any wait, some thirty years: beyond, a clock would overflow.
const MOST_SECONDS: f64 = 1e9;

impl Compiler<'_> {
    pub(super) fn numbers(&mut self, node: &NodeDefinition, path: &str) {
        self.positive(node.timeout, &format!("{path}.timeout"));
        if let Some(cache) = node.cache {
            self.positive(Some(cache.ttl), &format!("{path}.cache.ttl"));
        }
        self.budget(node.budget, &format!("{path}.budget"));
        let Some(retry) = &node.retry else { return };
        if retry.attempts == 0 {
            let path = format!("{path}.retry.attempts");
            let hint = "give at least 1";
            self.error(Code::Bound, &path, "it would never be tried", hint);
        }
        self.seconds(retry.backoff, &format!("{path}.retry.backoff"));
        self.seconds(retry.max_backoff, &format!("{path}.retry.max_backoff"));
        if !retry.factor.is_finite() || retry.factor < 1.0 {
            let path = format!("{path}.retry.factor");
            self.error(Code::Bound, &path, "waits would shrink", "give 1 or more");
        }
        if !(0.0..=1.0).contains(&retry.jitter) {
            let path = format!("{path}.retry.jitter");
            let hint = "give a number from 0 to 1";
            self.error(Code::Bound, &path, "this is no share", hint);
        }
    }

    /// A time that may not be none at all.
    pub(super) fn positive(&mut self, seconds: Option<f64>, path: &str) {
        if seconds.is_some_and(|seconds| seconds <= 0.0) {
            let message = "no time at all";
            self.error(Code::Bound, path, message, "give more than 0 seconds");
        } else {
            self.seconds(seconds.unwrap_or_default(), path);
        }
    }

    pub(super) fn seconds(&mut self, seconds: f64, path: &str) {
        if !(0.0..=MOST_SECONDS).contains(&seconds) {
            let message = format!("{seconds} is no time in seconds");
            let hint = format!("give a number from 0 to {MOST_SECONDS}");
            self.error(Code::Bound, path, message, &hint);
        }
    }

    pub(super) fn budget(&mut self, budget: Option<BudgetLimits>, path: &str) {
        let Some(budget) = budget else { return };
        self.seconds(
            budget.wall_time.unwrap_or_default(),
            &format!("{path}.wall_time"),
        );
        if budget
            .cost
            .is_some_and(|cost| !cost.is_finite() || cost < 0.0)
        {
            let path = format!("{path}.cost");
            let hint = "give 0 or more, or leave it out";
            self.error(Code::Bound, &path, "this is no cost", hint);
        }
    }
}
