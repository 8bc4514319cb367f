//! What stands in XML.

use std::fmt::{self, Display, Write};

/// A number with at most one digit behind the point: finer than any screen.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // There is a negative zero, and nobody wants to see it.
        write!(f, "{}", if tenths == 0.0 { 0.0 } else { tenths })
    }
}

/// Text as XML wants it, in elements and in attributes.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_char('\n')?,
                // Not allowed in XML at all, or a trap for the reader.
                c if is_unseen(c) => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A character that can change how its neighbours read without being seen itself: controls, and
/// marks that turn the direction of writing; and what XML does not allow. No picture shows them.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::{Escaped, Number};

    #[test]
    fn nothing_ends_an_element_or_turns_the_writing() {
        let written = Escaped("a<b>&\"'\u{202e}\u{0}\n").to_string();
        assert_eq!(written, "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn numbers_are_short() {
        let written = [1.0, 1.25, -0.04, 3.99].map(|number| Number(number).to_string());
        assert_eq!(written, ["1", "1.3", "0", "4"]);
    }
}
