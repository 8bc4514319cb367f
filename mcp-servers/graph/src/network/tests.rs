//! The graph against what is known of it: small ones by hand, and any that changes against one made
//! from scratch.

mod changes;
mod small;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Network, Node, PassageId, Snapshot};
use crate::name::Key;
use crate::piece::{Document, Extractor, Kind, Mention, Passage, Piece, Statement};

pub(super) fn key(name: &str) -> Key {
    Key::of(name).unwrap()
}

pub(super) fn entity(name: &str) -> Node {
    Node::Entity(key(name))
}

pub(super) fn passage(source: &str, number: u32) -> Node {
    Node::Passage(PassageId {
        source: source.to_owned(),
        number,
    })
}

/// A piece whose passages name what stands in them, between commas.
pub(super) fn piece(source: &str, passages: &[&str]) -> Piece {
    let mut mentions = Vec::new();
    for (number, text) in (0u32..).zip(passages) {
        for name in text.split(',').filter(|name| !name.trim().is_empty()) {
            mentions.push(Mention {
                passage: number,
                entity: key(name),
                name: name.to_owned(),
                kind: Kind::Name,
                span: 0..0,
            });
        }
    }
    let passages = passages.iter().map(|text| Passage {
        headings: Vec::new(),
        text: (*text).to_owned(),
        span: 0..0,
    });
    Piece {
        document: Document {
            source: source.to_owned(),
            title: source.to_uppercase(),
            date: None,
            passages: passages.collect(),
        },
        mentions,
        statements: Vec::new(),
    }
}

pub(super) fn said(subject: &str, predicate: &str, object: &str, from: Option<&str>) -> Statement {
    Statement {
        passage: 0,
        subject: key(subject),
        predicate: predicate.to_owned(),
        object: key(object),
        span: 0..1,
        extractor: Extractor::Given,
        confidence: 1.0,
        valid_from: from.map(str::to_owned),
        valid_to: None,
    }
}

/// One with a passage that names nothing, and says this.
pub(super) fn saying(source: &str, statements: Vec<Statement>) -> Piece {
    Piece {
        statements,
        ..piece(source, &[""])
    }
}

pub(super) fn graph(pieces: Vec<Piece>) -> Arc<Snapshot> {
    let mut network = Network::new();
    for piece in pieces {
        network.insert(Arc::new(piece));
    }
    network.settle()
}

/// Everything a graph holds, in names.
pub(super) fn dump(snapshot: &Snapshot) -> Vec<String> {
    let mut lines = vec![format!(
        "{} passages, {} entities",
        snapshot.passage_count(),
        snapshot.entity_count()
    )];
    for passage in snapshot.passages() {
        let (source, entry) = snapshot.document(passage).unwrap();
        let layer_section = snapshot.section_of(passage);
        lines.push(format!(
            "{source} {} of {}: {:?} {:?} {:?}",
            snapshot.stands(passage).1,
            entry.count,
            snapshot.optional(entry.title),
            snapshot.optional(entry.date),
            layer_section,
        ));
        let mut links: BTreeMap<Key, String> = BTreeMap::new();
        for link in snapshot.mentions(passage) {
            let known = links.insert(
                snapshot.key(link.to),
                format!("{} {}", link.count(), link.title()),
            );
            assert_eq!(known, None);
        }
        lines.push(format!("  names {links:?}"));
        let id = snapshot.passage(passage);
        for fact in snapshot.statements_in(&id) {
            lines.push(format!("  says {fact:?}"));
        }
    }
    for entity in snapshot.entities() {
        let key = snapshot.key(entity);
        let mut edges = Vec::new();
        snapshot.edges(entity, |edge| {
            let how = match edge.how {
                super::snapshot::How::Said(said) => format!("{:?}", snapshot.fact(said)),
                super::snapshot::How::Near(similarity) => format!("near {similarity}"),
                super::snapshot::How::Mention(link) => format!("{} {}", link.count(), link.title()),
                super::snapshot::How::Beside { same_section } => format!("beside {same_section}"),
            };
            edges.push(format!("{:?} {how}", snapshot.name(edge.to)));
        });
        edges.sort_unstable();
        lines.push(format!("{key} {}: {edges:?}", snapshot.uses_of(entity)));
    }
    lines
}
