//! Files into a collection: incremental, bounded in memory, safe to interrupt at any moment.
//!
//! Per document: read, cut, embed and write batch by batch; the first chunk last; then the chunks
//! of older versions are removed. What was reported as done is on disk. A file that fails is
//! reported, and the others go on.

mod files;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ropewalk_embed::{EmbedError, Embedder};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::bm25;
use crate::chunk::{self, Chunk, ChunkSettings};
use crate::collection::{self, field, is};
use crate::document::{Document, LoadError};
use crate::filter::Filter;
use crate::load::{self, LoadLimits};
use crate::search::{DENSE, SPARSE};
use crate::store::{Fields, Point, PointId, StoreError, VectorStore};

/// Chunks embedded and written at a time: what an interruption can lose, and the memory one huge
/// file needs.
const BATCH: usize = 64;

/// Share by which the average length may have moved before stored weights are computed anew.
const AVERAGE_DRIFT: f32 = 0.05;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Where the chunks go.
    pub collection: String,
    /// Patterns that file names must match; none takes every supported file.
    pub globs: Vec<String>,
    /// How documents are cut.
    pub chunks: ChunkSettings,
    /// How much of a file is read.
    pub limits: LoadLimits,
}

/// What happened to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOutcome {
    /// Written; how many chunks it has, and how many had to be embedded.
    Written {
        /// Chunks in all.
        chunks: u64,
        /// Chunks that were embedded; the others were known.
        embedded: u64,
    },
    /// The collection already holds it as it is.
    Unchanged,
    /// It could not be read; what the collection held of it is kept.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
    /// It is gone, and so are its chunks.
    Removed,
}

/// How far an ingestion is. Sent after each file and each batch.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestProgress {
    /// Files finished.
    pub files_done: usize,
    /// Files in all.
    pub files_total: usize,
    /// Chunks embedded so far.
    pub embedded: u64,
    /// The file at hand.
    pub file: String,
}

/// What an ingestion came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct IngestReport {
    /// Files that were written.
    pub written: usize,
    /// Files that were as they are.
    pub unchanged: usize,
    /// Documents that were removed.
    pub removed: usize,
    /// Chunks that were embedded.
    pub embedded: u64,
    /// Chunks the collection holds now.
    pub chunks: u64,
    /// Files that failed, and why.
    pub failed: Vec<FailedFile>,
    /// Files that were passed over because nothing reads their kind.
    pub skipped: usize,
    /// Whether it was cancelled before the end.
    pub cancelled: bool,
}

/// A file that could not be ingested.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FailedFile {
    /// The file.
    pub path: String,
    /// Why, and what to do.
    pub reason: String,
}

/// Why an ingestion ends early.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A path that does not exist.
    #[error("{path}: there is no such file or folder")]
    Missing {
        /// The path.
        path: String,
    },
    /// Nothing to ingest.
    #[error(
        "{path}: holds no file that can be read; supported are: {}",
        load::FORMATS
    )]
    NoFiles {
        /// The path.
        path: String,
    },
    /// A pattern that does not parse.
    #[error("`{pattern}` is not a pattern: {message}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        message: String,
    },
    /// A folder that cannot be listed.
    #[error("{path}: cannot be listed: {message}")]
    List {
        /// The folder.
        path: String,
        /// Why.
        message: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedding model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The work was torn down.
    #[error("the ingestion stopped: {0}")]
    Stopped(String),
}

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

/// Brings documents into a store.
#[derive(Clone)]
pub struct Ingestor {
    store: Arc<dyn VectorStore>,
    embedder: Embedder,
}

type OnProgress<'a> = &'a (dyn Fn(IngestProgress) + Send + Sync);

impl Ingestor {
    /// An ingestor into a store, with a model.
    pub fn new(store: Arc<dyn VectorStore>, embedder: Embedder) -> Self {
        Self { store, embedder }
    }

    /// Ingests files and folders. Documents that came from the same paths before and are gone now
    /// are removed.
    ///
    /// # Errors
    /// A path that does not exist, a folder without a readable file, a failing store. A single bad
    /// file is in the report instead.
    pub async fn paths(
        &self,
        paths: &[PathBuf],
        settings: &IngestSettings,
        cancel: &CancellationToken,
        on_progress: OnProgress<'_>,
    ) -> Result<IngestReport, IngestError> {
        let listing = files::list(paths, &settings.globs)?;
        self.prepare(&settings.collection).await?;
        let known = collection::documents(&*self.store, &settings.collection).await?;
        let mut report = IngestReport {
            skipped: listing.skipped,
            ..IngestReport::default()
        };
        for failed in &listing.failed {
            report.failed.push(failed.clone());
        }
        let total = listing.files.len();
        for (number, file) in listing.files.iter().enumerate() {
            if cancel.is_cancelled() {
                report.cancelled = true;
                break;
            }
            let tell = |embedded: u64| {
                on_progress(IngestProgress {
                    files_done: number,
                    files_total: total,
                    embedded,
                    file: file.source.clone(),
                });
            };
            tell(report.embedded);
            let before = report.embedded;
            let on_embedded = |new: u64| tell(before + new);
            match self
                .file(file, settings, &known, cancel, &on_embedded)
                .await
            {
                Ok(FileOutcome::Written { embedded, .. }) => {
                    report.written += 1;
                    report.embedded += embedded;
                }
                Ok(FileOutcome::Unchanged) => report.unchanged += 1,
                Ok(FileOutcome::Failed { reason }) => {
                    report.failed.push(FailedFile {
                        path: file.source.clone(),
                        reason,
                    });
                }
                Ok(FileOutcome::Removed) => report.removed += 1,
                Err(IngestError::Stopped(_)) if cancel.is_cancelled() => {
                    report.cancelled = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !report.cancelled {
            report.removed += self
                .remove_gone(&listing, &known, &settings.collection)
                .await?;
            self.settle(&settings.collection, report.embedded > 0)
                .await?;
        }
        let everything = Filter::default();
        report.chunks = self.store.count(&settings.collection, &everything).await?;
        on_progress(IngestProgress {
            files_done: total,
            files_total: total,
            embedded: report.embedded,
            file: String::new(),
        });
        Ok(report)
    }

    /// Ingests one text under a name of the caller's choice.
    ///
    /// # Errors
    /// A text that cannot be read as what its name says is a [`FileOutcome::Failed`]; a failing
    /// store is an error.
    pub async fn text(
        &self,
        source: &str,
        text: String,
        metadata: Map<String, Value>,
        settings: &IngestSettings,
        cancel: &CancellationToken,
    ) -> Result<FileOutcome, IngestError> {
        self.prepare(&settings.collection).await?;
        let bytes = text.clone().into_bytes();
        let extra = serde_json::to_vec(&metadata).unwrap_or_default();
        let version = version(&bytes, &extra, settings, &self.embedder);
        let known = self.stored_version(&settings.collection, source).await?;
        if known.as_deref() == Some(&version) {
            return Ok(FileOutcome::Unchanged);
        }
        let mut document = match load::from_text(source, text) {
            Ok(document) => document,
            Err(error) => {
                return Ok(FileOutcome::Failed {
                    reason: error.to_string(),
                });
            }
        };
        document.metadata.extend(metadata);
        let outcome = self
            .document(document, source, source, version, settings, cancel, &|_| {})
            .await?;
        self.settle(&settings.collection, true).await?;
        Ok(outcome)
    }

    /// Makes a collection hold exactly these texts, each under its name.
    ///
    /// # Errors
    /// A failing store; a text that cannot be read is in the report instead.
    pub async fn mirror(
        &self,
        texts: &[(String, String)],
        settings: &IngestSettings,
        cancel: &CancellationToken,
        on_progress: OnProgress<'_>,
    ) -> Result<IngestReport, IngestError> {
        self.prepare(&settings.collection).await?;
        let known = collection::documents(&*self.store, &settings.collection).await?;
        let mut report = IngestReport::default();
        for (number, (source, text)) in texts.iter().enumerate() {
            let tell = |embedded: u64| {
                on_progress(IngestProgress {
                    files_done: number,
                    files_total: texts.len(),
                    embedded,
                    file: source.clone(),
                });
            };
            let version = version(text.as_bytes(), b"", settings, &self.embedder);
            if known
                .get(source)
                .is_some_and(|stored| stored.version == version)
            {
                report.unchanged += 1;
                continue;
            }
            tell(report.embedded);
            let document = match load::from_text(source, text.clone()) {
                Ok(document) => document,
                Err(error) => {
                    let reason = error.to_string();
                    report.failed.push(FailedFile {
                        path: source.clone(),
                        reason,
                    });
                    continue;
                }
            };
            let before = report.embedded;
            let on_embedded = |new: u64| tell(before + new);
            let outcome = self
                .document(
                    document,
                    source,
                    "",
                    version,
                    settings,
                    cancel,
                    &on_embedded,
                )
                .await?;
            if let FileOutcome::Written { embedded, .. } = outcome {
                report.written += 1;
                report.embedded += embedded;
            }
        }
        let names: BTreeSet<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
        for document in known
            .values()
            .filter(|known| !names.contains(known.source.as_str()))
        {
            self.remove_document(&settings.collection, &document.id)
                .await?;
            report.removed += 1;
        }
        self.settle(&settings.collection, report.written + report.removed > 0)
            .await?;
        let everything = Filter::default();
        report.chunks = self.store.count(&settings.collection, &everything).await?;
        Ok(report)
    }

    /// Removes documents whose source is given, or starts with it and a slash.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove(&self, collection: &str, source: &str) -> Result<usize, StoreError> {
        let known = collection::documents(&*self.store, collection).await?;
        let below = format!("{}/", source.trim_end_matches('/'));
        let mut removed = 0;
        for document in known.values() {
            if document.source == source || document.source.starts_with(&below) {
                self.remove_document(collection, &document.id).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn prepare(&self, collection: &str) -> Result<(), IngestError> {
        let shape = collection::shape(self.embedder.dimensions());
        Ok(self.store.create(collection, &shape).await?)
    }

    async fn stored_version(
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

    async fn file(
        &self,
        file: &files::FoundFile,
        settings: &IngestSettings,
        known: &BTreeMap<String, collection::StoredDocument>,
        cancel: &CancellationToken,
        on_embedded: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<FileOutcome, IngestError> {
        let path = file.path.clone();
        let hashed = blocking(move || files::hash(&path)).await?;
        let bytes_hash = match hashed {
            Ok(hash) => hash,
            Err(source) => {
                let error = LoadError::Read {
                    path: file.source.clone(),
                    source,
                };
                return Ok(FileOutcome::Failed {
                    reason: error.to_string(),
                });
            }
        };
        let version = version(bytes_hash.as_bytes(), b"", settings, &self.embedder);
        if known
            .get(&file.source)
            .is_some_and(|stored| stored.version == version)
        {
            return Ok(FileOutcome::Unchanged);
        }
        let (path, limits) = (file.path.clone(), settings.limits);
        let document = match blocking(move || load::open(&path, &limits)).await? {
            Ok(document) => document,
            Err(error) => {
                return Ok(FileOutcome::Failed {
                    reason: error.to_string(),
                });
            }
        };
        let (source, root) = (&file.source, &file.root);
        self.document(
            document,
            source,
            root,
            version,
            settings,
            cancel,
            on_embedded,
        )
        .await
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "private, and every one is used once"
    )]
    async fn document(
        &self,
        document: Document,
        source: &str,
        root: &str,
        version: String,
        settings: &IngestSettings,
        cancel: &CancellationToken,
        on_embedded: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<FileOutcome, IngestError> {
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
                .points(&facts, batch, &earlier, settings, cancel)
                .await?;
            embedded += made.embedded;
            on_embedded(embedded);
            let mut points = made.points;
            if first.is_none() && !points.is_empty() {
                first = Some(points.remove(0));
            }
            self.store.upsert(&settings.collection, points).await?;
        }
        let Some(mut first) = first else {
            let reason = format!("{source}: holds no text");
            return Ok(FileOutcome::Failed { reason });
        };
        first.payload.insert(field::CHUNKS.to_owned(), json!(count));
        self.store.upsert(&settings.collection, vec![first]).await?;
        let old = collection::outdated(&facts.id, &facts.version);
        self.store
            .delete(
                &settings.collection,
                &crate::store::Selection::Matching(old),
            )
            .await?;
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

    /// What the collection holds of the document, by what was embedded.
    async fn earlier(
        &self,
        name: &str,
        document: &str,
    ) -> Result<HashMap<String, PointId>, StoreError> {
        let all = Filter {
            all: vec![is(field::DOC, document)],
        };
        let mut earlier = HashMap::new();
        collection::walk(&*self.store, name, &all, &[field::EMBEDDED], |point| {
            if let Some(digest) = point.payload.get(field::EMBEDDED).and_then(Value::as_str) {
                earlier.insert(digest.to_owned(), point.id);
            }
        })
        .await?;
        Ok(earlier)
    }

    /// Vectors that an earlier version holds are taken from it; equal texts are embedded once.
    async fn vectors(
        &self,
        texts: &[String],
        earlier: &HashMap<String, PointId>,
        settings: &IngestSettings,
        cancel: &CancellationToken,
    ) -> Result<Vectors, IngestError> {
        let known: Vec<Option<&PointId>> = texts
            .iter()
            .map(|text| earlier.get(&embedded_digest(text)))
            .collect();
        let ids: BTreeSet<PointId> = known.iter().flatten().map(|id| (*id).clone()).collect();
        let ids: Vec<PointId> = ids.into_iter().collect();
        let fields = Fields {
            payload: Some(Vec::new()),
            vectors: true,
        };
        let stored = self
            .store
            .fetch(&settings.collection, &ids, &fields)
            .await?;
        let stored: HashMap<PointId, Vec<f32>> = stored
            .into_iter()
            .filter_map(|mut point| Some((point.id.clone(), point.dense.remove(DENSE)?)))
            .collect();
        let stored_for = |id: Option<&PointId>| id.and_then(|id| stored.get(id));
        let mut wanted: Vec<String> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (id, text) in known.iter().zip(texts) {
            if stored_for(*id).is_none() && !places.contains_key(text.as_str()) {
                places.insert(text, wanted.len());
                wanted.push(text.clone());
            }
        }
        let embedded = wanted.len() as u64;
        let (embedder, stop) = (self.embedder.clone(), cancel.clone());
        let new = blocking(move || {
            embedder.embed_with(&wanted, &|_| {
                if stop.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        })
        .await??
        .ok_or_else(|| IngestError::Stopped("cancelled".to_owned()))?;
        let all = known.iter().zip(texts).map(|(id, text)| {
            let fresh = places.get(text.as_str()).and_then(|place| new.get(*place));
            stored_for(*id).or(fresh).cloned().unwrap_or_default()
        });
        Ok(Vectors {
            all: all.collect(),
            embedded,
        })
    }

    /// The average length to weigh new chunks with: the collection's, or the batch's own while
    /// there is none. [`Self::settle`] corrects it in the end.
    async fn average(&self, name: &str, batch: &[bm25::Terms]) -> Result<f32, StoreError> {
        let fields = Fields {
            payload: Some(vec![field::AVERAGE.to_owned()]),
            vectors: false,
        };
        let page = self
            .store
            .scroll(name, &Filter::default(), &fields, None, 1)
            .await?;
        let stored = page
            .points
            .first()
            .and_then(|point| point.payload.get(field::AVERAGE)?.as_f64());
        let total: usize = batch.iter().map(bm25::Terms::len).sum();
        Ok(
            stored.map_or(total as f32 / batch.len().max(1) as f32, |average| {
                average as f32
            }),
        )
    }

    async fn remove_document(&self, collection: &str, id: &str) -> Result<(), StoreError> {
        let all = Filter {
            all: vec![is(field::DOC, id)],
        };
        self.store
            .delete(collection, &crate::store::Selection::Matching(all))
            .await
    }

    /// Takes back what was written of a version that turned out unreadable; the version before
    /// has other ids and stays.
    async fn withdraw(&self, facts: &DocumentFacts, collection: &str) -> Result<(), StoreError> {
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

    async fn remove_gone(
        &self,
        listing: &files::Listing,
        known: &BTreeMap<String, collection::StoredDocument>,
        collection: &str,
    ) -> Result<usize, StoreError> {
        let present: BTreeSet<&str> = listing
            .files
            .iter()
            .map(|file| file.source.as_str())
            .collect();
        let gone = |source: &str, root: &str| {
            let ours = listing.roots.iter().any(|given| given == root);
            ours && !present.contains(source) && !Path::new(source).exists()
        };
        let mut ids: BTreeSet<String> = known
            .values()
            .filter(|document| gone(&document.source, &document.root))
            .map(|document| document.id.clone())
            .collect();
        // A document whose ingestion was cut off has a second chunk and no first one.
        let second = Filter {
            all: vec![is(field::CHUNK, 1)],
        };
        let fields = [field::DOC, field::SOURCE, field::ROOT];
        collection::walk(&*self.store, collection, &second, &fields, |point| {
            let text = |name: &str| point.payload.get(name).and_then(Value::as_str);
            if let (Some(id), Some(source), Some(root)) =
                (text(field::DOC), text(field::SOURCE), text(field::ROOT))
                && gone(source, root)
            {
                ids.insert(id.to_owned());
            }
        })
        .await?;
        for id in &ids {
            self.remove_document(collection, id).await?;
        }
        Ok(ids.len())
    }

    /// Brings the collection to rest: BM25 weights by the true average length, indexes built.
    async fn settle(&self, name: &str, changed: bool) -> Result<(), StoreError> {
        if !changed {
            return Ok(());
        }
        let (mut terms, mut chunks) = (0_u64, 0_u64);
        let mut used: Vec<(PointId, f32)> = Vec::new();
        let everything = Filter::default();
        collection::walk(
            &*self.store,
            name,
            &everything,
            &[field::TERMS, field::AVERAGE],
            |point| {
                terms += point
                    .payload
                    .get(field::TERMS)
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                chunks += 1;
                let average = point.payload.get(field::AVERAGE).and_then(Value::as_f64);
                used.push((point.id, average.unwrap_or_default() as f32));
            },
        )
        .await?;
        if chunks == 0 {
            return Ok(());
        }
        let average = terms as f32 / chunks as f32;
        let stale = |used: f32| (used - average).abs() > AVERAGE_DRIFT * average;
        let ids: Vec<PointId> = used
            .into_iter()
            .filter(|(_, used)| stale(*used))
            .map(|(id, _)| id)
            .collect();
        for batch in ids.chunks(256) {
            let fields = Fields {
                payload: None,
                vectors: true,
            };
            let mut points = self.store.fetch(name, batch, &fields).await?;
            for point in &mut points {
                let text = embedded_text(&point.payload);
                let weights = bm25::analyse(&text).document(average);
                point.sparse.insert(SPARSE.to_owned(), weights);
                point
                    .payload
                    .insert(field::AVERAGE.to_owned(), json!(average));
            }
            self.store.upsert(name, points).await?;
        }
        self.store.optimize(name).await
    }
}

struct Made {
    points: Vec<Point>,
    embedded: u64,
}

struct Vectors {
    all: Vec<Vec<f32>>,
    embedded: u64,
}

fn embedded_digest(text: &str) -> String {
    collection::digest(&[text.as_bytes()])
}

/// What was embedded for a stored chunk, put together again from its payload.
fn embedded_text(payload: &Map<String, Value>) -> String {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let headings: Vec<String> = payload
        .get(field::HEADINGS)
        .and_then(Value::as_array)
        .map(|all| {
            all.iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect()
        })
        .unwrap_or_default();
    chunk::contextual_text(
        text(field::TITLE).unwrap_or_default(),
        text(field::DATE),
        &headings,
        text(field::TEXT).unwrap_or_default(),
    )
}

/// Changes when the document, the way it is cut, or the model changes.
fn version(bytes: &[u8], extra: &[u8], settings: &IngestSettings, embedder: &Embedder) -> String {
    let ChunkSettings {
        max_tokens,
        overlap_tokens,
        parent_tokens,
    } = settings.chunks;
    let cut = format!(
        "1 {max_tokens} {overlap_tokens} {parent_tokens} {}",
        embedder.id()
    );
    collection::digest(&[bytes, extra, cut.as_bytes()])
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IngestError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| IngestError::Stopped(error.to_string()))
}
