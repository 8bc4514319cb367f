//! The seam to Qdrant: one trait, an engine behind it, and a conformance suite any engine passes.
//!
//! - [`edge`]: Qdrant Edge, in process, a folder on disk (the default).
//! - [`remote`]: a Qdrant server, over gRPC.
//! - [`lock`]: one process at a time in its folder.

pub mod edge;
pub mod lock;
pub mod remote;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::filter::Filter;

/// Names a point. Ours are UUIDs (version 5 of document and position); others' may be numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PointId {
    /// A number, as other tools may have chosen.
    Number(u64),
    /// A UUID in its hyphenated form.
    Uuid(String),
}

/// A sparse vector: token ids and their weights, same length, ids ascending and distinct.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SparseVector {
    /// Token ids.
    pub indices: Vec<u32>,
    /// Their weights.
    pub values: Vec<f32>,
}

/// What is stored for one chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its name.
    pub id: PointId,
    /// Dense vectors by name.
    pub dense: BTreeMap<String, Vec<f32>>,
    /// Sparse vectors by name.
    pub sparse: BTreeMap<String, SparseVector>,
    /// Everything else, a JSON object.
    pub payload: Map<String, Value>,
}

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// Angle between them.
    Cosine,
    /// Inner product.
    Dot,
    /// Straight-line distance.
    Euclid,
    /// Sum of absolute differences.
    Manhattan,
}

/// A dense vector of a collection. The unnamed default vector has the name `""`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DenseSpec {
    /// Number of components.
    pub size: u64,
    /// How two of them are compared.
    pub distance: Distance,
}

/// A sparse vector of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparseSpec {
    /// Whether the store multiplies query weights by the corpus' inverse document frequency.
    pub idf: bool,
}

/// The shape of a collection, ours or another's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionShape {
    /// Dense vectors by name.
    pub dense: BTreeMap<String, DenseSpec>,
    /// Sparse vectors by name.
    pub sparse: BTreeMap<String, SparseSpec>,
    /// Payload fields that are indexed.
    pub indexed: BTreeMap<String, FieldKind>,
}

/// Type of an indexed payload field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Exact strings.
    Keyword,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// Truth values.
    Bool,
    /// Words within a text.
    Text,
    /// RFC 3339 times.
    Datetime,
    /// Anything else the engine has.
    Other,
}

/// What a search is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Nearest by a dense vector.
    Dense {
        /// Name of the vector.
        vector: String,
        /// The query's embedding.
        values: Vec<f32>,
        /// Compare with every point instead of walking the index.
        exact: bool,
    },
    /// Highest weighted overlap by a sparse vector.
    Sparse {
        /// Name of the vector.
        vector: String,
        /// The query's tokens.
        values: SparseVector,
    },
}

/// A point and how well it matches; higher is better whatever the distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The point.
    pub id: PointId,
    /// Its score.
    pub score: f32,
}

/// Which points a call is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// These.
    Ids(Vec<PointId>),
    /// All that pass the filter.
    Matching(Filter),
}

/// What to read of each point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    /// Payload fields; `None` reads all of them.
    pub payload: Option<Vec<String>>,
    /// Whether vectors are read too.
    pub vectors: bool,
}

/// One page of a walk through a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The points, in id order.
    pub points: Vec<Point>,
    /// Where the next page starts; `None` when this was the last.
    pub next: Option<PointId>,
}

/// A place that keeps points and searches them.
///
/// A write that returned `Ok` survives the death of the process.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Names of all collections, sorted.
    async fn collections(&self) -> Result<Vec<String>, StoreError>;
    /// The shape of one.
    async fn shape(&self, collection: &str) -> Result<CollectionShape, StoreError>;
    /// Makes a collection; an existing one of the same shape is left as it is.
    async fn create(&self, collection: &str, shape: &CollectionShape) -> Result<(), StoreError>;
    /// Removes a collection and everything in it. Removing what is not there is not an error.
    async fn drop_collection(&self, collection: &str) -> Result<(), StoreError>;
    /// Adds points, replacing those of the same id. Sizes are checked first, all or nothing.
    async fn upsert(&self, collection: &str, points: Vec<Point>) -> Result<(), StoreError>;
    /// Replaces only the sparse vector `vector` of existing points.
    async fn update_sparse(
        &self,
        collection: &str,
        vector: &str,
        values: Vec<(PointId, SparseVector)>,
    ) -> Result<(), StoreError>;
    /// Removes points; how many there were before is not reported (engines do not know).
    async fn delete(&self, collection: &str, which: &Selection) -> Result<(), StoreError>;
    /// The best `limit` points for a query among those the selection names.
    async fn search(
        &self,
        collection: &str,
        query: &Query,
        within: &Selection,
        limit: usize,
    ) -> Result<Vec<Scored>, StoreError>;
    /// Reads points by id, in the order asked for, leaving out those that are not there.
    async fn fetch(
        &self,
        collection: &str,
        ids: &[PointId],
        fields: &Fields,
    ) -> Result<Vec<Point>, StoreError>;
    /// Walks through all points that pass a filter.
    async fn scroll(
        &self,
        collection: &str,
        filter: &Filter,
        fields: &Fields,
        after: Option<PointId>,
        limit: usize,
    ) -> Result<Page, StoreError>;
    /// How many points pass a filter, exactly.
    async fn count(&self, collection: &str, filter: &Filter) -> Result<u64, StoreError>;
    /// How many points hold each value of a keyword field, most frequent first.
    async fn facet(
        &self,
        collection: &str,
        field: &str,
        limit: usize,
    ) -> Result<Vec<(Value, u64)>, StoreError>;
    /// Builds whatever index makes searches fast; cheap when there is nothing to do.
    async fn optimize(&self, collection: &str) -> Result<(), StoreError>;
    /// One line for people: engine, version, place.
    async fn status(&self) -> Result<String, StoreError>;
}

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No collection of that name.
    #[error("no collection `{collection}`; there {}", existing(.known))]
    NoCollection {
        /// The name asked for.
        collection: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// A vector has another size than its collection.
    #[error(
        "collection `{collection}` holds vectors of size {expected} in `{vector}`, but the embedding model makes size {found}; use the model the collection was made with, or another collection"
    )]
    SizeMismatch {
        /// The collection.
        collection: String,
        /// The vector's name.
        vector: String,
        /// The collection's size.
        expected: u64,
        /// The size that was offered.
        found: u64,
    },
    /// Another process has the data folder open.
    #[error(
        "the vector data in {path} is in use by another process{}; stop it, or set another folder with ROPEWALK_HOME",
        holder(.pid)
    )]
    Locked {
        /// The folder.
        path: String,
        /// The process that holds it, where known.
        pid: Option<u32>,
    },
    /// A name that cannot be a collection's.
    #[error(
        "`{name}` cannot name a collection: use letters, digits, `-`, `_` and `.`, not leading, at most 128 of them"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A collection has no vector of that name.
    #[error("collection `{collection}` has no vector `{vector}`; it has: {}", .known.join(", "))]
    NoVector {
        /// The collection.
        collection: String,
        /// The name asked for.
        vector: String,
        /// Names it has.
        known: Vec<String>,
    },
    /// A collection exists with another shape.
    #[error("collection `{collection}` exists with another shape: {difference}")]
    ShapeMismatch {
        /// The collection.
        collection: String,
        /// What differs.
        difference: String,
    },
    /// The engine refused or failed.
    #[error("{engine}: {action} failed: {message}")]
    Engine {
        /// Which engine.
        engine: &'static str,
        /// What was being done.
        action: String,
        /// What it said.
        message: String,
    },
    /// A Qdrant server could not be reached.
    #[error(
        "no Qdrant server answers at {url}: {message}; check the URL, and that the server runs"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What the connection said.
        message: String,
    },
    /// A file operation failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which path.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl CollectionShape {
    /// Whether this collection can serve as one of the wanted shape.
    pub(crate) fn check_covers(
        &self,
        collection: &str,
        wanted: &CollectionShape,
    ) -> Result<(), StoreError> {
        let mismatch = |difference| StoreError::ShapeMismatch {
            collection: collection.to_owned(),
            difference,
        };
        for (name, spec) in &wanted.dense {
            match self.dense.get(name) {
                Some(found) if found.size != spec.size => {
                    return Err(StoreError::SizeMismatch {
                        collection: collection.to_owned(),
                        vector: name.clone(),
                        expected: found.size,
                        found: spec.size,
                    });
                }
                Some(found) if found.distance != spec.distance => {
                    return Err(mismatch(format!(
                        "its vector `{name}` is compared by {:?}, not {:?}",
                        found.distance, spec.distance
                    )));
                }
                Some(_) => {}
                None => return Err(mismatch(format!("it has no dense vector `{name}`"))),
            }
        }
        match wanted
            .sparse
            .keys()
            .find(|name| !self.sparse.contains_key(*name))
        {
            Some(name) => Err(mismatch(format!("it has no sparse vector `{name}`"))),
            None => Ok(()),
        }
    }

    fn dense_size(&self, collection: &str, vector: &str) -> Result<u64, StoreError> {
        self.dense
            .get(vector)
            .map(|spec| spec.size)
            .ok_or_else(|| StoreError::NoVector {
                collection: collection.to_owned(),
                vector: vector.to_owned(),
                known: self.dense.keys().cloned().collect(),
            })
    }
}

/// A collection's name becomes a folder's.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(StoreError::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// All sizes before any write, so that a batch is written whole or not at all.
pub(crate) fn check_point_sizes(
    collection: &str,
    shape: &CollectionShape,
    points: &[Point],
) -> Result<(), StoreError> {
    for (vector, values) in points.iter().flat_map(|point| &point.dense) {
        check_size(collection, shape, vector, values.len())?;
    }
    for vector in points.iter().flat_map(|point| point.sparse.keys()) {
        check_sparse(collection, shape, vector)?;
    }
    Ok(())
}

/// That there is a sparse vector of this name.
pub(crate) fn check_sparse(
    collection: &str,
    shape: &CollectionShape,
    vector: &str,
) -> Result<(), StoreError> {
    if shape.sparse.contains_key(vector) {
        return Ok(());
    }
    Err(StoreError::NoVector {
        collection: collection.to_owned(),
        vector: vector.to_owned(),
        known: shape.sparse.keys().cloned().collect(),
    })
}

/// The size of a query's vector.
pub(crate) fn check_query_size(
    collection: &str,
    shape: &CollectionShape,
    query: &Query,
) -> Result<(), StoreError> {
    match query {
        Query::Dense { vector, values, .. } => check_size(collection, shape, vector, values.len()),
        Query::Sparse { vector, .. } => check_sparse(collection, shape, vector),
    }
}

fn check_size(
    collection: &str,
    shape: &CollectionShape,
    vector: &str,
    found: usize,
) -> Result<(), StoreError> {
    let expected = shape.dense_size(collection, vector)?;
    if expected == found as u64 {
        return Ok(());
    }
    Err(StoreError::SizeMismatch {
        collection: collection.to_owned(),
        vector: vector.to_owned(),
        expected,
        found: found as u64,
    })
}

fn existing(known: &[String]) -> String {
    if known.is_empty() {
        "are none yet; ingest something first".to_owned()
    } else {
        format!("are: {}", known.join(", "))
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}
