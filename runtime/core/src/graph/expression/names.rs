//! The names that an expression or a template uses.

use std::collections::BTreeSet;

use super::language::GLOBALS;
use super::limits::tags;

pub(super) fn named(names: std::collections::HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names
        .into_iter()
        .filter(|name| !GLOBALS.contains(name))
        .collect();
    names.sort();
    names
}

/// Words of the language that stand where a name could.
const WORDS: [&str; 18] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "endfor",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "recursive",
];

/// Adds the names in parts with a slice (`list[1:]`): minijinja does not look into what is
/// sliced.
pub(super) fn add_sliced<'a>(
    names: &mut Vec<String>,
    parts: impl Iterator<Item = &'a str>,
    own: &BTreeSet<&str>,
) {
    let sliced = parts.filter(|part| part.contains('[') && part.contains(':'));
    for name in sliced.flat_map(identifiers) {
        let known = own.contains(name) || WORDS.contains(&name) || GLOBALS.contains(name);
        if !known && !names.iter().any(|found| found == name) {
            names.push(name.to_owned());
        }
    }
    names.sort();
}

/// Variables that loops of a template make.
pub(super) fn loop_variables(source: &str) -> BTreeSet<&str> {
    let mut own = BTreeSet::from(["loop"]);
    for tag in tags(source) {
        let tag = tag.trim_start_matches(['-', '+']).trim_start();
        let variables = tag
            .strip_prefix("for ")
            .and_then(|rest| rest.split(" in ").next());
        own.extend(variables.into_iter().flat_map(|names| {
            let parts = names.split([',', '(', ')']);
            parts.map(str::trim).filter(|name| !name.is_empty())
        }));
    }
    own
}

/// Words of a part that are variables by where they stand: not behind a dot, a bar or `is`, not
/// in quotes, not the name of an argument.
fn identifiers(part: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut quote, mut escaped) = (None, false);
    let mut start = None;
    let mut before = ' ';
    let mut last_word = "";
    for (at, c) in part.char_indices().chain([(part.len(), ' ')]) {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
                before = c;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            start.get_or_insert(at);
            continue;
        }
        if let Some(word) = start.take().and_then(|start| part.get(start..at)) {
            let rest = part.get(at..).unwrap_or_default().trim_start();
            let argument = rest.starts_with('=') && !rest.starts_with("==");
            let called = rest.starts_with('(') && before != '(';
            let number = word.starts_with(|c: char| c.is_ascii_digit());
            let test = last_word == "is" || last_word == "not" && before == 'i';
            if !number && !argument && !called && !test && !matches!(before, '.' | '|') {
                found.push(word);
            }
            before = if last_word == "is" { 'i' } else { 'w' };
            last_word = word;
        }
        if !c.is_whitespace() {
            before = c;
            last_word = "";
        }
        quote = Some(c).filter(|c| matches!(c, '"' | '\''));
    }
    found
}
