//! What the tools found: passages, each cut into the units an answer may quote.

use ropewalk_core::citation;
use ropewalk_core::message::Message;
use ropewalk_core::tool::ToolOutcome;
use ropewalk_core::untrusted::opened;
use serde_json::Value;

use super::units::{Unit, split};

/// Passages read for one answer; the first ones are kept.
const MOST_PASSAGES: usize = 10;

/// A passage with its citation and its quotable units.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    /// What it is cited by; a tool that gives no citations leaves this empty.
    pub id: Option<String>,
    /// Document, or the tool that said it.
    pub source: String,
    /// Title and heading path.
    pub title: String,
    /// Its place in the tool's result, from 0.
    pub rank: usize,
    /// Sentences, list items, table rows and code blocks, in order.
    pub units: Vec<Unit>,
}

impl Passage {
    /// The innermost heading.
    pub(super) fn heading(&self) -> &str {
        self.title.rsplit(" > ").next().unwrap_or_default()
    }
}

/// All that came back for one question.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many calls were answered.
    pub results: usize,
    /// What failed calls said: tool and message.
    pub failures: Vec<(String, String)>,
    /// What was found, best first.
    pub passages: Vec<Passage>,
}

/// Reads the tool results that follow the last question.
pub(super) fn collect(messages: &[Message]) -> Found {
    let mut found = Found::default();
    let mut seen: Vec<(Option<String>, String)> = Vec::new();
    for message in messages {
        let Message::Tool { name, outcome, .. } = message else {
            continue;
        };
        found.results += 1;
        let citations = match outcome {
            ToolOutcome::Error { message } => {
                let message = opened(message).map_or(message.as_str(), |(_, inner)| inner);
                found.failures.push((name.clone(), message.to_owned()));
                continue;
            }
            ToolOutcome::Ok { text, structured } => {
                let citations = structured
                    .as_ref()
                    .map(citation::collect)
                    .unwrap_or_default();
                // The marks of what nobody vouches for are for models that can be misled.
                let text = opened(text).map_or(text.as_str(), |(_, inner)| inner);
                // A tool that gives no citations still says something; it is named instead.
                if citations.is_empty() && !is_empty(structured.as_ref()) && is_prose(text) {
                    found.passages.push(Passage {
                        id: None,
                        source: name.clone(),
                        title: String::new(),
                        rank: 0,
                        units: split(text),
                    });
                }
                citations
            }
        };
        for (rank, citation) in citations.into_iter().enumerate() {
            let key = (Some(citation.id.clone()), citation.quote.clone());
            if seen
                .iter()
                .any(|(id, quote)| *id == key.0 || *quote == key.1)
            {
                continue;
            }
            seen.push(key);
            found.passages.push(Passage {
                units: split(&citation.quote),
                id: Some(citation.id),
                source: citation.source,
                title: citation.title,
                rank,
            });
        }
    }
    found.passages.retain(|passage| !passage.units.is_empty());
    // A tool's own order is kept, and several tools take turns: their scores need not compare.
    found.passages.sort_by_key(|passage| passage.rank);
    found.passages.truncate(MOST_PASSAGES);
    found
}

/// Whether a structured result says that nothing was found: one of its lists is empty.
fn is_empty(structured: Option<&Value>) -> bool {
    let fields = structured.and_then(Value::as_object);
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    fields.is_some_and(|fields| fields.values().any(empty))
}

/// Words for a reader rather than data for a program.
fn is_prose(text: &str) -> bool {
    !text.trim().is_empty() && serde_json::from_str::<Value>(text).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn citations_are_found_at_any_depth_and_once() {
        let hit = |id: &str, score: f64| {
            json!({"id": id, "source": "a.md", "title": "A > B", "quote": format!("Text {id}."),
                   "score": score})
        };
        let structured = json!({"hits": [{"citation": hit("x", 0.2)}],
                                "more": {"citations": [hit("y", 0.9), hit("x", 0.2)]}});
        let found = collect(&[Message::Tool {
            call_id: "c".into(),
            name: "t".into(),
            outcome: ToolOutcome::Ok {
                text: String::new(),
                structured: Some(structured),
            },
        }]);
        let ids: Vec<_> = found
            .passages
            .iter()
            .filter_map(|p| p.id.as_deref())
            .collect();
        assert_eq!(ids, ["x", "y"]);
        assert_eq!(found.passages[0].heading(), "B");
        assert_eq!(found.passages[0].rank, 0);
    }
}
