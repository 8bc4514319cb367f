//! The words of a text as its full-text index sees them: the project's terms, bounded.

use ropewalk_embed::each_term;

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

/// Each stem, cut where it is too long to be a word.
fn each(text: &str, mut take: impl FnMut(&str)) {
    each_term(text, |term| {
        let end = term.char_indices().nth(LONGEST_WORD);
        take(end.and_then(|(end, _)| term.get(..end)).unwrap_or(term));
    });
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
