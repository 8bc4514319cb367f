//! Everything that is written in one passage, before the rest of its document is looked at.

use std::ops::Range;

use super::acronym;
use super::code;
use super::date::{self, Dated};
use super::link;
use super::phrase;
use super::quantity;
use super::quote;
use super::token::Text;
use super::{Found, Said};
use crate::name::Key;
use crate::piece::{Kind, Passage};

/// A passage as it was read.
pub(super) struct Read<'a> {
    pub(super) text: Text<'a>,
    pub(super) found: Vec<Found>,
    pub(super) dates: Vec<Dated>,
    /// What it says by how it is built, whoever says it.
    pub(super) said: Vec<Said>,
    /// Where it leads: predicate, object, and where that stands.
    pub(super) leads: Vec<(&'static str, Key, Range<usize>)>,
}

impl<'a> Read<'a> {
    /// Reads a passage; relative links start from `source`.
    pub(super) fn of(passage: &'a Passage, source: &str) -> Self {
        let all = passage.text.as_str();
        let text = Text::of(all);
        let mut masked = vec![false; text.len()];
        let mut mask = |bytes: Range<usize>| {
            let mut at = text.at_byte(bytes.start);
            while let Some(token) = text.token(at).filter(|token| token.start < bytes.end) {
                if let Some(masked) = masked.get_mut(at) {
                    *masked = true;
                }
                at = at.max(text.at_byte(token.end.saturating_sub(1))) + 1;
            }
        };
        let mut found = Vec::new();
        let mut push = |key: Option<Key>, kind: Kind, span: Range<usize>| {
            found.extend(key.map(|key| Found {
                key,
                kind,
                span,
                tentative: false,
                alias: false,
            }));
        };
        let mut leads = Vec::new();
        for link in link::links(all, source) {
            mask(link.address.clone());
            let key = Key::of(&link.target);
            push(key.clone(), Kind::Link, link.span.clone());
            leads.extend(key.map(|key| {
                (
                    if link.cites { "cites" } else { "links to" },
                    key,
                    link.span,
                )
            }));
        }
        let code = code::code(all);
        for span in code.names {
            mask(span.clone());
            push(
                Key::of(all.get(span.clone()).unwrap_or_default()),
                Kind::Code,
                span,
            );
        }
        code.spans.into_iter().for_each(&mut mask);
        let quantities = quantity::quantities(&text);
        for one in &quantities {
            push(
                Key::of(&one.form),
                Kind::Quantity,
                text.bytes(one.first, one.last),
            );
        }
        let mut dates = date::dates(&text);
        dates.retain(|date| {
            let next = quantities.partition_point(|one| one.last < date.first);
            quantities.get(next).is_none_or(|one| one.first > date.last)
        });
        for one in &dates {
            let bytes = text.bytes(one.first, one.last);
            if one.masks() {
                mask(bytes.clone());
            }
            push(one.date.as_deref().and_then(Key::of), Kind::Date, bytes);
        }
        for span in quote::quoted(all) {
            push(
                phrase::key(all.get(span.clone()).unwrap_or_default()),
                Kind::Quoted,
                span,
            );
        }
        let mut said = Vec::new();
        for one in acronym::acronyms(&text) {
            let of = |span: &Range<usize>| phrase::key(all.get(span.clone()).unwrap_or_default());
            let (Some(short), Some(long)) = (of(&one.short), of(&one.long)) else {
                continue;
            };
            push(Some(short.clone()), Kind::Acronym, one.short.clone());
            push(Some(long.clone()), Kind::Name, one.long.clone());
            let span = one.short.start.min(one.long.start)..one.short.end.max(one.long.end);
            let predicate = "also known as".to_owned();
            said.push(Said {
                subject: long,
                predicate,
                object: short,
                span,
                confidence: 0.95,
                valid_from: None,
                valid_to: None,
            });
        }
        found.extend(phrase::names(&text, &masked));
        Self {
            text,
            found,
            dates,
            said,
            leads,
        }
    }
}

/// Where names stand that a pattern may join: the longest at each place, in order.
pub(super) fn mains(found: &[Found]) -> Vec<(Range<usize>, &Found)> {
    let mut all: Vec<(Range<usize>, &Found)> = found
        .iter()
        .filter(|one| !one.span.is_empty())
        .map(|one| (one.span.clone(), one))
        .collect();
    all.sort_by(|a, b| {
        (
            a.0.start,
            std::cmp::Reverse(a.0.end),
            a.1.alias,
            a.1.kind,
            &a.1.key,
        )
            .cmp(&(
                b.0.start,
                std::cmp::Reverse(b.0.end),
                b.1.alias,
                b.1.kind,
                &b.1.key,
            ))
    });
    let mut end = 0;
    all.retain(|(span, _)| {
        let stays = span.start >= end;
        if stays {
            end = span.end;
        }
        stays
    });
    all
}
