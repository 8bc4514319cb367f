//! Sections: the key of one, and references to one in a text.
//!
//! The key of a section is `<title> section <number>` where its heading starts with a number
//! (`3. Payment`, `Section 3`, `§ 3`, `Clause 3`), `<title> article <number>` (chapter, part,
//! annex, schedule, appendix) where the heading says so, and `<title> section <heading>` where
//! there is no number. The innermost heading counts. The title is the full one, with its brackets:
//! two versions of a document have sections of their own.

use super::lexicon;
use super::phrase;
use super::token::{Shape, Text};
use crate::name::Key;

/// A section that a text refers to, as words from and to (both included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) first: usize,
    pub(super) last: usize,
    /// `section 3`, `annex ii`.
    pub(super) label: String,
    /// The document it is of.
    pub(super) of: Of,
}

/// The document of a section that is referred to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Of {
    /// By its name.
    Named(String),
    /// This document.
    This,
    /// Not said.
    Unsaid,
}

/// The key of a section; `None` where title or headings hold no letter or digit.
pub(super) fn key(title: &str, headings: &[String]) -> Option<Key> {
    let heading = headings.last()?;
    Key::of(heading)?;
    labelled(title, &label(heading))
}

/// The key of a section by its label.
pub(super) fn labelled(title: &str, label: &str) -> Option<Key> {
    Key::of(title)?;
    Key::of(&format!("{title} {label}"))
}

/// What a heading calls its section.
fn label(heading: &str) -> String {
    let text = Text::of(heading);
    let word = text.lower(0);
    if let Some(class) = class(&word)
        && let Some(number) = number(&text, 1)
    {
        return format!("{class} {}", number.0);
    }
    match text.token(0).map(|token| token.shape) {
        Some(Shape::Number) => match number(&text, 0) {
            Some((number, _)) => format!("section {number}"),
            None => format!("section {heading}"),
        },
        _ => format!("section {heading}"),
    }
}

/// The word for a kind of section, in one form.
fn class(word: &str) -> Option<&'static str> {
    Some(match word {
        "section" | "sections" | "§" | "§§" | "clause" | "clauses" | "paragraph" | "paragraphs"
        | "sec" => "section",
        "article" | "articles" | "art" => "article",
        "chapter" | "chapters" => "chapter",
        "part" | "parts" => "part",
        "annex" | "annexes" => "annex",
        "schedule" | "schedules" => "schedule",
        "appendix" | "appendices" => "appendix",
        "exhibit" | "exhibits" => "exhibit",
        _ => return None,
    })
}

/// The number of a section at this word, with its last word: `3`, `4.2`, `3(a)`, `IV`, `A`.
fn number(text: &Text<'_>, at: usize) -> Option<(String, usize)> {
    let at = at + usize::from(text.is_mark(at, '.'));
    let token = text.token(at).filter(|token| !token.line || at == 0)?;
    let word = text.word(at);
    let letter = word.len() == 1 && token.shape == Shape::Capital;
    let fits = token.shape == Shape::Number && word.len() <= 8 || lexicon::roman(word) || letter;
    if !fits {
        return None;
    }
    let mut last = at;
    // The letter of a paragraph is stepped over: sections are what headings name.
    while text.is_mark(last + 1, '(')
        && text.token(last + 1).is_some_and(|token| token.glued)
        && text.is_mark(last + 3, ')')
    {
        last += 3;
    }
    Some((word.to_lowercase(), last))
}

/// The sections a text refers to, in order.
pub(super) fn references(text: &Text<'_>) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let Some(class) = class(&text.lower(at)) else {
            at += 1;
            continue;
        };
        let Some((first, mut last)) = number(text, at + 1) else {
            at += 1;
            continue;
        };
        let start = at;
        let mut labels = vec![first];
        // `Sections 3, 4 and 5`
        while labels.len() < 20 {
            let mut next = last + 1 + usize::from(text.is_mark(last + 1, ','));
            next += usize::from(matches!(text.word(next), "and" | "or" | "to"));
            match number(text, next).filter(|_| {
                next > last + 1 && text.word(next).starts_with(|c: char| c.is_ascii_digit())
            }) {
                Some((label, end))
                    if text.lower(start).ends_with('s') || text.is_mark(start + 1, '§') =>
                {
                    labels.push(label);
                    last = end;
                }
                _ => break,
            }
        }
        let (first, last, of) = document(text, start, last);
        for label in labels {
            found.push(Reference {
                first,
                last,
                label: format!("{class} {label}"),
                of: of.clone(),
            });
        }
        at = last + 1;
    }
    found
}

/// The document of a section: `… of Document A`, or `Document A, section 3`.
fn document(text: &Text<'_>, first: usize, last: usize) -> (usize, usize, Of) {
    let mut at = last + 1;
    at += usize::from(text.is_mark(at, ','));
    if matches!(text.word(at), "hereof" | "herein") {
        return (first, at, Of::This);
    }
    if matches!(text.word(at), "of" | "in" | "to" | "under") {
        let article = text.lower(at + 1);
        let from = at
            + 1
            + usize::from(matches!(
                article.as_str(),
                "the" | "this" | "that" | "our" | "such"
            ));
        if article == "this" {
            return (first, from, Of::This);
        }
        if text.is_capital(from) {
            let end = name_end(text, from);
            return (first, end, Of::Named(text.slice(from, end).to_owned()));
        }
    }
    // The words before: a name that ends where the reference starts.
    if let Some(mut end) = first.checked_sub(1) {
        if text.is_mark(end, ',') {
            end = end.saturating_sub(1);
        }
        let mut start = end;
        let mut name = None;
        for _ in 0..8 {
            let token = text.token(start);
            let part = token.is_some_and(|token| token.capital() || token.shape == Shape::Number);
            let inside = start < end && lexicon::connector(text.word(start));
            if !part && !inside {
                break;
            }
            if text.is_capital(start) && !lexicon::function(&text.lower(start)) {
                name = Some(start);
            }
            match start.checked_sub(1) {
                Some(before) if token.is_some_and(|token| !token.sentence) => start = before,
                _ => break,
            }
        }
        let legal = |from: usize| (from..=end).any(|at| lexicon::instrument(&text.lower(at)));
        if let Some(from) = name.filter(|&from| legal(from)) {
            return (
                from,
                last,
                Of::Named(text.slice(from, end).trim_end_matches("'s").to_owned()),
            );
        }
    }
    (first, last, Of::Unsaid)
}

/// The last word of the name of a document: `Regulation (EU) No 2016/679`, `Act 2010`,
/// `Agreement No. 7`.
pub(super) fn name_end(text: &Text<'_>, from: usize) -> usize {
    let mut end = from;
    for _ in 0..16 {
        let next = end + 1;
        let Some(token) = text
            .token(next)
            .filter(|token| !token.line && !token.sentence)
        else {
            break;
        };
        let bracket = text.is_mark(next, '(')
            && text
                .token(next + 1)
                .is_some_and(|token| token.shape == Shape::Caps)
            && text.is_mark(next + 2, ')')
            && text
                .token(next + 3)
                .is_some_and(|token| token.shape == Shape::Number || token.capital());
        let inner = (text.is_mark(next, '/') || text.is_mark(next, '-'))
            && token.glued
            && text
                .token(next + 1)
                .is_some_and(|token| token.glued && token.word());
        let stop = text.is_mark(next, '.')
            && text.lower(end) == "no"
            && text
                .token(next + 1)
                .is_some_and(|token| token.shape == Shape::Number);
        if bracket {
            end += 3;
        } else if inner || stop {
            end += 2;
        } else if token.capital() || token.shape == Shape::Number {
            end = next;
        } else if lexicon::connector(text.word(next))
            || matches!(text.word(next), "and" | "on" | "for")
        {
            let skip = next + 1 + usize::from(text.word(next + 1) == "the");
            // `Treaty on European Union` goes on; `Document A and Document B` does not.
            let other = text.word(next) == "and" && lexicon::instrument(&text.lower(end));
            if other
                || !text.is_capital(skip)
                || (text.word(next) == "and" && text.word(end).len() < 2)
            {
                break;
            }
            end = skip;
        } else {
            break;
        }
    }
    end
}

/// The key of a document by its name in a text.
pub(super) fn named(name: &str) -> Option<Key> {
    phrase::key(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_one_key_however_its_heading_is_written() {
        let of =
            |heading: &str| key("Document A", &[heading.to_owned()]).map(|key| key.to_string());
        for heading in [
            "3. Payment",
            "Section 3",
            "§ 3 Payment",
            "Clause 3: Payment",
            "3 Payment",
        ] {
            assert_eq!(
                of(heading).as_deref(),
                Some("document a section 3"),
                "{heading}"
            );
        }
        assert_eq!(of("Annex II").as_deref(), Some("document a annex ii"));
        assert_eq!(of("History").as_deref(), Some("document a section history"));
        assert_eq!(of("4.2 Fees").as_deref(), Some("document a section 4 2"));
        assert_eq!(of("—"), None);
    }

    #[test]
    fn references_name_their_document() {
        let of = |text: &str| {
            references(&Text::of(text))
                .into_iter()
                .map(|one| (one.label, one.of))
                .collect::<Vec<_>>()
        };
        let named = |label: &str, name: &str| (label.to_owned(), Of::Named(name.to_owned()));
        assert_eq!(
            of("under Section 3(a) of the Master Services Agreement, x"),
            [named("section 3", "Master Services Agreement")]
        );
        assert_eq!(
            of("Sections 3 and 4 of Document A are"),
            [
                named("section 3", "Document A"),
                named("section 4", "Document A")
            ]
        );
        assert_eq!(
            of("in Document A, section 3 is"),
            [named("section 3", "Document A")]
        );
        assert_eq!(
            of("Article 6 of Regulation (EU) No 2016/679 says"),
            [named("article 6", "Regulation (EU) No 2016/679")]
        );
        assert_eq!(
            of("section 2 of this Agreement. See clause 5"),
            [
                ("section 2".to_owned(), Of::This),
                ("section 5".to_owned(), Of::Unsaid)
            ]
        );
    }
}
