//! The tools that keep house: collections, status, ingest, delete.

use std::path::PathBuf;

use ropewalk_documents::chunk::ChunkSettings;
use ropewalk_documents::load::LoadLimits;
use ropewalk_mcp_kit::{CallContext, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::filters::FilterArgument;
use super::{VectorServer, failed};
use crate::collection;
use crate::filter::Filter;
use crate::ingest::{FileOutcome, IngestReport, IngestSettings};

/// Documents listed by one call.
const MAX_DOCUMENTS: usize = 200;

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NoArguments {}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct CollectionsArguments {
    action: Option<Action>,
    collection: Option<String>,
    /// For count.
    filter: Option<Vec<FilterArgument>>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    List,
    Describe,
    Count,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct CollectionsResult {
    /// list: names of the collections.
    #[serde(skip_serializing_if = "Option::is_none")]
    collections: Option<Vec<String>>,
    /// describe: its vectors, as name: size.
    #[serde(skip_serializing_if = "Option::is_none")]
    vectors: Option<Map<String, Value>>,
    /// describe: fields to filter by.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<String>>,
    /// describe: documents, up to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<Vec<String>>,
    /// describe and count: passages.
    #[serde(skip_serializing_if = "Option::is_none")]
    passages: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusResult {
    /// What keeps the vectors.
    engine: String,
    /// What embeds.
    model: String,
    /// Components of a vector.
    dimensions: usize,
    /// Collection used when a call names none.
    default_collection: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct IngestArguments {
    /// On the server: files, folders, or patterns such as notes/*.md.
    paths: Option<Vec<String>>,
    /// Instead of paths; needs a name.
    text: Option<String>,
    name: Option<String>,
    collection: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct IngestResult {
    collection: String,
    /// Documents written.
    written: usize,
    /// Documents that were as they are.
    unchanged: usize,
    /// Documents removed because their file is gone.
    removed: usize,
    /// Passages embedded.
    embedded: u64,
    /// Files that failed, each with the reason.
    failed: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct DeleteArguments {
    /// Document or folder.
    source: Option<String>,
    /// The whole collection.
    everything: Option<bool>,
    collection: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeleteResult {
    collection: String,
    /// Documents removed.
    removed: usize,
}

impl VectorServer {
    pub(super) async fn collections(
        &self,
        arguments: CollectionsArguments,
    ) -> Result<CollectionsResult, ToolError> {
        let name = self.named(arguments.collection);
        match arguments.action.unwrap_or(Action::List) {
            Action::List => {
                let collections = self.store.collections().await.map_err(failed)?;
                Ok(CollectionsResult {
                    collections: Some(collections),
                    ..Default::default()
                })
            }
            Action::Count => {
                let filter = self.filter(&name, arguments.filter).await?;
                let passages = self.store.count(&name, &filter).await.map_err(failed)?;
                Ok(CollectionsResult {
                    passages: Some(passages),
                    ..Default::default()
                })
            }
            Action::Describe => self.describe(&name).await,
        }
    }

    async fn describe(&self, name: &str) -> Result<CollectionsResult, ToolError> {
        let shape = self.store.shape(name).await.map_err(failed)?;
        let dense = shape
            .dense
            .iter()
            .map(|(name, spec)| (name.clone(), Value::from(spec.size)));
        let sparse = shape
            .sparse
            .keys()
            .map(|name| (name.clone(), Value::from("sparse")));
        let documents = collection::documents(&*self.store, name)
            .await
            .map_err(failed)?;
        let passages = self
            .store
            .count(name, &Filter::default())
            .await
            .map_err(failed)?;
        Ok(CollectionsResult {
            collections: None,
            vectors: Some(dense.chain(sparse).collect()),
            fields: Some(self.fields(name).await?.into_iter().collect()),
            documents: Some(documents.into_keys().take(MAX_DOCUMENTS).collect()),
            passages: Some(passages),
        })
    }

    pub(super) async fn status(&self) -> Result<StatusResult, ToolError> {
        Ok(StatusResult {
            engine: self.store.status().await.map_err(failed)?,
            model: self.embedder.id().to_owned(),
            dimensions: self.embedder.dimensions(),
            default_collection: self.collection.clone(),
        })
    }

    pub(super) async fn ingest(
        &self,
        arguments: IngestArguments,
        context: CallContext,
    ) -> Result<IngestResult, ToolError> {
        let name = self.named(arguments.collection);
        let settings = IngestSettings {
            collection: name.clone(),
            globs: Vec::new(),
            chunks: ChunkSettings::default(),
            limits: LoadLimits::default(),
        };
        match (arguments.paths, arguments.text) {
            (Some(paths), None) if !paths.is_empty() => {
                let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
                let progress = context.progress.clone();
                let report = self
                    .ingestor
                    .paths(&paths, &settings, &context.cancel, &move |at| {
                        let message = format!("{} ({} passages embedded)", at.file, at.embedded);
                        let total = Some(at.files_total as f64);
                        progress.report(at.files_done as f64, total, &message);
                    })
                    .await
                    .map_err(failed)?;
                Ok(result(name, report))
            }
            (None, Some(text)) => {
                let Some(source) = arguments.name.filter(|name| !name.is_empty()) else {
                    return Err(ToolError::new(
                        "a text needs a name",
                        "add `name`: \"notes.md\"",
                    ));
                };
                let outcome = self
                    .ingestor
                    .text(&source, text, Map::new(), &settings, &context.cancel)
                    .await
                    .map_err(failed)?;
                let mut result = IngestResult {
                    collection: name,
                    ..Default::default()
                };
                match outcome {
                    FileOutcome::Written { embedded, .. } => {
                        result.written = 1;
                        result.embedded = embedded;
                    }
                    FileOutcome::Unchanged | FileOutcome::Removed => result.unchanged = 1,
                    FileOutcome::Failed { reason } => return Err(ToolError::new(reason, "")),
                }
                Ok(result)
            }
            _ => Err(ToolError::new(
                "give either `paths` or `text`",
                "not both, not none",
            )),
        }
    }

    pub(super) async fn delete(
        &self,
        arguments: DeleteArguments,
    ) -> Result<DeleteResult, ToolError> {
        let name = self.named(arguments.collection);
        match (arguments.source, arguments.everything) {
            (Some(source), None | Some(false)) => {
                let removed = self.ingestor.remove(&name, &source).await.map_err(failed)?;
                if removed == 0 {
                    return Err(ToolError::new(
                        format!("no document `{source}` in `{name}`"),
                        "use the `source` of a citation",
                    ));
                }
                Ok(DeleteResult {
                    collection: name,
                    removed,
                })
            }
            (None, Some(true)) => {
                let documents = collection::documents(&*self.store, &name)
                    .await
                    .map_err(failed)?;
                self.store.drop_collection(&name).await.map_err(failed)?;
                Ok(DeleteResult {
                    collection: name,
                    removed: documents.len(),
                })
            }
            _ => Err(ToolError::new(
                "give either `source` or `everything`: true",
                "",
            )),
        }
    }
}

fn result(collection: String, report: IngestReport) -> IngestResult {
    let reasons = report.failed.into_iter().map(|file| file.reason);
    IngestResult {
        collection,
        written: report.written,
        unchanged: report.unchanged,
        removed: report.removed,
        embedded: report.embedded,
        failed: reasons.collect(),
    }
}
