//! A run as a tree that grows while it happens.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ropewalk_core::event::Event;
use ropewalk_core::message::Usage;
use ropewalk_engine::report::{StepKind, Steps};
use ropewalk_engine::step_lines;
use ropewalk_engine::store::Stamped;

use crate::progress::say;

/// Lines of the tree that are shown; the earlier ones scroll out.
const MOST_LINES: usize = 40;

/// The tree on the terminal; without one, a line for every node that ends.
#[derive(Clone)]
pub(crate) struct Watch {
    bar: ProgressBar,
    steps: Arc<Mutex<Steps>>,
    live: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        if live {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self {
            bar,
            steps: Arc::new(Mutex::new(Steps::new(true))),
            live,
        }
    }

    /// What is drawn on, so that it can make room.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    pub(crate) fn take(&self, stamped: &Stamped) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.take(stamped);
        if self.live {
            self.bar.set_message(drawn(&steps));
        } else if let Event::NodeEnded { path, end } = &stamped.event {
            let word = if end.error.is_some() {
                "failed"
            } else {
                "done"
            };
            say(&format!("{word} {path}"));
        }
    }

    /// Leaves the last state of the tree on the terminal.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        if self.live {
            let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
            step_lines(steps.records(), true)
                .iter()
                .for_each(|line| say(line));
        }
    }
}

fn drawn(steps: &Steps) -> String {
    let records = steps.records();
    let count = |kind| records.iter().filter(|step| step.kind == kind).count();
    let usage = records
        .iter()
        .fold(Usage::default(), |sum, step| sum.plus(step.usage));
    let tokens = usage.input_tokens + usage.output_tokens;
    let cost = match usage.cost_micros {
        0 => String::new(),
        micros => format!(", cost {:.4}", micros as f64 / 1e6),
    };
    let mut lines = vec![format!(
        "{} nodes, {} model calls, {} tool calls, {tokens} tokens{cost}",
        count(StepKind::Node),
        count(StepKind::Model),
        count(StepKind::Tool)
    )];
    let tree = step_lines(records, true);
    let skipped = tree.len().saturating_sub(MOST_LINES);
    if skipped > 0 {
        lines.push(format!("… {skipped} lines above"));
    }
    lines.extend(tree.into_iter().skip(skipped));
    lines.join("\n")
}
