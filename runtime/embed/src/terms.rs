//! The words of a text as a lexical search sees them.

use rust_stemmers::{Algorithm, Stemmer};

/// Words too common to tell texts apart (the 33 of Lucene's English analyser).
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];

/// Cuts a text into terms: `camelCase` is two words, so are `snake_case` and `kebab-case`; lower
/// case; runs of letters and digits; no stop words; English Snowball stems.
pub fn terms(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut terms = Vec::new();
    let mut word = String::new();
    let mut end_word = |word: &mut String| {
        if !word.is_empty() {
            if !STOP_WORDS.contains(&word.as_str()) {
                terms.push(stemmer.stem(word).into_owned());
            }
            word.clear();
        }
    };
    let mut last = ' ';
    for c in text.chars() {
        let hump = c.is_ascii_uppercase() && (last.is_ascii_lowercase() || last.is_ascii_digit());
        if hump || !c.is_alphanumeric() {
            end_word(&mut word);
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        last = c;
    }
    end_word(&mut word);
    terms
}
