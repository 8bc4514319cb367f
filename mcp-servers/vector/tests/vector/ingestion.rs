//! Ingestion as a library, on the embedded store: cancelled, taken up again, brought to rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use ropewalk_documents::chunk::ChunkSettings;
use ropewalk_documents::load::LoadLimits;
use ropewalk_embed::Embedder;
use ropewalk_vector::collection::{self, field};
use ropewalk_vector::filter::Filter;
use ropewalk_vector::ingest::{IngestReport, IngestSettings, Ingestor};
use ropewalk_vector::search::{DENSE, SPARSE};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::{Fields, Point, SparseVector, VectorStore};
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

const NAME: &str = "documents";

fn settings() -> IngestSettings {
    IngestSettings {
        collection: NAME.to_owned(),
        globs: Vec::new(),
        chunks: ChunkSettings::default(),
        limits: LoadLimits::default(),
    }
}

/// The average lengths that stored weights were computed with, and the true one.
async fn averages(store: &dyn VectorStore) -> (Vec<f64>, f64) {
    let fields = Fields::default();
    let page = store
        .scroll(NAME, &Filter::default(), &fields, None, 10_000)
        .await
        .unwrap();
    let number = |name: &str| -> Vec<f64> {
        let values = page.points.iter().map(|point| &point.payload[name]);
        values.map(|value| value.as_f64().unwrap()).collect()
    };
    let terms = number(field::TERMS);
    let true_average = terms.iter().sum::<f64>() / terms.len() as f64;
    (number(field::AVERAGE), true_average)
}

#[tokio::test]
async fn a_cancelled_ingestion_keeps_what_is_done_and_the_next_one_brings_it_to_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(folder.path()).unwrap());
    let ingestor = Ingestor::new(Arc::clone(&store), Embedder::shipped().unwrap());
    let text = |name: &str, words: usize| (name.to_owned(), "rope walk hemp. ".repeat(words));
    let texts = [text("a.txt", 1), text("b.txt", 60), text("c.txt", 40)];
    let cancel = CancellationToken::new();
    let mirror = async |texts: &[(String, String)], stop_at: usize| -> IngestReport {
        let watch = |at: ropewalk_vector::ingest::IngestProgress| {
            if at.files_done == stop_at {
                cancel.cancel();
            }
        };
        ingestor
            .mirror(texts, &settings(), &cancel, &watch)
            .await
            .unwrap()
    };
    let first = mirror(&texts, 2).await;
    assert!(first.cancelled);
    assert_eq!((first.written, first.chunks), (2, 2), "{first:?}");
    let (used, average) = averages(&*store).await;
    assert!(
        used.iter().all(|used| *used < average / 2.0),
        "{used:?} {average}"
    );

    let cancel = CancellationToken::new();
    let again = ingestor
        .mirror(&texts[..2], &settings(), &cancel, &|_| {})
        .await
        .unwrap();
    assert_eq!((again.unchanged, again.embedded), (2, 0), "{again:?}");
    let (used, average) = averages(&*store).await;
    let close = |used: &f64| (used - average).abs() < 0.06 * average;
    assert!(used.iter().all(close), "{used:?} {average}");
}

/// Chunks that claim a length and the average their weights were computed with.
async fn claim(store: &dyn VectorStore, document: &str, chunks: u32, terms: u32, average: f64) {
    let point = |index: u32| {
        let payload = json!({
            field::DOC: document,
            field::TEXT: "hemp",
            field::TERMS: terms,
            field::AVERAGE: average,
        });
        Point {
            id: collection::chunk_id(document, "1", index),
            dense: BTreeMap::from([(DENSE.to_owned(), vec![1.0; 384])]),
            sparse: BTreeMap::from([(
                SPARSE.to_owned(),
                SparseVector {
                    indices: vec![1],
                    values: vec![1.0],
                },
            )]),
            payload: payload.as_object().unwrap().clone(),
        }
    };
    let points = (0..chunks).map(point).collect();
    store.upsert(NAME, points).await.unwrap();
}

#[tokio::test]
async fn one_more_text_walks_no_collection_but_a_moved_average_does() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(folder.path()).unwrap());
    let ingestor = Ingestor::new(Arc::clone(&store), Embedder::shipped().unwrap());
    store.create(NAME, &collection::shape(384)).await.unwrap();
    claim(&*store, "many", 2_600, 10, 10.0).await;
    // Something that only a walk over everything could find and mend.
    let fields = Fields {
        payload: None,
        vectors: true,
    };
    let all = store
        .scroll(NAME, &Filter::default(), &fields, None, 10_000)
        .await
        .unwrap();
    let mut last = all.points.last().unwrap().clone();
    last.payload.insert(field::AVERAGE.to_owned(), json!(99.0));
    store.upsert(NAME, vec![last]).await.unwrap();
    let text = async |name: &str| {
        let cancel = CancellationToken::new();
        ingestor
            .text(
                name,
                "hemp rope".to_owned(),
                Map::new(),
                &settings(),
                &cancel,
            )
            .await
            .unwrap()
    };

    text("one.txt").await;
    let (used, _) = averages(&*store).await;
    let odd = used.iter().filter(|used| **used != 10.0);
    assert_eq!(odd.collect::<Vec<_>>(), [&99.0]);

    claim(&*store, "longer", 2_600, 40, 10.0).await;
    text("two.txt").await;
    let (used, average) = averages(&*store).await;
    assert_eq!(used.len(), 5_202);
    let far = |used: &&f64| (**used - average).abs() > 0.01 * average;
    assert_eq!(used.iter().filter(far).count(), 0, "{average}");
}

/// Chunks of an earlier version that a killed ingestion left behind go with the next ingestion, though
/// nothing has changed.
#[tokio::test]
async fn what_a_killed_ingestion_left_behind_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(folder.path()).unwrap());
    let ingestor = Ingestor::new(Arc::clone(&store), Embedder::shipped().unwrap());
    let texts: Vec<(String, String)> = ["a.txt", "b.txt"]
        .map(|name| {
            (
                name.to_owned(),
                format!("rope walk hemp of {name}. ").repeat(30),
            )
        })
        .to_vec();
    let cancel = CancellationToken::new();
    let mirror = async || {
        ingestor
            .mirror(&texts, &settings(), &cancel, &|_| {})
            .await
            .unwrap()
    };
    let clean = mirror().await;
    let all = Fields {
        payload: None,
        vectors: true,
    };
    let page = store
        .scroll(NAME, &Filter::default(), &all, None, 100)
        .await
        .unwrap();
    let strays: Vec<Point> = page
        .points
        .iter()
        .enumerate()
        .map(|(number, point)| {
            let mut payload = point.payload.clone();
            payload.insert(field::VERSION.to_owned(), json!("an earlier one"));
            // Not the first chunk: that one is replaced, not left behind.
            payload.insert(field::CHUNK.to_owned(), json!(7));
            Point {
                id: collection::chunk_id("stray", "1", number as u32),
                dense: BTreeMap::from([(DENSE.to_owned(), vec![0.1; 384])]),
                sparse: BTreeMap::new(),
                payload,
            }
        })
        .collect();
    let left = strays.len() as u64;
    store.upsert(NAME, strays).await.unwrap();
    assert_eq!(
        store.count(NAME, &Filter::default()).await.unwrap(),
        clean.chunks + left
    );
    let again = mirror().await;
    assert_eq!((again.unchanged, again.written), (2, 0), "{again:?}");
    assert_eq!(again.chunks, clean.chunks);
}
