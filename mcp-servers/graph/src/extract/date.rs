//! Days, months, years and decades.
//!
//! A day is named by its key in one form, however it is written: `12 March 1998`,
//! `March 12, 1998` and `1998-03-12` are one. A day that does not exist is no date.

use jiff::civil::Date;

use super::lexicon;
use super::token::{Shape, Text};

/// A date, as words from and to (both included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) first: usize,
    pub(super) last: usize,
    /// `1998-03-12`, `1998-03`, `1998`, `1990s`; `None` where it is only to be stepped over.
    pub(super) date: Option<String>,
}

impl Dated {
    /// The day, where it is one.
    pub(super) fn day(&self) -> Option<&str> {
        self.date.as_deref().filter(|date| date.len() == 10)
    }

    /// Whether its words are no names; a year may be part of one (`1998 World Cup`).
    pub(super) fn masks(&self) -> bool {
        self.first < self.last
    }
}

/// The dates in a text, in order.
pub(super) fn dates(text: &Text<'_>) -> Vec<Dated> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match at_word(text, at) {
            Some(dated) => {
                at = dated.last + 1;
                found.push(dated);
            }
            None => at += 1,
        }
    }
    found
}

fn at_word(text: &Text<'_>, at: usize) -> Option<Dated> {
    let token = text.token(at)?;
    match token.shape {
        Shape::Number => iso(text, at)
            .or_else(|| day_first(text, at))
            .or_else(|| lone_year(text, at)),
        Shape::Capital | Shape::Caps => month_first(text, at),
        _ => None,
    }
}

/// `1998-03-12`
fn iso(text: &Text<'_>, at: usize) -> Option<Dated> {
    let glued = |at: usize| text.token(at).is_some_and(|token| token.glued);
    let parts =
        text.is_mark(at + 1, '-') && text.is_mark(at + 3, '-') && (at + 1..=at + 4).all(glued);
    if !parts
        || text.word(at).len() != 4
        || text.word(at + 2).len() != 2
        || text.word(at + 4).len() != 2
    {
        return None;
    }
    let date = day(
        text.word(at).parse().ok()?,
        text.word(at + 2).parse().ok()?,
        text.word(at + 4).parse().ok()?,
    );
    Some(Dated {
        first: at,
        last: at + 4,
        date,
    })
}

/// `12 March 1998`, `12th of March, 1998`
fn day_first(text: &Text<'_>, at: usize) -> Option<Dated> {
    let number = day_number(text.word(at))?;
    let name = at + 1 + usize::from(text.word(at + 1) == "of");
    let month = month_at(text, name)?;
    let name_end = name + usize::from(text.is_mark(name + 1, '.'));
    Some(match year_after(text, name_end) {
        Some((last, year)) => Dated {
            first: at,
            last,
            date: day(year, month, number),
        },
        None => Dated {
            first: at,
            last: name,
            date: None,
        },
    })
}

/// `March 12, 1998`, `March 1998`
fn month_first(text: &Text<'_>, at: usize) -> Option<Dated> {
    let month = month_at(text, at)?;
    let end = at + usize::from(text.is_mark(at + 1, '.'));
    if let Some(number) = day_number(text.word(end + 1)) {
        return Some(match year_after(text, end + 1) {
            Some((last, year)) => Dated {
                first: at,
                last,
                date: day(year, month, number),
            },
            None => Dated {
                first: at,
                last: end + 1,
                date: None,
            },
        });
    }
    let (last, year) = year_after(text, end + usize::from(text.word(end + 1) == "of"))?;
    Some(Dated {
        first: at,
        last,
        date: Some(format!("{year:04}-{month:02}")),
    })
}

/// `1998`, `1990s`
fn lone_year(text: &Text<'_>, at: usize) -> Option<Dated> {
    let word = text.word(at);
    let before = at.checked_sub(1).map_or("", |before| text.word(before));
    let inside = text.token(at).is_some_and(|token| token.glued)
        && !matches!(before, "(" | "[" | "–" | "-" | "—" | "/" | "\"" | "“" | ",")
        || matches!(before, "$" | "£" | "€" | "#");
    let digits = word.strip_suffix('s').unwrap_or(word);
    let decade = digits.len() < word.len();
    let year: i16 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    let fits = (1000..=2100).contains(&year) && (!decade || year % 10 == 0);
    (fits && !inside).then(|| Dated {
        first: at,
        last: at,
        date: Some(word.to_owned()),
    })
}

fn month_at(text: &Text<'_>, at: usize) -> Option<i8> {
    text.is_capital(at)
        .then(|| lexicon::month(text.word(at)))
        .flatten()
}

fn day_number(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let tail = word.get(digits.len()..)?;
    let plain = tail.is_empty() || matches!(tail, "st" | "nd" | "rd" | "th");
    digits
        .parse()
        .ok()
        .filter(|number| plain && digits.len() <= 2 && (1..=99).contains(number))
}

/// The year after this word, past a comma; with its place.
fn year_after(text: &Text<'_>, at: usize) -> Option<(usize, i16)> {
    let place = at + 1 + usize::from(text.is_mark(at + 1, ','));
    let word = text.word(place);
    let digits = (3..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    let line = text.token(place).is_some_and(|token| token.line);
    let year: i16 = word.parse().ok().filter(|_| digits && !line)?;
    (year >= 100).then_some((place, year))
}

/// A day as it is compared; `None` where there is none such.
fn day(year: i16, month: i8, number: i8) -> Option<String> {
    Date::new(year, month, number)
        .ok()
        .map(|date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        dates(&Text::of(text))
            .into_iter()
            .filter_map(|dated| dated.date)
            .collect()
    }

    #[test]
    fn a_day_has_one_form() {
        for text in [
            "12 March 1998",
            "March 12, 1998",
            "12th of March 1998",
            "1998-03-12",
            "Mar. 12, 1998",
        ] {
            assert_eq!(of(text), ["1998-03-12"], "{text}");
        }
        assert_eq!(of("( died 11 November 875)"), ["0875-11-11"]);
    }

    #[test]
    fn months_years_and_decades() {
        assert_eq!(
            of("in March 1998, 1871 and the 1990s, but not $2000"),
            ["1998-03", "1871", "1990s"]
        );
        assert_eq!(of("(1934–1996)"), ["1934", "1996"]);
    }

    #[test]
    fn a_day_that_does_not_exist_is_no_date() {
        assert_eq!(
            of("on 31 February 1998 and 2023-13-45, 45 May 2000"),
            [""; 0]
        );
    }
}
