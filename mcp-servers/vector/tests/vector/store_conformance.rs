//! One suite for every vector store: the embedded engine, and a Qdrant server over its protocol.
//! Then what holds for the embedded engine alone: its lock, and what a kill leaves behind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use ropewalk_vector::filter::{Bounds, Condition, Filter};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::remote::RemoteStore;
use ropewalk_vector::store::{
    CollectionShape, DenseSpec, Distance, FieldKind, Fields, Point, PointId, Query, Selection,
    SparseSpec, SparseVector, StoreError, VectorStore,
};
use serde_json::{Map, Value, json};

use crate::qdrant_server;

const NAME: &str = "things";
const ALL: Fields = Fields {
    payload: None,
    vectors: true,
};

fn shape() -> CollectionShape {
    CollectionShape {
        dense: BTreeMap::from([(
            "dense".to_owned(),
            DenseSpec {
                size: 4,
                distance: Distance::Cosine,
            },
        )]),
        sparse: BTreeMap::from([("bm25".to_owned(), SparseSpec { idf: true })]),
        indexed: BTreeMap::from([
            ("kind".to_owned(), FieldKind::Keyword),
            ("count".to_owned(), FieldKind::Integer),
        ]),
    }
}

fn uuid(number: u32) -> PointId {
    PointId::Uuid(format!("00000000-0000-4000-8000-{number:012x}"))
}

/// Numbers that look random and are the same every time.
fn noise(seed: u32) -> f32 {
    let mixed = (u64::from(seed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
}

fn vector(seed: u32) -> Vec<f32> {
    (0..4).map(|part| noise(seed * 4 + part)).collect()
}

fn point(number: u32, payload: Value) -> Point {
    let sparse = SparseVector {
        indices: vec![number % 3, 7],
        values: vec![1.5, 0.5],
    };
    Point {
        id: uuid(number),
        dense: BTreeMap::from([("dense".to_owned(), vector(number))]),
        sparse: BTreeMap::from([("bm25".to_owned(), sparse)]),
        payload: payload.as_object().unwrap().clone(),
    }
}

fn dense(values: Vec<f32>, exact: bool) -> Query {
    Query::Dense {
        vector: "dense".to_owned(),
        values,
        exact,
    }
}

fn sparse(indices: Vec<u32>, values: Vec<f32>) -> Query {
    Query::Sparse {
        vector: "bm25".to_owned(),
        values: SparseVector { indices, values },
    }
}

fn everything() -> Selection {
    Selection::Matching(Filter::default())
}

fn only(condition: Condition) -> Filter {
    Filter {
        all: vec![condition],
    }
}

fn equals(field: &str, value: Value) -> Condition {
    Condition::Equals {
        field: field.to_owned(),
        value,
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

async fn filled(store: &dyn VectorStore, count: u32) {
    store.create(NAME, &shape()).await.unwrap();
    let kinds = ["red", "green", "blue"];
    let points = (0..count).map(|number| {
        point(
            number,
            json!({"kind": kinds[number as usize % 3], "count": number}),
        )
    });
    store.upsert(NAME, points.collect()).await.unwrap();
}

async fn walk(store: &dyn VectorStore, filter: &Filter, page: usize) -> Vec<Point> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.scroll(NAME, filter, &ALL, after, page).await.unwrap();
        all.extend(page.points);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn collections_are_made_described_and_dropped(store: &dyn VectorStore) {
    assert!(store.collections().await.unwrap().is_empty());
    let error = store.shape(NAME).await.unwrap_err().to_string();
    assert!(error.contains("none yet"), "{error}");
    store.create(NAME, &shape()).await.unwrap();
    store.create("another", &shape()).await.unwrap();
    assert_eq!(store.shape(NAME).await.unwrap(), shape());
    store.create(NAME, &shape()).await.unwrap();
    assert_eq!(store.collections().await.unwrap(), ["another", NAME]);

    let mut wrong = shape();
    wrong.dense.get_mut("dense").unwrap().size = 5;
    let error = store.create(NAME, &wrong).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::SizeMismatch {
                expected: 4,
                found: 5,
                ..
            }
        ),
        "{error}"
    );
    let mut wrong = shape();
    wrong.dense.get_mut("dense").unwrap().distance = Distance::Dot;
    let error = store.create(NAME, &wrong).await.unwrap_err();
    assert!(matches!(error, StoreError::ShapeMismatch { .. }), "{error}");

    store.drop_collection(NAME).await.unwrap();
    store.drop_collection(NAME).await.unwrap();
    let error = store.count(NAME, &Filter::default()).await.unwrap_err();
    assert!(matches!(&error, StoreError::NoCollection { .. }), "{error}");
    assert!(error.to_string().contains("another"), "{error}");
    for name in ["", ".hidden", "a/b", "..", "ä", &"x".repeat(129)] {
        let error = store.create(name, &shape()).await.unwrap_err();
        assert!(
            matches!(error, StoreError::BadName { .. }),
            "{name}: {error}"
        );
    }
}

async fn points_come_back_as_they_went_in(store: &dyn VectorStore) {
    filled(store, 3).await;
    let payload =
        json!({"kind": "naïve 日本語 🪢", "nested": {"a": [1, 2.5, null, true]}, "no": null});
    let replaced = point(1, payload);
    store.upsert(NAME, vec![replaced.clone()]).await.unwrap();
    assert_eq!(store.count(NAME, &Filter::default()).await.unwrap(), 3);

    let ids = [uuid(2), uuid(99), uuid(1), uuid(0)];
    let found = store.fetch(NAME, &ids, &ALL).await.unwrap();
    let order: Vec<PointId> = found.iter().map(|point| point.id.clone()).collect();
    assert_eq!(order, [uuid(2), uuid(1), uuid(0)]);
    assert_eq!(found[1].payload, replaced.payload);
    assert_eq!(found[1].sparse, replaced.sparse);
    assert!((cosine(&found[1].dense["dense"], &replaced.dense["dense"]) - 1.0).abs() < 1e-5);

    let shouted = PointId::Uuid("00000000-0000-4000-8000-00000000000A".to_owned());
    store
        .upsert(NAME, vec![point(10, json!({}))])
        .await
        .unwrap();
    assert_eq!(
        store.fetch(NAME, &[shouted], &ALL).await.unwrap()[0].id,
        uuid(10)
    );

    let some = Fields {
        payload: Some(vec!["count".to_owned()]),
        vectors: false,
    };
    let found = store.fetch(NAME, &[uuid(2)], &some).await.unwrap();
    assert_eq!(Value::Object(found[0].payload.clone()), json!({"count": 2}));
    assert!(found[0].dense.is_empty() && found[0].sparse.is_empty());
}

async fn dense_scores_are_exact_cosines_in_order(store: &dyn VectorStore) {
    filled(store, 200).await;
    store.optimize(NAME).await.unwrap();
    let wanted = vector(5_000);
    let mut exact: Vec<(f32, PointId)> = (0..200)
        .map(|number| (cosine(&wanted, &vector(number)), uuid(number)))
        .collect();
    exact.sort_by(|a, b| b.0.total_cmp(&a.0));
    for only_exact in [true, false] {
        let query = dense(wanted.clone(), only_exact);
        let found = store.search(NAME, &query, &everything(), 10).await.unwrap();
        assert_eq!(found.len(), 10);
        for (found, (score, id)) in found.iter().zip(&exact) {
            assert_eq!(&found.id, id);
            assert!(
                (found.score - score).abs() < 1e-4,
                "{} is not {score}",
                found.score
            );
        }
    }
}

async fn sparse_scores_weigh_by_document_frequency(store: &dyn VectorStore) {
    filled(store, 10).await;
    // Token 0 is in points 0, 3, 6 and 9: four of ten.
    let found = store
        .search(NAME, &sparse(vec![0], vec![2.0]), &everything(), 20)
        .await
        .unwrap();
    let mut ids: Vec<PointId> = found.iter().map(|point| point.id.clone()).collect();
    ids.sort();
    assert_eq!(ids, [uuid(0), uuid(3), uuid(6), uuid(9)]);
    let idf = ((10.0_f32 - 4.0 + 0.5) / (4.0 + 0.5) + 1.0).ln();
    for point in &found {
        assert!(
            (point.score - 2.0 * 1.5 * idf).abs() < 1e-3,
            "{}",
            point.score
        );
    }
    assert!(
        store
            .search(NAME, &sparse(vec![55], vec![1.0]), &everything(), 5)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn searches_stay_within_the_selection(store: &dyn VectorStore) {
    filled(store, 60).await;
    let these = Selection::Ids(vec![uuid(4), uuid(8), uuid(1_000)]);
    let found = store
        .search(NAME, &dense(vector(1), false), &these, 10)
        .await
        .unwrap();
    let mut ids: Vec<PointId> = found.into_iter().map(|point| point.id).collect();
    ids.sort();
    assert_eq!(ids, [uuid(4), uuid(8)]);
    let none = Selection::Ids(Vec::new());
    assert!(
        store
            .search(NAME, &dense(vector(1), false), &none, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let red = Selection::Matching(only(equals("kind", json!("red"))));
    for query in [dense(vector(1), false), sparse(vec![7], vec![1.0])] {
        assert_eq!(
            store.search(NAME, &query, &red, 100).await.unwrap().len(),
            20
        );
    }
}

async fn a_walk_meets_every_point_once(store: &dyn VectorStore) {
    filled(store, 25).await;
    let mut ids: Vec<PointId> = walk(store, &Filter::default(), 7)
        .await
        .into_iter()
        .map(|point| point.id)
        .collect();
    ids.sort();
    assert_eq!(ids, (0..25).map(uuid).collect::<Vec<_>>());
    let green = only(equals("kind", json!("green")));
    assert_eq!(walk(store, &green, 3).await.len(), 8);
    assert_eq!(store.count(NAME, &green).await.unwrap(), 8);
    let facet = store.facet(NAME, "kind", 2).await.unwrap();
    assert_eq!(facet[0], (json!("red"), 9));
    assert_eq!(facet.len(), 2);
}

async fn deleted_points_are_gone(store: &dyn VectorStore) {
    filled(store, 12).await;
    store
        .delete(NAME, &Selection::Ids(vec![uuid(0), uuid(500)]))
        .await
        .unwrap();
    store
        .delete(NAME, &Selection::Ids(Vec::new()))
        .await
        .unwrap();
    assert_eq!(store.count(NAME, &Filter::default()).await.unwrap(), 11);
    let blue = only(equals("kind", json!("blue")));
    store
        .delete(NAME, &Selection::Matching(blue.clone()))
        .await
        .unwrap();
    assert_eq!(store.count(NAME, &blue).await.unwrap(), 0);
    let found = store
        .search(NAME, &dense(vector(2), true), &everything(), 50)
        .await
        .unwrap();
    assert_eq!(found.len(), 7);
}

async fn a_new_sparse_vector_leaves_the_rest(store: &dyn VectorStore) {
    filled(store, 4).await;
    let before = store.fetch(NAME, &[uuid(2)], &ALL).await.unwrap().remove(0);
    let new = SparseVector {
        indices: vec![3, 900],
        values: vec![0.25, 4.0],
    };
    store
        .update_sparse(NAME, "bm25", vec![(uuid(2), new.clone())])
        .await
        .unwrap();
    store.update_sparse(NAME, "bm25", Vec::new()).await.unwrap();
    let after = store.fetch(NAME, &[uuid(2)], &ALL).await.unwrap().remove(0);
    assert_eq!(after.sparse["bm25"], new);
    assert_eq!((after.dense, after.payload), (before.dense, before.payload));
}

async fn wrong_vectors_change_nothing(store: &dyn VectorStore) {
    filled(store, 2).await;
    let mut wrong = point(8, json!({}));
    wrong.dense.insert("dense".to_owned(), vec![1.0; 7]);
    let error = store
        .upsert(NAME, vec![point(7, json!({})), wrong])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("size 4") && error.contains("size 7"),
        "{error}"
    );
    let mut wrong = point(8, json!({}));
    wrong
        .sparse
        .insert("other".to_owned(), SparseVector::default());
    let error = store.upsert(NAME, vec![wrong]).await.unwrap_err();
    assert!(matches!(error, StoreError::NoVector { .. }), "{error}");
    assert_eq!(store.count(NAME, &Filter::default()).await.unwrap(), 2);
    let query = dense(vec![1.0; 3], false);
    let error = store
        .search(NAME, &query, &everything(), 1)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::SizeMismatch {
                expected: 4,
                found: 3,
                ..
            }
        ),
        "{error}"
    );
    let query = Query::Dense {
        vector: "nope".to_owned(),
        values: vec![1.0; 4],
        exact: false,
    };
    let error = store
        .search(NAME, &query, &everything(), 1)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NoVector { .. }), "{error}");
    store.upsert(NAME, Vec::new()).await.unwrap();
    assert!(store.fetch(NAME, &[], &ALL).await.unwrap().is_empty());
}

async fn collections_of_others_are_readable(store: &dyn VectorStore) {
    let spec = DenseSpec {
        size: 2,
        distance: Distance::Dot,
    };
    let theirs = CollectionShape {
        dense: BTreeMap::from([(String::new(), spec)]),
        ..CollectionShape::default()
    };
    store.create(NAME, &theirs).await.unwrap();
    assert_eq!(store.shape(NAME).await.unwrap(), theirs);
    let points = (1..=3_u8).map(|number| Point {
        id: PointId::Number(number.into()),
        dense: BTreeMap::from([(String::new(), vec![f32::from(number), 0.5])]),
        sparse: BTreeMap::new(),
        payload: json!({"anything": [{"x": number}]})
            .as_object()
            .unwrap()
            .clone(),
    });
    store.upsert(NAME, points.collect()).await.unwrap();
    let query = Query::Dense {
        vector: String::new(),
        values: vec![1.0, 0.0],
        exact: false,
    };
    let found = store.search(NAME, &query, &everything(), 2).await.unwrap();
    assert_eq!(found[0].id, PointId::Number(3));
    assert!((found[0].score - 3.0).abs() < 1e-4);
    let all = walk(store, &Filter::default(), 2).await;
    assert_eq!(all[0].dense[""], [1.0, 0.5]);
    assert_eq!(all[2].payload["anything"], json!([{"x": 3}]));
}

async fn thousands_of_points_are_kept(store: &dyn VectorStore) {
    filled(store, 5_000).await;
    assert_eq!(store.count(NAME, &Filter::default()).await.unwrap(), 5_000);
    let bounds = Bounds {
        gte: Some(4_000.0),
        lt: Some(4_500.0),
        ..Bounds::default()
    };
    let range = only(Condition::Range {
        field: "count".to_owned(),
        bounds,
    });
    assert_eq!(store.count(NAME, &range).await.unwrap(), 500);
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::sample::select(vec![json!("a"), json!("b"), json!(""), json!(null)]),
        (-2..3_i64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        proptest::sample::select(vec![json!(0.5), json!(1.0), json!(-2.25)]),
    ]
}

fn one_or_many(one: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        3 => one.clone(),
        1 => proptest::collection::vec(one, 0..3).prop_map(Value::from),
    ]
}

/// An index holds only values of its own type, so the indexed fields have those or null.
fn payload() -> impl Strategy<Value = Map<String, Value>> {
    let texts = vec![json!("a"), json!("b"), json!(""), json!(null)];
    let texts = one_or_many(proptest::sample::select(texts).boxed());
    let numbers = (-2..3_i64).prop_map(Value::from).boxed();
    let fields = (
        proptest::option::of(texts),
        proptest::option::of(one_or_many(numbers)),
        proptest::option::of(one_or_many(scalar().boxed())),
        proptest::option::of(one_or_many(scalar().boxed())),
    );
    fields.prop_map(|(kind, count, free, inner)| {
        let inner = inner.map(|inner| json!({"inner": inner}));
        let all = [
            ("kind", kind),
            ("count", count),
            ("free", free),
            ("outer", inner),
        ];
        let given = all
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    })
}

fn filters() -> impl Strategy<Value = Filter> {
    let field = || {
        proptest::sample::select(vec!["kind", "count", "free", "outer.inner", "absent"])
            .prop_map(str::to_owned)
    };
    let wanted = || scalar().prop_filter("null is no value to compare with", |it| !it.is_null());
    let leaf = prop_oneof![
        (field(), wanted()).prop_map(|(field, value)| Condition::Equals { field, value }),
        (field(), proptest::collection::vec(wanted(), 0..3))
            .prop_map(|(field, values)| Condition::AnyOf { field, values }),
        (field(), -2..3_i32, any::<bool>(), 0..3_i32).prop_map(|(field, low, strict, width)| {
            let (low, high) = (f64::from(low), f64::from(low + width));
            let bounds = if strict {
                Bounds {
                    gt: Some(low),
                    lt: Some(high),
                    ..Bounds::default()
                }
            } else {
                Bounds {
                    gte: Some(low),
                    lte: Some(high),
                    ..Bounds::default()
                }
            };
            Condition::Range { field, bounds }
        }),
        field().prop_map(|field| Condition::Exists { field }),
    ];
    let condition = leaf.prop_recursive(2, 6, 3, |inner| {
        proptest::collection::vec(inner, 1..3).prop_map(|conditions| Condition::Not { conditions })
    });
    proptest::collection::vec(condition, 0..3).prop_map(|all| Filter { all })
}

async fn filters_agree_with_plain_evaluation(store: &dyn VectorStore) {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let payloads = proptest::collection::vec(payload(), 60)
        .new_tree(&mut runner)
        .unwrap();
    let payloads = payloads.current();
    store.create(NAME, &shape()).await.unwrap();
    let points = payloads.iter().enumerate();
    let points = points.map(|(at, it)| point(at as u32, Value::Object(it.clone())));
    store.upsert(NAME, points.collect()).await.unwrap();
    for _ in 0..150 {
        let filter = filters().new_tree(&mut runner).unwrap().current();
        let mut found: Vec<PointId> = walk(store, &filter, 64)
            .await
            .into_iter()
            .map(|point| point.id)
            .collect();
        found.sort();
        let numbered = payloads.iter().enumerate();
        let expected: Vec<PointId> = numbered
            .filter(|(_, it)| filter.matches(it))
            .map(|(at, _)| uuid(at as u32))
            .collect();
        if found != expected {
            let odd =
                (0..60).find(|at| found.contains(&uuid(*at)) != expected.contains(&uuid(*at)));
            panic!(
                "{filter:?} disagrees about {:?}",
                payloads[odd.unwrap() as usize]
            );
        }
    }
}

macro_rules! conformance {
    ($($name:ident,)*) => {
        mod edge {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&EdgeStore::open(folder.path()).unwrap()).await;
            })*
        }
        mod remote {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let address = qdrant_server::serve(None).await;
                let store = RemoteStore::connect(&format!("http://{address}"), None).await.unwrap();
                super::$name(&store).await;
            })*
        }
    };
}

conformance! {
    collections_are_made_described_and_dropped,
    points_come_back_as_they_went_in,
    dense_scores_are_exact_cosines_in_order,
    sparse_scores_weigh_by_document_frequency,
    searches_stay_within_the_selection,
    a_walk_meets_every_point_once,
    deleted_points_are_gone,
    a_new_sparse_vector_leaves_the_rest,
    wrong_vectors_change_nothing,
    collections_of_others_are_readable,
    thousands_of_points_are_kept,
    filters_agree_with_plain_evaluation,
}

#[tokio::test]
async fn a_wrong_address_is_found_out_when_connecting() {
    let error = RemoteStore::connect("http://127.0.0.1:1", None)
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");

    // A server that speaks HTTP/1, as Qdrant's REST port does.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    let error = RemoteStore::connect(&format!("http://{address}"), None)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("6334"), "{error}");
}

#[tokio::test]
async fn a_key_is_sent_and_never_shown() {
    let url = format!("http://{}", qdrant_server::serve(Some("right")).await);
    let store = RemoteStore::connect(&url, Some("right".to_owned()))
        .await
        .unwrap();
    store.create(NAME, &shape()).await.unwrap();
    let error = RemoteStore::connect(&url, Some("wr0ng".to_owned()))
        .await
        .err()
        .unwrap();
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("API key") && !shown.contains("wr0ng"),
        "{shown}"
    );
}

#[tokio::test]
async fn points_survive_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(folder.path()).unwrap();
    filled(&store, 30).await;
    let before = walk(&store, &Filter::default(), 100).await;
    drop(store);
    let store = EdgeStore::open(folder.path()).unwrap();
    assert_eq!(walk(&store, &Filter::default(), 100).await, before);
    assert_eq!(store.shape(NAME).await.unwrap(), shape());
}

const CHILD_FOLDER: &str = "STORE_TEST_FOLDER";

/// What the tests below start as a process of its own, and kill; without a folder from one of
/// them it has nothing to do.
#[test]
fn writing_child() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = EdgeStore::open(Path::new(&folder)).unwrap();
        store.create(NAME, &shape()).await.unwrap();
        let mut next = store.count(NAME, &Filter::default()).await.unwrap() as u32;
        println!("\nopened");
        loop {
            let batch = (next..next + 5)
                .map(|it| point(it, json!({"count": it})))
                .collect();
            store.upsert(NAME, batch).await.unwrap();
            next += 5;
            println!("acknowledged {next}");
        }
    });
}

fn child(folder: &Path) -> (std::process::Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_conformance::writing_child", "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    (child, lines)
}

#[test]
fn a_second_process_is_refused_with_the_first_ones_pid() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut lines) = child(folder.path());
    assert!(lines.any(|line| line == "opened"));
    let error = EdgeStore::open(folder.path()).err().unwrap();
    assert!(
        matches!(error, StoreError::Locked { pid, .. } if pid == Some(process.id())),
        "{error}"
    );
    process.kill().unwrap();
    process.wait().unwrap();
    EdgeStore::open(folder.path()).expect("the lock of a dead process is free");
}

#[test]
fn what_was_acknowledged_survives_kills() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for round in 0..12_u32 {
        let (mut process, mut lines) = child(folder.path());
        assert!(
            lines.any(|line| line == "opened"),
            "round {round}: does not reopen"
        );
        let mut acknowledged = 0;
        for line in lines.by_ref().take(2 + (round as usize * 5) % 11) {
            acknowledged = line.strip_prefix("acknowledged ").unwrap().parse().unwrap();
        }
        // Somewhere inside the next writes.
        std::thread::sleep(std::time::Duration::from_micros(u64::from(round) * 3_700));
        process.kill().unwrap();
        process.wait().unwrap();
        // What was acknowledged between the last line read and the kill.
        for line in lines {
            acknowledged = line
                .strip_prefix("acknowledged ")
                .map_or(acknowledged, |it| it.parse().unwrap_or(acknowledged));
        }
        runtime.block_on(async {
            let store = EdgeStore::open(folder.path()).unwrap();
            let ids: Vec<PointId> = (0..acknowledged).map(uuid).collect();
            let found = store.fetch(NAME, &ids, &ALL).await.unwrap();
            assert_eq!(found.len(), ids.len(), "round {round}");
            for (number, found) in (0..acknowledged).zip(found) {
                let wanted = point(number, json!({"count": number}));
                assert_eq!(
                    (&found.payload, &found.sparse),
                    (&wanted.payload, &wanted.sparse)
                );
                assert!((cosine(&found.dense["dense"], &vector(number)) - 1.0).abs() < 1e-5);
            }
        });
    }
}
