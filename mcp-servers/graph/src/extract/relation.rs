//! What a sentence says of two names: subject, the words between, object.
//!
//! After ReVerb (Fader, Soderland, Etzioni, "Identifying relations for open information
//! extraction", 2011): a relation is a verb, a verb with a preposition, or a verb with words and a
//! preposition. There is no tagger: verbs are told by lists and their `-ed`. To that come the
//! habits of reference works: a sentence about `he` or `the film` is about the title, what follows
//! a comma is of the name before it (`Bertha, daughter of Lothair II`), and a name with its days
//! in brackets was born and died on them. What is not clearly one of these is left out.

mod between;
mod when;

use std::ops::Range;

use self::between::{Between, between};
use self::when::{dates, lifetime};
use super::token::Text;
use super::{Found, Said, lexicon};
use crate::name::Key;
use crate::piece::Kind;

/// Far down a list it is not much less certain than this.
const LEAST: f32 = 0.2;

/// A sentence says at most this many things.
const MOST: usize = 16;

/// What a name is in a sentence, as words from and to (not included).
struct Name<'a> {
    words: Range<usize>,
    found: &'a Found,
}

/// Of what a sentence speaks.
struct Subject {
    key: Key,
    /// The first word after it.
    end: usize,
    certain: f32,
    /// It is something of it that is spoken of: `her mother`.
    owner: bool,
}

/// What the sentences of a passage say. `topic` is the key of the title of its document, `first`
/// whether the passage is the first of it.
pub(super) fn said(
    text: &Text<'_>,
    mains: &[(Range<usize>, &Found)],
    topic: Option<&Key>,
    first: bool,
) -> Vec<Said> {
    let mut out = Vec::new();
    let mut next = 0;
    for (number, sentence) in text.sentences().into_iter().enumerate() {
        let end = text
            .bytes(sentence.start, sentence.end.saturating_sub(1))
            .end;
        let mut names: Vec<Name<'_>> = Vec::new();
        while let Some((span, found)) = mains.get(next).filter(|(span, _)| span.start < end) {
            let from = text.at_byte(span.start);
            names.push(Name {
                words: from..text.at_byte(span.end.saturating_sub(1)).max(from) + 1,
                found,
            });
            next += 1;
        }
        let from = out.len();
        let opens = topic.filter(|_| first && number == 0);
        sentence_says(text, &sentence, &names, topic, opens, &mut out);
        out.truncate(from + MOST);
    }
    out
}

fn sentence_says(
    text: &Text<'_>,
    sentence: &Range<usize>,
    names: &[Name<'_>],
    topic: Option<&Key>,
    opens: Option<&Key>,
    out: &mut Vec<Said>,
) {
    let mut subject = subject(text, sentence, names, topic, opens);
    if let Some(subject) = subject.as_mut().filter(|subject| !subject.owner) {
        lifetime(text, subject, names, out);
        dates(text, subject, names, out);
    }
    // The name before, and where it ends; whether it is the subject.
    let mut before: Option<(Key, usize)> = subject
        .as_ref()
        .map(|subject| (subject.key.clone(), subject.end));
    let mut direct = subject.is_some();
    // What was said last, for what follows an `and`.
    let mut said: Option<(Key, Vec<String>, f32)> = None;
    for name in names {
        let object = &name.found.key;
        let usable = matches!(
            name.found.kind,
            Kind::Name | Kind::Acronym | Kind::Quoted | Kind::Link | Kind::Title
        );
        if !usable
            || before
                .as_ref()
                .is_some_and(|(_, end)| name.words.start < *end)
        {
            continue;
        }
        if let Some((key, end)) = &before {
            let here = between(
                text,
                *end..name.words.start,
                names
                    .iter()
                    .filter(|one| one.found.kind == Kind::Date)
                    .map(|one| one.words.clone()),
            );
            let base = subject.as_ref().map_or(0.5, |subject| subject.certain);
            let top = subject
                .as_ref()
                .filter(|subject| !subject.owner)
                .map(|subject| subject.key.clone());
            let found = match here {
                Between::Listed => said
                    .take()
                    .filter(|(_, predicates, _)| !(text.is_mark(*end, ',') && kin(predicates)))
                    .map(|(key, predicates, certain)| (key, predicates, certain - 0.1)),
                Between::Of(predicate) => Some((
                    key.clone(),
                    vec![predicate],
                    if direct { base } else { 0.7 },
                )),
                Between::Relative(predicates) => Some((key.clone(), predicates, 0.7)),
                Between::Verb { predicates, .. } if direct => Some((key.clone(), predicates, base)),
                Between::Verb {
                    predicates,
                    joined: true,
                }
                | Between::Participle {
                    predicates,
                    joined: true,
                    ..
                } if top.is_some() => top.map(|top| (top, predicates, base - 0.15)),
                Between::Participle {
                    predicates, plain, ..
                } if plain && direct => Some((key.clone(), predicates, base)),
                // `a film directed by A starring B`: what was said before was of the subject.
                Between::Participle { predicates, .. } => said
                    .take()
                    .filter(|(key, _, _)| top.as_ref() == Some(key))
                    .map(|(key, _, certain)| (key, predicates, certain - 0.15)),
                Between::Verb {
                    predicates,
                    joined: false,
                } if !direct => Some((key.clone(), predicates, 0.5)),
                _ => None,
            };
            let found = found.filter(|_| !goes_on(text, name.words.end));
            if let Some((key, predicates, certain)) = &found {
                let start = text.bytes(*end, *end).start.min(name.found.span.start);
                for predicate in predicates.iter().filter(|_| key != object) {
                    push(
                        out,
                        key,
                        predicate,
                        object,
                        start..name.found.span.end,
                        *certain,
                    );
                }
            }
            said = found;
        }
        before = Some((object.clone(), name.words.end));
        direct = false;
    }
}

/// `son of A and B, Duchess of C`: a comma lists no third parent.
fn kin(predicates: &[String]) -> bool {
    predicates
        .iter()
        .any(|predicate| predicate.ends_with(" of"))
}

/// Whether a name only tells which: `the Indian subcontinent`, `a German poet`.
fn goes_on(text: &Text<'_>, at: usize) -> bool {
    let word = text.word(at);
    text.token(at)
        .is_some_and(|token| token.shape == super::token::Shape::Lower && !token.line)
        && !lexicon::function(word)
        && !lexicon::verb(word)
        && !lexicon::preposition(word)
        && !word.ends_with("ly")
        && !word.ends_with("ing")
}

fn push(
    out: &mut Vec<Said>,
    subject: &Key,
    predicate: &str,
    object: &Key,
    span: Range<usize>,
    confidence: f32,
) {
    out.push(Said {
        subject: subject.clone(),
        predicate: predicate.to_owned(),
        object: object.clone(),
        span,
        confidence: confidence.max(LEAST),
        valid_from: None,
        valid_to: None,
    });
}

/// Of what a sentence speaks: the name it starts with, or the title.
fn subject(
    text: &Text<'_>,
    sentence: &Range<usize>,
    names: &[Name<'_>],
    topic: Option<&Key>,
    opens: Option<&Key>,
) -> Option<Subject> {
    let at_word = |from: usize| -> Option<Subject> {
        let from =
            (from..sentence.end).find(|&at| text.token(at).is_some_and(|token| token.word()))?;
        let article = usize::from(matches!(text.lower(from).as_str(), "the" | "a" | "an"));
        let named = names
            .iter()
            .find(|name| name.words.start == from || name.words.start == from + article);
        if let Some(name) = named.filter(|name| {
            matches!(
                name.found.kind,
                Kind::Name | Kind::Acronym | Kind::Quoted | Kind::Link
            )
        }) {
            let owned = text
                .slice(name.words.start, name.words.end - 1)
                .ends_with("'s");
            let topical = opens.filter(|topic| !owned && shares(topic, &name.found.key));
            let key = topical.unwrap_or(&name.found.key).clone();
            return Some(Subject {
                key,
                end: name.words.end,
                certain: 0.8,
                owner: owned,
            });
        }
        let topic = topic?.clone();
        match text.lower(from).as_str() {
            "he" | "she" | "it" | "they" => Some(Subject {
                key: topic,
                end: from + 1,
                certain: 0.65,
                owner: false,
            }),
            "his" | "her" | "its" | "their" => Some(Subject {
                key: topic,
                end: from + 1,
                certain: 0.65,
                owner: true,
            }),
            "the" => {
                // `The film was …`: one or two words, then a verb.
                let verb = (from + 2..from + 4).find(|&at| {
                    between::auxiliary(text.word(at)) || lexicon::verb(text.word(at))
                })?;
                let plain = (from + 1..verb).all(|at| {
                    text.token(at)
                        .is_some_and(|token| token.shape == super::token::Shape::Lower)
                });
                let part = text.lower(verb - 1);
                (plain && !part.ends_with('s')).then_some(Subject {
                    key: topic,
                    end: verb,
                    certain: 0.55,
                    owner: false,
                })
            }
            _ => None,
        }
    };
    let start = sentence.start;
    let found = at_word(start);
    if found.is_some() {
        return found;
    }
    // `In 1998, he …`
    let leads = matches!(
        text.lower(start).as_str(),
        "in" | "on" | "after" | "during" | "by" | "from" | "at" | "since" | "until" | "later"
    );
    let comma = (start..sentence.end.min(start + 9)).find(|&at| text.is_mark(at, ','))?;
    leads
        .then(|| at_word(comma + 1))
        .flatten()
        .map(|one| Subject {
            certain: one.certain - 0.05,
            ..one
        })
}

/// Whether two names share a word that says something.
fn shares(one: &Key, other: &Key) -> bool {
    one == other
        || one.as_str().split(' ').any(|word| {
            word.chars().count() > 2
                && !lexicon::function(word)
                && other.as_str().split(' ').any(|same| same == word)
        })
}
