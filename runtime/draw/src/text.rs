//! How wide a text is, and how much of it fits.
//!
//! The picture is drawn on a machine without the fonts of the one that shows it. Widths are
//! therefore those of DejaVu Sans Bold, among the widest of the fonts a viewer falls back to:
//! what fits by this measure fits in practice.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use crate::words::{is_unseen, one_line};

/// Printable ASCII, from the blank on, in hundredths of the size of the font.
const ASCII: [u8; 95] = [
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70,
    70, 70, 70, 40, 40, 84, 84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100,
    84, 85, 73, 85, 77, 72, 68, 81, 77, 110, 77, 72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72,
    68, 44, 72, 71, 34, 34, 67, 34, 104, 71, 69, 72, 72, 49, 60, 48, 71, 65, 92, 65, 65, 58, 71,
    37, 71, 84,
];

/// The width of a text.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size / 100.0
}

fn advance(c: char) -> f64 {
    let ascii = (c as usize).checked_sub(0x20).and_then(|at| ASCII.get(at));
    if let Some(width) = ascii {
        return f64::from(*width);
    }
    match c.width() {
        Some(0) | None => 0.0,
        _ if is_ideograph(c) => 104.0,
        Some(1) if c.is_uppercase() => 110.0,
        Some(1) => 85.0,
        Some(_) => 130.0,
    }
}

/// A letter that fills a square in whatever font.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303e}' | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
        || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{ff01}'..='\u{ff60}')
}

/// Whether the measure can be relied upon. For scripts whose letters join or stack it cannot,
/// and the viewer has to be told how wide the text is to be.
pub(crate) fn is_plain(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{52f}' | '…' | '≤' | '→')
            || is_ideograph(c)
    })
}

/// As much of a text as fits, with an ellipsis for the rest. One line.
pub(crate) fn fit(text: &str, size: f64, most: f64) -> String {
    let text = shown(text);
    if width(&text, size) <= most {
        return text;
    }
    let room = most - width("…", size);
    let mut fitted = String::new();
    let mut used = 0.0;
    for letter in text.graphemes(true) {
        used += width(letter, size);
        if used > room {
            break;
        }
        fitted.push_str(letter);
    }
    let kept = fitted.trim_end().len();
    fitted.truncate(kept);
    fitted.push('…');
    fitted
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
