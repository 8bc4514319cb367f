//! Where in a file each part of a definition stands.

use std::collections::HashMap;

use serde::Serialize;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters, on the first line of what is meant.
    pub length: usize,
}

/// Longest path of a part whose place is kept, in bytes. What lies deeper is found by what holds
/// it.
const MOST_PATH: usize = 1 << 10;

/// Longest line that is quoted, in bytes. Every mistake carries its own copy.
const MOST_LINE: usize = 10_000;

/// A file and the places of its parts. A graph built in Rust has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    places: HashMap<String, Place>,
}

/// Where one part stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    key: Option<Span>,
    value: Option<Span>,
    /// It is a node or a channel, whose name says more than its first line.
    named: bool,
}

impl Source {
    /// A file whose parts are not known yet.
    pub fn new(name: &str, text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes
            .iter()
            .zip(bytes.iter().skip(1).chain([&0]))
            .enumerate()
            // A carriage return ends a line by itself, unless a line feed follows.
            .filter(|(_, (byte, next))| **byte == b'\n' || (**byte == b'\r' && **next != b'\n'))
            .map(|(at, _)| at + 1);
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            lines: std::iter::once(0).chain(ends).collect(),
            places: HashMap::new(),
        }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether places of such a path are kept.
    pub(crate) fn keeps(path: &str) -> bool {
        path.len() <= MOST_PATH
    }

    pub(crate) fn put_key(&mut self, path: String, span: Span, named: bool) {
        let place = self.places.entry(path).or_default();
        place.key = Some(span);
        place.named = named;
    }

    pub(crate) fn put_value(&mut self, path: String, span: Span) {
        self.places.entry(path).or_default().value = Some(span);
    }

    /// The place of a key.
    pub(crate) fn key_of(&self, path: &str) -> Option<Span> {
        self.places.get(path).and_then(|place| place.key)
    }

    /// The place of a part: of its value where that begins beside its key, of its key otherwise,
    /// and always for a node and a channel. Of what holds it when it is not there.
    pub fn span_of(&self, path: &str) -> Option<Span> {
        let mut path = path;
        if path.len() > MOST_PATH {
            // No place is kept of it, nor of all the parents that a long name seems to have.
            path = path.get(..path.floor_char_boundary(MOST_PATH))?;
        }
        loop {
            let found = self.places.get(path).and_then(|place| {
                let beside = place
                    .value
                    .filter(|value| place.key.is_none_or(|key| key.line == value.line));
                beside.filter(|_| !place.named).or(place.key)
            });
            if found.is_some() {
                return found;
            }
            let parent = path.rfind(['.', '[']).and_then(|end| path.get(..end));
            path = match parent {
                Some(parent) => parent,
                None if path.is_empty() => return None,
                None => "",
            };
        }
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// A line of the file, from 1, if it is not too long to be quoted.
    pub fn line(&self, number: usize) -> Option<String> {
        let start = *self.lines.get(number.checked_sub(1)?)?;
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        let line = self
            .text
            .get(start..end)
            .filter(|line| line.len() <= MOST_LINE)?;
        Some(line.trim_end_matches(['\n', '\r']).replace('\t', " "))
    }
}
