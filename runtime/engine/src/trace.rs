//! The steps of a run as a tree for people.

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
                "{}, {} model calls, {} tool calls, {} + {} tokens",
                time(report.took_ms),
                report.answer.model_calls,
                report.answer.tool_calls,
                tokens.input_tokens,
                tokens.output_tokens
            )
        )
    )];
    let roots: Vec<usize> = indexes(report, None);
    for (number, root) in roots.iter().enumerate() {
        let last = number + 1 == roots.len();
        let (branch, stem) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let Some(step) = report.steps.get(*root) else {
            continue;
        };
        lines.push(format!("{branch}{}", line(step, &paint)));
        let children = indexes(report, Some(*root));
        for (number, child) in children.iter().enumerate() {
            let branch = if number + 1 == children.len() {
                "└─ "
            } else {
                "├─ "
            };
            if let Some(step) = report.steps.get(*child) {
                lines.push(format!("{stem}{branch}{}", line(step, &paint)));
            }
        }
    }
    lines
}

fn indexes(report: &RunReport, parent: Option<usize>) -> Vec<usize> {
    let steps = report.steps.iter().enumerate();
    steps
        .filter(|(_, step)| step.parent == parent)
        .map(|(index, _)| index)
        .collect()
}

fn line(step: &StepRecord, paint: &dyn Fn(&str, &str) -> String) -> String {
    let kind = match step.kind {
        StepKind::Model => "model",
        StepKind::Tool => "tool",
        StepKind::Approval => "approval",
    };
    let cost = if step.usage == Default::default() {
        time(step.took_ms)
    } else {
        let usage = step.usage;
        format!(
            "{}, {} + {} tokens",
            time(step.took_ms),
            usage.input_tokens,
            usage.output_tokens
        )
    };
    let outcome: String = step.outcome.chars().take(90).collect();
    let outcome = if step.failed {
        paint(RED, &outcome)
    } else {
        outcome
    };
    let asked: String = step.asked.chars().take(70).collect();
    format!(
        "{} {} {} {} → {outcome}",
        kind,
        paint(BOLD, &step.name),
        paint(DIM, &asked),
        paint(DIM, &cost)
    )
}

fn time(ms: u64) -> String {
    if ms < 10_000 {
        format!("{ms} ms")
    } else {
        format!("{:.1} s", ms as f64 / 1000.0)
    }
}
