//! What documents do to sections of others: `Section 3 of Document A is replaced by …`.
//!
//! Read in order, since a document says once which other it amends, what it calls it
//! (`(the "Agreement")`) and from when on, and then speaks of sections alone.

use std::collections::BTreeMap;
use std::ops::Range;

use super::date::Dated;
use super::lexicon;
use super::phrase;
use super::section::{self, Of, Reference};
use super::token::Text;
use super::{Found, Said};
use crate::name::Key;
use crate::piece::Kind;

/// What is known of a document as it is read.
pub(super) struct Amender<'a> {
    title: &'a str,
    topic: Option<Key>,
    /// The document that was amended last.
    target: Option<String>,
    /// What the document calls others, in lower case.
    terms: BTreeMap<String, String>,
    /// From when on the whole of it holds.
    pub(super) effective: Option<String>,
}

/// What a passage adds: sections it names, and what it says of them.
#[derive(Default)]
pub(super) struct Amended {
    pub(super) found: Vec<Found>,
    pub(super) said: Vec<Said>,
}

impl<'a> Amender<'a> {
    /// At the start of a document.
    pub(super) fn new(title: &'a str, topic: Option<Key>) -> Self {
        let text = Text::of(title);
        let amends = (0..text.len()).any(|at| {
            matches!(
                text.lower(at).as_str(),
                "amendment" | "addendum" | "supplement"
            )
        });
        let to = (0..text.len())
            .find(|&at| amends && text.word(at) == "to")
            .map(|at| at + 1 + usize::from(text.lower(at + 1) == "the"));
        let target = to
            .filter(|&at| at < text.len())
            .map(|at| text.slice(at, text.len().saturating_sub(1)).to_owned());
        Self {
            title,
            topic,
            target,
            terms: BTreeMap::new(),
            effective: None,
        }
    }

    /// Reads one passage. `own` is the key of the section it stands in.
    pub(super) fn read(
        &mut self,
        text: &Text<'_>,
        own: Option<&Key>,
        mains: &[(Range<usize>, &Found)],
        dates: &[Dated],
    ) -> Amended {
        let mut out = Amended::default();
        let references = section::references(text);
        let own = own.or(self.topic.as_ref()).cloned();
        for sentence in text.sentences() {
            let from = references.partition_point(|one| one.first < sentence.start);
            let here: Vec<&Reference> = references
                .iter()
                .skip(from)
                .take_while(|one| one.first < sentence.end)
                .collect();
            self.define(text, &sentence, mains);
            let act = sentence
                .clone()
                .find_map(|at| act(text, at, sentence.end).map(|act| (at, act)));
            let from = dates.partition_point(|one| one.first < sentence.start);
            let dates: Vec<&Dated> = dates
                .iter()
                .skip(from)
                .take_while(|one| one.first < sentence.end)
                .collect();
            if act.is_none() && dates.len() == 1 && takes_effect(text, &sentence) {
                self.effective = dates.first().and_then(|one| one.day()).map(str::to_owned);
            }
            let span = text.bytes(sentence.start, sentence.end.saturating_sub(1));
            let mut used = Vec::new();
            if let Some((at, act)) = act {
                let named = instruments(text, &sentence, mains);
                let (valid_from, valid_to) = validity(text, &dates);
                let before = |place: usize| place < at;
                let objects = self.things(&here, &named, |place| before(place) == act.passive);
                let actors = self.things(&here, &named, |place| {
                    before(place) != act.passive && (!act.passive || by(text, at, place))
                });
                let subject = actors
                    .first()
                    .map(|one| one.key.clone())
                    .or_else(|| own.clone());
                for object in &objects {
                    let Some(subject) = subject.clone().filter(|subject| *subject != object.key)
                    else {
                        continue;
                    };
                    out.said.push(Said {
                        subject,
                        predicate: act.predicate.to_owned(),
                        object: object.key.clone(),
                        span: span.clone(),
                        confidence: object.certain,
                        valid_from: valid_from.clone(),
                        valid_to: valid_to.clone(),
                    });
                    used.push(object.key.clone());
                    if let Some(name) = &object.document {
                        self.target = Some(name.clone());
                    }
                }
                used.extend(actors.into_iter().map(|one| one.key));
            }
            for one in &here {
                let Some((name, certain)) = self.document(&one.of) else {
                    continue;
                };
                let Some(key) = section::labelled(&name, &one.label) else {
                    continue;
                };
                let span = text.bytes(one.first, one.last);
                out.found.push(Found {
                    key: key.clone(),
                    kind: Kind::Section,
                    span: span.clone(),
                    tentative: false,
                    alias: false,
                });
                if let Some(own) = own
                    .clone()
                    .filter(|own| *own != key && !used.contains(&key))
                {
                    let predicate = "cites".to_owned();
                    out.said.push(Said {
                        subject: own,
                        predicate,
                        object: key,
                        span,
                        confidence: certain,
                        valid_from: None,
                        valid_to: None,
                    });
                }
            }
        }
        out
    }

    /// `Master Services Agreement … (the "Agreement")`
    fn define(
        &mut self,
        text: &Text<'_>,
        sentence: &Range<usize>,
        mains: &[(Range<usize>, &Found)],
    ) {
        for at in sentence.clone() {
            let opens = text.is_mark(at, '(')
                && text.lower(at + 1) == "the"
                && matches!(text.word(at + 2), "\"" | "“");
            if !opens {
                continue;
            }
            let Some(end) = (at + 3..at + 9).find(|&at| matches!(text.word(at), "\"" | "”"))
            else {
                continue;
            };
            let open = text.bytes(at, at).start;
            let from = text.bytes(sentence.start, sentence.start).start;
            let name = mains.iter().rev().find(|(span, _)| {
                span.start >= from && span.end <= open && document_like(text, span)
            });
            if let (Some((span, _)), true) = (name, end > at + 3) {
                let term = text.slice(at + 3, end - 1).to_lowercase();
                let first = text.at_byte(span.start);
                let name = text.slice(first, section::name_end(text, first));
                self.terms.insert(term, name.to_owned());
            }
        }
    }

    /// The document that is meant, and how certain that is.
    fn document(&self, of: &Of) -> Option<(String, f32)> {
        match of {
            Of::Named(name) => {
                let lower = name.to_lowercase();
                if let Some(full) = self.terms.get(&lower) {
                    return Some((full.clone(), 0.9));
                }
                if !lexicon::instrument(&lower) {
                    return Some((name.clone(), 0.9));
                }
                // `the Agreement`: what is amended, or this one.
                let holds = |title: &str| title.to_lowercase().contains(&lower);
                match &self.target {
                    Some(target) if holds(target) => Some((target.clone(), 0.8)),
                    _ if holds(self.title) => Some((self.title.to_owned(), 0.7)),
                    target => target.clone().map(|target| (target, 0.6)),
                }
            }
            Of::This => Some((self.title.to_owned(), 0.85)),
            Of::Unsaid => match &self.target {
                Some(target) => Some((target.clone(), 0.7)),
                None => Some((self.title.to_owned(), 0.5)),
            },
        }
    }

    /// The sections, or else the documents, on one side of a verb.
    fn things(
        &self,
        references: &[&Reference],
        named: &[(usize, String)],
        side: impl Fn(usize) -> bool,
    ) -> Vec<Thing> {
        let mut things: Vec<Thing> = Vec::new();
        for one in references.iter().filter(|one| side(one.first)) {
            let Some((name, certain)) = self.document(&one.of) else {
                continue;
            };
            let document = matches!(one.of, Of::Named(_)).then(|| name.clone());
            things.extend(section::labelled(&name, &one.label).map(|key| Thing {
                key,
                certain,
                document,
            }));
        }
        if things.is_empty()
            && let Some((_, name)) = named.iter().find(|(at, _)| side(*at))
        {
            let Some((name, certain)) = self.document(&Of::Named(name.clone())) else {
                return things;
            };
            things.extend(section::named(&name).map(|key| Thing {
                key,
                certain: certain - 0.1,
                document: Some(name),
            }));
        }
        things
    }
}

/// A section or a document in a sentence.
struct Thing {
    key: Key,
    certain: f32,
    document: Option<String>,
}

/// A verb that changes a text.
#[derive(Clone, Copy)]
struct Act {
    predicate: &'static str,
    /// What is changed stands before it.
    passive: bool,
}

fn act(text: &Text<'_>, at: usize, end: usize) -> Option<Act> {
    let word = text.lower(at);
    let (predicate, participle) = match word.as_str() {
        "replaces" | "supersedes" | "substitutes" => ("replaces", false),
        "replaced" | "superseded" | "substituted" => ("replaces", true),
        "repeals" | "revokes" | "deletes" | "removes" | "rescinds" => ("removes", false),
        "repealed" | "revoked" | "deleted" | "removed" | "rescinded" => ("removes", true),
        "expands" | "extends" | "supplements" => ("expands", false),
        "expanded" | "extended" | "supplemented" => ("expands", true),
        "amends" | "modifies" | "changes" | "varies" | "notwithstanding" => ("modifies", false),
        "amended" | "modified" | "changed" | "varied" => ("modifies", true),
        _ => return None,
    };
    let is = |word: &str| matches!(word, "is" | "are" | "was" | "were" | "be" | "been");
    let passive =
        participle && (1..=4).any(|back| at.checked_sub(back).is_some_and(|at| is(text.word(at))));
    // `is deleted and replaced by` replaces.
    let follows = |word: &str| (at + 1..end.min(at + 8)).any(|at| text.word(at) == word);
    let replaced =
        predicate == "removes" && passive && (follows("replaced") || follows("substituted"));
    Some(Act {
        predicate: if replaced { "replaces" } else { predicate },
        passive,
    })
}

/// Whether what stands at `place` is what something is done by.
fn by(text: &Text<'_>, verb: usize, place: usize) -> bool {
    (verb + 1..place).any(|at| matches!(text.word(at), "by" | "with"))
}

fn takes_effect(text: &Text<'_>, sentence: &Range<usize>) -> bool {
    sentence.clone().any(|at| {
        let next = text.lower(at + 1);
        match text.lower(at).as_str() {
            "effective" => true,
            "takes" | "take" => next == "effect",
            "into" => next == "force" || next == "effect",
            _ => false,
        }
    })
}

/// From when on, and until when.
fn validity(text: &Text<'_>, dates: &[&Dated]) -> (Option<String>, Option<String>) {
    let (mut from, mut to) = (None, None);
    for date in dates {
        let Some(day) = date.day() else {
            continue;
        };
        let back = |count: usize| {
            date.first
                .checked_sub(count)
                .map(|at| text.lower(at))
                .unwrap_or_default()
        };
        match (back(1).as_str(), back(2).as_str()) {
            ("until" | "till" | "through", _) => to = Some(day.to_owned()),
            ("from" | "effective" | "since" | "starting" | "commencing", _)
            | ("of", "as")
            | (
                "on",
                "effective" | "effect" | "force" | "and" | "beginning" | "starting" | "commencing",
            ) => {
                from = Some(day.to_owned());
            }
            _ => {}
        }
    }
    (from, to)
}

/// The names of documents in a sentence, with their places.
fn instruments(
    text: &Text<'_>,
    sentence: &Range<usize>,
    mains: &[(Range<usize>, &Found)],
) -> Vec<(usize, String)> {
    let bytes = text.bytes(sentence.start, sentence.end.saturating_sub(1));
    let from = mains.partition_point(|(span, _)| span.start < bytes.start);
    let mut named = Vec::new();
    for (span, _) in mains
        .iter()
        .skip(from)
        .take_while(|(span, _)| span.end <= bytes.end)
    {
        let first = text.at_byte(span.start);
        let own = first
            .checked_sub(1)
            .is_some_and(|at| text.lower(at) == "this")
            || text.lower(first) == "this";
        if document_like(text, span) && !own {
            named.push((
                first,
                text.slice(first, section::name_end(text, first)).to_owned(),
            ));
        }
    }
    named
}

/// Whether a name is one that documents have.
fn document_like(text: &Text<'_>, span: &Range<usize>) -> bool {
    let name = text.all.get(span.clone()).unwrap_or_default();
    phrase::key(name).is_some_and(|key| key.as_str().split(' ').any(lexicon::instrument))
}
