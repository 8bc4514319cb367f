//! Files into a collection: incremental, bounded in memory, safe to interrupt at any moment.
//!
//! Per document: read, cut, embed and write batch by batch; the first chunk last; then the chunks
//! of older versions are removed. What was reported as done is on disk. A file that fails is
//! reported, and the others go on.
//!
//! - `outcome`: what is asked for, and what came of it.
//! - `document`: one document in; `vectors`: which of its vectors are computed.
//! - `gone`: what is removed; `settle`: the collection brought to rest.

mod document;
mod gone;
mod outcome;
mod settle;
mod vectors;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ropewalk_documents::document::LoadError;
use ropewalk_documents::files::{self, FailedFile};
use ropewalk_documents::load;
use ropewalk_embed::Embedder;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::collection::{self, StoredDocument};
use crate::filter::Filter;
use crate::store::{StoreError, VectorStore};
use document::{Origin, Watch, version};

pub(crate) use document::DocumentFacts;
pub use outcome::{FileOutcome, IngestError, IngestProgress, IngestReport, IngestSettings};

/// Brings documents into a store.
#[derive(Clone)]
pub struct Ingestor {
    store: Arc<dyn VectorStore>,
    embedder: Embedder,
}

type OnProgress<'a> = &'a (dyn Fn(IngestProgress) + Send + Sync);

/// One of the things to ingest.
enum Item<'a> {
    File(&'a files::FoundFile),
    Text { name: &'a str, text: &'a str },
}

impl Item<'_> {
    fn source(&self) -> &str {
        match self {
            Item::File(file) => &file.source,
            Item::Text { name, .. } => name,
        }
    }
}

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
            failed: listing.failed.clone(),
            ..IngestReport::default()
        };
        let items: Vec<Item<'_>> = listing.files.iter().map(Item::File).collect();
        self.items(&items, settings, &known, cancel, on_progress, &mut report)
            .await?;
        if !report.cancelled {
            report.removed += self
                .remove_gone(&listing, &known, &settings.collection)
                .await?;
        }
        self.finish(&settings.collection, report).await
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
        let items: Vec<Item<'_>> = texts
            .iter()
            .map(|(name, text)| Item::Text { name, text })
            .collect();
        self.items(&items, settings, &known, cancel, on_progress, &mut report)
            .await?;
        if !report.cancelled {
            let names: BTreeSet<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
            let gone = |document: &&StoredDocument| !names.contains(document.source.as_str());
            for document in known.values().filter(gone) {
                self.remove_document(&settings.collection, &document.id)
                    .await?;
                report.removed += 1;
            }
        }
        self.finish(&settings.collection, report).await
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
        let origin = Origin {
            source,
            root: source,
            version,
        };
        let watch = Watch {
            cancel,
            on_embedded: &|_| {},
        };
        let outcome = self.document(document, origin, settings, watch).await?;
        self.settle(&settings.collection).await?;
        Ok(outcome)
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

    /// One after the other; a bad one is in the report, and the others go on.
    async fn items(
        &self,
        items: &[Item<'_>],
        settings: &IngestSettings,
        known: &BTreeMap<String, StoredDocument>,
        cancel: &CancellationToken,
        on_progress: OnProgress<'_>,
        report: &mut IngestReport,
    ) -> Result<(), IngestError> {
        let tell = |files_done: usize, embedded: u64, file: &str| {
            on_progress(IngestProgress {
                files_done,
                files_total: items.len(),
                embedded,
                file: file.to_owned(),
            });
        };
        let strays = self.strays(&settings.collection, known).await?;
        for (number, item) in items.iter().enumerate() {
            if cancel.is_cancelled() {
                report.cancelled = true;
                break;
            }
            let before = report.embedded;
            tell(number, before, item.source());
            let watch = Watch {
                cancel,
                on_embedded: &|new| tell(number, before + new, item.source()),
            };
            let outcome = match item {
                Item::File(file) => self.file(file, settings, known, watch).await,
                Item::Text { name, text } => {
                    self.mirrored(name, text, settings, known, watch).await
                }
            };
            match outcome {
                Ok(FileOutcome::Written { embedded, .. }) => {
                    report.written += 1;
                    report.embedded += embedded;
                }
                Ok(FileOutcome::Unchanged) => {
                    report.unchanged += 1;
                    if let Some(stored) = known.get(item.source()).filter(|_| strays) {
                        self.drop_strays(&settings.collection, stored).await?;
                    }
                }
                Ok(FileOutcome::Failed { reason }) => {
                    let path = item.source().to_owned();
                    report.failed.push(FailedFile { path, reason });
                }
                Ok(FileOutcome::Removed) => report.removed += 1,
                Err(IngestError::Stopped(_)) if cancel.is_cancelled() => {
                    report.cancelled = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        tell(items.len(), report.embedded, "");
        Ok(())
    }

    async fn finish(
        &self,
        collection: &str,
        mut report: IngestReport,
    ) -> Result<IngestReport, IngestError> {
        if !report.cancelled {
            let changed = report.written + report.removed > 0;
            if changed || self.unsettled(collection).await? {
                self.settle(collection).await?;
            }
        }
        report.chunks = self.store.count(collection, &Filter::default()).await?;
        Ok(report)
    }

    /// A text that is to be in the collection under its name.
    async fn mirrored(
        &self,
        source: &str,
        text: &str,
        settings: &IngestSettings,
        known: &BTreeMap<String, StoredDocument>,
        watch: Watch<'_>,
    ) -> Result<FileOutcome, IngestError> {
        let version = version(text.as_bytes(), b"", settings, &self.embedder);
        let stored = known.get(source);
        if stored.is_some_and(|stored| stored.version == version) {
            return Ok(FileOutcome::Unchanged);
        }
        let origin = Origin {
            source,
            root: "",
            version,
        };
        match load::from_text(source, text.to_owned()) {
            Ok(document) => self.document(document, origin, settings, watch).await,
            Err(error) => Ok(FileOutcome::Failed {
                reason: error.to_string(),
            }),
        }
    }

    async fn file(
        &self,
        file: &files::FoundFile,
        settings: &IngestSettings,
        known: &BTreeMap<String, collection::StoredDocument>,
        watch: Watch<'_>,
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
        let origin = Origin {
            source: &file.source,
            root: &file.root,
            version,
        };
        self.document(document, origin, settings, watch).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IngestError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| IngestError::Stopped(error.to_string()))
}
