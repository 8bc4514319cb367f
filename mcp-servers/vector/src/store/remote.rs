//! A Qdrant server, reached over gRPC.
//!
//! The server keeps its own log and builds its own indexes: a write is acknowledged once it is
//! applied (`wait`), and [`VectorStore::optimize`] has nothing to do.
//!
//! - `connection`: reaching the server, and its errors in our terms.
//! - `translate`: our types as the protocol's.

mod connection;
mod translate;

use std::collections::HashMap;

use async_trait::async_trait;
use qdrant_client::Payload;
use qdrant_client::qdrant::{
    CountPoints, CreateCollection, DeleteCollection, DeletePoints, FacetCounts, GetPoints,
    PointStruct, PointVectors, QueryPoints, ScrollPoints, SearchParams, UpdatePointVectors,
    UpsertPoints,
};
use serde_json::Value;

use super::{
    CollectionShape, Fields, Page, Point, PointId, Query, Scored, Selection, SparseVector,
    StoreError, VectorStore, check_name, check_point_sizes, check_query_size,
};
use crate::filter::Filter;

use connection::{code, engine, plain};

pub use connection::RemoteStore;

/// Points in one request; a write of more is sent in several.
const POINTS_PER_REQUEST: usize = 512;
/// Candidates that a walk through the server's index keeps.
const BEAM: u64 = 256;

#[async_trait]
impl VectorStore for RemoteStore {
    async fn collections(&self) -> Result<Vec<String>, StoreError> {
        let reply = self.client.list_collections().await.map_err(|error| {
            let (status, message) = plain(&error);
            match status {
                Some(code::UNAVAILABLE | code::DEADLINE_EXCEEDED) => StoreError::Unreachable {
                    url: self.url.clone(),
                    message,
                },
                _ => engine("list", message),
            }
        })?;
        let mut names: Vec<String> = reply.collections.into_iter().map(|it| it.name).collect();
        names.sort();
        Ok(names)
    }

    async fn shape(&self, collection: &str) -> Result<CollectionShape, StoreError> {
        let call = self.client.collection_info(collection.to_owned());
        let reply = self.call(collection, "describe", call).await?;
        Ok(translate::shape(reply.result.unwrap_or_default()))
    }

    async fn create(&self, collection: &str, shape: &CollectionShape) -> Result<(), StoreError> {
        check_name(collection)?;
        match self.shape(collection).await {
            Ok(existing) => {
                existing.check_covers(collection, shape)?;
                return self.make_indexes(collection, shape, &existing).await;
            }
            Err(StoreError::NoCollection { .. }) => {}
            Err(error) => return Err(error),
        }
        let request = CreateCollection {
            collection_name: collection.to_owned(),
            vectors_config: Some(translate::dense_config(shape)),
            sparse_vectors_config: Some(translate::sparse_config(shape)),
            ..CreateCollection::default()
        };
        match self.client.create_collection(request).await {
            Ok(_) => {}
            // Somebody else made it in the meantime.
            Err(error) if plain(&error).0 == Some(code::ALREADY_EXISTS) => {
                self.shape(collection)
                    .await?
                    .check_covers(collection, shape)?;
            }
            Err(error) => return Err(engine("create", plain(&error).1)),
        }
        self.make_indexes(collection, shape, &CollectionShape::default())
            .await
    }

    async fn drop_collection(&self, collection: &str) -> Result<(), StoreError> {
        check_name(collection)?;
        let request = DeleteCollection {
            collection_name: collection.to_owned(),
            ..Default::default()
        };
        let call = self.client.delete_collection(request);
        match self.call(collection, "drop", call).await {
            Ok(_) | Err(StoreError::NoCollection { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn upsert(&self, collection: &str, points: Vec<Point>) -> Result<(), StoreError> {
        let shape = self.shape(collection).await?;
        check_point_sizes(collection, &shape, &points)?;
        let mut points = points.into_iter();
        loop {
            let batch: Vec<PointStruct> = points
                .by_ref()
                .take(POINTS_PER_REQUEST)
                .map(|point| PointStruct {
                    id: Some(translate::id(&point.id)),
                    vectors: Some(translate::vectors(point.dense, point.sparse)),
                    payload: point
                        .payload
                        .into_iter()
                        .map(|(name, value)| (name, value.into()))
                        .collect(),
                })
                .collect();
            if batch.is_empty() {
                return Ok(());
            }
            let request = UpsertPoints {
                collection_name: collection.to_owned(),
                wait: Some(true),
                points: batch,
                ..UpsertPoints::default()
            };
            self.call(collection, "upsert", self.client.upsert_points(request))
                .await?;
        }
    }

    async fn update_sparse(
        &self,
        collection: &str,
        vector: &str,
        values: Vec<(PointId, SparseVector)>,
    ) -> Result<(), StoreError> {
        for batch in values.chunks(POINTS_PER_REQUEST) {
            let points = batch.iter().map(|(id, sparse)| PointVectors {
                id: Some(translate::id(id)),
                vectors: Some(translate::vectors(
                    Default::default(),
                    [(vector.to_owned(), sparse.clone())].into(),
                )),
            });
            let request = UpdatePointVectors {
                collection_name: collection.to_owned(),
                wait: Some(true),
                points: points.collect(),
                ..UpdatePointVectors::default()
            };
            let call = self.client.update_vectors(request);
            self.call(collection, "update vectors", call).await?;
        }
        Ok(())
    }

    async fn delete(&self, collection: &str, which: &Selection) -> Result<(), StoreError> {
        if matches!(which, Selection::Ids(ids) if ids.is_empty()) {
            return Ok(());
        }
        let request = DeletePoints {
            collection_name: collection.to_owned(),
            wait: Some(true),
            points: Some(translate::points(which)?),
            ..DeletePoints::default()
        };
        self.call(collection, "delete", self.client.delete_points(request))
            .await?;
        Ok(())
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
        if limit == 0 {
            return Ok(Vec::new());
        }
        let exact = matches!(query, Query::Dense { exact: true, .. });
        let (using, query) = translate::query(query);
        let request = QueryPoints {
            collection_name: collection.to_owned(),
            query: Some(query),
            using,
            filter: translate::selection(within)?,
            params: Some(SearchParams {
                hnsw_ef: Some(BEAM),
                exact: Some(exact),
                ..SearchParams::default()
            }),
            limit: Some(limit as u64),
            ..QueryPoints::default()
        };
        let reply = self
            .call(collection, "search", self.client.query(request))
            .await?;
        reply
            .result
            .into_iter()
            .map(|point| {
                Ok(Scored {
                    id: translate::id_back(point.id)?,
                    score: point.score,
                })
            })
            .collect()
    }

    async fn fetch(
        &self,
        collection: &str,
        ids: &[PointId],
        fields: &Fields,
    ) -> Result<Vec<Point>, StoreError> {
        let request = GetPoints {
            collection_name: collection.to_owned(),
            ids: ids.iter().map(translate::id).collect(),
            with_payload: Some(translate::payload_fields(fields)),
            with_vectors: Some(fields.vectors.into()),
            ..GetPoints::default()
        };
        let reply = self
            .call(collection, "fetch", self.client.get_points(request))
            .await?;
        let mut found: HashMap<PointId, Point> = HashMap::with_capacity(ids.len());
        for record in reply.result {
            let point = translate::point(record)?;
            found.insert(point.id.clone(), point);
        }
        Ok(ids
            .iter()
            .filter_map(|id| found.remove(&translate::canonical(id)))
            .collect())
    }

    async fn scroll(
        &self,
        collection: &str,
        filter: &Filter,
        fields: &Fields,
        after: Option<PointId>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let request = ScrollPoints {
            collection_name: collection.to_owned(),
            filter: Some(translate::filter(filter)?),
            offset: after.as_ref().map(translate::id),
            limit: Some(u32::try_from(limit.max(1)).unwrap_or(u32::MAX)),
            with_payload: Some(translate::payload_fields(fields)),
            with_vectors: Some(fields.vectors.into()),
            ..ScrollPoints::default()
        };
        let reply = self
            .call(collection, "scroll", self.client.scroll(request))
            .await?;
        let next = reply
            .next_page_offset
            .map(|id| translate::id_back(Some(id)))
            .transpose()?;
        let points = reply
            .result
            .into_iter()
            .map(translate::point)
            .collect::<Result<_, _>>()?;
        Ok(Page { points, next })
    }

    async fn count(&self, collection: &str, filter: &Filter) -> Result<u64, StoreError> {
        let request = CountPoints {
            collection_name: collection.to_owned(),
            filter: Some(translate::filter(filter)?),
            exact: Some(true),
            ..CountPoints::default()
        };
        let reply = self
            .call(collection, "count", self.client.count(request))
            .await?;
        Ok(reply.result.unwrap_or_default().count)
    }

    async fn facet(
        &self,
        collection: &str,
        field: &str,
        limit: usize,
    ) -> Result<Vec<(Value, u64)>, StoreError> {
        let request = FacetCounts {
            collection_name: collection.to_owned(),
            key: field.to_owned(),
            limit: Some(limit.max(1) as u64),
            exact: Some(true),
            ..FacetCounts::default()
        };
        let reply = self
            .call(collection, "facet", self.client.facet(request))
            .await?;
        Ok(reply.hits.into_iter().map(translate::facet_hit).collect())
    }

    async fn optimize(&self, collection: &str) -> Result<(), StoreError> {
        self.shape(collection).await.map(|_| ())
    }

    async fn status(&self) -> Result<String, StoreError> {
        Ok(format!("Qdrant server {} at {}", self.version, self.url))
    }
}

/// A payload from the wire as JSON.
fn json(payload: HashMap<String, qdrant_client::qdrant::Value>) -> serde_json::Map<String, Value> {
    Payload::from(payload).into()
}
