//! A question cut into words, numbers, quoted texts and marks.

use std::ops::Range;

use crate::parse::lexicon;
use crate::words::{fold, stem};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Word {
        lower: String,
        stem: String,
        capital: bool,
    },
    Number(f64),
    Quoted(String),
    Mark(char),
}

impl Token {
    /// How it stands in a phrase of the lexicon.
    pub(super) fn phrase(&self) -> Option<String> {
        match &self.kind {
            Kind::Word { lower, .. } => Some(lower.clone()),
            Kind::Mark(mark) => Some(mark.to_string()),
            Kind::Number(_) | Kind::Quoted(_) => None,
        }
    }
}

/// Marks that open a quoted text, with those that close it.
const QUOTES: &[(&str, &[&str])] = &[
    ("``", &["''", "``", "\""]),
    ("\"", &["\""]),
    ("“", &["”", "\""]),
    ("‘", &["’", "'"]),
    ("'", &["'", "’"]),
    ("`", &["`", "'"]),
];

pub(super) fn tokens(question: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(c) = question.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = question.get(at..).unwrap_or_default();
        let after_word = question
            .get(..at)
            .and_then(|before| before.chars().next_back())
            .is_some_and(char::is_alphanumeric);
        if let Some((text, length)) = (!after_word).then(|| quoted(rest)).flatten() {
            let span = at..at.saturating_add(length);
            at = span.end;
            tokens.push(Token {
                span,
                kind: Kind::Quoted(text),
            });
        } else if let Some(length) = date(rest).filter(|_| !after_word) {
            let span = at..at.saturating_add(length);
            at = span.end;
            let text = rest.get(..length).unwrap_or_default().to_owned();
            tokens.push(Token {
                span,
                kind: Kind::Quoted(text),
            });
        } else if c.is_alphanumeric() {
            let length = word(rest);
            let text = rest.get(..length).unwrap_or_default();
            let span = at..at.saturating_add(length);
            at = span.end;
            match (kind(text), tokens.last_mut()) {
                // "5 million".
                (
                    Kind::Word { lower, .. },
                    Some(Token {
                        span: before,
                        kind: Kind::Number(number),
                    }),
                ) if multiple(&lower).is_some() => {
                    *number *= multiple(&lower).unwrap_or(1.0);
                    before.end = span.end;
                }
                (kind, _) => tokens.push(Token { span, kind }),
            }
        } else {
            let length = c.len_utf8();
            let span = at..at.saturating_add(length);
            at = span.end;
            let next = rest.get(length..).and_then(|rest| rest.chars().next());
            let ends = c != '.' || next.is_none_or(char::is_whitespace);
            if ".,;:?!()&".contains(c) && ends {
                tokens.push(Token {
                    span,
                    kind: Kind::Mark(c),
                });
            }
        }
    }
    tokens
}

/// A quoted text at the beginning of a text, and how long it is with its marks.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let (open, closes) = QUOTES.iter().find(|(open, _)| rest.starts_with(open))?;
    let inside = rest.get(open.len()..)?;
    let ends = closes.iter().filter_map(|close| {
        let found = inside.match_indices(close).find(|(at, _)| {
            let next = inside.get(at.saturating_add(close.len())..);
            let next = next.and_then(|next| next.chars().next());
            *at > 0 && next.is_none_or(|next| !next.is_alphanumeric())
        })?;
        Some((found.0, close.len()))
    });
    let (end, close) = ends.min()?;
    let text = inside.get(..end)?.trim();
    let length = open.len().checked_add(end)?.checked_add(close)?;
    (!text.is_empty()).then(|| (text.to_owned(), length))
}

/// How long the word or number at the beginning is.
fn word(rest: &str) -> usize {
    let number = rest.starts_with(|c: char| c.is_ascii_digit());
    let mut letters = rest.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        let joins =
            number && (c == ',' || c == '.') && next.is_some_and(|next| next.is_ascii_digit());
        if !c.is_alphanumeric() && !joins && c != '_' {
            return at;
        }
    }
    rest.len()
}

/// How long a date is that a text begins with: `2018-04-07`.
fn date(rest: &str) -> Option<usize> {
    let date = rest.get(..10)?;
    let form = date.char_indices().all(|(at, c)| match at {
        4 | 7 => c == '-',
        _ => c.is_ascii_digit(),
    });
    let next = rest.get(10..).and_then(|rest| rest.chars().next());
    (form && next.is_none_or(|next| !next.is_alphanumeric())).then_some(10)
}

fn multiple(word: &str) -> Option<f64> {
    match word {
        "hundred" => Some(1e2),
        "thousand" => Some(1e3),
        "million" => Some(1e6),
        "billion" => Some(1e9),
        _ => None,
    }
}

fn kind(text: &str) -> Kind {
    // A telephone number is no number.
    if text.len() > 1 && text.starts_with('0') && text.chars().all(|c| c.is_ascii_digit()) {
        return Kind::Quoted(text.to_owned());
    }
    let lower = fold(text);
    match lexicon::number(&text.to_lowercase()) {
        Some(number) => Kind::Number(number),
        None => Kind::Word {
            stem: stem(&lower),
            capital: text.starts_with(char::is_uppercase),
            lower,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, tokens};

    fn said(question: &str) -> Vec<String> {
        let tokens = tokens(question).into_iter();
        let text = |kind| match kind {
            Kind::Word { lower, .. } => lower,
            Kind::Number(number) => format!("#{number}"),
            Kind::Quoted(text) => format!("<{text}>"),
            Kind::Mark(mark) => mark.to_string(),
        };
        tokens.map(|token| text(token.kind)).collect()
    }

    #[test]
    fn quotes_numbers_and_apostrophes_are_told_apart() {
        assert_eq!(
            said("The students' ages, not `` St. John's '' or 'Bob'?"),
            [
                "the",
                "students",
                "ages",
                ",",
                "not",
                "<St. John's>",
                "or",
                "<Bob>",
                "?"
            ]
        );
        assert_eq!(
            said("over 5,000.5 or two. Don't"),
            ["over", "#5000.5", "or", "#2", ".", "don", "t"]
        );
        assert_eq!(said("“a” ‘b’ \"c d\" '"), ["<a>", "<b>", "<c d>"]);
    }
}
