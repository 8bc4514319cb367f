//! How wide a text is, and how much of it fits.
//!
//! A picture is drawn on a machine without the fonts of the one that shows it. Widths are therefore
//! those of DejaVu Sans, among the widest of the fonts a viewer falls back to: what fits by this
//! measure fits in practice.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// How heavy letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// As text is.
    Regular,
    /// As headings are.
    Bold,
}

/// Printable ASCII, from the blank on, in hundredths of the size of the font.
const REGULAR: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75,
    79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36,
    64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];
const BOLD: [u8; 95] = [
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70,
    70, 70, 70, 40, 40, 84, 84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100,
    84, 85, 73, 85, 77, 72, 68, 81, 77, 110, 77, 72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72,
    68, 44, 72, 71, 34, 34, 67, 34, 104, 71, 69, 72, 72, 49, 60, 48, 71, 65, 92, 65, 65, 58, 71,
    37, 71, 84,
];

impl Face {
    /// The width of a text in letters of a size.
    #[must_use]
    pub fn width(self, text: &str, size: f64) -> f64 {
        let hundredths: f64 = text.chars().map(|c| self.advance(c)).sum();
        hundredths * size / 100.0
    }

    fn advance(self, c: char) -> f64 {
        let (ascii, capital, small) = match self {
            Self::Regular => (&REGULAR, 100.0, 80.0),
            Self::Bold => (&BOLD, 110.0, 85.0),
        };
        let width = (c as usize).checked_sub(0x20).and_then(|at| ascii.get(at));
        if let Some(width) = width {
            return f64::from(*width);
        }
        match c.width() {
            Some(0) | None => 0.0,
            _ if is_ideograph(c) => 104.0,
            Some(1) if c.is_uppercase() => capital,
            Some(1) => small,
            Some(_) => 130.0,
        }
    }

    /// How wide a text has to be made, where the measure cannot be relied upon: in scripts whose
    /// letters join or stack.
    #[must_use]
    pub fn fixed(self, text: &str, size: f64) -> Option<f64> {
        let width = self.width(text, size);
        (!text.chars().all(is_plain) && width > 0.0).then_some(width)
    }

    /// As much of a text as fits, with an ellipsis for the rest.
    #[must_use]
    pub fn fit(self, text: &str, size: f64, most: f64) -> String {
        if self.width(text, size) <= most {
            return text.to_owned();
        }
        let room = most - self.width("…", size);
        let mut fitted = String::new();
        let mut used = 0.0;
        for letter in text.graphemes(true) {
            used += self.width(letter, size);
            if used > room {
                break;
            }
            fitted.push_str(letter);
        }
        fitted.truncate(fitted.trim_end().len());
        fitted.push('…');
        fitted
    }
}

/// A text of at most so many letters, with an ellipsis for the rest.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    // A letter has at least one byte, and counting letters takes time.
    if text.len() <= most {
        return text.to_owned();
    }
    match text.grapheme_indices(true).nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
    }
}

/// A letter that fills a square in whatever font.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303e}' | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
        || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{ff01}'..='\u{ff60}')
}

/// A letter whose width does not depend on its neighbours.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{52f}')
        || matches!(c, '…' | '≤' | '→' | '−' | '–' | '’' | '“' | '”')
        || is_ideograph(c)
}

#[cfg(test)]
mod tests {
    use super::{Face, cut};

    #[test]
    fn what_is_cut_short_fits() {
        for text in [
            "short",
            "a rather long name that goes on",
            "漢字漢字漢字漢字漢字",
            "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
        ] {
            for face in [Face::Regular, Face::Bold] {
                let fitted = face.fit(text, 13.0, 80.0);
                assert!(face.width(&fitted, 13.0) <= 80.0, "{text}");
            }
        }
        assert_eq!(Face::Bold.fit("short", 13.0, 80.0), "short");
        assert!(Face::Bold.width("name", 10.0) > Face::Regular.width("name", 10.0));
    }

    #[test]
    fn letters_are_counted_as_they_are_seen() {
        assert_eq!(cut("abcdef", 3), "abc…");
        assert_eq!(cut("ab", 3), "ab");
        assert_eq!(cut("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 1), "👩‍👩‍👧‍👦…");
    }

    #[test]
    fn scripts_whose_letters_join_are_told_their_width() {
        assert_eq!(Face::Regular.fixed("Karlsruhe – “x”", 10.0), None);
        assert!(Face::Regular.fixed("مرحبا", 10.0).is_some());
    }
}
