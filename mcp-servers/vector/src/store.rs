//! The seam to Qdrant: one trait, an engine behind it, and a conformance suite any engine passes.
//!
//! - [`edge`]: Qdrant Edge, in process, a folder on disk (the default).
//! - [`remote`]: a Qdrant server, over gRPC.
//! - [`lock`]: one process at a time in its folder.
//! - `check`: what is refused before an engine sees it; `error`: how a store fails.

mod check;
pub mod edge;
mod error;
pub mod lock;
pub mod remote;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::filter::Filter;
pub(crate) use check::{check_name, check_point_sizes, check_query_size};
pub use error::StoreError;

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
