//! Search over 10,000 chunks with a filter: recall against exact search, and latency beside the
//! time it takes to embed the question.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod peer;

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use ropewalk_embed::Embedder;
use ropewalk_vector::collection::is;
use ropewalk_vector::filter::Filter;
use ropewalk_vector::search::{DENSE, SPARSE, SearchSettings, search};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::{Point, PointId, Query, Selection, VectorStore};
use ropewalk_vector::{bm25, collection};
use serde_json::{Map, json};

const CHUNKS: usize = 10_000;
const QUERIES: usize = 100;

/// Sentences over the words of our documentation: embedded for real, so that the vectors have the
/// shape real ones have.
fn sentence(number: usize, words: usize) -> String {
    let source = include_str!("../docs/vector-server.md");
    let vocabulary: Vec<&str> = source.split_whitespace().collect();
    let pick = |n: usize| vocabulary[(number * 7919 + n * n * 31 + n * 17) % vocabulary.len()];
    (0..words).map(pick).collect::<Vec<_>>().join(" ")
}

#[tokio::main]
async fn main() {
    let embedder = Embedder::shipped().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(folder.path()).unwrap();
    store
        .create("c", &collection::shape(embedder.dimensions()))
        .await
        .unwrap();
    let texts: Vec<String> = (0..CHUNKS).map(|number| sentence(number, 24)).collect();
    let vectors = embedder.embed(&texts).unwrap();
    let mut points: Vec<Point> = Vec::new();
    for (number, (text, vector)) in texts.iter().zip(vectors).enumerate() {
        let format = if number % 4 == 0 { "pdf" } else { "markdown" };
        points.push(Point {
            id: PointId::Number(number as u64),
            dense: BTreeMap::from([(DENSE.to_owned(), vector)]),
            sparse: BTreeMap::from([(SPARSE.to_owned(), bm25::analyse(text).document(20.0))]),
            payload: Map::from_iter([("format".to_owned(), json!(format))]),
        });
    }
    for batch in points.chunks(1000) {
        store.upsert("c", batch.to_vec()).await.unwrap();
    }
    store.optimize("c").await.unwrap();
    let filter = Filter {
        all: vec![is("format", "pdf")],
    };
    let within = Selection::Matching(filter.clone());
    let (mut hits, mut embedding, mut searching) = (0_usize, Vec::new(), Vec::new());
    for number in 0..QUERIES {
        let question = sentence(number * 97 + 5, 9);
        let start = Instant::now();
        let values = embedder.embed(&[&question]).unwrap().remove(0);
        embedding.push(start.elapsed().as_secs_f64() * 1000.0);
        let find = async |exact: bool| {
            let query = Query::Dense {
                vector: DENSE.to_owned(),
                values: values.clone(),
                exact,
            };
            let found = store.search("c", &query, &within, 10).await.unwrap();
            found
                .into_iter()
                .map(|found| found.id)
                .collect::<HashSet<_>>()
        };
        hits += find(false).await.intersection(&find(true).await).count();
        let settings = SearchSettings {
            filter: filter.clone(),
            ..SearchSettings::default()
        };
        let start = Instant::now();
        search(&store, "c", &question, &values, &settings)
            .await
            .unwrap();
        searching.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    let recall = hits as f64 / (QUERIES * 10) as f64;
    peer::figure(
        "filtered_recall_at_10_against_exact",
        "share",
        &[recall],
        &[1.0],
    );
    searching.sort_by(f64::total_cmp);
    embedding.sort_by(f64::total_cmp);
    for (name, share) in [("hybrid_search_p50", 50), ("hybrid_search_p95", 95)] {
        let at = QUERIES * share / 100;
        peer::figure(
            name,
            "ms beside embedding the question",
            &[searching[at]],
            &[embedding[at]],
        );
    }
}
