//! `ropewalk eval retrieval`: dense, BM25 and hybrid on a BEIR-format folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use ropewalk_documents::chunk::ChunkSettings;
use ropewalk_documents::load::LoadLimits;
use ropewalk_embed::Embedder;
use ropewalk_vector::bm25;
use ropewalk_vector::collection::{self, field};
use ropewalk_vector::ingest::{IngestSettings, Ingestor};
use ropewalk_vector::search::{DENSE, Mode, SPARSE, SearchSettings, search};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::{Point, PointId, VectorStore};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::beir::{self, Dataset};
use super::metrics::{self, Metrics};
use crate::Ending;
use crate::arguments::measuring::EvalRetrieval;
use crate::progress::{self, print};

const COLLECTION: &str = "eval";
/// Ranks that any of the metrics looks at.
const DEPTH: usize = 10;
/// Chunks fetched for ten documents, when several belong to the same one.
const CHUNK_DEPTH: usize = 50;
/// Documents embedded and written at a time.
const BATCH: usize = 256;

pub(crate) async fn run(
    options: EvalRetrieval,
    cancel: CancellationToken,
) -> anyhow::Result<Ending> {
    let dataset = beir::read(&options.folder)?;
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn VectorStore> = Arc::new(EdgeStore::open(folder.path())?);
    let embedder = tokio::task::spawn_blocking(Embedder::shipped).await??;
    let indexed = if options.chunk {
        index_chunks(&store, &embedder, &dataset, &cancel).await?
    } else {
        index_whole(&store, &embedder, &dataset, &cancel).await?
    };
    if !indexed {
        return Ok(Ending::Interrupted);
    }
    let texts: Vec<String> = dataset
        .queries
        .iter()
        .map(|query| query.text.clone())
        .collect();
    let model = embedder.clone();
    let vectors = tokio::task::spawn_blocking(move || model.embed(&texts)).await??;
    let bar = progress::bar("searching");
    bar.set_length(dataset.queries.len() as u64);
    let modes = [
        ("dense", Mode::Dense),
        ("bm25", Mode::Lexical),
        ("hybrid", Mode::Hybrid),
    ];
    let mut totals: BTreeMap<&str, Metrics> = BTreeMap::new();
    for (query, vector) in dataset.queries.iter().zip(&vectors) {
        if cancel.is_cancelled() {
            bar.finish_and_clear();
            return Ok(Ending::Interrupted);
        }
        for (name, mode) in modes {
            let settings = SearchSettings {
                limit: if options.chunk { CHUNK_DEPTH } else { DEPTH },
                mode,
                exact: true,
                ..SearchSettings::default()
            };
            let found = search(&*store, COLLECTION, &query.text, vector, &settings).await?;
            let mut ranked: Vec<String> = Vec::new();
            for found in found {
                let source = found
                    .point
                    .payload
                    .get(field::SOURCE)
                    .and_then(Value::as_str);
                let id = source.unwrap_or_default();
                let id = if options.chunk {
                    id.trim_end_matches(".md")
                } else {
                    id
                };
                if !ranked.iter().any(|seen| seen == id) {
                    ranked.push(id.to_owned());
                }
            }
            totals
                .entry(name)
                .or_default()
                .add(&ranked, &query.relevant);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if options.json {
        let object: Map<String, Value> = totals
            .iter()
            .map(|(name, total)| ((*name).to_owned(), total.to_json()))
            .collect();
        print(&Value::Object(object).to_string());
    } else {
        print(&format!(
            "{}: {} documents, {} queries",
            options.folder.display(),
            dataset.documents.len(),
            dataset.queries.len()
        ));
        print(metrics::HEADER);
        for (name, _) in modes {
            if let Some(total) = totals.get(name) {
                print(&total.row(name));
            }
        }
    }
    Ok(Ending::Done)
}

/// Every document as one point, embedded as its title and text.
async fn index_whole(
    store: &Arc<dyn VectorStore>,
    embedder: &Embedder,
    dataset: &Dataset,
    cancel: &CancellationToken,
) -> anyhow::Result<bool> {
    store
        .create(COLLECTION, &collection::shape(embedder.dimensions()))
        .await?;
    let terms: Vec<bm25::Terms> = dataset
        .documents
        .iter()
        .map(|document| bm25::analyse(&format!("{} {}", document.title, document.text)))
        .collect();
    let total: usize = terms.iter().map(bm25::Terms::len).sum();
    let average = total as f32 / terms.len().max(1) as f32;
    let bar = progress::bar("embedding");
    bar.set_length(dataset.documents.len() as u64);
    let numbered: Vec<_> = dataset.documents.iter().zip(&terms).zip(1_u64..).collect();
    for batch in numbered.chunks(BATCH) {
        if cancel.is_cancelled() {
            bar.finish_and_clear();
            return Ok(false);
        }
        let texts: Vec<String> = batch
            .iter()
            .map(|((document, _), _)| document.embedded())
            .collect();
        let model = embedder.clone();
        let vectors = tokio::task::spawn_blocking(move || model.embed(&texts)).await??;
        let mut points = Vec::with_capacity(batch.len());
        for (((document, terms), number), vector) in batch.iter().zip(vectors) {
            points.push(Point {
                id: PointId::Number(*number),
                dense: BTreeMap::from([(DENSE.to_owned(), vector)]),
                sparse: BTreeMap::from([(SPARSE.to_owned(), terms.document(average))]),
                payload: Map::from_iter([(field::SOURCE.to_owned(), json!(document.id))]),
            });
        }
        store.upsert(COLLECTION, points).await?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(true)
}

/// Every document as ingestion would take it.
async fn index_chunks(
    store: &Arc<dyn VectorStore>,
    embedder: &Embedder,
    dataset: &Dataset,
    cancel: &CancellationToken,
) -> anyhow::Result<bool> {
    let settings = IngestSettings {
        collection: COLLECTION.to_owned(),
        globs: Vec::new(),
        chunks: ChunkSettings::default(),
        limits: LoadLimits::default(),
    };
    let texts: Vec<(String, String)> = dataset
        .documents
        .iter()
        .map(|document| {
            (
                format!("{}.md", document.id),
                format!("# {}\n\n{}", document.title, document.text),
            )
        })
        .collect();
    let bar = progress::bar("ingesting");
    let ingestor = Ingestor::new(Arc::clone(store), embedder.clone());
    let report = ingestor
        .mirror(&texts, &settings, cancel, &|at| progress::show(&bar, &at))
        .await;
    bar.finish_and_clear();
    match report?.failed.first() {
        Some(failed) => Err(anyhow!("{}", failed.reason)),
        None => Ok(true),
    }
}
