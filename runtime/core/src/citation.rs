//! Where a statement comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A passage that supports a statement, in the one shape every tool uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Citation {
    /// Names the passage; an answer cites it as `[id]`.
    pub id: String,
    /// Path or URL of the document.
    pub source: String,
    /// Title and heading path, outermost first, joined by ` > `.
    #[serde(default)]
    pub title: String,
    /// Where in the document: byte offsets `start..end` of its extracted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The words themselves.
    pub quote: String,
    /// How well it fits the query, 0 to 1.
    #[serde(default)]
    pub score: f64,
}

/// A half-open range of bytes in a document's extracted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Every citation in a tool's structured result: objects under a `citation` key and the items of
/// `citations` arrays, at any depth, in document order. What does not have the shape is passed over.
pub fn collect(structured: &serde_json::Value) -> Vec<Citation> {
    let mut found = Vec::new();
    walk(structured, &mut found);
    found
}

fn walk(value: &serde_json::Value, found: &mut Vec<Citation>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("citation", value) => found.extend(parsed(value)),
                    ("citations", serde_json::Value::Array(items)) => {
                        found.extend(items.iter().filter_map(parsed));
                    }
                    (_, value) => walk(value, found),
                }
            }
        }
        _ => {}
    }
}

fn parsed(value: &serde_json::Value) -> Option<Citation> {
    Citation::deserialize(value)
        .ok()
        .filter(|citation| !citation.id.is_empty())
}

/// What an answer's markers come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CitationCheck {
    /// Known passages the text cites, in the order of first mention.
    pub cited: Vec<Citation>,
    /// Markers that look like citations and name no known passage.
    pub unresolved: Vec<String>,
}

/// Resolves the `[id]` markers of a text (also `[id, id]` and `[^id]`) against known passages.
///
/// Code, Markdown links and images are no citations. A marker that names no known passage counts
/// as unresolved when it has the shape of an id: letters and digits with at least one digit.
pub fn check(text: &str, known: &[Citation]) -> CitationCheck {
    let mut result = CitationCheck::default();
    for marker in markers(text) {
        let ids: Vec<&str> = marker
            .split([',', ';'])
            .map(|id| id.trim().trim_start_matches('^'))
            .collect();
        for id in &ids {
            if let Some(citation) = known.iter().find(|citation| citation.id == *id) {
                if !result.cited.contains(citation) {
                    result.cited.push(citation.clone());
                }
            } else if ids.iter().all(|id| looks_like_an_id(id))
                && !result.unresolved.iter().any(|seen| seen == id)
            {
                result.unresolved.push((*id).to_owned());
            }
        }
    }
    result
}

fn looks_like_an_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '#'))
        && text.chars().any(|c| c.is_ascii_digit())
}

/// What stands in square brackets outside code and links.
fn markers(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        if fence {
            fenced = !fenced;
        } else if !fenced {
            // Every second piece between backticks is code.
            for prose in line.split('`').step_by(2) {
                markers_of_prose(prose, &mut found);
            }
        }
    }
    found
}

fn markers_of_prose<'a>(prose: &'a str, found: &mut Vec<&'a str>) {
    let mut rest = prose;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((inner, tail)) = after.split_once(']') else {
            return;
        };
        // `[text](url)` is a link; `a[0]` is an index.
        let index = before
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        if inner.contains('[') {
            rest = after;
            continue;
        }
        let index = index && inner.chars().all(|c| c.is_ascii_digit());
        if !index && !tail.starts_with('(') {
            found.push(inner);
        }
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn known(ids: &[&str]) -> Vec<Citation> {
        let citation = |id: &&str| Citation {
            id: (*id).to_owned(),
            source: "a.md".to_owned(),
            title: String::new(),
            span: None,
            quote: "words".to_owned(),
            score: 0.5,
        };
        ids.iter().map(citation).collect()
    }

    fn outcome(text: &str) -> (Vec<String>, Vec<String>) {
        let check = check(text, &known(&["c1", "c2", "3fa8"]));
        (
            check
                .cited
                .into_iter()
                .map(|citation| citation.id)
                .collect(),
            check.unresolved,
        )
    }

    #[test]
    fn citations_are_found_wherever_a_tool_puts_them() {
        let citation = json!({"id": "c1", "source": "a.md", "quote": "words", "score": 0.5,
            "title": "A", "span": {"start": 1, "end": 6}});
        let result = json!({"hits": [{"citation": citation}], "citations": [citation, {"id": 7}],
            "citation": {"id": ""}});
        assert_eq!(collect(&result).len(), 2);
        assert_eq!(collect(&result)[0].span, Some(Span { start: 1, end: 6 }));
    }

    #[test]
    fn markers_resolve_in_every_spelling() {
        let (cited, unresolved) = outcome("One [c2]. Two [c1, 3fa8]; three [^c2].");
        assert_eq!(cited, ["c2", "c1", "3fa8"]);
        assert!(unresolved.is_empty());
    }

    #[test]
    fn made_up_ids_are_unresolved() {
        assert_eq!(
            outcome("So it is [c9] and [c1, c7]."),
            (vec!["c1".into()], vec!["c9".into(), "c7".into()])
        );
    }

    #[test]
    fn code_links_indexes_and_remarks_are_no_citations() {
        let text = "See [the guide](c9.md), a[0], `x[c9]`, [sic], [see below].\n```\n[c9]\n```\n";
        assert_eq!(outcome(text), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn any_text_is_checked(text in "[\\[\\]`c1 9,^()a\n]{0,60}") {
            let result = check(&text, &known(&["c1"]));
            prop_assert!(result.cited.len() <= 1);
        }
    }
}
