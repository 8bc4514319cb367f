//! Pieces that come, are replaced and are taken out in any order, against a graph of what is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::amendments::History;
use super::super::communities::{Centre, Communities};
use super::super::neighbourhood::{Around, Page};
use super::super::pagerank::{Ranking, Walk};
use super::super::paths::{Paths, Search};
use super::super::timeline::Timeline;
use super::super::{Network, Node, Snapshot, Synonym};
use super::{dump, entity, key, passage};
use crate::name::Key;
use crate::piece::{Document, Extractor, Kind, Mention, Passage, Piece, Statement};

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const SOURCES: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];

#[derive(Debug, Clone)]
enum Step {
    Insert(Box<Piece>),
    Remove(usize),
    Settle,
    Merge,
    Synonyms(Vec<(usize, usize, f32)>),
}

fn name() -> impl Strategy<Value = Key> {
    (0..NAMES.len()).prop_map(|at| key(NAMES[at]))
}

fn date() -> impl Strategy<Value = Option<String>> {
    const DAYS: &[&str] = &["2020-01-01", "2021-05-06", "2021-13-40", "soon"];
    prop::option::of(prop::sample::select(DAYS).prop_map(str::to_owned))
}

fn mention() -> impl Strategy<Value = Mention> {
    (0u32..5, name(), any::<bool>()).prop_map(|(passage, entity, title)| Mention {
        passage,
        name: entity.to_string(),
        entity,
        kind: if title { Kind::Title } else { Kind::Name },
        span: 0..0,
    })
}

fn statement() -> impl Strategy<Value = Statement> {
    const PREDICATES: &[&str] = &["knows", "modifies", "replaces", "removes", "also known as"];
    let how = (
        prop::sample::select(PREDICATES),
        prop::sample::select(&[0.0, -0.0, 0.3, 0.9, 1.0, 7.0, f32::NAN][..]),
        any::<bool>(),
    );
    let days = (date(), date());
    (0u32..5, name(), name(), how, days).prop_map(
        |(passage, subject, object, (predicate, confidence, pattern), days)| Statement {
            passage,
            subject,
            predicate: predicate.to_owned(),
            object,
            span: 0..3,
            extractor: if pattern {
                Extractor::Pattern
            } else {
                Extractor::Given
            },
            confidence,
            valid_from: days.0,
            valid_to: days.1,
        },
    )
}

fn document() -> impl Strategy<Value = Document> {
    let heading = prop::collection::vec(prop::sample::select(&["x", "y"][..]), 0..2);
    let headings = prop::collection::vec(heading, 0..5);
    (0..SOURCES.len(), date(), headings).prop_map(|(at, date, headings)| Document {
        source: SOURCES[at].to_owned(),
        title: format!("Title {at}"),
        date,
        passages: headings
            .into_iter()
            .map(|headings| Passage {
                headings: headings.into_iter().map(str::to_owned).collect(),
                text: String::new(),
                span: 0..0,
            })
            .collect(),
    })
}

fn step() -> impl Strategy<Value = Step> {
    let piece = (
        document(),
        prop::collection::vec(mention(), 0..12),
        prop::collection::vec(statement(), 0..6),
    )
        .prop_map(|(document, mentions, statements)| {
            Step::Insert(Box::new(Piece {
                document,
                mentions,
                statements,
            }))
        });
    let synonym = (0..NAMES.len(), 0..NAMES.len(), 0.0f32..1.0);
    prop_oneof![
        6 => piece,
        2 => (0..SOURCES.len()).prop_map(Step::Remove),
        2 => Just(Step::Settle),
        1 => Just(Step::Merge),
        1 => prop::collection::vec(synonym, 0..4).prop_map(Step::Synonyms),
    ]
}

/// What is asked of a graph.
#[derive(Debug, PartialEq)]
struct Answers {
    dump: Vec<String>,
    ranking: Ranking,
    pushed: Ranking,
    page: Page,
    second: Page,
    paths: Vec<Paths>,
    groups: Vec<(Vec<Vec<Key>>, f64, Centre)>,
    timelines: Vec<Timeline>,
    histories: Vec<History>,
}

fn ask(snapshot: &Arc<Snapshot>) -> Answers {
    let seeds: [(Node, f64); 4] = [
        (entity("a"), 0.3),
        (passage("s1", 0), 0.7),
        (entity("a"), 0.11),
        (entity("nobody"), 1.0),
    ];
    let around = Around {
        fan_out: 3,
        limit: 4,
        hops: 3,
        ..Around::default()
    };
    let starts = [entity("b"), passage("s2", 1)];
    let pairs = [
        (entity("a"), entity("e")),
        (entity("b"), passage("s3", 0)),
        (passage("s0", 0), passage("s5", 1)),
    ];
    let communities = Communities::of(snapshot, 1.0);
    let levels = 0..communities.levels();
    let groups = levels.map(|level| {
        let groups = 0..u32::try_from(communities.groups(level)).unwrap();
        let members = groups.map(|group| communities.members(level, group, 0, 100));
        let modularity = communities.modularity(level);
        (
            members.collect(),
            modularity,
            communities.centre(level, 0, 5),
        )
    });
    Answers {
        dump: dump(snapshot),
        ranking: snapshot.pagerank(&seeds, &Walk::default()),
        pushed: snapshot.pushed(&seeds, &Walk::default()),
        page: snapshot.neighbourhood(&starts, &around, 0),
        second: snapshot.neighbourhood(&starts, &around, 4),
        paths: pairs
            .iter()
            .map(|(from, to)| {
                let search = Search {
                    paths: 5,
                    ..Search::default()
                };
                snapshot.paths(from, to, &search)
            })
            .collect(),
        groups: groups.collect(),
        timelines: NAMES
            .map(|name| snapshot.timeline(&key(name), 0, 100))
            .to_vec(),
        histories: NAMES
            .map(|name| snapshot.history(&key(name), Some("2021-01-01")))
            .to_vec(),
    }
}

fn cases() -> u32 {
    let heavy = std::env::var_os("ROPEWALK_HEAVY").is_some();
    if heavy { 1_000 } else { 256 }
}

fn synonyms(pairs: &[(usize, usize, f32)]) -> Vec<Synonym> {
    pairs
        .iter()
        .map(|(one, other, similarity)| Synonym {
            one: key(NAMES[*one]),
            other: key(NAMES[*other]),
            similarity: *similarity,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_changes_is_the_graph_of_what_is_left(steps in prop::collection::vec(step(), 1..24)) {
        let mut network = Network::new();
        let mut left: BTreeMap<String, Arc<Piece>> = BTreeMap::new();
        let mut given = Vec::new();
        let mut held: Vec<(Arc<Snapshot>, Vec<String>)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(piece) => {
                    let piece = Arc::new(*piece);
                    left.insert(piece.document.source.clone(), Arc::clone(&piece));
                    network.insert(piece);
                }
                Step::Remove(at) => {
                    left.remove(SOURCES[at]);
                    network.remove(SOURCES[at]);
                }
                Step::Settle => {
                    let snapshot = network.settle();
                    held.push((Arc::clone(&snapshot), dump(&snapshot)));
                }
                Step::Merge => network.merge(),
                Step::Synonyms(pairs) => {
                    network.set_synonyms(synonyms(&pairs));
                    given = pairs;
                }
            }
        }
        let changed = ask(&network.settle());
        let mut fresh = Network::new();
        fresh.set_synonyms(synonyms(&given));
        fresh.settle();
        for piece in left.values().rev() {
            fresh.insert(Arc::clone(piece));
        }
        let above = ask(&fresh.settle());
        fresh.merge();
        let below = ask(&fresh.settle());
        prop_assert_eq!(&changed, &below);
        prop_assert_eq!(&above, &below);
        network.merge();
        prop_assert_eq!(&ask(&network.settle()), &below);
        for (snapshot, before) in held {
            prop_assert_eq!(dump(&snapshot), before);
        }
    }
}
