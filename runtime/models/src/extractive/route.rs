//! Which tool to put the question to, judged by what the tools say of themselves.

use std::collections::HashSet;

use ropewalk_core::tool::{ToolCall, ToolSpec};
use ropewalk_embed::cosine;
use serde_json::{Map, Value};

use super::terms::{Term, coverage};

/// Argument names that ask for a question, likeliest first.
const QUESTION_NAMES: [&str; 12] = [
    "question",
    "query",
    "q",
    "search_query",
    "user_query",
    "natural_language_query",
    "search",
    "search_term",
    "keywords",
    "topic",
    "terms",
    "term",
];
/// Argument names that may as well take something to store: only for tools that change nothing.
const TEXT_NAMES: [&str; 4] = ["text", "input", "prompt", "message"];
/// What a declared read-only tool gains.
const READ_ONLY_BONUS: f64 = 0.1;
/// What all of the question's words in a tool's description would gain.
const WORDS_BONUS: f64 = 0.3;
/// How close a second server's tool must come to be asked as well.
const CLOSE: f64 = 0.05;

/// A tool that could take the question, with the arguments to call it with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// The tool's name.
    pub name: String,
    /// `name: description` in words, for the embedding.
    pub text: String,
    /// The question in its place, and defaults where something else is required.
    pub arguments: Value,
    read_only: bool,
}

/// The tools whose required arguments a question alone can fill.
pub(super) fn candidates(tools: &[ToolSpec], question: &str) -> Vec<Candidate> {
    tools
        .iter()
        .filter(|tool| !tool.hints.destructive)
        .filter_map(|tool| {
            Some(Candidate {
                arguments: arguments(&tool.input_schema, question, tool.hints.read_only)?,
                name: tool.name.clone(),
                text: format!(
                    "{}: {}",
                    tool.name.replace(['_', '-', '.'], " "),
                    tool.description
                ),
                read_only: tool.hints.read_only,
            })
        })
        .collect()
}

fn arguments(schema: &Value, question: &str, read_only: bool) -> Option<Value> {
    let properties = schema.get("properties")?.as_object()?;
    let required: HashSet<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let takes_text = |name: &&str| {
        properties.get(*name).is_some_and(|property| {
            property.get("type").and_then(Value::as_str) == Some("string")
                && property.get("enum").is_none()
        })
    };
    let names = || {
        let weak = TEXT_NAMES.into_iter().filter(|_| read_only);
        QUESTION_NAMES.into_iter().chain(weak).filter(takes_text)
    };
    // A required question first; else an optional one.
    let slot = names()
        .find(|name| required.contains(name))
        .or_else(|| names().next())?;
    let mut arguments = Map::new();
    arguments.insert(slot.to_owned(), Value::String(question.to_owned()));
    for name in required.into_iter().filter(|name| *name != slot) {
        let property = properties.get(name)?;
        let first = property
            .get("enum")
            .and_then(Value::as_array)
            .and_then(|all| all.first());
        let value = property
            .get("default")
            .or_else(|| property.get("const"))
            .or(first)?;
        arguments.insert(name.to_owned(), value.clone());
    }
    Some(Value::Object(arguments))
}

/// The calls to make: the best tool, and a second one of another server that is about as good.
pub(super) fn choose(
    candidates: &[Candidate],
    question: &[f32],
    vectors: &[Vec<f32>],
    terms: &[Term],
    stems: impl Fn(&str) -> HashSet<String>,
    first_number: usize,
) -> Vec<ToolCall> {
    let mut scored: Vec<(f64, &Candidate)> = candidates
        .iter()
        .zip(vectors)
        .map(|(candidate, vector)| {
            let present = stems(&candidate.text);
            let words = coverage(terms.iter(), |stem| present.contains(stem));
            let bonus = if candidate.read_only {
                READ_ONLY_BONUS
            } else {
                0.0
            };
            (
                f64::from(cosine(question, vector)) + WORDS_BONUS * words + bonus,
                candidate,
            )
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let Some((best, chosen)) = scored.first() else {
        return Vec::new();
    };
    let second = scored.iter().skip(1).find(|(score, other)| {
        *score >= best - CLOSE && other.read_only && server(&other.name) != server(&chosen.name)
    });
    [Some(*chosen), second.map(|(_, other)| *other)]
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, candidate)| ToolCall {
            id: format!("call_{}", first_number + index),
            name: candidate.name.clone(),
            arguments: candidate.arguments.clone(),
        })
        .collect()
}

fn server(tool: &str) -> &str {
    tool.split_once("__").map_or(tool, |(server, _)| server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropewalk_core::tool::ToolHints;
    use serde_json::json;

    fn tool(name: &str, schema: Value, hints: ToolHints) -> ToolSpec {
        ToolSpec {
            name: name.into(),
            description: String::new(),
            input_schema: schema,
            output_schema: None,
            hints,
        }
    }

    #[test]
    fn only_tools_that_a_question_can_fill_are_candidates() {
        let read = ToolHints {
            read_only: true,
            destructive: false,
            ..ToolHints::default()
        };
        let text = json!({"properties": {"text": {"type": "string"}}, "required": ["text"]});
        let tools = [
            tool("ingest", text.clone(), ToolHints::default()),
            tool("classify", text, read),
            tool(
                "read",
                json!({"properties": {"id": {"type": "string"}}, "required": ["id"]}),
                read,
            ),
            tool(
                "wipe",
                json!({"properties": {"query": {"type": "string"}}}),
                ToolHints {
                    destructive: true,
                    ..ToolHints::default()
                },
            ),
            tool(
                "search",
                json!({"properties": {"query": {"type": "string"}, "limit": {"type": "integer"},
                       "mode": {"type": "string", "default": "fast"},
                       "kind": {"type": "string", "enum": ["a", "b"]}},
                       "required": ["query", "mode", "kind"]}),
                read,
            ),
        ];
        let found = candidates(&tools, "why?");
        let names: Vec<&str> = found
            .iter()
            .map(|candidate| candidate.name.as_str())
            .collect();
        assert_eq!(names, ["classify", "search"]);
        assert_eq!(
            found[1].arguments,
            json!({"query": "why?", "mode": "fast", "kind": "a"})
        );
    }

    #[test]
    fn a_second_server_is_asked_only_when_it_is_about_as_good() {
        let candidate = |name: &str| Candidate {
            name: name.into(),
            text: name.into(),
            arguments: json!({}),
            read_only: true,
        };
        let all = [candidate("a__x"), candidate("a__y"), candidate("b__z")];
        let calls = |b: f32| {
            let vectors = [vec![1.0, 0.0], vec![1.0, 0.0], vec![b, 0.0]];
            choose(&all, &[1.0, 0.0], &vectors, &[], |_| HashSet::new(), 3)
        };
        let names = |calls: Vec<ToolCall>| {
            calls
                .into_iter()
                .map(|call| (call.id, call.name))
                .collect::<Vec<_>>()
        };
        let first = ("call_3".to_owned(), "a__x".to_owned());
        // `cosine` may normalise, so the far one points elsewhere.
        assert_eq!(
            names(calls(1.0)),
            [first.clone(), ("call_4".into(), "b__z".into())]
        );
        assert_eq!(names(calls(-1.0)), [first]);
    }
}
