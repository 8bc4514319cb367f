//! The words of a text as its full-text index sees them: English Snowball stems without stop
//! words, as the rest of the project makes them (`runtime/embed/src/terms.rs`).

use rust_stemmers::{Algorithm, Stemmer};

/// Words too common to tell texts apart (the 33 of Lucene's English analyser).
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];

/// A run of letters longer than this is no word; the rest of it is left out.
const LONGEST_WORD: usize = 64;

/// The stems of a text, in order.
pub fn stems(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    each(text, |stem| all.push(stem.to_owned()));
    all
}

/// The stems of a text with blanks between them.
pub(super) fn line(text: &str) -> String {
    let mut line = String::new();
    append(&mut line, text);
    line
}

/// More stems to the end of a line.
pub(super) fn append(line: &mut String, text: &str) {
    each(text, |stem| {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(stem);
    });
}

/// `camelCase` is two words, and so are `snake_case` and `kebab-case`.
fn each(text: &str, mut take: impl FnMut(&str)) {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut word = String::new();
    let mut length = 0_usize;
    let mut last = ' ';
    let mut give = |word: &mut String, length: &mut usize| {
        if !word.is_empty() && !STOP_WORDS.contains(&word.as_str()) {
            take(&stemmer.stem(word));
        }
        word.clear();
        *length = 0;
    };
    for c in text.chars() {
        let hump = c.is_ascii_uppercase() && (last.is_ascii_lowercase() || last.is_ascii_digit());
        if hump || !c.is_alphanumeric() {
            give(&mut word, &mut length);
        }
        if c.is_alphanumeric() && length < LONGEST_WORD {
            word.extend(c.to_lowercase());
            length = length.saturating_add(1);
        }
        last = c;
    }
    give(&mut word, &mut length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_stems() {
        assert_eq!(
            stems("The runners' lists, parseHTML and snake_case: Müller"),
            ["runner", "list", "pars", "html", "snake", "case", "müller"]
        );
        assert_eq!(line("It is running. \u{0}Runs!"), "run run");
        assert_eq!(line(""), "");
        assert_eq!(line(&"x".repeat(1000)).len(), LONGEST_WORD);
    }
}
