//! Content words: what of a question must turn up in a passage that answers it.

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// Words that carry no content of their own, and those a question is phrased with.
const STOP_WORDS: &str = "a about above after again against all also am an and any are as at be \
because been before being below between both but by call called can cannot could did do does doing \
don down during each far fast few for from further give had has have having he her here hers \
herself him himself his how i if in into is it its itself just large long many may me might more \
most much must my myself name no nor not now of off on once only or other our ours ourselves out \
over own please same she should so some such tall tell than that the their theirs them themselves \
then there these they this those through to too under until up use very was we were what when \
where which while who whom whose why will with would you your yours yourself yourselves";

/// One content word of a question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    /// Its stem.
    pub stem: String,
    /// How much it tells, judged by its form: there is no corpus here to count it in.
    pub weight: f64,
    /// Whether it looks like a name or a number.
    pub entity: bool,
}

/// Breaks texts into stems.
pub(super) struct Terms {
    stemmer: Stemmer,
    stop: HashSet<&'static str>,
}

impl Terms {
    pub(super) fn new() -> Self {
        Self {
            stemmer: Stemmer::create(Algorithm::English),
            stop: STOP_WORDS.split_ascii_whitespace().collect(),
        }
    }

    /// Every stem of a text; an identifier gives itself and its parts.
    pub(super) fn stems(&self, text: &str) -> HashSet<String> {
        let mut stems = HashSet::new();
        for word in words(text) {
            stems.insert(self.stem(word));
            let parts = split_camel(word);
            if parts.len() > 1 {
                stems.extend(parts.iter().map(|part| self.stem(part)));
            }
        }
        stems
    }

    /// The question's content words, each once.
    pub(super) fn of_question(&self, question: &str) -> Vec<Term> {
        let mut terms: Vec<Term> = Vec::new();
        for (position, word) in words(question).enumerate() {
            if self.stop.contains(word.to_lowercase().as_str()) {
                continue;
            }
            let digits = word.chars().any(|c| c.is_numeric());
            let capital = word.chars().next().is_some_and(char::is_uppercase);
            let inner = word.chars().skip(1).any(char::is_uppercase);
            let entity = digits || inner || (capital && position > 0);
            let weight = match word.chars().count() {
                _ if entity => 2.0,
                8.. => 1.5,
                ..=3 => 0.5,
                _ => 1.0,
            };
            let stem = self.stem(word);
            match terms.iter_mut().find(|term| term.stem == stem) {
                Some(term) => {
                    term.weight = term.weight.max(weight);
                    term.entity |= entity;
                }
                None => terms.push(Term {
                    stem,
                    weight,
                    entity,
                }),
            }
        }
        terms
    }

    fn stem(&self, word: &str) -> String {
        self.stemmer.stem(&word.to_lowercase()).into_owned()
    }
}

/// The share of the terms' weight that is among the stems, 0 to 1; 0 without terms.
pub(super) fn coverage<'a>(
    terms: impl Iterator<Item = &'a Term>,
    present: impl Fn(&str) -> bool,
) -> f64 {
    let (mut found, mut all) = (0.0, 0.0);
    for term in terms {
        all += term.weight;
        if present(&term.stem) {
            found += term.weight;
        }
    }
    if all > 0.0 { found / all } else { 0.0 }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.unicode_words()
        .flat_map(|word| word.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
}

fn split_camel(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, c) in word.char_indices() {
        if c.is_uppercase() && before.is_some_and(|b| b.is_lowercase() || b.is_numeric()) {
            parts.extend(word.get(start..at));
            start = at;
        }
        before = Some(c);
    }
    parts.extend(word.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_reduced_to_its_content_words() {
        let terms =
            Terms::new().of_question("How do I configure the TLS certificates on port 8443?");
        let stems: Vec<&str> = terms.iter().map(|term| term.stem.as_str()).collect();
        assert_eq!(stems, ["configur", "tls", "certif", "port", "8443"]);
        let entities: Vec<bool> = terms.iter().map(|term| term.entity).collect();
        assert_eq!(entities, [false, true, false, false, true]);
    }

    #[test]
    fn identifiers_are_found_whole_and_in_parts() {
        let stems = Terms::new().stems("call `maxRetries` or set max_size");
        for stem in ["maxretri", "max", "retri", "size"] {
            assert!(stems.contains(stem), "{stem} in {stems:?}");
        }
    }
}
