//! Names that only the rest of a document explains: a surname alone, and a word that starts a
//! sentence.

use std::collections::{BTreeMap, BTreeSet};

use super::lexicon;
use super::passage::Read;
use crate::name::Key;
use crate::piece::Kind;

/// Before a name of a place or of an institution: `Southern California` does not explain
/// `California`.
const NO_PERSONS: &[&str] = &[
    "american",
    "british",
    "central",
    "east",
    "eastern",
    "fort",
    "french",
    "german",
    "great",
    "greater",
    "lake",
    "los",
    "lower",
    "mount",
    "national",
    "new",
    "north",
    "northern",
    "old",
    "port",
    "republic",
    "river",
    "royal",
    "saint",
    "san",
    "santa",
    "south",
    "southern",
    "st",
    "super",
    "united",
    "university",
    "upper",
    "west",
    "western",
];

/// Drops what is no name after all, and gives surnames the name they are short for.
pub(super) fn resolve(title: &str, topic: &Option<Key>, reads: &mut [Read<'_>]) {
    let mut words: BTreeSet<String> = BTreeSet::new();
    // The last word of each full name, and the names that end so; `None` where there are two.
    let mut full: BTreeMap<String, Option<Key>> = BTreeMap::new();
    let mut learn = |word: &str, key: &Key| {
        full.entry(word.to_owned())
            .and_modify(|known| {
                if known.as_ref() != Some(key) {
                    *known = None;
                }
            })
            .or_insert_with(|| Some(key.clone()));
    };
    let written = title.chars().any(char::is_uppercase);
    if let Some(topic) = topic.as_ref().filter(|_| written) {
        words.extend(topic.as_str().split(' ').map(str::to_owned));
        // `Charlotte Scott, Duchess of Buccleuch`
        let person = title.split([',', '(']).next().and_then(Key::of);
        if let Some(person) = person.filter(|key| self::person(key.as_str())) {
            let mut words = person.as_str().split(' ');
            for word in [words.next(), words.next_back()].into_iter().flatten() {
                learn(word, topic);
            }
        }
    }
    for one in reads.iter().flat_map(|read| &read.found) {
        if one.tentative || one.kind != Kind::Name {
            continue;
        }
        words.extend(one.key.as_str().split(' ').map(str::to_owned));
        if !one.alias
            && person(one.key.as_str())
            && let Some(last) = one.key.as_str().rsplit(' ').next()
        {
            learn(last, &one.key);
        }
    }
    for read in reads {
        read.found
            .retain(|one| !one.tentative || words.contains(one.key.as_str()));
        for one in &mut read.found {
            one.tentative = false;
            if one.kind == Kind::Name
                && !one.alias
                && !one.key.as_str().contains(' ')
                && let Some(Some(key)) = full.get(one.key.as_str())
            {
                one.key = key.clone();
            }
        }
    }
}

/// Whether a name is one that people have: two to four words, and none that says otherwise.
fn person(key: &str) -> bool {
    let words: Vec<&str> = key.split(' ').collect();
    let first = words.first().copied().unwrap_or_default();
    (2..=4).contains(&words.len())
        && NO_PERSONS.binary_search(&first).is_err()
        && words.iter().all(|word| {
            !matches!(*word, "of" | "the" | "and" | "in" | "on" | "at" | "for")
                && !lexicon::instrument(word)
                && !word.chars().any(char::is_numeric)
        })
        && words.last().is_some_and(|word| word.chars().count() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_since_it_is_searched_so() {
        assert!(NO_PERSONS.is_sorted());
    }

    #[test]
    fn places_and_institutions_are_no_persons() {
        assert!(person("paul gross"));
        for key in [
            "southern california",
            "bank of america",
            "gross",
            "apollo 11",
        ] {
            assert!(!person(key), "{key}");
        }
    }
}
