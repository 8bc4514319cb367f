//! What is left of what is too long: a result's first words and the passages it found, or what
//! older rounds did, in a line each.

use serde_json::json;

use crate::citation::{self, Citation};
use crate::message::Message;
use crate::tokens;
use crate::tool::ToolOutcome;
use crate::untrusted;

/// Characters of a result that stay.
const FIRST_WORDS: usize = 240;
/// Characters of a passage that stay.
const QUOTE: usize = 120;
/// Passages of a result that stay with their words.
const MOST_PASSAGES: usize = 12;
/// Characters of a call's arguments in a line.
const ARGUMENTS: usize = 120;
/// Characters of what was said in a line.
const SAID: usize = 200;

/// How much stays of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// The first words, and the passages by id with the start of each.
    Passages,
    /// The ids of the passages.
    Ids,
}

/// Trims a tool's result where that makes it shorter; other messages stay. What the passages of a
/// result say stays in its data in whole, so that they can be cited and quoted all the same.
pub(super) fn message(message: &mut Message, to: To) {
    let Message::Tool {
        call_id, outcome, ..
    } = message
    else {
        return;
    };
    let trimmed = match untrusted::opened(outcome.text()) {
        // What is left of it is still nobody's word.
        Some((source, text)) => {
            let inner = with_text(outcome, text.to_owned());
            let trimmed = outcome_of(call_id, &inner, to);
            let marked = untrusted::envelope(source, trimmed.text());
            with_text(&trimmed, marked)
        }
        None => outcome_of(call_id, outcome, to),
    };
    if tokens::of_text(trimmed.text()) < tokens::of_text(outcome.text()) {
        *outcome = trimmed;
    }
}

fn with_text(outcome: &ToolOutcome, text: String) -> ToolOutcome {
    match outcome {
        ToolOutcome::Ok { structured, .. } => ToolOutcome::Ok {
            text,
            structured: structured.clone(),
        },
        ToolOutcome::Error { .. } => ToolOutcome::Error { message: text },
    }
}

fn outcome_of(call_id: &str, outcome: &ToolOutcome, to: To) -> ToolOutcome {
    let citations = outcome
        .structured()
        .map(citation::collect)
        .unwrap_or_default();
    let text = outcome.text();
    let start = format!("[result of {call_id} trimmed: ");
    // A result that was trimmed before keeps what was said of it then.
    let said = text.lines().find(|line| line.starts_with(&start));
    let said = said.map_or_else(
        || format!("{start}{} tokens in all]", tokens::of_text(text)),
        str::to_owned,
    );
    let mut lines = Vec::new();
    if to == To::Passages {
        lines.push(first(text, FIRST_WORDS));
    }
    lines.push(said);
    lines.extend(passages(&citations, to));
    let text = lines.join("\n");
    match outcome {
        ToolOutcome::Ok { .. } => ToolOutcome::Ok {
            text,
            structured: (!citations.is_empty()).then(|| json!({"citations": citations})),
        },
        ToolOutcome::Error { .. } => ToolOutcome::Error { message: text },
    }
}

fn passages(citations: &[Citation], to: To) -> Vec<String> {
    let (told, named) = match to {
        To::Passages => citations.split_at(citations.len().min(MOST_PASSAGES)),
        To::Ids => citations.split_at(0),
    };
    let mut lines: Vec<String> = told
        .iter()
        .map(|citation| format!("[{}] {}", citation.id, first(&citation.quote, QUOTE)))
        .collect();
    if !named.is_empty() {
        lines.push(format!("Passages: {}", markers(named)));
    }
    lines
}

fn markers(citations: &[Citation]) -> String {
    let ids: Vec<String> = citations
        .iter()
        .map(|citation| format!("[{}]", citation.id))
        .collect();
    ids.join(" ")
}

/// Passages that messages hold, each once.
fn found_in(messages: &[Message]) -> Vec<Citation> {
    let mut found: Vec<Citation> = Vec::new();
    for message in messages {
        if let Message::Tool { outcome, .. } = message
            && let Some(structured) = outcome.structured()
        {
            for citation in citation::collect(structured) {
                if !found.iter().any(|known| known.id == citation.id) {
                    found.push(citation);
                }
            }
        }
    }
    found
}

/// How a message begins that stands for older ones.
const BEGINS: &str = "[Earlier work on this question, shortened]";

/// A summary as it stands in the conversation. Passages it does not name are named after it.
pub(super) fn summary(summary: &str, gone: &[Message]) -> String {
    let found = found_in(gone);
    let unnamed: Vec<Citation> = found
        .into_iter()
        .filter(|citation| !summary.contains(&format!("[{}]", citation.id)))
        .take(MOST_PASSAGES)
        .collect();
    let mut text = format!("{BEGINS}\n{}", summary.trim());
    if !unnamed.is_empty() {
        text.push_str(&format!("\nPassages found then: {}", markers(&unnamed)));
    }
    text
}

/// What older messages were about, in a line each and so many tokens, without a model.
pub(super) fn digest(gone: &[Message], most: u64) -> String {
    let mut text = format!("{BEGINS}\n{}", transcript(gone, true).join("\n"));
    let (start, more) = tokens::start_of(&text, most);
    if more {
        let end = start.len();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A conversation as lines to be read by a model, or in short.
pub(super) fn transcript(messages: &[Message], short: bool) -> Vec<String> {
    let cut = |text: &str, most: usize| {
        if short {
            first(text, most)
        } else {
            text.to_owned()
        }
    };
    let mut lines = Vec::new();
    for message in messages {
        match message {
            Message::System { text } | Message::User { text } => {
                let text = text
                    .strip_prefix(BEGINS)
                    .map_or(text.as_str(), str::trim_start);
                lines.push(format!("Told: {}", cut(text, SAID)));
            }
            Message::Assistant { text, calls } => {
                if !text.trim().is_empty() {
                    lines.push(format!("Said: {}", cut(text, SAID)));
                }
                for call in calls {
                    let arguments = first(&call.arguments.to_string(), ARGUMENTS);
                    lines.push(format!("Called {} as {}: {arguments}", call.name, call.id));
                }
            }
            Message::Tool {
                call_id, outcome, ..
            } => {
                let failed = matches!(outcome, ToolOutcome::Error { .. });
                let word = if failed { "failed" } else { "returned" };
                let citations = outcome
                    .structured()
                    .map(citation::collect)
                    .unwrap_or_default();
                let mut line = format!("{call_id} {word}: {}", cut(outcome.text(), SAID));
                if short && !citations.is_empty() {
                    line.push(' ');
                    line.push_str(&markers(&citations));
                }
                lines.push(line);
            }
        }
    }
    lines
}

/// The start of a question, as a reminder of what it is about.
pub(super) fn shortened(text: &str) -> String {
    first(text, 2 * SAID)
}

/// The first characters, up to the end of a line if that is not far.
fn first(text: &str, most: usize) -> String {
    let text = text.trim();
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text.to_owned();
    };
    let start = text.get(..end).unwrap_or_default();
    let whole = start
        .rfind(['\n', ' '])
        .filter(|at| *at * 2 > end)
        .and_then(|at| start.get(..at));
    format!("{}…", whole.unwrap_or(start).trim_end())
}
