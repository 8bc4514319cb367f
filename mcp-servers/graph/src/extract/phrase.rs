//! Names: words with capitals, with the small words, initials and hyphens between them.
//!
//! Without a tagger, what decides is where a capital stands. Inside of a sentence it makes a name.
//! At the start of a sentence it says nothing: function words are dropped there, and a single
//! other word is tentative until the document writes it with a capital elsewhere.

#[cfg(test)]
mod tests;

use super::Found;
use super::lexicon;
use super::token::{Shape, Text};
use crate::name::Key;
use crate::piece::Kind;

/// A name, as words from and to (both included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Phrase {
    first: usize,
    last: usize,
    tentative: bool,
}

/// Names have at most this many words and marks; what is longer is a heading or a list.
const LONGEST: usize = 12;

/// The names in a text, but for those in masked words (dates, code, addresses).
pub(super) fn names(text: &Text<'_>, masked: &[bool]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text.token(at).is_some_and(|token| token.line)
            && let Some(end) = shouted(text, at)
        {
            at = end;
            continue;
        }
        if !starts(text, masked, at) {
            at += 1;
            continue;
        }
        let last = extent(text, masked, at);
        if let Some(phrase) = trimmed(text, at, last) {
            forms(text, phrase, &mut found);
        }
        at = last + 1;
    }
    found
}

/// The key of a name without the article before it, which some write with a capital and some leave
/// out. `The Who` keeps it: nothing that is a name would be left.
pub(super) fn key(name: &str) -> Option<Key> {
    let name = unowned(name);
    let rest = ["The ", "the ", "A ", "An ", "THE "]
        .iter()
        .find_map(|article| name.strip_prefix(article))
        .map(str::trim_start)
        .filter(|rest| {
            let lower = rest.to_lowercase();
            !lexicon::function(&lower) && lower.chars().count() > 1
        });
    rest.and_then(Key::of).or_else(|| Key::of(name))
}

/// A name without the `'s` of what it owns.
fn unowned(name: &str) -> &str {
    ["'s", "’s", "'S", "’S"]
        .iter()
        .find_map(|tail| name.strip_suffix(tail))
        .unwrap_or(name)
}

/// A line in which everything is in capitals says nothing about names: where it ends.
fn shouted(text: &Text<'_>, from: usize) -> Option<usize> {
    let (mut loud, mut words, mut at) = (0_usize, 0_usize, from);
    while let Some(token) = text.token(at) {
        if at > from && token.line {
            break;
        }
        match token.shape {
            Shape::Caps if token.end - token.start > 1 => {
                loud += 1;
                words += 1;
            }
            Shape::Capital | Shape::Lower | Shape::Mixed => words += 1,
            Shape::Caps | Shape::Number | Shape::Uncased | Shape::Mark(_) => {}
        }
        at += 1;
    }
    (words >= 3 && loud * 5 >= words * 4).then_some(at)
}

fn free(masked: &[bool], at: usize) -> bool {
    masked.get(at).is_some_and(|masked| !masked)
}

fn starts(text: &Text<'_>, masked: &[bool], at: usize) -> bool {
    if !free(masked, at) {
        return false;
    }
    let Some(token) = text.token(at) else {
        return false;
    };
    if token.capital() {
        return true;
    }
    // `20th Century Fox`, `1998 World Cup`
    let word = text.word(at);
    token.shape == Shape::Number
        && (ordinal(word) || year(word))
        && free(masked, at + 1)
        && text
            .token(at + 1)
            .is_some_and(|next| next.capital() && !next.glued && !next.line)
        && (ordinal(word) || step(text, masked, at + 1).is_some())
}

fn ordinal(word: &str) -> bool {
    ["st", "nd", "rd", "th"]
        .iter()
        .any(|tail| word.ends_with(tail))
}

fn year(word: &str) -> bool {
    word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn extent(text: &Text<'_>, masked: &[bool], first: usize) -> usize {
    let mut last = first;
    while let Some(next) = step(text, masked, last) {
        if next - first >= LONGEST {
            break;
        }
        last = next;
    }
    last
}

/// The next word of a name that has come as far as `last`.
fn step(text: &Text<'_>, masked: &[bool], last: usize) -> Option<usize> {
    let at = last + 1;
    let token = text
        .token(at)
        .filter(|token| !token.line && free(masked, at))?;
    let name = |at: usize| {
        (free(masked, at)
            && text
                .token(at)
                .is_some_and(|token| token.capital() && !token.line))
        .then_some(at)
    };
    match token.shape {
        Shape::Capital | Shape::Caps | Shape::Mixed => (!token.sentence).then_some(at),
        Shape::Number => {
            let follows = text.token(at + 1);
            let counted = matches!(
                follows.map(|token| (token.shape, token.glued)),
                Some((Shape::Mark('%' | '°' | ':' | '/' | '-' | '–'), true))
            );
            (!token.glued && !counted && token.end - token.start <= 4).then_some(at)
        }
        Shape::Mark('-' | '‐') if token.glued => {
            hyphenated(text, masked, at + 1).filter(|&next| {
                // `X-ray` is no name of X.
                text.is_capital(next) || text.word(last).chars().count() > 1
            })
        }
        Shape::Mark('.') if token.glued => {
            let word = text.word(last);
            let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
            let next = name(at + 1)?;
            (initial || lexicon::abbreviation(word))
                .then_some(next)
                .filter(|&next| !lexicon::function(&text.lower(next)))
        }
        Shape::Mark('&') => name(at + 1),
        // `Thirty Years' War`
        Shape::Mark('\'' | '’') if token.glued && text.word(last).ends_with('s') => {
            name(at + 1).filter(|&next| text.token(next).is_some_and(|token| !token.glued))
        }
        // `AC/DC`
        Shape::Mark('/') if token.glued => name(at + 1).filter(|&next| {
            [last, next]
                .iter()
                .all(|&at| text.token(at).is_some_and(|t| t.shape == Shape::Caps))
        }),
        Shape::Lower if lexicon::connector(text.word(at)) => name(at + 1).or_else(|| {
            let second = text.word(at + 1);
            (lexicon::connector(second) && free(masked, at + 1))
                .then(|| name(at + 2))
                .flatten()
        }),
        _ => None,
    }
}

/// What follows a hyphen: `Jean-Luc`, `Spider-man`, `Stratford-upon-Avon`, but not `German-born`.
fn hyphenated(text: &Text<'_>, masked: &[bool], at: usize) -> Option<usize> {
    let token = text
        .token(at)
        .filter(|token| free(masked, at) && !token.line)?;
    match token.shape {
        Shape::Capital | Shape::Caps | Shape::Mixed => Some(at),
        Shape::Number => token.glued.then_some(at),
        Shape::Lower if token.glued => {
            let word = text.word(at);
            let through = text.is_mark(at + 1, '-') && text.is_capital(at + 2);
            if through {
                Some(at + 2)
            } else {
                (word.len() > 1 && !lexicon::tail(word) && !text.is_mark(at + 1, '-')).then_some(at)
            }
        }
        _ => None,
    }
}

/// A name without the words that only look like a part of it; `None` where nothing is left.
fn trimmed(text: &Text<'_>, mut first: usize, last: usize) -> Option<Phrase> {
    // `sub-Saharan Africa` is Africa.
    let part =
        text.token(first)?.glued && first.checked_sub(1).is_some_and(|at| text.is_mark(at, '-'));
    if part && first < last && text.is_capital(first + 1) {
        first += 1;
    }
    let opens = text.token(first)?.opens;
    loop {
        let lower = text.lower(first);
        let article = matches!(lower.as_str(), "the" | "a" | "an") && text.word(first).len() > 1;
        let adverb = opens
            && first < last
            && lower.len() > 4
            && lower.ends_with("ly")
            && text.word(first) != "Italy";
        if !(lexicon::function(&lower) && (opens || article || first == last) || adverb) {
            break;
        }
        if article && first + 1 == last && !opens && lexicon::function(&text.lower(last)) {
            break; // The Who
        }
        first = (first + 1..=last).find(|&at| text.is_capital(at))?;
    }
    let token = text.token(first)?;
    let word = text.word(first);
    if first < last {
        return Some(Phrase {
            first,
            last,
            tentative: false,
        });
    }
    let bare = unowned(word);
    let lower = bare.to_lowercase();
    let dull = bare.chars().count() < 2
        || lexicon::function(&lower)
        || lexicon::calendar(&lower)
        || lexicon::honorific(&lower)
        || lexicon::roman(bare)
        || token.shape == Shape::Number
        || (lexicon::abbreviation(bare) && text.is_mark(last + 1, '.'));
    if dull {
        return None;
    }
    let said = bare.len() < word.len()
        || text.is_mark(last + 1, '(')
        || matches!(text.lower(last + 1).as_str(), "is" | "was" | "has" | "had");
    let tentative = token.opens && token.shape == Shape::Capital && !said;
    Some(Phrase {
        first,
        last,
        tentative,
    })
}

/// A name and the shorter names inside of it.
fn forms(text: &Text<'_>, phrase: Phrase, out: &mut Vec<Found>) {
    let Phrase {
        first,
        last,
        tentative,
    } = phrase;
    let mut push = |first: usize, last: usize, alias: bool| {
        let mut span = text.bytes(first, last);
        let name = unowned(text.all.get(span.clone()).unwrap_or_default());
        span.end = span.start + name.len();
        if let Some(key) = key(name) {
            let letters = name.chars().count();
            let acronym = first == last
                && (2..=8).contains(&letters)
                && text
                    .token(first)
                    .is_some_and(|token| token.shape == Shape::Caps);
            let kind = if acronym { Kind::Acronym } else { Kind::Name };
            out.push(Found {
                key,
                kind,
                span,
                tentative,
                alias,
            });
        }
    };
    // `Dr. Jones` is Jones; a king or a director may be found with the office or without.
    let mut start = first;
    while start < last && lexicon::honorific(&text.lower(start)) {
        let next = start + 1 + usize::from(text.is_mark(start + 1, '.'));
        if next > last || !text.is_capital(next) {
            break;
        }
        start = next;
    }
    let lone = |at: usize| at == last && lexicon::function(&text.lower(at));
    if start > first && lone(start) {
        return;
    }
    if start > first
        && text
            .token(first)
            .is_some_and(|token| token.opens || token.shape == Shape::Capital)
    {
        let office = matches!(
            text.lower(first).as_str(),
            "king" | "queen" | "lord" | "lady" | "prince" | "princess" | "emperor" | "president"
        );
        if office {
            push(first, last, true);
        }
    }
    push(start, last, false);
    if year(text.word(start)) && start + 1 < last {
        push(start + 1, last, true);
    }
    // `State Senator Laura Kelly` is Laura Kelly.
    let office = (start + 1..last)
        .rev()
        .find(|&at| lexicon::honorific(&text.lower(at)));
    if let Some(at) =
        office.filter(|&at| at + 2 <= last && (at + 1..=last).all(|at| text.is_capital(at)))
    {
        push(at + 1, last, true);
    }
    for at in start..last {
        // `St. Maurice's Abbey` names St. Maurice too.
        let word = text.word(at);
        if unowned(word).len() < word.len() && unowned(word).len() > 1 {
            push(start, at, true);
        }
        // `Lothair II of Lotharingia` is Lothair II, and Lotharingia is a place.
        if word == "of" && at > start {
            if whole(text, start, at - 1) {
                push(start, at - 1, true);
            }
            if let Some(rest) = (at + 1..=last).find(|&at| text.is_capital(at))
                && !lone(rest)
                && !lexicon::function(&text.lower(rest))
            {
                push(rest, last, true);
            }
            break;
        }
    }
}

/// Whether a part of a name is one that stands alone: more than one word.
fn whole(text: &Text<'_>, first: usize, last: usize) -> bool {
    first < last && text.is_capital(last)
}
