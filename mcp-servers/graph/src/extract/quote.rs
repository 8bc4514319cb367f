//! What stands in quotation marks, where it is a name and no speech.

use std::ops::Range;

/// Longer quotations are speech.
const LONGEST: usize = 80;

/// Opening marks and what closes them.
const PAIRS: &[(char, char)] = &[
    ('“', '”'),
    ('«', '»'),
    ('„', '“'),
    ('「', '」'),
    ('『', '』'),
    ('《', '》'),
    ('〈', '〉'),
];

/// The quoted phrases of a text, as bytes without their marks.
pub(super) fn quoted(all: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    for (at, c) in all.char_indices() {
        let after = at + c.len_utf8();
        if c == '\n' {
            open = None;
            continue;
        }
        if let Some((from, close)) = open {
            if c == close {
                found.extend(phrase(all, from..at));
                open = None;
                continue;
            }
            // A mark that is never closed must not swallow what follows.
            if close != '"' && PAIRS.iter().any(|(opening, _)| *opening == c) {
                open = None;
            }
        }
        if open.is_none() {
            if c == '"' && !inches(all, at) {
                open = Some((after, '"'));
            } else if let Some((_, close)) = PAIRS.iter().find(|(opening, _)| *opening == c) {
                open = Some((after, *close));
            }
        }
    }
    found
}

/// `6'2"`: no quotation.
fn inches(all: &str, at: usize) -> bool {
    all.get(..at)
        .and_then(|before| before.chars().next_back())
        .is_some_and(|c| c.is_ascii_digit())
}

fn phrase(all: &str, span: Range<usize>) -> Option<Range<usize>> {
    let inner = all.get(span.clone())?;
    if inner.len() > LONGEST {
        return None;
    }
    let trimmed = inner.trim_start();
    let start = span.start + (inner.len() - trimmed.len());
    let trimmed =
        trimmed.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '.' | ';' | ':'));
    let words = trimmed.split_whitespace().count();
    let first = trimmed.chars().next()?;
    let cased = first.is_uppercase() || first.is_numeric();
    let uncased = first.is_alphabetic() && !first.is_lowercase() && !first.is_uppercase();
    let letters = trimmed.chars().filter(|c| c.is_alphabetic()).count();
    let title = title_case(trimmed);
    // A sentence starts with one capital and goes on in small letters.
    let name = uncased || (cased && (words <= 4 || title)) || (!cased && words <= 3);
    (name && letters >= 2).then_some(start..start + trimmed.len())
}

/// Whether most longer words have capitals.
fn title_case(text: &str) -> bool {
    let (mut capital, mut all) = (0_usize, 0_usize);
    for word in text
        .split_whitespace()
        .filter(|word| word.chars().count() > 3)
    {
        all += 1;
        capital += usize::from(word.chars().any(char::is_uppercase));
    }
    all == 0 || capital * 2 >= all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<&str> {
        quoted(text).into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn names_are_found_and_speech_is_not() {
        assert_eq!(
            of("\" Distant Lover\" is from \"Let's Get It On,\" he said"),
            ["Distant Lover", "Let's Get It On"]
        );
        assert_eq!(
            of("she said \"I never thought that this would come to be so late\" and left"),
            [""; 0]
        );
        assert_eq!(
            of("das “Lied” und «Le Monde», 「東京」"),
            ["Lied", "Le Monde", "東京"]
        );
    }

    #[test]
    fn marks_that_are_not_closed_end_with_the_line() {
        assert_eq!(of("a \"lone mark\nand \"The Wall\" later"), ["The Wall"]);
    }
}
