//! The steps of a run as a tree for people.

use std::collections::HashMap;

use ropewalk_core::message::Usage;

use crate::report::{RunReport, StepKind, StepRecord};

const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[31m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// A line for the run and one for each step: what it was, how long it took, what it cost, what
/// came of it. Tool calls hang below the model call that asked for them.
pub fn trace_lines(report: &RunReport, colour: bool) -> Vec<String> {
    let paint = |code: &str, text: &str| {
        if colour {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    };
    let tokens = report.answer.usage;
    let mut lines = vec![format!(
        "{} {}",
        paint(BOLD, &format!("run {}", report.run)),
        paint(
            DIM,
            &format!(
                "{}, {} model calls, {} tool calls, {}",
                time(report.took_ms),
                report.answer.model_calls,
                report.answer.tool_calls,
                spent(tokens)
            )
        )
    )];
    lines.extend(step_lines(&report.steps, colour));
    lines
}

/// A line for each step, as a tree.
pub fn step_lines(steps: &[StepRecord], colour: bool) -> Vec<String> {
    let mut below: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        // A step is recorded after its parent, so that following them ends.
        let parent = step.parent.filter(|parent| *parent < index);
        if parent == step.parent {
            below.entry(parent).or_default().push(index);
        }
    }
    let mut lines = Vec::new();
    let tree = Tree {
        steps,
        below,
        colour,
    };
    tree.branches(None, "", &mut lines);
    lines
}

struct Tree<'a> {
    steps: &'a [StepRecord],
    below: HashMap<Option<usize>, Vec<usize>>,
    colour: bool,
}

impl Tree<'_> {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }

    /// The steps below one, each behind what draws the tree to it.
    fn branches(&self, parent: Option<usize>, stem: &str, lines: &mut Vec<String>) {
        let below = self.below.get(&parent).map_or(&[][..], Vec::as_slice);
        for (number, index) in below.iter().enumerate() {
            let Some(step) = self.steps.get(*index) else {
                continue;
            };
            let (branch, further) = if number + 1 == below.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            lines.push(format!("{stem}{branch}{}", self.line(step)));
            self.branches(Some(*index), &format!("{stem}{further}"), lines);
        }
    }

    fn line(&self, step: &StepRecord) -> String {
        let kind = match step.kind {
            StepKind::Node => "node",
            StepKind::Model => "model",
            StepKind::Tool => "tool",
            StepKind::Function => "function",
            StepKind::Approval => "approval",
        };
        let cost = if step.ended {
            cost(step.took_ms, step.usage)
        } else {
            "…".to_owned()
        };
        let outcome = cut(&step.outcome, 90);
        let outcome = if step.failed {
            self.paint(RED, &outcome)
        } else {
            outcome
        };
        let asked = match cut(&step.asked, 70) {
            asked if asked.is_empty() => asked,
            asked => format!("{} ", self.paint(DIM, &asked)),
        };
        let by = step.answered_by.as_ref();
        let by = by.filter(|engine| **engine != step.name);
        let by = by.map_or_else(String::new, |engine| format!(" by {engine}"));
        let passed_over: Vec<String> = step
            .passed_over
            .iter()
            .map(|passed| format!(", not {}: {}", passed.engine, cut(&passed.reason, 70)))
            .collect();
        format!(
            "{} {}{by} {asked}{}{} → {outcome}",
            kind,
            self.paint(BOLD, &step.name),
            self.paint(DIM, &cost),
            self.paint(DIM, &passed_over.concat())
        )
    }
}

/// Tokens read, how much of them was known from before, and tokens written.
fn spent(usage: Usage) -> String {
    let Usage {
        input_tokens: read,
        output_tokens: written,
        cached_tokens: cached,
        ..
    } = usage;
    match cached.saturating_mul(100).checked_div(read) {
        None | Some(0) => format!("{read} + {written} tokens"),
        Some(percent) => format!("{read} ({percent} % cached) + {written} tokens"),
    }
}

/// Time, tokens and money, as far as they are known.
fn cost(took_ms: u64, usage: Usage) -> String {
    let mut parts = vec![time(took_ms)];
    if usage.input_tokens + usage.output_tokens > 0 {
        parts.push(spent(usage));
    }
    if usage.cost_micros > 0 {
        parts.push(format!("cost {:.4}", usage.cost_micros as f64 / 1e6));
    }
    parts.join(", ")
}

fn time(ms: u64) -> String {
    if ms < 10_000 {
        format!("{ms} ms")
    } else {
        format!("{:.1} s", ms as f64 / 1000.0)
    }
}

/// One line of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use ropewalk_core::answer::{Answer, StopReason};
    use ropewalk_core::message::PassedOver;

    use super::*;
    use crate::run_id::RunId;

    fn step(kind: StepKind, name: &str, parent: Option<usize>, outcome: &str) -> StepRecord {
        StepRecord {
            kind,
            name: name.to_owned(),
            parent,
            started_ms: 0,
            took_ms: 5,
            usage: Default::default(),
            asked: "{}".to_owned(),
            outcome: outcome.to_owned(),
            failed: outcome == "broken",
            ended: true,
            answered_by: None,
            passed_over: Vec::new(),
        }
    }

    fn report(steps: Vec<StepRecord>) -> RunReport {
        let answer = Answer {
            text: "It is so.".to_owned(),
            stop: StopReason::Answered,
            citations: Vec::new(),
            uncited: false,
            truncated: false,
            model_calls: 2,
            tool_calls: 2,
            usage: Default::default(),
        };
        RunReport {
            run: RunId::generate(),
            answer,
            engine: "scripted".to_owned(),
            steps,
            took_ms: 12_345,
        }
    }

    #[test]
    fn what_was_read_before_is_said_in_percent() {
        let usage = |input_tokens, cached_tokens| Usage {
            input_tokens,
            cached_tokens,
            output_tokens: 5,
            ..Usage::default()
        };
        assert_eq!(spent(usage(0, 0)), "0 + 5 tokens");
        assert_eq!(spent(usage(300, 0)), "300 + 5 tokens");
        assert_eq!(spent(usage(300, 299)), "300 (99 % cached) + 5 tokens");
    }

    #[test]
    fn steps_hang_below_what_asked_for_them() {
        let report = report(vec![
            step(StepKind::Model, "m", None, "calls a, b"),
            step(StepKind::Tool, "a", Some(0), "broken"),
            step(StepKind::Tool, "b", Some(0), "two\nlines"),
            step(StepKind::Model, "inner", Some(2), "thought"),
            step(StepKind::Model, "m", None, "It is so."),
        ]);
        let lines = trace_lines(&report, false);
        assert!(lines[0].contains("12.3 s"), "{lines:?}");
        let drawn: Vec<&str> = lines[1..].iter().map(String::as_str).collect();
        assert_eq!(
            drawn,
            [
                "├─ model m {} 5 ms → calls a, b",
                "│  ├─ tool a {} 5 ms → broken",
                "│  └─ tool b {} 5 ms → two lines",
                "│     └─ model inner {} 5 ms → thought",
                "└─ model m {} 5 ms → It is so.",
            ]
        );
    }

    #[test]
    fn an_engine_that_answered_for_another_is_named_with_those_that_did_not() {
        let mut cascade = step(StepKind::Model, "cascade:careful", None, "It is so.");
        cascade.answered_by = Some("openai:big".to_owned());
        cascade.passed_over = vec![PassedOver {
            engine: "local:small".to_owned(),
            reason: "the reply is empty".to_owned(),
        }];
        let lines = trace_lines(&report(vec![cascade]), false);
        assert_eq!(
            lines[1],
            "└─ model cascade:careful by openai:big {} 5 ms, not local:small: the reply is empty → \
             It is so."
        );
    }

    #[test]
    fn long_words_are_cut_whole_letters_and_failures_stand_out() {
        let long = "ü€😀".repeat(60);
        let report = report(vec![
            step(StepKind::Tool, "a", None, &long),
            step(StepKind::Tool, "b", None, "broken"),
            // One that is its own parent is left out, not followed.
            step(StepKind::Tool, "c", Some(2), "never"),
        ]);
        let lines = trace_lines(&report, true);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[1].ends_with(&format!("{}…", "ü€😀".repeat(30))),
            "{}",
            lines[1]
        );
        assert!(
            lines[2].ends_with("\u{1b}[31mbroken\u{1b}[0m"),
            "{}",
            lines[2]
        );
    }
}
