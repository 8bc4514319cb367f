//! The words of a passage, with what their letters and their place say about them.
//!
//! One pass, no regular expressions. Scripts without spaces between words (Chinese, Japanese, Thai)
//! give one word a letter, so that a clause is not one giant word and known names are found in it.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::lexicon;

/// What a word looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `Paul`
    Capital,
    /// `NATO`
    Caps,
    /// `iPhone`, `p53`
    Mixed,
    /// `film`
    Lower,
    /// `1998`, `3.5`, `20th`
    Number,
    /// Of a script without capitals.
    Uncased,
    /// Anything that is not a word: one character.
    Mark(char),
}

/// A word or a mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// First byte.
    pub(super) start: usize,
    /// Byte after the last.
    pub(super) end: usize,
    /// What it looks like.
    pub(super) shape: Shape,
    /// Nothing stands between it and the one before.
    pub(super) glued: bool,
    /// A line ends between it and the one before.
    pub(super) line: bool,
    /// A capital says nothing here: start of a sentence, a line, a quotation.
    pub(super) opens: bool,
    /// A sentence starts here.
    pub(super) sentence: bool,
}

impl Token {
    /// Whether it is written as names are.
    pub(super) fn capital(&self) -> bool {
        matches!(self.shape, Shape::Capital | Shape::Caps | Shape::Mixed)
    }

    /// Whether it is a word.
    pub(super) fn word(&self) -> bool {
        !matches!(self.shape, Shape::Mark(_))
    }
}

/// A text and its words.
pub(super) struct Text<'a> {
    /// All of it.
    pub(super) all: &'a str,
    tokens: Vec<Token>,
}

/// Longer words are no names: data, or noise.
const LONGEST: usize = 80;

impl<'a> Text<'a> {
    /// Cuts a text into words.
    pub(super) fn of(all: &'a str) -> Self {
        let mut tokens: Vec<Token> = Vec::with_capacity(all.len() / 5);
        let mut chars = all.char_indices().peekable();
        let mut lines = 2_usize;
        let mut end_of_last = 0;
        while let Some((start, first)) = chars.next() {
            if first.is_whitespace() {
                lines = lines.saturating_add(usize::from(first == '\n'));
                continue;
            }
            let mut end = start + first.len_utf8();
            let word = first.is_alphanumeric();
            if word {
                let alone = unspaced(first);
                let mut last = first;
                while let Some(&(at, c)) = chars.peek() {
                    let goes_on = is_combining_mark(c)
                        || !alone
                            && (c.is_alphanumeric() && !unspaced(c)
                                || joins(last, c, all.get(at + c.len_utf8()..)));
                    if !goes_on {
                        break;
                    }
                    end = at + c.len_utf8();
                    last = c;
                    chars.next();
                }
            }
            let surface = all.get(start..end).unwrap_or_default();
            let mut token = Token {
                start,
                end,
                shape: if word {
                    shape(surface)
                } else {
                    Shape::Mark(first)
                },
                glued: start == end_of_last && !tokens.is_empty(),
                line: lines > 0,
                opens: false,
                sentence: false,
            };
            (token.opens, token.sentence) = place(all, &tokens, &token, lines);
            tokens.push(token);
            lines = 0;
            end_of_last = end;
        }
        Self { all, tokens }
    }

    /// How many words and marks.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// One of them.
    pub(super) fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at)
    }

    /// How it is written; empty past the end.
    pub(super) fn word(&self, at: usize) -> &'a str {
        self.slice(at, at)
    }

    /// The same in lower case.
    pub(super) fn lower(&self, at: usize) -> String {
        self.word(at).to_lowercase()
    }

    /// From one to another, both included.
    pub(super) fn slice(&self, first: usize, last: usize) -> &'a str {
        self.all.get(self.bytes(first, last)).unwrap_or_default()
    }

    /// Where these stand.
    pub(super) fn bytes(&self, first: usize, last: usize) -> Range<usize> {
        match (self.tokens.get(first), self.tokens.get(last)) {
            (Some(first), Some(last)) if first.start <= last.end => first.start..last.end,
            _ => 0..0,
        }
    }

    /// Whether this mark stands there.
    pub(super) fn is_mark(&self, at: usize, mark: char) -> bool {
        self.token(at)
            .is_some_and(|token| token.shape == Shape::Mark(mark))
    }

    /// Whether a word written as names are stands there.
    pub(super) fn is_capital(&self, at: usize) -> bool {
        self.token(at).is_some_and(Token::capital)
    }

    /// The first word or mark that ends after this byte.
    pub(super) fn at_byte(&self, byte: usize) -> usize {
        self.tokens.partition_point(|token| token.end <= byte)
    }

    /// Its sentences, as words from and to (not included).
    pub(super) fn sentences(&self) -> Vec<Range<usize>> {
        let mut starts: Vec<usize> = (0..self.len())
            .filter(|&at| self.token(at).is_some_and(|token| token.sentence))
            .collect();
        starts.push(self.len());
        starts
            .windows(2)
            .filter_map(|pair| match pair {
                [from, to] => Some(*from..*to),
                _ => None,
            })
            .collect()
    }
}

/// What holds a word together inside: `O'Brien`, `3.5`, `1,000`.
fn joins(last: char, c: char, rest: Option<&str>) -> bool {
    let Some(next) = rest.and_then(|rest| rest.chars().next()) else {
        return false;
    };
    match c {
        '\'' | '’' => last.is_alphabetic() && next.is_alphabetic(),
        '.' | ',' => last.is_ascii_digit() && next.is_ascii_digit(),
        _ => false,
    }
}

/// Letters of scripts that put no spaces between words.
fn unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn shape(word: &str) -> Shape {
    let Some(first) = word.chars().next() else {
        return Shape::Lower;
    };
    if first.is_numeric() {
        return Shape::Number;
    }
    if word.len() > LONGEST {
        return Shape::Lower;
    }
    let (mut upper, mut lower, mut digits) = (0_usize, 0_usize, 0_usize);
    for c in word.chars() {
        upper += usize::from(c.is_uppercase());
        lower += usize::from(c.is_lowercase());
        digits += usize::from(c.is_numeric());
    }
    if first.is_uppercase() {
        if lower == 0 && upper > 1 {
            Shape::Caps
        } else {
            Shape::Capital
        }
    } else if upper > 0 || (digits > 0 && first.is_lowercase()) {
        Shape::Mixed
    } else if lower > 0 {
        Shape::Lower
    } else {
        Shape::Uncased
    }
}

/// Whether a capital says nothing here, and whether a sentence starts here.
fn place(all: &str, before: &[Token], token: &Token, lines: usize) -> (bool, bool) {
    if lines >= 2 || before.is_empty() {
        return (true, true);
    }
    // Closing quotes and brackets stand between the end of a sentence and the next.
    let mut end = before.iter().rev();
    let mut last = end.next();
    let direct = last;
    while matches!(
        last.map(|token| token.shape),
        Some(Shape::Mark('"' | '”' | '’' | '\'' | ')' | ']'))
    ) {
        last = end.next();
    }
    let sentence = match last.map(|token| token.shape) {
        Some(Shape::Mark('!' | '?' | '…')) => !token.glued && token.shape != Shape::Lower,
        Some(Shape::Mark('。' | '！' | '？')) => true,
        Some(Shape::Mark('.')) => {
            let word = end.next().and_then(|token| all.get(token.start..token.end));
            let short = word.is_some_and(|word| {
                lexicon::abbreviation(word)
                    || word.chars().count() == 1 && word.chars().all(char::is_uppercase)
            });
            !token.glued && !short && token.shape != Shape::Lower && token.word_or_quote()
        }
        _ => false,
    };
    let opens = sentence
        || token.line
        || matches!(
            direct.map(|token| token.shape),
            Some(Shape::Mark(
                ':' | '(' | '[' | '"' | '“' | '«' | '—' | '•' | '*' | '#' | '>' | '|'
            ))
        );
    (opens, sentence)
}

impl Token {
    fn word_or_quote(&self) -> bool {
        self.word()
            || matches!(
                self.shape,
                Shape::Mark('"' | '“' | '(' | '[' | '`' | '«' | '\'')
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let text = Text::of(text);
        (0..text.len()).map(|at| text.word(at)).collect()
    }

    #[test]
    fn words_hold_their_apostrophes_and_decimals() {
        assert_eq!(
            words("O'Brien's 3.5, x."),
            ["O'Brien's", "3.5", ",", "x", "."]
        );
        assert_eq!(words("東京tower"), ["東", "京", "tower"]);
    }

    #[test]
    fn sentences_do_not_end_at_initials_and_abbreviations() {
        let text = Text::of("J. R. Smith met Dr. Jones in 1998. He left. See e.g. that");
        let starts: Vec<_> = text
            .sentences()
            .iter()
            .map(|range| text.word(range.start))
            .collect();
        assert_eq!(starts, ["J", "He", "See"]);
    }
}
