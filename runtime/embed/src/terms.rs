//! The words of a text as a lexical search sees them.

use rust_stemmers::{Algorithm, Stemmer};

/// Words too common to tell texts apart (the 33 of Lucene's English analyser).
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];

/// Gives each word of a text: runs of letters and digits in lower case. `camelCase` is two, and so
/// are `snake_case` and `kebab-case`.
fn each_word(text: &str, mut take: impl FnMut(&str)) {
    let mut word = String::new();
    let mut last = ' ';
    for c in text.chars() {
        let hump = c.is_ascii_uppercase() && (last.is_ascii_lowercase() || last.is_ascii_digit());
        if (hump || !c.is_alphanumeric()) && !word.is_empty() {
            take(&word);
            word.clear();
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        last = c;
    }
    if !word.is_empty() {
        take(&word);
    }
}

/// Cuts a text into words: runs of letters and digits in lower case. `camelCase` is two, and so are
/// `snake_case` and `kebab-case`.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, |word| words.push(word.to_owned()));
    words
}

/// Gives each English Snowball stem of the [`words`] of a text, without stop words, one by one: of
/// a long text no list is made.
pub fn each_term(text: &str, mut take: impl FnMut(&str)) {
    let stemmer = Stemmer::create(Algorithm::English);
    each_word(text, |word| {
        if !STOP_WORDS.contains(&word) {
            take(&stemmer.stem(word));
        }
    });
}

/// The English Snowball stems of the [`words`] of a text, without stop words.
pub fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    each_term(text, |term| terms.push(term.to_owned()));
    terms
}
