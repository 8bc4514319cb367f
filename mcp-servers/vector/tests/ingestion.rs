//! Ingestion as a library, on the embedded store: cancelled, taken up again, brought to rest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::sync::Arc;

use ropewalk_embed::Embedder;
use ropewalk_vector::chunk::ChunkSettings;
use ropewalk_vector::collection::field;
use ropewalk_vector::filter::Filter;
use ropewalk_vector::ingest::{IngestReport, IngestSettings, Ingestor};
use ropewalk_vector::load::LoadLimits;
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::{Fields, VectorStore};
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
        .scroll(NAME, &Filter::default(), &fields, None, 1_000)
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
