//! A document to its piece, without a model.
//!
//! What is found depends on the document alone, so that a graph does not depend on the order in
//! which its documents came. A name is found by how it is written; the titles of other documents
//! that are written otherwise (in small letters, in scripts without capitals) are found by
//! [`named`] with the keys a graph knows.
//!
//! Every step reads a text once, from left to right; nothing looks back or ahead further than a
//! fixed number of words. Spans stand on characters and inside of their passage.

mod acronym;
mod amendment;
mod code;
mod date;
mod lexicon;
mod link;
mod named;
mod passage;
mod phrase;
mod quantity;
mod quote;
mod relation;
mod resolve;
mod section;
mod token;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use self::amendment::Amender;
pub use self::named::named;
use self::passage::Read;
use self::token::Text;
use crate::name::Key;
use crate::piece::{Document, Extractor, Kind, Mention, Piece, Statement};

/// A passage keeps this many mentions of one thing: more say no more.
const MENTIONS: usize = 16;

/// A passage says at most this many things.
const STATEMENTS: usize = 512;

/// Something found in a passage.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    key: Key,
    kind: Kind,
    /// In bytes of the passage; empty where it stands in a title or a heading.
    span: Range<usize>,
    /// To be kept only where the document writes it elsewhere with a capital.
    tentative: bool,
    /// A shorter name inside of a longer one.
    alias: bool,
}

/// Something a passage says.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    subject: Key,
    predicate: String,
    object: Key,
    span: Range<usize>,
    confidence: f32,
    valid_from: Option<String>,
    valid_to: Option<String>,
}

/// What can be found in a document without a model.
pub fn piece(document: Document) -> Piece {
    let title = if Key::of(&document.title).is_some() {
        &document.title
    } else {
        &document.source
    };
    let titles = named::title_keys(title);
    let topic = titles.first().cloned();
    let title_names = headed(title);
    let mut reads: Vec<Read<'_>> = document
        .passages
        .par_iter()
        .map(|passage| Read::of(passage, &document.source))
        .collect();
    resolve::resolve(title, &topic, &mut reads);
    let single = reads.len() == 1;
    let relations: Vec<Vec<Said>> = reads
        .par_iter()
        .enumerate()
        .map(|(number, read)| {
            let mains = passage::mains(&read.found);
            relation::said(&read.text, &mains, topic.as_ref(), number == 0 || single)
        })
        .collect();
    let mut amender = Amender::new(title, topic.clone());
    let mut collected = Vec::with_capacity(reads.len());
    for ((number, read), relations) in reads.into_iter().enumerate().zip(relations) {
        let headings = document
            .passages
            .get(number)
            .map(|passage| passage.headings.as_slice())
            .unwrap_or_default();
        let own = section::key(title, headings);
        let amended = amender.read(
            &read.text,
            own.as_ref(),
            &passage::mains(&read.found),
            &read.dates,
        );
        let mut structure = read.said;
        let about = own.clone().or_else(|| topic.clone());
        structure.extend(
            read.leads
                .into_iter()
                .filter_map(|(predicate, object, span)| {
                    let subject = about.clone().filter(|subject| *subject != object)?;
                    Some(Said {
                        subject,
                        predicate: predicate.to_owned(),
                        object,
                        span,
                        confidence: 1.0,
                        valid_from: None,
                        valid_to: None,
                    })
                }),
        );
        structure.extend(upward(title, topic.as_ref(), headings));
        let mut outer: Vec<(Key, Kind, String)> = titles
            .iter()
            .map(|key| (key.clone(), Kind::Title, title.clone()))
            .collect();
        // `2018 Kansas election` names Kansas, in the title as in a heading.
        let heading_names = headings
            .last()
            .map(|heading| headed(heading))
            .unwrap_or_default();
        for (key, kind, name) in title_names.iter().cloned().chain(heading_names) {
            if !outer.iter().any(|(known, _, _)| *known == key) {
                outer.push((key, kind, name));
            }
        }
        outer.extend(own.into_iter().map(|key| {
            (
                key,
                Kind::Section,
                headings.last().cloned().unwrap_or_default(),
            )
        }));
        if number == 0 {
            outer.extend(address(&document.source));
        }
        let mut found = read.found;
        found.extend(amended.found);
        collected.push((outer, found, structure, amended.said, relations));
    }
    // What the whole document says of when it holds is true of each change in it.
    let from = amender.effective.or_else(|| document.date.clone());
    let mut mentions = Vec::new();
    let mut statements = Vec::new();
    for (number, (outer, found, structure, mut changes, relations)) in
        collected.into_iter().enumerate()
    {
        let Ok(number) = u32::try_from(number) else {
            break;
        };
        for change in changes
            .iter_mut()
            .filter(|change| change.predicate != "cites" && change.valid_from.is_none())
        {
            change.valid_from.clone_from(&from);
        }
        let text = document
            .passages
            .get(number as usize)
            .map(|passage| passage.text.as_str())
            .unwrap_or_default();
        mentions.extend(outer.into_iter().map(|(entity, kind, name)| Mention {
            passage: number,
            entity,
            name,
            kind,
            span: 0..0,
        }));
        mentions.extend(kept(number, text, found));
        let all = structure
            .into_iter()
            .map(|said| (said, Extractor::Structure))
            .chain(
                changes
                    .into_iter()
                    .chain(relations)
                    .map(|said| (said, Extractor::Pattern)),
            );
        statements.extend(stated(number, all));
    }
    Piece {
        document,
        mentions,
        statements,
    }
}

/// The names inside of a title or a heading.
fn headed(heading: &str) -> Vec<(Key, Kind, String)> {
    let text = Text::of(heading);
    phrase::names(&text, &vec![false; text.len()])
        .into_iter()
        .filter(|one| !one.tentative)
        .map(|one| {
            let name = heading.get(one.span).unwrap_or_default().to_owned();
            (one.key, one.kind, name)
        })
        .collect()
}

/// The address of a document is a thing that links lead to.
fn address(source: &str) -> Option<(Key, Kind, String)> {
    let place = source.contains('/')
        || source
            .rsplit_once('.')
            .is_some_and(|(_, end)| (1..=5).contains(&end.len()));
    let plain = link::plain(source);
    Key::of(&plain)
        .filter(|_| place)
        .map(|key| (key, Kind::Link, plain))
}

/// Each section is of the one above it, and the outermost of the document.
fn upward(title: &str, topic: Option<&Key>, headings: &[String]) -> Vec<Said> {
    let mut above = topic.cloned();
    let mut out = Vec::new();
    for depth in 1..=headings.len() {
        let Some(key) = headings
            .get(..depth)
            .and_then(|headings| section::key(title, headings))
        else {
            continue;
        };
        if let Some(object) = above.filter(|above| *above != key) {
            let predicate = "section of".to_owned();
            out.push(Said {
                subject: key.clone(),
                predicate,
                object,
                span: 0..0,
                confidence: 1.0,
                valid_from: None,
                valid_to: None,
            });
        }
        above = Some(key);
    }
    out
}

/// What was found in a passage, in order, each thing once at each place.
fn kept(passage: u32, text: &str, mut found: Vec<Found>) -> Vec<Mention> {
    found.sort_by(|a, b| {
        (a.span.start, a.span.end, &a.key, a.kind).cmp(&(b.span.start, b.span.end, &b.key, b.kind))
    });
    found.dedup_by(|a, b| a.key == b.key && a.span == b.span);
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    let mut mentions = Vec::with_capacity(found.len());
    for one in found {
        let (Ok(start), Ok(end), Some(name)) = (
            u32::try_from(one.span.start),
            u32::try_from(one.span.end),
            text.get(one.span.clone()),
        ) else {
            continue;
        };
        let count = counts.entry(one.key.clone()).or_default();
        *count += 1;
        if *count <= MENTIONS {
            mentions.push(Mention {
                passage,
                entity: one.key,
                name: name.to_owned(),
                kind: one.kind,
                span: start..end,
            });
        }
    }
    mentions
}

/// What a passage says, each thing once.
fn stated(passage: u32, all: impl Iterator<Item = (Said, Extractor)>) -> Vec<Statement> {
    let mut seen = std::collections::BTreeSet::new();
    let mut statements = Vec::new();
    for (said, extractor) in all {
        let (Ok(start), Ok(end)) = (u32::try_from(said.span.start), u32::try_from(said.span.end))
        else {
            continue;
        };
        if statements.len() < STATEMENTS
            && seen.insert((
                said.subject.clone(),
                said.predicate.clone(),
                said.object.clone(),
            ))
        {
            statements.push(Statement {
                passage,
                subject: said.subject,
                predicate: said.predicate,
                object: said.object,
                span: start..end,
                extractor,
                confidence: said.confidence,
                valid_from: said.valid_from,
                valid_to: said.valid_to,
            });
        }
    }
    statements
}
