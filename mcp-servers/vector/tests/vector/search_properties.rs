//! Search against brute force: random corpora, filters and modes, on the embedded store.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use ropewalk_vector::bm25::{self, K1};
use ropewalk_vector::filter::{Bounds, Condition, Filter};
use ropewalk_vector::search::{DENSE, Fusion, Mode, SPARSE, SearchSettings, search};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::{
    CollectionShape, DenseSpec, Distance, FieldKind, Point, PointId, SparseSpec, VectorStore,
};
use serde_json::{Map, Value, json};

const NAME: &str = "things";
const AVERAGE: f32 = 4.0;
const SIZE: usize = 6;

#[derive(Debug, Clone)]
struct Text {
    words: String,
    vector: Vec<f32>,
    payload: Map<String, Value>,
}

fn shape() -> CollectionShape {
    let dense = DenseSpec {
        size: SIZE as u64,
        distance: Distance::Cosine,
    };
    CollectionShape {
        dense: BTreeMap::from([(DENSE.to_owned(), dense)]),
        sparse: BTreeMap::from([(SPARSE.to_owned(), SparseSpec { idf: true })]),
        indexed: BTreeMap::from([("kind".to_owned(), FieldKind::Keyword)]),
    }
}

fn words(most: usize) -> impl Strategy<Value = String> {
    let one = proptest::sample::select(vec!["rope", "hemp", "walk", "yarn", "tar", "knot"]);
    proptest::collection::vec(one, 1..most).prop_map(|words| words.join(" "))
}

fn vector() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-1.0_f32..1.0, SIZE)
        .prop_filter("a direction", |it| it.iter().any(|it| it.abs() > 0.1))
}

fn text() -> impl Strategy<Value = Text> {
    let kind = proptest::sample::select(vec![json!("a"), json!("b"), json!(["a", "c"])]);
    let parts = (
        words(9),
        vector(),
        proptest::option::of(kind),
        proptest::option::of(0..5_i64),
    );
    parts.prop_map(|(words, vector, kind, year)| {
        let mut payload = Map::new();
        if let Some(kind) = kind {
            payload.insert("kind".to_owned(), kind);
        }
        if let Some(year) = year {
            payload.insert("meta".to_owned(), json!({"year": year}));
        }
        Text {
            words,
            vector,
            payload,
        }
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let kind = || proptest::sample::select(vec![json!("a"), json!("b"), json!("c")]);
    let leaf = prop_oneof![
        kind().prop_map(|value| Condition::Equals {
            field: "kind".to_owned(),
            value,
        }),
        proptest::collection::vec(kind(), 1..3).prop_map(|values| Condition::AnyOf {
            field: "kind".to_owned(),
            values,
        }),
        (0..5_i32).prop_map(|low| Condition::Range {
            field: "meta.year".to_owned(),
            bounds: Bounds {
                gte: Some(f64::from(low)),
                lt: Some(f64::from(low + 2)),
                ..Bounds::default()
            },
        }),
        proptest::sample::select(vec!["kind", "meta.year"]).prop_map(|field| Condition::Exists {
            field: field.to_owned(),
        }),
    ];
    let condition = leaf.prop_recursive(2, 4, 2, |inner| {
        proptest::collection::vec(inner, 1..3).prop_map(|conditions| Condition::Not { conditions })
    });
    proptest::collection::vec(condition, 0..3).prop_map(|all| Filter { all })
}

fn id(number: usize) -> PointId {
    PointId::Uuid(format!("00000000-0000-4000-8000-{number:012x}"))
}

/// What the documentation says a passage scores, computed without the store: `None` where the mode
/// does not find it.
fn score(text: &Text, corpus: &[Text], query: &str, vector: &[f32], mode: Mode) -> Option<f32> {
    let terms = bm25::analyse(query);
    let ids = |text: &Text| bm25::analyse(&text.words).document(AVERAGE).indices;
    let idf = |term: u32| {
        let holding = corpus.iter().filter(|it| ids(it).contains(&term)).count();
        bm25::idf(corpus.len() as u64, holding as u64)
    };
    let stored = bm25::analyse(&text.words).document(AVERAGE);
    let asked = terms.query();
    let (mut words, mut shared) = (0.0, false);
    for (term, weight) in asked.indices.iter().zip(&asked.values) {
        if let Some(at) = stored.indices.iter().position(|it| it == term) {
            words += weight * idf(*term) * stored.values[at];
            shared = true;
        }
    }
    let upper: f32 = terms.words().map(|term| idf(term) * (K1 + 1.0)).sum();
    let lexical = words / upper;
    let distinct: BTreeSet<u32> = terms.words().collect();
    let information = |held: bool| -> f32 {
        let counted = distinct.iter();
        let counted = counted.filter(|term| !held || stored.indices.contains(term));
        counted.map(|term| idf(*term)).sum()
    };
    let coverage = information(true) / information(false);
    let cosine = ropewalk_embed::cosine(&text.vector, vector);
    match mode {
        Mode::Dense => Some(cosine),
        Mode::Lexical => shared.then_some(lexical),
        Mode::Hybrid => Some(cosine + 0.8 * lexical + 0.2 * coverage),
    }
}

#[tokio::test]
async fn a_filtered_search_is_brute_force_over_what_passes() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = 0;
    for _ in 0..12 {
        let corpus = proptest::collection::vec(text(), 1..30);
        let corpus = corpus.new_tree(&mut runner).unwrap().current();
        let folder = tempfile::tempdir().unwrap();
        let store = EdgeStore::open(folder.path()).unwrap();
        store.create(NAME, &shape()).await.unwrap();
        let points = corpus.iter().enumerate().map(|(at, text)| Point {
            id: id(at),
            dense: BTreeMap::from([(DENSE.to_owned(), text.vector.clone())]),
            sparse: BTreeMap::from([(
                SPARSE.to_owned(),
                bm25::analyse(&text.words).document(AVERAGE),
            )]),
            payload: text.payload.clone(),
        });
        store.upsert(NAME, points.collect()).await.unwrap();
        for _ in 0..15 {
            let modes = vec![Mode::Hybrid, Mode::Dense, Mode::Lexical];
            let asked = (
                words(4),
                vector(),
                filter(),
                proptest::sample::select(modes),
                1..12_usize,
            );
            let (query, vector, filter, mode, limit) =
                asked.new_tree(&mut runner).unwrap().current();
            let settings = SearchSettings {
                limit,
                mode,
                fusion: Fusion::default(),
                filter,
                ..SearchSettings::default()
            };
            let found = search(&store, NAME, &query, &vector, &settings)
                .await
                .unwrap();
            let case = format!("{query:?} {settings:?}");
            let mut expected: BTreeMap<PointId, f32> = BTreeMap::new();
            for (at, text) in corpus.iter().enumerate() {
                if settings.filter.matches(&text.payload)
                    && let Some(score) = score(text, &corpus, &query, &vector, mode)
                {
                    expected.insert(id(at), score);
                }
            }
            let mut best: Vec<f32> = expected.values().copied().collect();
            best.sort_by(|a, b| b.total_cmp(a));
            best.truncate(limit);
            assert_eq!(found.len(), best.len(), "{case}");
            for (at, (found, best)) in found.iter().zip(&best).enumerate() {
                let own = expected.get(&found.point.id);
                let own = own.unwrap_or_else(|| panic!("{:?} does not pass: {case}", found.point));
                assert!(
                    (found.score - own).abs() < 2e-3,
                    "{at}: {own} {found:?} {case}"
                );
                assert!(
                    (found.score - best).abs() < 2e-3,
                    "{at}: {best} {found:?} {case}"
                );
                met += 1;
            }
            let ordered = found.windows(2).all(|two| two[0].score >= two[1].score);
            assert!(ordered, "{case}");
        }
    }
    assert!(met > 300, "only {met} results were compared");
}
