//! How wide a text is, and how much of it fits.

use ropewalk_ink::Face;

/// By how much letters of titles are wider.
pub(super) const BOLD: f64 = 1.12;

/// The width of a text.
pub(super) fn width(text: &str, size: f64) -> f64 {
    Face::Regular.width(text, size)
}

/// As much of a text as fits, with an ellipsis for the rest.
pub(super) fn fit(text: &str, size: f64, most: f64) -> String {
    Face::Regular.fit(text, size, most)
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
    }
}
