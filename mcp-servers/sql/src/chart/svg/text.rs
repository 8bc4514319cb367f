//! How wide a text is, and how much of it fits.
//!
//! The picture is drawn on a machine without the fonts of the one that shows it. Widths are
//! therefore those of DejaVu Sans, among the widest of the fonts a viewer falls back to: what
//! fits by this measure fits in practice.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// By how much letters of titles are wider.
pub(super) const BOLD: f64 = 1.12;

/// Printable ASCII, from the blank on, in hundredths of the size of the font.
const ASCII: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75,
    79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36,
    64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];

/// The width of a text.
pub(super) fn width(text: &str, size: f64) -> f64 {
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
        Some(1) if c.is_uppercase() => 100.0,
        Some(1) => 80.0,
        Some(_) => 130.0,
    }
}

/// A letter that fills a square in whatever font.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303e}' | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
        || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{ff01}'..='\u{ff60}')
}

/// How wide a text has to be made, where the measure cannot be relied upon: in scripts whose
/// letters join or stack.
pub(super) fn fixed(text: &str, size: f64) -> Option<f64> {
    let plain = |c: char| {
        matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{52f}')
            || matches!(c, '…' | '−' | '–' | '’' | '“' | '”')
            || is_ideograph(c)
    };
    let width = width(text, size);
    (!text.chars().all(plain) && width > 0.0).then_some(width)
}

/// As much of a text as fits, with an ellipsis for the rest.
pub(super) fn fit(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
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
    fitted.truncate(fitted.trim_end().len());
    fitted.push('…');
    fitted
}

/// A text on at most so many lines, broken between words.
pub(super) fn wrap(text: &str, size: f64, most: f64, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    let mut words = text.split(' ').peekable();
    while words.peek().is_some() && wrapped.len() + 1 < lines {
        let mut line = String::new();
        while let Some(word) = words.peek() {
            let longer = if line.is_empty() {
                (*word).to_owned()
            } else {
                format!("{line} {word}")
            };
            if width(&longer, size) > most && !line.is_empty() {
                break;
            }
            line = longer;
            words.next();
        }
        wrapped.push(fit(&line, size, most));
    }
    let rest: Vec<&str> = words.collect();
    if !rest.is_empty() {
        wrapped.push(fit(&rest.join(" "), size, most));
    }
    wrapped
}

/// A text of at most so many letters.
pub(in crate::chart) fn cut(text: &str, most: usize) -> String {
    // A letter has at least one byte, and counting letters takes time.
    if text.len() <= most {
        return text.to_owned();
    }
    match text.grapheme_indices(true).nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_fits() {
        for text in [
            "short",
            "a rather long name that goes on",
            "漢字漢字漢字漢字漢字",
            "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
        ] {
            assert!(width(&fit(text, 13.0, 80.0), 13.0) <= 80.0, "{text}");
            let lines = wrap(text, 13.0, 80.0, 2);
            assert!(lines.len() <= 2);
            for line in lines {
                assert!(width(&line, 13.0) <= 80.0, "{line}");
            }
        }
        assert_eq!(wrap("one two three", 10.0, 50.0, 3), ["one two", "three"]);
        assert_eq!(cut("abcdef", 3), "abc…");
    }
}
