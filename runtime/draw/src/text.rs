//! The texts of a picture: one line, no more than fits, nothing that cannot be seen.

use ropewalk_ink::{Face, is_unseen};
use unicode_segmentation::UnicodeSegmentation;

use crate::words::one_line;

/// Everything is measured as the heaviest of it is written.
pub(crate) const FACE: Face = Face::Bold;

/// The width of a text.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    FACE.width(text, size)
}

/// As much of a text as fits, with an ellipsis for the rest. One line.
pub(crate) fn fit(text: &str, size: f64, most: f64) -> String {
    FACE.fit(&shown(text), size, most)
}

/// A name on at most two lines, broken where its words end.
pub(crate) fn wrap(text: &str, size: f64, most: f64) -> Vec<String> {
    let text = shown(text);
    if width(&text, size) <= most {
        return vec![text];
    }
    let mut kept = 0;
    let mut used = 0.0;
    for (at, letter) in text.grapheme_indices(true) {
        used += width(letter, size);
        if used > most {
            break;
        }
        if matches!(letter, "_" | "-" | " " | "/" | ".") {
            kept = at + letter.len();
        }
    }
    // A first line of a few letters is worse than a name cut short.
    let (first, rest) = text.split_at_checked(kept).unwrap_or(("", &text));
    if width(first, size) < most / 3.0 {
        return vec![fit(&text, size, most)];
    }
    vec![first.trim_end().to_owned(), fit(rest, size, most)]
}

/// A text without what cannot be seen in it.
fn shown(text: &str) -> String {
    let seen: String = text
        .chars()
        .map(|c| if is_unseen(c) { ' ' } else { c })
        .collect();
    one_line(&seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_fits() {
        for text in [
            "short",
            "a_rather_long_name_that_goes_on_and_on",
            "漢字漢字漢字漢字漢字",
            "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
        ] {
            assert!(width(&fit(text, 13.0, 80.0), 13.0) <= 80.0, "{text}");
            for line in wrap(text, 13.0, 80.0) {
                assert!(width(&line, 13.0) <= 80.0, "{line}");
            }
        }
        assert_eq!(fit("short", 13.0, 80.0), "short");
    }

    #[test]
    fn a_name_breaks_where_its_words_end() {
        assert_eq!(
            wrap("collect_the_evidence", 13.0, 120.0),
            ["collect_the_", "evidence"]
        );
    }

    #[test]
    fn nothing_turns_the_direction_of_writing() {
        assert_eq!(fit("a\u{202e}b\nc", 13.0, 80.0), "a b c");
    }
}
