//! Qdrant Edge: Qdrant's own engine, in this process, a folder on disk.
//!
//! Edge does not replay its log when it opens a folder, so a write is safe only once it has been
//! flushed: every write here ends with a flush, under an exclusive lock that Edge's own flush
//! needs. Reads share.
//!
//! - `shards`: the folder, and the shard of each collection in it.
//! - `translate`: our types as the engine's.

mod shards;
mod translate;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use qdrant_edge::{
    CountRequest, FacetRequest, PointInsertOperations, PointOperations, PointStruct,
    PointVectorsPersisted, ScrollRequest, SearchParams, SearchRequest, UpdateOperation,
    UpdateVectorsOp, VectorOperations, WithVector,
};
use serde_json::Value;

use super::{
    CollectionShape, Fields, Page, Point, PointId, Query, Scored, Selection, SparseVector,
    StoreError, VectorStore, check_name, check_point_sizes, check_query_size,
};
use crate::filter::Filter;
use shards::{blocking, engine, shape_of, vectors};

pub use shards::EdgeStore;

#[async_trait]
impl VectorStore for EdgeStore {
    async fn collections(&self) -> Result<Vec<String>, StoreError> {
        let inner = Arc::clone(&self.inner);
        blocking("list", move || inner.known()).await
    }

    async fn shape(&self, collection: &str) -> Result<CollectionShape, StoreError> {
        self.on(collection, "describe", |shard| {
            Ok(shape_of(
                &shard.read().unwrap_or_else(PoisonError::into_inner),
            ))
        })
        .await
    }

    async fn create(&self, collection: &str, shape: &CollectionShape) -> Result<(), StoreError> {
        check_name(collection)?;
        match self.shape(collection).await {
            Ok(existing) => return existing.check_covers(collection, shape),
            Err(StoreError::NoCollection { .. }) => {}
            Err(error) => return Err(error),
        }
        let inner = Arc::clone(&self.inner);
        let (collection, shape) = (collection.to_owned(), shape.clone());
        blocking("create", move || inner.create(&collection, &shape)).await
    }

    async fn drop_collection(&self, collection: &str) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        let collection = collection.to_owned();
        check_name(&collection)?;
        blocking("drop", move || {
            let mut open = inner.open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(open.remove(&collection));
            let path = inner.folder.join(&collection);
            if !path.exists() {
                return Ok(());
            }
            // Moved aside first, so that a crash leaves no half-removed collection.
            let failed = |source| StoreError::Io {
                action: "cannot remove",
                path: path.display().to_string(),
                source,
            };
            let aside = inner.folder.join(format!(".old-{collection}"));
            if aside.exists() {
                std::fs::remove_dir_all(&aside).map_err(failed)?;
            }
            std::fs::rename(&path, &aside).map_err(failed)?;
            std::fs::remove_dir_all(&aside).map_err(failed)
        })
        .await
    }

    async fn upsert(&self, collection: &str, points: Vec<Point>) -> Result<(), StoreError> {
        let shape = self.shape(collection).await?;
        check_point_sizes(collection, &shape, &points)?;
        if points.is_empty() {
            return Ok(());
        }
        let mut list = Vec::with_capacity(points.len());
        for point in points {
            let id = translate::id(&point.id)?;
            let vectors = vectors(point.dense, point.sparse);
            list.push(PointStruct::new(id, vectors, Value::Object(point.payload)).into());
        }
        let insert = PointInsertOperations::PointsList(list);
        let operation = UpdateOperation::PointOperation(PointOperations::UpsertPoints(insert));
        self.write(collection, "upsert", operation).await
    }

    async fn update_sparse(
        &self,
        collection: &str,
        vector: &str,
        values: Vec<(PointId, SparseVector)>,
    ) -> Result<(), StoreError> {
        if values.is_empty() {
            return Ok(());
        }
        let mut points = Vec::with_capacity(values.len());
        for (id, sparse) in values {
            let vectors = vectors(
                BTreeMap::new(),
                BTreeMap::from([(vector.to_owned(), sparse)]),
            );
            points.push(PointVectorsPersisted {
                id: translate::id(&id)?,
                vector: vectors.0.into(),
            });
        }
        let update = UpdateVectorsOp {
            points,
            update_filter: None,
        };
        let operation = UpdateOperation::VectorOperation(VectorOperations::UpdateVectors(update));
        self.write(collection, "update vectors", operation).await
    }

    async fn delete(&self, collection: &str, which: &Selection) -> Result<(), StoreError> {
        let operation = match which {
            Selection::Ids(ids) if ids.is_empty() => return Ok(()),
            Selection::Ids(ids) => PointOperations::DeletePoints {
                ids: ids.iter().map(translate::id).collect::<Result<_, _>>()?,
            },
            Selection::Matching(filter) => {
                PointOperations::DeletePointsByFilter(translate::filter(filter)?)
            }
        };
        self.write(
            collection,
            "delete",
            UpdateOperation::PointOperation(operation),
        )
        .await
    }

    async fn search(
        &self,
        collection: &str,
        query: &Query,
        within: &Selection,
        limit: usize,
    ) -> Result<Vec<Scored>, StoreError> {
        let shape = self.shape(collection).await?;
        check_query_size(collection, &shape, query)?;
        let exact = matches!(query, Query::Dense { exact: true, .. });
        let request = SearchRequest {
            query: translate::query(query),
            filter: translate::selection(within)?,
            params: Some(SearchParams {
                hnsw_ef: Some(256),
                exact,
                ..SearchParams::default()
            }),
            limit,
            offset: 0,
            with_payload: None,
            with_vector: None,
            score_threshold: None,
        };
        self.on(collection, "search", move |shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let found = shard
                .search(request)
                .map_err(|error| engine("search", &error))?;
            Ok(found
                .into_iter()
                .map(|point| Scored {
                    id: translate::id_back(point.id),
                    score: point.score,
                })
                .collect())
        })
        .await
    }

    async fn fetch(
        &self,
        collection: &str,
        ids: &[PointId],
        fields: &Fields,
    ) -> Result<Vec<Point>, StoreError> {
        let wanted = ids
            .iter()
            .map(translate::id)
            .collect::<Result<Vec<_>, _>>()?;
        let payload = translate::payload_fields(fields)?;
        let vectors = WithVector::Bool(fields.vectors);
        self.on(collection, "fetch", move |shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let records = shard
                .retrieve(&wanted, Some(payload), Some(vectors))
                .map_err(|error| engine("fetch", &error))?;
            let mut found: BTreeMap<PointId, Point> = records
                .into_iter()
                .map(translate::point)
                .map(|point| (point.id.clone(), point))
                .collect();
            // The engine writes UUIDs its own way, whatever way they were asked for.
            let asked = wanted.into_iter().map(translate::id_back);
            Ok(asked.filter_map(|id| found.remove(&id)).collect())
        })
        .await
    }

    async fn scroll(
        &self,
        collection: &str,
        filter: &Filter,
        fields: &Fields,
        after: Option<PointId>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let request = ScrollRequest {
            offset: after.as_ref().map(translate::id).transpose()?,
            limit: Some(limit.max(1)),
            filter: Some(translate::filter(filter)?),
            with_payload: Some(translate::payload_fields(fields)?),
            with_vector: WithVector::Bool(fields.vectors),
            order_by: None,
        };
        self.on(collection, "scroll", move |shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let (records, next) = shard
                .scroll(request)
                .map_err(|error| engine("scroll", &error))?;
            Ok(Page {
                points: records.into_iter().map(translate::point).collect(),
                next: next.map(translate::id_back),
            })
        })
        .await
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<u64, StoreError> {
        let filter = translate::filter(filter)?;
        self.on(collection, "count", move |shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let request = CountRequest {
                filter: Some(filter),
                exact: true,
            };
            let count = shard
                .count(request)
                .map_err(|error| engine("count", &error))?;
            Ok(count as u64)
        })
        .await
    }

    async fn facet(
        &self,
        collection: &str,
        field: &str,
        limit: usize,
    ) -> Result<Vec<(Value, u64)>, StoreError> {
        let key = translate::path(field)?;
        self.on(collection, "facet", move |shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let request = FacetRequest {
                key,
                limit: limit.max(1),
                filter: None,
                exact: true,
            };
            let response = shard
                .facet(request)
                .map_err(|error| engine("facet", &error))?;
            Ok(response
                .hits
                .into_iter()
                .map(|hit| (translate::facet_value(hit.value), hit.count as u64))
                .collect())
        })
        .await
    }

    async fn optimize(&self, collection: &str) -> Result<(), StoreError> {
        self.on(collection, "optimize", |shard| {
            let shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard
                .optimize()
                .map_err(|error| engine("optimize", &error))?;
            shard.flush();
            Ok(())
        })
        .await
    }

    async fn status(&self) -> Result<String, StoreError> {
        Ok(format!(
            "Qdrant Edge 0.7, in process, in {}",
            self.inner.folder.display()
        ))
    }
}
