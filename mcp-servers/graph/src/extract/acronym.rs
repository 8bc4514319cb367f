//! Acronyms and what they stand for: `World Health Organization (WHO)`, `MRI (magnetic resonance
//! imaging)`.
//!
//! Schwartz and Hearst, "A simple algorithm for identifying abbreviation definitions in biomedical
//! text" (2003): the letters of the short form are sought from right to left in the words before
//! the bracket; its first letter must start a word.

use std::ops::Range;

use super::token::Text;

/// A short form and its long form, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acronym {
    pub(super) short: Range<usize>,
    pub(super) long: Range<usize>,
}

/// A long form has at most so many words and marks.
const WORDS: usize = 24;

/// The acronyms a text explains, in order.
pub(super) fn acronyms(text: &Text<'_>) -> Vec<Acronym> {
    let mut found = Vec::new();
    for open in 0..text.len() {
        if !text.is_mark(open, '(') {
            continue;
        }
        let close = (open + 1..open + WORDS).find(|&at| text.is_mark(at, ')'));
        let Some(close) = close.filter(|close| *close > open + 1) else {
            continue;
        };
        // `(WHO; …)` explains WHO as well.
        let inner_end = (open + 1..close)
            .find(|&at| text.is_mark(at, ';') || text.is_mark(at, ','))
            .unwrap_or(close);
        if inner_end == open + 1 || open == 0 {
            continue;
        }
        let inner = text.bytes(open + 1, inner_end - 1);
        let found_here = if short_form(text.all.get(inner.clone()).unwrap_or_default()) {
            before(text, open, inner)
        } else {
            let short = text.bytes(open - 1, open - 1);
            let fits = short_form(text.all.get(short.clone()).unwrap_or_default());
            fits.then(|| long_form(text, short, inner, true)).flatten()
        };
        found.extend(found_here);
    }
    found
}

fn short_form(word: &str) -> bool {
    let letters = word.chars().count();
    let upper = word.chars().filter(|c| c.is_uppercase()).count();
    (2..=10).contains(&letters)
        && upper >= 2
        && word.chars().next().is_some_and(char::is_alphanumeric)
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '/' | '&' | '.'))
        && !super::lexicon::roman(word)
}

/// The long form in the words before a bracket.
fn before(text: &Text<'_>, open: usize, short: Range<usize>) -> Option<Acronym> {
    let letters = text
        .all
        .get(short.clone())?
        .chars()
        .filter(|c| c.is_alphanumeric())
        .count();
    let most = (letters + 5).min(letters * 2);
    let (mut first, mut words) = (open, 0);
    while let Some(at) = first.checked_sub(1) {
        let token = text.token(at)?;
        if !token.word() {
            if !(text.is_mark(at, '-')
                || text.is_mark(at, '/')
                || text.is_mark(at, '&')
                || text.is_mark(at, '.'))
            {
                break;
            }
        } else if words >= most {
            break;
        } else {
            words += 1;
        }
        first = at;
        if token.sentence {
            break;
        }
    }
    (first < open)
        .then(|| text.bytes(first, open - 1))
        .and_then(|window| long_form(text, short, window, false))
}

/// Seeks the letters of the short form from right to left. `exact` wants all of the window.
fn long_form(
    text: &Text<'_>,
    short: Range<usize>,
    window: Range<usize>,
    exact: bool,
) -> Option<Acronym> {
    let long: Vec<(usize, char)> = text.all.get(window.clone())?.char_indices().collect();
    let wanted: Vec<char> = text
        .all
        .get(short.clone())?
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let mut place = long.len();
    for (at, letter) in wanted.iter().enumerate().rev() {
        let sought = |place: usize| {
            let (_, c) = long.get(place)?;
            let starts = place
                .checked_sub(1)
                .and_then(|before| long.get(before))
                .is_none_or(|(_, before)| !before.is_alphanumeric());
            let same = c.to_lowercase().eq(letter.to_lowercase());
            (same && (at > 0 || starts)).then_some(())
        };
        place = (0..place).rev().find(|&place| sought(place).is_some())?;
    }
    let (offset, _) = long.get(place)?;
    let start = window.start + offset;
    let form = text.all.get(start..window.end)?;
    let words = form.split_whitespace().count();
    let fits = words >= 2
        && form.len() > short.len() + 2
        && (!exact || place == 0)
        && !form.contains(text.all.get(short.clone())?);
    fits.then_some(Acronym {
        short,
        long: start..window.end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(&str, &str)> {
        acronyms(&Text::of(text))
            .into_iter()
            .map(|one| (&text[one.short], &text[one.long]))
            .collect()
    }

    #[test]
    fn acronyms_are_explained_before_and_after() {
        assert_eq!(
            of("by the World Health Organization (WHO)"),
            [("WHO", "World Health Organization")]
        );
        assert_eq!(
            of("the WHO (World Health Organization) said"),
            [("WHO", "World Health Organization")]
        );
        assert_eq!(
            of("we used line-scan diffusion tensor imaging (DTI; n = 3)"),
            [("DTI", "diffusion tensor imaging")]
        );
    }

    #[test]
    fn other_brackets_are_none() {
        assert_eq!(
            of("Paul Gross (CBC), born (1959), Lothair (II) and (NATO)"),
            []
        );
    }
}
