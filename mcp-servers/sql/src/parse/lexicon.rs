//! What words mean whatever the database. The words themselves are lists beside this file:
//! `phrases.txt`, `short.txt` and `same.txt`.

mod role;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use role::{Measure, Role};

/// Words of names that tell nothing.
pub(super) const FILLERS: &[&str] = &["of", "the", "a", "an", "for", "in", "to", "is", "and", "or"];

/// Words of tables' names that people leave out.
pub(super) const TABLE_FILLERS: &[&str] = &[
    "data", "info", "inform", "list", "ref", "refer", "tbl", "tabl", "detail", "record", "master",
    "dim", "fact", "name", "lookup", "map", "histori", "log",
];

/// Words of columns' names that people leave out.
pub(super) const COLUMN_FILLERS: &[&str] =
    &["name", "code", "id", "number", "valu", "text", "count"];

/// Words at the end of names that are written as one with what is before.
pub(super) const ENDINGS: &[&str] = &[
    "name", "id", "code", "date", "type", "number", "no", "key", "year", "time", "count", "price",
    "status",
];

/// What people add to the name of a column: "the arrival time".
pub(super) const ADDED: &[&str] = &[
    "year", "date", "time", "valu", "name", "status", "number", "amount", "level", "count",
    "member", "inform", "score", "point", "rate", "size",
];

/// What people add to the name of a table: "the sales records".
pub(super) const ADDED_TO_TABLES: &[&str] = &["record", "entri", "row", "tabl"];

/// Ends of the names of columns that tell which row is meant.
pub(super) const IDENTIFYING: &[&str] = &["id", "code", "key", "no", "number", "name"];

/// Longest phrase, in words.
pub(super) const LONGEST: usize = 6;

static PHRASES: LazyLock<HashMap<&str, Role>> = LazyLock::new(|| {
    let lines = lines(include_str!("lexicon/phrases.txt"));
    let phrases = lines.filter_map(|line| {
        let (role, phrases) = line.split_once(':')?;
        Some((Role::named(role)?, phrases))
    });
    phrases
        .flat_map(|(role, phrases)| {
            phrases
                .split(" | ")
                .map(move |phrase| (phrase.trim(), role))
        })
        .collect()
});

static SHORT: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| pairs(include_str!("lexicon/short.txt")).collect());

static SAME: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    pairs(include_str!("lexicon/same.txt"))
        .map(|(said, named)| (said, named.split(" | ").collect()))
        .collect()
});

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn pairs(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(text).filter_map(|line| line.split_once(" = "))
}

/// What a phrase in lower case does.
pub(super) fn role(phrase: &str) -> Option<Role> {
    PHRASES.get(phrase).copied()
}

/// A part of a name written out.
pub(super) fn long_form(word: &str) -> Option<&'static str> {
    SHORT.get(word).copied()
}

/// Stems that a stem may stand for.
pub(super) fn same(stem: &str) -> &'static [&'static str] {
    SAME.get(stem).map_or(&[], Vec::as_slice)
}

/// Numbers in words.
pub(super) fn number(word: &str) -> Option<f64> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let digits: String = word.chars().filter(|c| *c != ',').collect();
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        return digits.parse().ok();
    }
    let place = WORDS.iter().position(|known| *known == word)?;
    u32::try_from(place).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, PHRASES, Role, SAME, SHORT, lines};

    #[test]
    fn every_line_of_the_lists_is_read() {
        for line in lines(include_str!("lexicon/phrases.txt")) {
            let (role, phrases) = line.split_once(':').unwrap();
            assert!(Role::named(role).is_some(), "{role}");
            for phrase in phrases.split(" | ").map(str::trim) {
                assert!(PHRASES.contains_key(phrase), "{phrase}");
                assert!(phrase.split(' ').count() <= LONGEST, "{phrase}");
            }
        }
        for line in lines(include_str!("lexicon/short.txt")) {
            assert!(SHORT.contains_key(line.split_once(" = ").unwrap().0));
        }
        for line in lines(include_str!("lexicon/same.txt")) {
            assert!(SAME.contains_key(line.split_once(" = ").unwrap().0));
        }
    }
}
