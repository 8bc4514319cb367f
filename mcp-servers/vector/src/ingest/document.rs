//! One document in: read, cut, embed and write batch by batch; the first chunk last.

use std::collections::{BTreeMap, HashMap};

use ropewalk_documents::chunk::{self, Chunk, ChunkSettings};
use ropewalk_documents::document::{Document, LoadError};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::Ingestor;
use super::outcome::{FileOutcome, IngestError, IngestSettings};
use super::vectors::embedded_digest;
use crate::bm25;
use crate::collection::{self, field, is};
use crate::filter::Filter;
use crate::search::{DENSE, SPARSE};
use crate::store::{Point, PointId, StoreError};

/// Chunks embedded and written at a time: what an interruption can lose, and the memory one huge
/// file needs.
const BATCH: usize = 64;

/// What is known of a document before its chunks.
#[derive(Debug, Clone)]
pub(crate) struct DocumentFacts {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) root: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) date: Option<String>,
    pub(crate) format: &'static str,
    pub(crate) metadata: Map<String, Value>,
}

/// Where a document comes from.
pub(super) struct Origin<'a> {
    /// Its path or name.
    pub(super) source: &'a str,
    /// The path it was found below.
    pub(super) root: &'a str,
    /// See [`version`].
    pub(super) version: String,
}

/// Who watches the work, and may end it.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) cancel: &'a CancellationToken,
    /// Told how many chunks of the document are embedded so far.
    pub(super) on_embedded: &'a (dyn Fn(u64) + Send + Sync),
}

struct Made {
    points: Vec<Point>,
    embedded: u64,
}

impl Ingestor {
    /// Writes one document; what the collection held of it is removed once it is whole.
    pub(super) async fn document(
        &self,
        document: Document,
        origin: Origin<'_>,
        settings: &IngestSettings,
        watch: Watch<'_>,
    ) -> Result<FileOutcome, IngestError> {
        let Origin {
            source,
            root,
            version,
        } = origin;
        let facts = DocumentFacts {
            id: collection::document_id(source),
            source: source.to_owned(),
            root: root.to_owned(),
            version,
            title: document.title.clone(),
            date: document.date.clone(),
            format: document.format,
            metadata: document.metadata.clone(),
        };
        let mut chunks = self.cut(document, settings);
        let earlier = self.earlier(&settings.collection, &facts.id).await?;
        let mut first: Option<Point> = None;
        let (mut count, mut embedded) = (0_u64, 0_u64);
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH {
                match chunks.recv().await {
                    Some(Ok(chunk)) => batch.push(chunk),
                    // The document's earlier version, if any, is still whole: its first chunk is
                    // replaced last.
                    Some(Err(error)) => {
                        self.withdraw(&facts, &settings.collection).await?;
                        return Ok(FileOutcome::Failed {
                            reason: error.to_string(),
                        });
                    }
                    None => break,
                }
            }
            if batch.is_empty() {
                break;
            }
            count += batch.len() as u64;
            let made = self
                .points(&facts, batch, &earlier, settings, watch.cancel)
                .await?;
            embedded += made.embedded;
            (watch.on_embedded)(embedded);
            let mut points = made.points;
            if first.is_none() && !points.is_empty() {
                first = Some(points.remove(0));
            }
            // Every write costs a flush to disk.
            if !points.is_empty() {
                self.store.upsert(&settings.collection, points).await?;
            }
        }
        let Some(mut first) = first else {
            let reason = format!("{source}: holds no text");
            return Ok(FileOutcome::Failed { reason });
        };
        first.payload.insert(field::CHUNKS.to_owned(), json!(count));
        self.store.upsert(&settings.collection, vec![first]).await?;
        if !earlier.is_empty() {
            let old = collection::outdated(&facts.id, &facts.version);
            let old = crate::store::Selection::Matching(old);
            self.store.delete(&settings.collection, &old).await?;
        }
        Ok(FileOutcome::Written {
            chunks: count,
            embedded,
        })
    }

    /// Cuts a document in a thread of its own; the channel's bound is the memory it may take.
    fn cut(
        &self,
        document: Document,
        settings: &IngestSettings,
    ) -> tokio::sync::mpsc::Receiver<Result<Chunk, LoadError>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(BATCH);
        let (embedder, settings) = (self.embedder.clone(), settings.chunks);
        tokio::task::spawn_blocking(move || {
            let count = move |text: &str| embedder.count_tokens(text);
            for chunk in chunk::chunks(document, settings, &count) {
                // The other side gave up.
                if sender.blocking_send(chunk).is_err() {
                    break;
                }
            }
        });
        receiver
    }

    async fn points(
        &self,
        facts: &DocumentFacts,
        chunks: Vec<Chunk>,
        earlier: &HashMap<String, PointId>,
        settings: &IngestSettings,
        cancel: &CancellationToken,
    ) -> Result<Made, IngestError> {
        let date = facts.date.as_deref();
        let contextual = |chunk: &Chunk| {
            chunk::contextual_text(&facts.title, date, &chunk.heading_path, &chunk.text)
        };
        let texts: Vec<String> = chunks.iter().map(contextual).collect();
        let vectors = self.vectors(&texts, earlier, settings, cancel).await?;
        let terms: Vec<bm25::Terms> = texts.iter().map(|text| bm25::analyse(text)).collect();
        let average = self.average(&settings.collection, &terms).await?;
        let mut points = Vec::with_capacity(chunks.len());
        for (((chunk, text), terms), vector) in
            chunks.iter().zip(&texts).zip(&terms).zip(vectors.all)
        {
            let mut payload = collection::payload(facts, chunk, terms.len(), average);
            payload.insert(field::EMBEDDED.to_owned(), json!(embedded_digest(text)));
            points.push(Point {
                id: collection::chunk_id(&facts.id, &facts.version, chunk.index),
                dense: BTreeMap::from([(DENSE.to_owned(), vector)]),
                sparse: BTreeMap::from([(SPARSE.to_owned(), terms.document(average))]),
                payload,
            });
        }
        Ok(Made {
            points,
            embedded: vectors.embedded,
        })
    }

    /// Takes back what was written of a version that turned out unreadable; the version before
    /// has other ids and stays.
    pub(super) async fn withdraw(
        &self,
        facts: &DocumentFacts,
        collection: &str,
    ) -> Result<(), StoreError> {
        let written = Filter {
            all: vec![
                is(field::DOC, facts.id.as_str()),
                is(field::VERSION, facts.version.as_str()),
            ],
        };
        self.store
            .delete(collection, &crate::store::Selection::Matching(written))
            .await
    }

    pub(super) async fn stored_version(
        &self,
        collection: &str,
        source: &str,
    ) -> Result<Option<String>, StoreError> {
        let id = collection::document_id(source);
        let first = Filter {
            all: vec![is(field::DOC, id), is(field::CHUNK, 0)],
        };
        let mut version = None;
        collection::walk(
            &*self.store,
            collection,
            &first,
            &[field::VERSION],
            |point| {
                version = point
                    .payload
                    .get(field::VERSION)
                    .and_then(Value::as_str)
                    .map(str::to_owned);
            },
        )
        .await?;
        Ok(version)
    }
}

/// Changes when the document, the way it is cut, or the model changes.
pub(super) fn version(
    bytes: &[u8],
    extra: &[u8],
    settings: &IngestSettings,
    embedder: &ropewalk_embed::Embedder,
) -> String {
    let ChunkSettings {
        max_tokens,
        overlap_tokens,
        parent_tokens,
    } = settings.chunks;
    let cut = format!(
        "2 {max_tokens} {overlap_tokens} {parent_tokens} {}",
        embedder.id()
    );
    collection::digest(&[bytes, extra, cut.as_bytes()])
}
