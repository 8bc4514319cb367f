//! Pieces that are made up, and everything of a store.

use proptest::prelude::*;
use ropewalk_graph::name::Key;
use ropewalk_graph::piece::{Document, Extractor, Kind, Mention, Passage, Piece, Statement};
use ropewalk_graph::store::{Entity, Found, GraphHash, GraphStore, stems};

/// Few names, so that documents share them and write them differently.
const NAMES: [&str; 8] = [
    "Ann Lee",
    "ANN LEE",
    "Bob",
    "bob!",
    "Rope Ltd.",
    "Rope",
    "1999",
    "Zoë",
];

const WORDS: [&str; 6] = [
    "rope",
    "walks",
    "running late",
    "",
    "the Zoë\u{0}",
    "nine 9",
];

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&NAMES[..])
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&[Kind::Name, Kind::Title, Kind::Date][..])
}

fn passage() -> impl Strategy<Value = Passage> {
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..4);
    let headings = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..2);
    (words, headings, 0..9_u64).prop_map(|(words, headings, start)| Passage {
        headings: headings.into_iter().map(str::to_owned).collect(),
        text: words.join(" "),
        span: start..start + 5,
    })
}

fn mention(passages: u32) -> impl Strategy<Value = Mention> {
    (0..passages, name(), kind(), 0..9_u32).prop_map(|(passage, name, kind, start)| Mention {
        passage,
        entity: Key::of(name).unwrap(),
        name: name.to_owned(),
        kind,
        span: start..start + 3,
    })
}

fn statement(passages: u32) -> impl Strategy<Value = Statement> {
    let dates = proptest::option::of(Just("2001-02-03".to_owned()));
    (0..passages, name(), name(), 0..3_u8, dates).prop_map(
        |(passage, subject, object, number, date)| Statement {
            passage,
            subject: Key::of(subject).unwrap(),
            predicate: format!("does {number}"),
            object: Key::of(object).unwrap(),
            span: 0..3,
            extractor: Extractor::Pattern,
            confidence: 0.7,
            valid_from: date,
            valid_to: None,
        },
    )
}

/// A piece of one of six sources.
pub fn piece() -> impl Strategy<Value = Piece> {
    let passages = proptest::collection::vec(passage(), 0..4);
    (0..6_u8, 0..2_u8, passages).prop_flat_map(|(source, title, passages)| {
        let count = u32::try_from(passages.len()).unwrap();
        let most = if count == 0 { 1 } else { 7 };
        let mentions = proptest::collection::vec(mention(count.max(1)), 0..most);
        let statements = proptest::collection::vec(statement(count.max(1)), 0..most);
        (mentions, statements).prop_map(move |(mentions, statements)| Piece {
            document: Document {
                source: format!("s{source}"),
                title: format!("Title {title}"),
                date: None,
                passages: passages.clone(),
            },
            mentions,
            statements,
        })
    })
}

/// A piece that is the same for the same number.
pub fn made_up(number: u64, mentions: u64) -> Piece {
    let text = format!("Document {number} tells of things and of running water. ");
    let passage = Passage {
        headings: Vec::new(),
        span: 0..text.len() as u64,
        text,
    };
    let thing = |at: u64| format!("Thing {}", (number * 31 + at * at) % 5_000);
    Piece {
        document: Document {
            source: format!("made/{number}"),
            title: format!("Document {number}"),
            date: None,
            passages: vec![passage; 2],
        },
        mentions: (0..mentions)
            .map(|at| Mention {
                passage: u32::from(at % 2 == 1),
                entity: Key::of(&thing(at)).unwrap(),
                name: thing(at),
                kind: Kind::Name,
                span: 0..5,
            })
            .collect(),
        statements: (0..mentions / 4)
            .map(|at| Statement {
                passage: 0,
                subject: Key::of(&thing(at)).unwrap(),
                predicate: "stands beside".to_owned(),
                object: Key::of(&thing(at + 1)).unwrap(),
                span: 0..5,
                extractor: Extractor::Pattern,
                confidence: 0.5,
                valid_from: None,
                valid_to: None,
            })
            .collect(),
    }
}

/// Everything that a store answers, but for times and numbers of changes.
#[derive(Debug, PartialEq)]
pub struct Dump {
    hash: GraphHash,
    pieces: Vec<Piece>,
    counts: [u64; 5],
    entities: Vec<Entity>,
    around: Vec<String>,
    found: Vec<Vec<Found>>,
}

pub fn dump(store: &dyn GraphStore) -> Dump {
    let status = store.status().unwrap();
    let keys = store.entities(None, 1_000).unwrap();
    let around = keys.iter().map(|key| {
        let mentions = store.mentions_of(key, None, 3).unwrap();
        let statements = store.statements_of(key, None, 3).unwrap().items;
        let statements: Vec<_> = statements
            .into_iter()
            .map(|found| (found.source, found.statement))
            .collect();
        format!("{mentions:?} {statements:?}")
    });
    Dump {
        hash: store.hash().unwrap(),
        pieces: store.pieces(None, 1_000).unwrap(),
        counts: [
            status.documents,
            status.passages,
            status.entities,
            status.mentions,
            status.statements,
        ],
        around: around.collect(),
        entities: keys
            .iter()
            .map(|key| store.entity(key).unwrap().unwrap())
            .collect(),
        found: ["rope", "running", "title zoë 9"]
            .map(|question| store.search_text(&stems(question), 3).unwrap())
            .into(),
    }
}
