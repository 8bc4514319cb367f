//! A Qdrant server for tests: the wire protocol of the real one, over the embedded engine.
//!
//! It answers the calls that `RemoteStore` makes and refuses all others, in process, so that the
//! real client speaks the real protocol where no server can be installed.

use std::net::SocketAddr;
use std::sync::Arc;

use q::collections_server::{Collections, CollectionsServer};
use q::condition::ConditionOneOf;
use q::r#match::MatchValue;
use q::point_id::PointIdOptions;
use q::points_selector::PointsSelectorOneOf;
use q::points_server::{Points, PointsServer};
use q::qdrant_server::{Qdrant, QdrantServer};
use qdrant_client::qdrant as q;
use ropewalk_vector::filter::{Bounds, Condition, Filter};
use ropewalk_vector::store::edge::EdgeStore;
use ropewalk_vector::store::{
    CollectionShape, DenseSpec, Distance, FieldKind, Fields, Point, PointId, Query, Selection,
    SparseSpec, SparseVector, StoreError, VectorStore,
};
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

type Reply<T> = Result<Response<T>, Status>;

/// The store, and its folder, which must outlive it.
#[derive(Clone)]
struct Server(
    EdgeStore,
    #[expect(dead_code, reason = "kept until the store is gone")] Arc<TempDir>,
);

/// Serves an empty store on a free port for as long as the test runs; with a key, asks for it.
pub(crate) async fn serve(key: Option<&'static str>) -> SocketAddr {
    let folder = tempfile::tempdir().unwrap();
    let store = EdgeStore::open(folder.path()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let check = move |request: Request<()>| match key {
        Some(key) if request.metadata().get("api-key").is_none_or(|it| it != key) => {
            Err(Status::unauthenticated("Must provide an API key"))
        }
        _ => Ok(request),
    };
    let server = Server(store, Arc::new(folder));
    let points = PointsServer::new(server.clone()).max_decoding_message_size(usize::MAX);
    let router = tonic::transport::Server::builder()
        .layer(tonic::service::InterceptorLayer::new(check))
        .add_service(points)
        .add_service(CollectionsServer::new(server.clone()))
        .add_service(QdrantServer::new(server));
    tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn status(error: StoreError) -> Status {
    match error {
        StoreError::NoCollection { collection, .. } => Status::not_found(format!(
            "Not found: Collection `{collection}` doesn't exist!"
        )),
        StoreError::Engine { message, .. } => Status::internal(message),
        other => Status::invalid_argument(format!("Wrong input: {other}")),
    }
}

fn done() -> Reply<q::PointsOperationResponse> {
    let result = q::UpdateResult {
        status: q::UpdateStatus::Completed as i32,
        ..Default::default()
    };
    Ok(Response::new(q::PointsOperationResponse {
        result: Some(result),
        ..Default::default()
    }))
}

fn must_wait(wait: Option<bool>) -> Result<(), Status> {
    match wait {
        Some(true) => Ok(()),
        _ => Err(Status::invalid_argument(
            "this client is to wait for its writes",
        )),
    }
}

fn id(id: Option<q::PointId>) -> Result<PointId, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(PointId::Number(number)),
        Some(PointIdOptions::Uuid(uuid)) => Ok(PointId::Uuid(uuid)),
        None => Err(Status::invalid_argument("no id")),
    }
}

fn wire_id(id: PointId) -> q::PointId {
    let options = match id {
        PointId::Number(number) => PointIdOptions::Num(number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid),
    };
    q::PointId {
        point_id_options: Some(options),
    }
}

type Named<T> = std::collections::BTreeMap<String, T>;

fn vectors(wire: Option<q::Vectors>) -> Result<(Named<Vec<f32>>, Named<SparseVector>), Status> {
    let (mut dense, mut sparse) = (Named::new(), Named::new());
    match wire.and_then(|it| it.vectors_options) {
        Some(q::vectors::VectorsOptions::Vectors(named)) => {
            for (name, vector) in named.vectors {
                match vector.vector {
                    Some(q::vector::Vector::Dense(it)) => {
                        dense.insert(name, it.data);
                    }
                    Some(q::vector::Vector::Sparse(q::SparseVector { values, indices })) => {
                        sparse.insert(name, SparseVector { indices, values });
                    }
                    other => return Err(Status::unimplemented(format!("{other:?}"))),
                }
            }
        }
        other => return Err(Status::unimplemented(format!("{other:?}"))),
    }
    Ok((dense, sparse))
}

fn record(point: Point, with_vectors: bool) -> q::RetrievedPoint {
    let dense = point.dense.into_iter().map(|(name, data)| {
        (
            name,
            q::vector_output::Vector::Dense(q::DenseVector { data }),
        )
    });
    let sparse = point
        .sparse
        .into_iter()
        .map(|(name, SparseVector { indices, values })| {
            (
                name,
                q::vector_output::Vector::Sparse(q::SparseVector { values, indices }),
            )
        });
    let output = |it| q::VectorOutput {
        vector: Some(it),
        ..Default::default()
    };
    let mut all: std::collections::HashMap<String, q::VectorOutput> = dense
        .chain(sparse)
        .map(|(name, it)| (name, output(it)))
        .collect();
    use q::vectors_output::VectorsOptions;
    let options = match all.remove("") {
        Some(default) if all.is_empty() => VectorsOptions::Vector(default),
        Some(default) => {
            all.insert(String::new(), default);
            VectorsOptions::Vectors(q::NamedVectorsOutput { vectors: all })
        }
        None => VectorsOptions::Vectors(q::NamedVectorsOutput { vectors: all }),
    };
    q::RetrievedPoint {
        id: Some(wire_id(point.id)),
        payload: point
            .payload
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect(),
        vectors: with_vectors.then_some(q::VectorsOutput {
            vectors_options: Some(options),
        }),
        ..Default::default()
    }
}

fn fields(
    payload: Option<q::WithPayloadSelector>,
    vectors: Option<q::WithVectorsSelector>,
) -> Fields {
    use q::with_payload_selector::SelectorOptions;
    let payload = match payload.and_then(|it| it.selector_options) {
        Some(SelectorOptions::Enable(true)) => None,
        Some(SelectorOptions::Include(these)) => Some(these.fields),
        _ => Some(Vec::new()),
    };
    let vectors = matches!(
        vectors.and_then(|it| it.selector_options),
        Some(q::with_vectors_selector::SelectorOptions::Enable(true))
    );
    Fields { payload, vectors }
}

fn filter(wire: Option<q::Filter>) -> Result<Filter, Status> {
    let wire = wire.unwrap_or_default();
    if !wire.should.is_empty() || !wire.must_not.is_empty() {
        return Ok(Filter {
            all: vec![group(wire)?],
        });
    }
    let all = wire
        .must
        .into_iter()
        .map(condition)
        .collect::<Result<_, _>>()?;
    Ok(Filter { all })
}

fn group(wire: q::Filter) -> Result<Condition, Status> {
    let unknown = || Status::unimplemented("a filter that RemoteStore does not write");
    if !wire.should.is_empty() {
        let mut found = (String::new(), Vec::new());
        for it in wire.should {
            found.0 = match condition(it)? {
                Condition::Equals { field, value } => {
                    found.1.push(value);
                    field
                }
                Condition::Range {
                    field,
                    bounds:
                        Bounds {
                            gte: Some(value), ..
                        },
                } => {
                    found.1.push(Value::from(value));
                    field
                }
                _ => return Err(unknown()),
            };
        }
        return Ok(Condition::AnyOf {
            field: found.0,
            values: found.1,
        });
    }
    let [inner] = <[q::Condition; 1]>::try_from(wire.must_not).map_err(|_| unknown())?;
    match inner.condition_one_of {
        Some(ConditionOneOf::IsEmpty(empty)) => Ok(Condition::Exists { field: empty.key }),
        Some(ConditionOneOf::Filter(inner)) => {
            let conditions = inner
                .must
                .into_iter()
                .map(condition)
                .collect::<Result<_, _>>()?;
            Ok(Condition::Not { conditions })
        }
        _ => Err(unknown()),
    }
}

fn condition(wire: q::Condition) -> Result<Condition, Status> {
    match wire.condition_one_of {
        Some(ConditionOneOf::Field(q::FieldCondition {
            key,
            r#match: Some(it),
            ..
        })) => {
            let value = match it.match_value {
                Some(MatchValue::Keyword(text)) => Value::from(text),
                Some(MatchValue::Integer(number)) => Value::from(number),
                Some(MatchValue::Boolean(truth)) => Value::from(truth),
                other => return Err(Status::unimplemented(format!("{other:?}"))),
            };
            Ok(Condition::Equals { field: key, value })
        }
        Some(ConditionOneOf::Field(q::FieldCondition {
            key,
            range: Some(range),
            ..
        })) => {
            let q::Range { lt, gt, gte, lte } = range;
            Ok(Condition::Range {
                field: key,
                bounds: Bounds { gt, gte, lt, lte },
            })
        }
        Some(ConditionOneOf::HasId(ids)) if ids.has_id.is_empty() => Ok(Condition::AnyOf {
            field: "any".to_owned(),
            values: Vec::new(),
        }),
        Some(ConditionOneOf::Filter(inner)) => group(inner),
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

fn ids(wire: Vec<q::PointId>) -> Result<Vec<PointId>, Status> {
    wire.into_iter().map(|it| id(Some(it))).collect()
}

/// A filter of nothing but ids, or conditions.
fn selection(wire: Option<q::Filter>) -> Result<Selection, Status> {
    if let Some(q::Filter { must, .. }) = &wire
        && let [
            q::Condition {
                condition_one_of: Some(ConditionOneOf::HasId(these)),
            },
        ] = must.as_slice()
    {
        return ids(these.has_id.clone()).map(Selection::Ids);
    }
    filter(wire).map(Selection::Matching)
}

fn distance(wire: i32) -> Distance {
    match q::Distance::try_from(wire).unwrap() {
        q::Distance::Dot => Distance::Dot,
        q::Distance::Euclid => Distance::Euclid,
        q::Distance::Manhattan => Distance::Manhattan,
        _ => Distance::Cosine,
    }
}

fn wire_distance(distance: Distance) -> i32 {
    let wire = match distance {
        Distance::Cosine => q::Distance::Cosine,
        Distance::Dot => q::Distance::Dot,
        Distance::Euclid => q::Distance::Euclid,
        Distance::Manhattan => q::Distance::Manhattan,
    };
    wire as i32
}

fn info(shape: CollectionShape) -> q::CollectionInfo {
    use q::vectors_config::Config;
    let params = |spec: &DenseSpec| q::VectorParams {
        size: spec.size,
        distance: wire_distance(spec.distance),
        ..Default::default()
    };
    let dense = match shape.dense.get("") {
        Some(spec) => Config::Params(params(spec)),
        None => Config::ParamsMap(q::VectorParamsMap {
            map: shape
                .dense
                .iter()
                .map(|(name, it)| (name.clone(), params(it)))
                .collect(),
        }),
    };
    let sparse = shape.sparse.iter().map(|(name, spec)| {
        let modifier = spec.idf.then_some(q::Modifier::Idf as i32);
        (
            name.clone(),
            q::SparseVectorParams {
                modifier,
                ..Default::default()
            },
        )
    });
    let indexed = shape.indexed.iter().map(|(name, kind)| {
        let kind = match kind {
            FieldKind::Integer => q::PayloadSchemaType::Integer,
            FieldKind::Float => q::PayloadSchemaType::Float,
            FieldKind::Bool => q::PayloadSchemaType::Bool,
            FieldKind::Text => q::PayloadSchemaType::Text,
            FieldKind::Datetime => q::PayloadSchemaType::Datetime,
            FieldKind::Keyword | FieldKind::Other => q::PayloadSchemaType::Keyword,
        };
        (
            name.clone(),
            q::PayloadSchemaInfo {
                data_type: kind as i32,
                ..Default::default()
            },
        )
    });
    let params = q::CollectionParams {
        vectors_config: Some(q::VectorsConfig {
            config: Some(dense),
        }),
        sparse_vectors_config: Some(q::SparseVectorConfig {
            map: sparse.collect(),
        }),
        ..Default::default()
    };
    let config = q::CollectionConfig {
        params: Some(params),
        ..Default::default()
    };
    q::CollectionInfo {
        config: Some(config),
        payload_schema: indexed.collect(),
        ..Default::default()
    }
}

/// An implementation of a service: the methods in braces, and refusals of those listed.
macro_rules! service {
    ($service:ident { $($own:tt)* } $($name:ident($request:ident) -> $reply:ident,)*) => {
        #[tonic::async_trait]
        impl $service for Server {
            $($own)*
            $(async fn $name(&self, _: Request<q::$request>) -> Reply<q::$reply> {
                Err(Status::unimplemented(stringify!($name)))
            })*
        }
    };
}

service! {
    Qdrant {
        async fn health_check(
            &self,
            _: Request<q::HealthCheckRequest>,
        ) -> Reply<q::HealthCheckReply> {
            let version = "1.20.0-test".to_owned();
            Ok(Response::new(q::HealthCheckReply { version, ..Default::default() }))
        }
    }
}

service! {
    Collections {
        async fn get(
            &self,
            request: Request<q::GetCollectionInfoRequest>,
        ) -> Reply<q::GetCollectionInfoResponse> {
            let name = request.into_inner().collection_name;
            let shape = self.0.shape(&name).await.map_err(status)?;
            let result = Some(info(shape));
            Ok(Response::new(q::GetCollectionInfoResponse { result, ..Default::default() }))
        }

        async fn list(
            &self,
            _: Request<q::ListCollectionsRequest>,
        ) -> Reply<q::ListCollectionsResponse> {
            let names = self.0.collections().await.map_err(status)?;
            let collections =
                names.into_iter().map(|name| q::CollectionDescription { name }).collect();
            Ok(Response::new(q::ListCollectionsResponse { collections, ..Default::default() }))
        }

        async fn create(
            &self,
            request: Request<q::CreateCollection>,
        ) -> Reply<q::CollectionOperationResponse> {
            let request = request.into_inner();
            let mut shape = CollectionShape::default();
            let spec = |it: &q::VectorParams| DenseSpec {
                size: it.size,
                distance: distance(it.distance),
            };
            match request.vectors_config.and_then(|it| it.config) {
                Some(q::vectors_config::Config::Params(it)) => {
                    shape.dense.insert(String::new(), spec(&it));
                }
                Some(q::vectors_config::Config::ParamsMap(named)) => {
                    for (name, it) in &named.map {
                        shape.dense.insert(name.clone(), spec(it));
                    }
                }
                None => {}
            }
            for (name, it) in request.sparse_vectors_config.unwrap_or_default().map {
                let idf = it.modifier == Some(q::Modifier::Idf as i32);
                shape.sparse.insert(name, SparseSpec { idf });
            }
            self.0.create(&request.collection_name, &shape).await.map_err(status)?;
            let reply = q::CollectionOperationResponse { result: true, ..Default::default() };
            Ok(Response::new(reply))
        }

        async fn delete(
            &self,
            request: Request<q::DeleteCollection>,
        ) -> Reply<q::CollectionOperationResponse> {
            let name = request.into_inner().collection_name;
            self.0.drop_collection(&name).await.map_err(status)?;
            let reply = q::CollectionOperationResponse { result: true, ..Default::default() };
            Ok(Response::new(reply))
        }
    }
    update(UpdateCollection) -> CollectionOperationResponse,
    update_aliases(ChangeAliases) -> CollectionOperationResponse,
    list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse,
    list_aliases(ListAliasesRequest) -> ListAliasesResponse,
    collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse,
    collection_exists(CollectionExistsRequest) -> CollectionExistsResponse,
    update_collection_cluster_setup(UpdateCollectionClusterSetupRequest)
        -> UpdateCollectionClusterSetupResponse,
    create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse,
    delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse,
    list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse,
}

service! {
    Points {
        async fn upsert(
            &self,
            request: Request<q::UpsertPoints>,
        ) -> Reply<q::PointsOperationResponse> {
            let request = request.into_inner();
            must_wait(request.wait)?;
            let mut points = Vec::new();
            for it in request.points {
                let (dense, sparse) = vectors(it.vectors)?;
                let payload = qdrant_client::Payload::from(it.payload).into();
                points.push(Point { id: id(it.id)?, dense, sparse, payload });
            }
            self.0.upsert(&request.collection_name, points).await.map_err(status)?;
            done()
        }

        async fn delete(
            &self,
            request: Request<q::DeletePoints>,
        ) -> Reply<q::PointsOperationResponse> {
            let request = request.into_inner();
            must_wait(request.wait)?;
            let which = match request.points.and_then(|it| it.points_selector_one_of) {
                Some(PointsSelectorOneOf::Points(these)) => Selection::Ids(ids(these.ids)?),
                Some(PointsSelectorOneOf::Filter(it)) => Selection::Matching(filter(Some(it))?),
                None => return Err(Status::invalid_argument("no points")),
            };
            self.0.delete(&request.collection_name, &which).await.map_err(status)?;
            done()
        }

        async fn get(&self, request: Request<q::GetPoints>) -> Reply<q::GetResponse> {
            let request = request.into_inner();
            let fields = fields(request.with_payload, request.with_vectors);
            let wanted = ids(request.ids)?;
            let mut found =
                self.0.fetch(&request.collection_name, &wanted, &fields).await.map_err(status)?;
            // The real server promises no order.
            found.sort_by(|a, b| b.id.cmp(&a.id));
            let result = found.into_iter().map(|it| record(it, fields.vectors)).collect();
            Ok(Response::new(q::GetResponse { result, ..Default::default() }))
        }

        async fn update_vectors(
            &self,
            request: Request<q::UpdatePointVectors>,
        ) -> Reply<q::PointsOperationResponse> {
            let request = request.into_inner();
            must_wait(request.wait)?;
            let mut by_name: Named<Vec<(PointId, SparseVector)>> = Named::new();
            for it in request.points {
                let point = id(it.id)?;
                for (name, vector) in vectors(it.vectors)?.1 {
                    by_name.entry(name).or_default().push((point.clone(), vector));
                }
            }
            for (name, values) in by_name {
                let update = self.0.update_sparse(&request.collection_name, &name, values);
                update.await.map_err(status)?;
            }
            done()
        }

        async fn create_field_index(
            &self,
            request: Request<q::CreateFieldIndexCollection>,
        ) -> Reply<q::PointsOperationResponse> {
            let request = request.into_inner();
            must_wait(request.wait)?;
            let name = request.collection_name;
            let mut shape = self.0.shape(&name).await.map_err(status)?;
            if self.0.count(&name, &Filter::default()).await.map_err(status)? > 0 {
                return Err(Status::unimplemented("an index on a collection that has points"));
            }
            let kind = match q::FieldType::try_from(request.field_type.unwrap()).unwrap() {
                q::FieldType::Integer => FieldKind::Integer,
                q::FieldType::Float => FieldKind::Float,
                q::FieldType::Bool => FieldKind::Bool,
                q::FieldType::Text => FieldKind::Text,
                q::FieldType::Datetime => FieldKind::Datetime,
                _ => FieldKind::Keyword,
            };
            shape.indexed.insert(request.field_name, kind);
            self.0.drop_collection(&name).await.map_err(status)?;
            self.0.create(&name, &shape).await.map_err(status)?;
            done()
        }

        async fn scroll(&self, request: Request<q::ScrollPoints>) -> Reply<q::ScrollResponse> {
            let request = request.into_inner();
            let fields = fields(request.with_payload, request.with_vectors);
            let filter = filter(request.filter)?;
            let after = request.offset.map(|it| id(Some(it))).transpose()?;
            let limit = request.limit.unwrap_or(10) as usize;
            let name = &request.collection_name;
            let page = self.0.scroll(name, &filter, &fields, after, limit).await;
            let page = page.map_err(status)?;
            Ok(Response::new(q::ScrollResponse {
                next_page_offset: page.next.map(wire_id),
                result: page.points.into_iter().map(|it| record(it, fields.vectors)).collect(),
                ..Default::default()
            }))
        }

        async fn count(&self, request: Request<q::CountPoints>) -> Reply<q::CountResponse> {
            let request = request.into_inner();
            let filter = filter(request.filter)?;
            let count = self.0.count(&request.collection_name, &filter).await.map_err(status)?;
            let result = Some(q::CountResult { count });
            Ok(Response::new(q::CountResponse { result, ..Default::default() }))
        }

        async fn query(&self, request: Request<q::QueryPoints>) -> Reply<q::QueryResponse> {
            let request = request.into_inner();
            let vector = request.using.unwrap_or_default();
            let exact = request.params.and_then(|it| it.exact).unwrap_or(false);
            let nearest = match request.query.and_then(|it| it.variant) {
                Some(q::query::Variant::Nearest(it)) => it.variant,
                other => return Err(Status::unimplemented(format!("{other:?}"))),
            };
            let query = match nearest {
                Some(q::vector_input::Variant::Dense(it)) => {
                    Query::Dense { vector, values: it.data, exact }
                }
                Some(q::vector_input::Variant::Sparse(q::SparseVector { values, indices })) => {
                    Query::Sparse { vector, values: SparseVector { indices, values } }
                }
                other => return Err(Status::unimplemented(format!("{other:?}"))),
            };
            let within = selection(request.filter)?;
            let limit = request.limit.unwrap_or(10) as usize;
            let found = self.0.search(&request.collection_name, &query, &within, limit).await;
            let result = found.map_err(status)?.into_iter().map(|it| q::ScoredPoint {
                id: Some(wire_id(it.id)),
                score: it.score,
                ..Default::default()
            });
            let result = result.collect();
            Ok(Response::new(q::QueryResponse { result, ..Default::default() }))
        }

        async fn facet(&self, request: Request<q::FacetCounts>) -> Reply<q::FacetResponse> {
            let request = request.into_inner();
            let limit = request.limit.unwrap_or(10) as usize;
            let hits = self.0.facet(&request.collection_name, &request.key, limit).await;
            let hits = hits.map_err(status)?.into_iter().map(|(value, count)| {
                let variant = match value {
                    Value::String(text) => q::facet_value::Variant::StringValue(text),
                    Value::Bool(truth) => q::facet_value::Variant::BoolValue(truth),
                    other => q::facet_value::Variant::IntegerValue(other.as_i64().unwrap()),
                };
                q::FacetHit { value: Some(q::FacetValue { variant: Some(variant) }), count }
            });
            Ok(Response::new(q::FacetResponse { hits: hits.collect(), ..Default::default() }))
        }
    }
    delete_vectors(DeletePointVectors) -> PointsOperationResponse,
    set_payload(SetPayloadPoints) -> PointsOperationResponse,
    overwrite_payload(SetPayloadPoints) -> PointsOperationResponse,
    delete_payload(DeletePayloadPoints) -> PointsOperationResponse,
    clear_payload(ClearPayloadPoints) -> PointsOperationResponse,
    delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse,
    create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse,
    delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse,
    search(SearchPoints) -> SearchResponse,
    search_batch(SearchBatchPoints) -> SearchBatchResponse,
    search_groups(SearchPointGroups) -> SearchGroupsResponse,
    recommend(RecommendPoints) -> RecommendResponse,
    recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse,
    recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse,
    discover(DiscoverPoints) -> DiscoverResponse,
    discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse,
    update_batch(UpdateBatchPoints) -> UpdateBatchResponse,
    query_batch(QueryBatchPoints) -> QueryBatchResponse,
    query_groups(QueryPointGroups) -> QueryGroupsResponse,
    search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse,
    search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse,
}
