//! Statements that somebody else found, one JSON object to a line: `{"_id": "…", "entities": ["…"],
//! "triples": [["subject", "predicate", "object"], …]}`, where `_id` is the source of a document.
//! They are taken as they are, beside what is found without them.

use std::collections::HashMap;
use std::io::BufRead;
use std::ops::Range;

use serde::Deserialize;

use crate::name::Key;
use crate::piece::{Extractor, Kind, Mention, Piece, Statement};

/// How certain a statement is that was given without a word about that.
const CONFIDENCE: f32 = 0.8;

/// What was given for one document.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Given {
    /// The source of the document.
    #[serde(rename = "_id")]
    pub source: String,
    /// What it names.
    #[serde(default)]
    pub entities: Vec<String>,
    /// What it says: subject, predicate, object.
    #[serde(default)]
    pub triples: Vec<Vec<String>>,
}

/// Why what was given cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    /// The file cannot be read.
    #[error("{name}: cannot be read: {source}")]
    Read {
        /// The file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error(
        "{name}: line {line}: {reason}; a line is {{\"_id\": \"…\", \"entities\": [\"…\"], \
         \"triples\": [[\"subject\", \"predicate\", \"object\"]]}}"
    )]
    Line {
        /// The file.
        name: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads lines, by the source they are about; `name` stands for them in errors.
///
/// # Errors
/// When they cannot be read or a line is something else.
pub fn read(name: &str, lines: impl BufRead) -> Result<HashMap<String, Given>, GivenError> {
    let mut all: HashMap<String, Given> = HashMap::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.map_err(|source| GivenError::Read {
            name: name.to_owned(),
            source,
        })?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |reason: String| GivenError::Line {
            name: name.to_owned(),
            line: number,
            reason,
        };
        let given: Given = serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
        let entry = all.entry(given.source.clone()).or_default();
        entry.source = given.source;
        entry.entities.extend(given.entities);
        entry.triples.extend(given.triples);
    }
    Ok(all)
}

impl Given {
    /// Adds it to the piece of its document. A triple that is not three texts, or whose subject or
    /// object has no letter or digit, says nothing and is left out; how many that were.
    pub fn add(&self, piece: &mut Piece) -> usize {
        let mut left_out = 0_usize;
        if piece.document.passages.is_empty() {
            return self.triples.len();
        }
        for name in &self.entities {
            name_in(piece, name);
        }
        for triple in &self.triples {
            let [subject, predicate, object] = triple.as_slice() else {
                left_out = left_out.saturating_add(1);
                continue;
            };
            let (Some(subject_key), Some(object_key)) = (Key::of(subject), Key::of(object)) else {
                left_out = left_out.saturating_add(1);
                continue;
            };
            let (first, second) = (name_in(piece, subject), name_in(piece, object));
            let (passage, span) = said(piece, subject, object)
                .unwrap_or_else(|| (first.max(second), whole(piece, first.max(second))));
            piece.statements.push(Statement {
                passage,
                subject: subject_key,
                predicate: predicate.trim().to_owned(),
                object: object_key,
                span,
                extractor: Extractor::Given,
                confidence: CONFIDENCE,
                valid_from: None,
                valid_to: None,
            });
        }
        left_out
    }
}

/// Has the passage that has a name mention it, the first one where none has; which one that is.
fn name_in(piece: &mut Piece, name: &str) -> u32 {
    let Some(entity) = Key::of(name) else {
        return 0;
    };
    let known = piece
        .mentions
        .iter()
        .find(|mention| mention.entity == entity);
    if let Some(known) = known {
        return known.passage;
    }
    let found = (0_u32..)
        .zip(&piece.document.passages)
        .find_map(|(at, passage)| {
            let start = passage.text.find(name)?;
            Some((at, start..start.saturating_add(name.len())))
        });
    let (passage, span) = found.unwrap_or((0, 0..0));
    piece.mentions.push(Mention {
        passage,
        entity,
        name: name.to_owned(),
        kind: Kind::Given,
        span: narrow(span),
    });
    passage
}

/// The first passage that has both names, and its words from one to the other.
fn said(piece: &Piece, subject: &str, object: &str) -> Option<(u32, Range<u32>)> {
    let passages = (0_u32..).zip(&piece.document.passages);
    passages.into_iter().find_map(|(at, passage)| {
        let (first, second) = (passage.text.find(subject)?, passage.text.find(object)?);
        let end = first
            .saturating_add(subject.len())
            .max(second.saturating_add(object.len()));
        Some((at, narrow(first.min(second)..end)))
    })
}

/// All of a passage: nothing narrower is known to say it.
fn whole(piece: &Piece, passage: u32) -> Range<u32> {
    let passage = piece.document.passages.get(passage as usize);
    narrow(0..passage.map_or(0, |passage| passage.text.len()))
}

fn narrow(span: Range<usize>) -> Range<u32> {
    let end = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    end(span.start)..end(span.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::{Document, Passage};

    fn piece() -> Piece {
        let passage = |text: &str, start: u64| Passage {
            headings: Vec::new(),
            text: text.to_owned(),
            span: start..start + text.len() as u64,
        };
        Piece {
            document: Document {
                source: "a".to_owned(),
                title: String::new(),
                date: None,
                passages: vec![
                    passage("Nothing here.", 0),
                    passage("Ada and Babbage. Ada wrote to Babbage.", 13),
                    passage("Babbage.", 51),
                ],
            },
            mentions: Vec::new(),
            statements: Vec::new(),
        }
    }

    #[test]
    fn triples_are_taken_as_they_are_with_the_words_that_say_them() {
        let lines = r#"{"_id": "a", "entities": ["Ada"], "triples": [["Ada", "wrote to", "Babbage"], ["Ada", "was"], ["—", "is", "Ada"]]}

{"_id": "a", "triples": [["Ada", "knew", "Byron"]]}"#;
        let all = read("given.jsonl", lines.as_bytes()).unwrap();
        let mut piece = piece();
        assert_eq!(all["a"].add(&mut piece), 2);
        let said: Vec<_> = piece
            .statements
            .iter()
            .map(|statement| {
                (
                    statement.passage,
                    statement.predicate.as_str(),
                    statement.span.clone(),
                )
            })
            .collect();
        assert_eq!(said, [(1, "wrote to", 0..15), (1, "knew", 0..38)]);
        let names: Vec<_> = piece
            .mentions
            .iter()
            .map(|mention| mention.name.as_str())
            .collect();
        assert_eq!(names, ["Ada", "Babbage", "Byron"]);
        let error = read("given.jsonl", "{}\n{".as_bytes()).unwrap_err();
        assert!(
            error.to_string().starts_with("given.jsonl: line 1: "),
            "{error}"
        );
        let mut empty = Piece {
            document: Document {
                passages: Vec::new(),
                ..piece.document.clone()
            },
            ..piece
        };
        empty.mentions.clear();
        assert_eq!(all["a"].add(&mut empty), 4);
    }
}
