//! Pieces to a layer, and two layers to one. Tables of the lower layer are sorted, and what is
//! merged into them keeps their order, so that one merge takes about as long as a copy.

use std::collections::HashMap;

use fixedbitset::FixedBitSet;

use super::layer::{Entry, Layer, Link, NONE, Names, Said, id};
use super::synonyms::Synonyms;
use crate::name::Key;
use crate::piece::{Kind, Piece};

/// Stands between headings, which hold no such mark.
const BETWEEN: &str = "\u{1f}";

/// Strings of pieces that get ids: those of the layer below, and new ones after them in order.
struct Ids<'a> {
    of: HashMap<&'a str, u32>,
    new: Names,
}

impl<'a> Ids<'a> {
    fn new(strings: impl Iterator<Item = &'a str>, below: &Names) -> Self {
        let mut of: HashMap<&str, u32> = strings.map(|string| (string, NONE)).collect();
        let mut sorted: Vec<&str> = of.keys().copied().collect();
        sorted.sort_unstable();
        let mut new = Names::default();
        for string in sorted {
            let found = below.find(string).unwrap_or_else(|| {
                new.push(string);
                id(below.len()).saturating_add(id(new.len()).saturating_sub(1))
            });
            of.insert(string, found);
        }
        Self { of, new }
    }

    fn get(&self, string: &str) -> u32 {
        self.of.get(string).copied().unwrap_or(NONE)
    }

    fn optional(&self, string: Option<&String>) -> u32 {
        string.map_or(NONE, |string| self.get(string))
    }
}

/// A layer of pieces, sorted by their sources, above another. What is said of passages that there
/// are not is left out.
pub(super) fn above(below: &Layer, pieces: &[&Piece], synonyms: &Synonyms) -> Layer {
    let headings: Vec<Vec<String>> = pieces.iter().map(|piece| sections(piece)).collect();
    let names = pieces
        .iter()
        .flat_map(|piece| names(piece))
        .map(Key::as_str);
    let words = pieces.iter().flat_map(|piece| words(piece));
    let headed = headings.iter().flatten().map(String::as_str);
    let entities = Ids::new(names, &below.entities);
    let words = Ids::new(words.chain(headed), &below.words);
    let mut layer = Layer {
        first_entity: id(below.entities.len()),
        first_passage: id(below.sections.len()),
        ..Layer::default()
    };
    let (mut mentions, mut said) = (Vec::new(), Vec::new());
    let mut passage = layer.first_passage;
    for (piece, headings) in pieces.iter().zip(&headings) {
        let count = id(piece.document.passages.len());
        layer.sources.push(&piece.document.source);
        layer.documents.push(Entry {
            first: passage,
            count,
            title: words.get(&piece.document.title),
            date: words.optional(piece.document.date.as_ref()),
        });
        layer
            .sections
            .extend(headings.iter().map(|heading| words.get(heading)));
        mentions.extend(links(piece, passage, &entities));
        let inside = piece.statements.iter();
        said.extend(inside.filter(|said| said.passage < count).map(|said| Said {
            subject: entities.get(said.subject.as_str()),
            object: entities.get(said.object.as_str()),
            predicate: words.get(&said.predicate),
            passage: passage.saturating_add(said.passage),
            valid_from: words.optional(said.valid_from.as_ref()),
            valid_to: words.optional(said.valid_to.as_ref()),
            start: said.span.start,
            end: said.span.end,
            confidence: unit(said.confidence),
            extractor: said.extractor,
        }));
        passage = passage.saturating_add(count);
    }
    layer.set_mentions(mentions, None, None);
    layer.set_said(said, None, None);
    layer.near = synonyms.that_need(&below.entities, &entities.new);
    layer.entities = entities.new;
    layer.words = words.new;
    layer
}

/// Bits of what is given, from 0 to 1; what is no number is nothing.
pub(super) fn unit(number: f32) -> u32 {
    let number = if number.is_nan() { 0.0 } else { number };
    // The sum turns a negative zero into a zero.
    (number.clamp(0.0, 1.0) + 0.0).to_bits()
}

fn sections(piece: &Piece) -> Vec<String> {
    let passages = piece.document.passages.iter();
    passages
        .map(|passage| passage.headings.join(BETWEEN))
        .collect()
}

fn names(piece: &Piece) -> impl Iterator<Item = &Key> {
    let count = id(piece.document.passages.len());
    let mentions = piece.mentions.iter();
    let mentioned = mentions
        .filter(move |mention| mention.passage < count)
        .map(|mention| &mention.entity);
    let statements = piece.statements.iter();
    let said = statements
        .filter(move |said| said.passage < count)
        .flat_map(|said| [&said.subject, &said.object]);
    mentioned.chain(said)
}

fn words(piece: &Piece) -> impl Iterator<Item = &str> {
    let said = piece.statements.iter().flat_map(|said| {
        let days = [said.valid_from.as_deref(), said.valid_to.as_deref()];
        std::iter::once(said.predicate.as_str()).chain(days.into_iter().flatten())
    });
    let document = [
        Some(piece.document.title.as_str()),
        piece.document.date.as_deref(),
    ];
    document.into_iter().flatten().chain(said)
}

/// What each passage names, once; what it says something of is linked to it as well.
fn links(piece: &Piece, first: u32, entities: &Ids<'_>) -> Vec<Link> {
    let count = id(piece.document.passages.len());
    let mentions = piece.mentions.iter();
    let mut links: Vec<Link> = mentions
        .filter(|mention| mention.passage < count)
        .map(|mention| {
            let passage = first.saturating_add(mention.passage);
            let entity = entities.get(mention.entity.as_str());
            Link::new(passage, entity, 1, mention.kind == Kind::Title)
        })
        .collect();
    let statements = piece.statements.iter();
    for said in statements.filter(|said| said.passage < count) {
        for entity in [&said.subject, &said.object] {
            let passage = first.saturating_add(said.passage);
            let entity = entities.get(entity.as_str());
            links.push(Link::new(passage, entity, 0, false));
        }
    }
    links.sort_unstable();
    links.dedup_by(|next, kept| {
        let same = (next.from, next.to) == (kept.from, kept.to);
        if same {
            kept.add(*next);
        }
        same
    });
    links
}

/// Both layers as one, without the documents of the lower one that are `dead` and without entities
/// that nothing `uses` any more.
pub(super) fn merged(
    below: &Layer,
    above: &Layer,
    dead: &FixedBitSet,
    uses: &[u32],
    synonyms: &Synonyms,
) -> Layer {
    let alive = |passage: u32| !dead.contains(passage as usize);
    let used = |entity: u32| uses.get(entity as usize).is_some_and(|uses| *uses > 0);
    let (entities, entity) = join(&below.entities, &above.entities, used);
    let mut layer = Layer {
        entities,
        ..Layer::default()
    };

    // Documents without passages are not in `dead`; the upper layer knows nothing of them either,
    // so that they go, as they add nothing.
    let lower = id(below.sources.len());
    let document = |at: u32| -> Option<Entry> {
        match at.checked_sub(lower) {
            None => below.documents.get(at as usize).copied(),
            Some(at) => above.documents.get(at as usize).copied(),
        }
    };
    let holds = |at| document(at).is_some_and(|entry| entry.count > 0 && alive(entry.first));
    let (sources, source) = join(&below.sources, &above.sources, holds);
    let mut order: Vec<(u32, u32)> = (0u32..).zip(source).map(|(old, new)| (new, old)).collect();
    order.retain(|(new, _)| *new != NONE);
    order.sort_unstable();
    layer.sources = sources;

    let section = |passage: u32| match passage.checked_sub(above.first_passage) {
        None => below.section(passage),
        Some(_) => above.section(passage),
    };
    let total = below.sections.len().saturating_add(above.sections.len());
    let mut passage = vec![NONE; total];
    for (_, old) in order {
        let Some(mut entry) = document(old) else {
            continue;
        };
        let first = id(layer.sections.len());
        for old in entry.first..entry.first.saturating_add(entry.count) {
            if let Some(new) = passage.get_mut(old as usize) {
                *new = id(layer.sections.len());
            }
            layer.sections.push(section(old));
        }
        entry.first = first;
        layer.documents.push(entry);
    }

    let (entity, passage) = (Map(entity), Map(passage));
    let mut said = Vec::with_capacity(below.said.all().len() + above.said.all().len());
    for row in below.said.all().iter().chain(above.said.all()) {
        if passage.of(row.passage) != NONE {
            said.push(Said {
                subject: entity.of(row.subject),
                object: entity.of(row.object),
                passage: passage.of(row.passage),
                ..*row
            });
        }
    }
    layer.words = rename_words(below, above, &mut layer, &mut said);
    let (entities, passages) = (layer.entities.len(), layer.sections.len());
    layer.set_said(said, Some(entities), Some(passages));

    let rows = below.mentions.all().iter().chain(above.mentions.all());
    let mut mentions: Vec<Link> = rows
        .filter(|row| passage.of(row.from) != NONE)
        .map(|row| {
            let (from, to) = (passage.of(row.from), entity.of(row.to));
            Link { from, to, ..*row }
        })
        .collect();
    mentions.sort();
    layer.set_mentions(mentions, Some(entities), Some(passages));
    layer.near = synonyms.within(&layer.entities);
    layer
}

/// New ids for old ones.
struct Map(Vec<u32>);

impl Map {
    fn of(&self, old: u32) -> u32 {
        self.0.get(old as usize).copied().unwrap_or(NONE)
    }
}

/// The words that are still used, and their new ids wherever they stand.
fn rename_words(below: &Layer, above: &Layer, layer: &mut Layer, said: &mut [Said]) -> Names {
    let mut used = FixedBitSet::with_capacity(below.words.len() + above.words.len());
    let mut each = |visit: &mut dyn FnMut(&mut u32)| {
        for row in said.iter_mut() {
            visit(&mut row.predicate);
            visit(&mut row.valid_from);
            visit(&mut row.valid_to);
        }
        for entry in &mut layer.documents {
            visit(&mut entry.title);
            visit(&mut entry.date);
        }
        layer.sections.iter_mut().for_each(visit);
    };
    each(&mut |word| {
        if *word != NONE {
            used.insert(*word as usize);
        }
    });
    let (words, map) = join(&below.words, &above.words, |word| {
        used.contains(word as usize)
    });
    let map = Map(map);
    each(&mut |word| *word = map.of(*word));
    words
}

/// Two sorted lists as one, without what is not `kept`; and the new id of each old one. What is in
/// both is kept in one of them at most.
fn join(below: &Names, above: &Names, kept: impl Fn(u32) -> bool) -> (Names, Vec<u32>) {
    let lower = id(below.len());
    let mut map = vec![NONE; below.len().saturating_add(above.len())];
    let mut names = Names::default();
    let mut left = (0..lower).filter(|at| kept(*at)).peekable();
    let upper = (0..id(above.len())).map(|at| lower.saturating_add(at));
    let mut right = upper.filter(|at| kept(*at)).peekable();
    let name = |at: u32| match at.checked_sub(lower) {
        None => below.get(at),
        Some(at) => above.get(at),
    };
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(low), Some(high)) if name(*low) <= name(*high) => left.next(),
            (_, Some(_)) => right.next(),
            (_, None) => left.next(),
        };
        let Some(old) = next else { break };
        if let Some(new) = map.get_mut(old as usize) {
            *new = id(names.len());
        }
        names.push(name(old));
    }
    (names, map)
}
