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

/// A file and the places of its parts. A graph built in Rust has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    keys: HashMap<String, Span>,
    values: HashMap<String, Span>,
}

impl Source {
    /// A file whose parts are not known yet.
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn put_key(&mut self, path: String, span: Span) {
        self.keys.insert(path, span);
    }

    pub(crate) fn put_value(&mut self, path: String, span: Span) {
        self.values.insert(path, span);
    }

    /// The place of a part: of its key for a node or a channel, of its value for anything else,
    /// of what holds it when it is not there.
    pub fn span_of(&self, path: &str) -> Option<Span> {
        let mut path = path;
        let names_a_part = |path: &str| {
            let mut parts = path.split('.');
            let group = parts.next();
            matches!(group, Some("nodes" | "channels")) && parts.count() == 1
        };
        loop {
            let key = self.keys.get(path).filter(|_| names_a_part(path));
            let found = key
                .or_else(|| self.values.get(path))
                .or_else(|| self.keys.get(path));
            if let Some(span) = found {
                return Some(*span);
            }
            let parent = path.rfind(['.', '[']).and_then(|end| path.get(..end));
            path = match parent {
                Some(parent) => parent,
                None if path.is_empty() => return None,
                None => "",
            };
        }
    }

    /// A line of the file, from 1.
    pub fn line(&self, number: usize) -> Option<String> {
        let line = self.text.lines().nth(number.checked_sub(1)?)?;
        Some(line.replace('\t', " "))
    }
}
