//! Our types to Qdrant's protocol and back.

use std::collections::BTreeMap;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_client::qdrant::{
    CollectionInfo, Condition as WireCondition, DenseVector, Distance as WireDistance, FacetHit,
    FieldCondition, FieldType, Filter as WireFilter, HasIdCondition, IsEmptyCondition, Match,
    Modifier, NamedVectors, PayloadIncludeSelector, PayloadSchemaType, PointId as WireId,
    PointsIdsList, PointsSelector, Query as WireQuery, Range, RetrievedPoint,
    SparseVector as WireSparse, SparseVectorConfig, SparseVectorParams, Vector, VectorInput,
    VectorParams, VectorParamsMap, Vectors, VectorsConfig, WithPayloadSelector, facet_value, query,
    vector, vector_input, vector_output, vectors_output,
};
use serde_json::Value;

use super::connection::engine;
use crate::filter::{Condition, Filter};
use crate::store::{
    CollectionShape, DenseSpec, Distance, FieldKind, Fields, Point, PointId, Query, Selection,
    SparseSpec, SparseVector, StoreError,
};

pub(super) fn id(id: &PointId) -> WireId {
    let options = match id {
        PointId::Number(number) => PointIdOptions::Num(*number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.clone()),
    };
    WireId {
        point_id_options: Some(options),
    }
}

/// An id as the server will give it back: UUIDs in lower case.
pub(super) fn canonical(id: &PointId) -> PointId {
    match id {
        PointId::Number(number) => PointId::Number(*number),
        PointId::Uuid(uuid) => PointId::Uuid(uuid.to_ascii_lowercase()),
    }
}

pub(super) fn id_back(id: Option<WireId>) -> Result<PointId, StoreError> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(PointId::Number(number)),
        Some(PointIdOptions::Uuid(uuid)) => Ok(PointId::Uuid(uuid)),
        None => Err(engine(
            "reading a reply",
            "a point without an id".to_owned(),
        )),
    }
}

fn distance(distance: Distance) -> i32 {
    match distance {
        Distance::Cosine => WireDistance::Cosine as i32,
        Distance::Dot => WireDistance::Dot as i32,
        Distance::Euclid => WireDistance::Euclid as i32,
        Distance::Manhattan => WireDistance::Manhattan as i32,
    }
}

fn distance_back(distance: i32) -> Distance {
    match WireDistance::try_from(distance) {
        Ok(WireDistance::Dot) => Distance::Dot,
        Ok(WireDistance::Euclid) => Distance::Euclid,
        Ok(WireDistance::Manhattan) => Distance::Manhattan,
        _ => Distance::Cosine,
    }
}

pub(super) fn field_type(kind: FieldKind) -> i32 {
    let kind = match kind {
        FieldKind::Keyword | FieldKind::Other => FieldType::Keyword,
        FieldKind::Integer => FieldType::Integer,
        FieldKind::Float => FieldType::Float,
        FieldKind::Bool => FieldType::Bool,
        FieldKind::Text => FieldType::Text,
        FieldKind::Datetime => FieldType::Datetime,
    };
    kind as i32
}

fn kind(data_type: i32) -> FieldKind {
    match PayloadSchemaType::try_from(data_type) {
        Ok(PayloadSchemaType::Keyword | PayloadSchemaType::Uuid) => FieldKind::Keyword,
        Ok(PayloadSchemaType::Integer) => FieldKind::Integer,
        Ok(PayloadSchemaType::Float) => FieldKind::Float,
        Ok(PayloadSchemaType::Bool) => FieldKind::Bool,
        Ok(PayloadSchemaType::Text) => FieldKind::Text,
        Ok(PayloadSchemaType::Datetime) => FieldKind::Datetime,
        _ => FieldKind::Other,
    }
}

pub(super) fn dense_config(shape: &CollectionShape) -> VectorsConfig {
    let params = |spec: &DenseSpec| VectorParams {
        size: spec.size,
        distance: distance(spec.distance),
        ..VectorParams::default()
    };
    // The default vector has no name, and is then the only one.
    let config = match shape.dense.get("") {
        Some(spec) if shape.dense.len() == 1 => Config::Params(params(spec)),
        _ => Config::ParamsMap(VectorParamsMap {
            map: shape
                .dense
                .iter()
                .map(|(name, spec)| (name.clone(), params(spec)))
                .collect(),
        }),
    };
    VectorsConfig {
        config: Some(config),
    }
}

pub(super) fn sparse_config(shape: &CollectionShape) -> SparseVectorConfig {
    let params = |spec: &SparseSpec| SparseVectorParams {
        index: None,
        modifier: spec.idf.then_some(Modifier::Idf as i32),
    };
    SparseVectorConfig {
        map: shape
            .sparse
            .iter()
            .map(|(name, spec)| (name.clone(), params(spec)))
            .collect(),
    }
}

pub(super) fn shape(info: CollectionInfo) -> CollectionShape {
    let mut shape = CollectionShape::default();
    let spec = |params: &VectorParams| DenseSpec {
        size: params.size,
        distance: distance_back(params.distance),
    };
    let params = info
        .config
        .and_then(|config| config.params)
        .unwrap_or_default();
    match params.vectors_config.and_then(|config| config.config) {
        Some(Config::Params(params)) => {
            shape.dense.insert(String::new(), spec(&params));
        }
        Some(Config::ParamsMap(named)) => {
            shape.dense = named
                .map
                .iter()
                .map(|(name, it)| (name.clone(), spec(it)))
                .collect();
        }
        None => {}
    }
    for (name, params) in params.sparse_vectors_config.unwrap_or_default().map {
        let idf = params.modifier == Some(Modifier::Idf as i32);
        shape.sparse.insert(name, SparseSpec { idf });
    }
    for (field, schema) in info.payload_schema {
        shape.indexed.insert(field, kind(schema.data_type));
    }
    shape
}

pub(super) fn vectors(
    dense: BTreeMap<String, Vec<f32>>,
    sparse: BTreeMap<String, SparseVector>,
) -> Vectors {
    let dense = dense
        .into_iter()
        .map(|(name, data)| (name, vector::Vector::Dense(DenseVector { data })));
    let sparse = sparse
        .into_iter()
        .map(|(name, vector)| (name, vector::Vector::Sparse(wire_sparse(vector))));
    let vectors = dense
        .chain(sparse)
        .map(|(name, vector)| {
            (
                name,
                Vector {
                    vector: Some(vector),
                    ..Vector::default()
                },
            )
        })
        .collect();
    Vectors {
        vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors })),
    }
}

fn wire_sparse(SparseVector { indices, values }: SparseVector) -> WireSparse {
    WireSparse { values, indices }
}

/// Which vector to use (`None`: the default one), and the query.
pub(super) fn query(query: &Query) -> (Option<String>, WireQuery) {
    let (name, variant) = match query {
        Query::Dense { vector, values, .. } => (
            vector,
            vector_input::Variant::Dense(DenseVector {
                data: values.clone(),
            }),
        ),
        Query::Sparse { vector, values } => (
            vector,
            vector_input::Variant::Sparse(wire_sparse(values.clone())),
        ),
    };
    let nearest = query::Variant::Nearest(VectorInput {
        variant: Some(variant),
    });
    (
        (!name.is_empty()).then(|| name.clone()),
        WireQuery {
            variant: Some(nearest),
        },
    )
}

pub(super) fn points(selection: &Selection) -> Result<PointsSelector, StoreError> {
    let which = match selection {
        Selection::Ids(ids) => PointsSelectorOneOf::Points(PointsIdsList {
            ids: ids.iter().map(id).collect(),
        }),
        Selection::Matching(conditions) => PointsSelectorOneOf::Filter(filter(conditions)?),
    };
    Ok(PointsSelector {
        points_selector_one_of: Some(which),
    })
}

pub(super) fn selection(selection: &Selection) -> Result<Option<WireFilter>, StoreError> {
    match selection {
        Selection::Matching(conditions) if conditions.all.is_empty() => Ok(None),
        Selection::Matching(conditions) => filter(conditions).map(Some),
        Selection::Ids(ids) => Ok(Some(must(vec![has_id(ids.iter().map(id).collect())]))),
    }
}

pub(super) fn filter(filter: &Filter) -> Result<WireFilter, StoreError> {
    Ok(must(conditions(&filter.all)?))
}

fn conditions(all: &[Condition]) -> Result<Vec<WireCondition>, StoreError> {
    all.iter().map(condition).collect()
}

fn must(must: Vec<WireCondition>) -> WireFilter {
    WireFilter {
        must,
        ..WireFilter::default()
    }
}

fn wire(condition: ConditionOneOf) -> WireCondition {
    WireCondition {
        condition_one_of: Some(condition),
    }
}

fn has_id(has_id: Vec<WireId>) -> WireCondition {
    wire(ConditionOneOf::HasId(HasIdCondition { has_id }))
}

fn not(inner: Vec<WireCondition>) -> WireCondition {
    wire(ConditionOneOf::Filter(WireFilter {
        must_not: inner,
        ..WireFilter::default()
    }))
}

fn condition(condition: &Condition) -> Result<WireCondition, StoreError> {
    Ok(match condition {
        Condition::Equals { field, value } => equals(field, value)?,
        // No id is in an empty list, so nothing passes an empty choice.
        Condition::AnyOf { values, .. } if values.is_empty() => has_id(Vec::new()),
        Condition::AnyOf { field, values } => {
            let should = values.iter().map(|value| equals(field, value));
            let should = should.collect::<Result<_, _>>()?;
            wire(ConditionOneOf::Filter(WireFilter {
                should,
                ..WireFilter::default()
            }))
        }
        Condition::Range { field, bounds } => range(
            field,
            Range {
                lt: bounds.lt,
                gt: bounds.gt,
                gte: bounds.gte,
                lte: bounds.lte,
            },
        ),
        Condition::Exists { field } => not(vec![wire(ConditionOneOf::IsEmpty(IsEmptyCondition {
            key: field.clone(),
        }))]),
        Condition::Not { conditions: inner } => {
            not(vec![wire(ConditionOneOf::Filter(must(conditions(inner)?)))])
        }
    })
}

fn range(field: &str, range: Range) -> WireCondition {
    wire(ConditionOneOf::Field(FieldCondition {
        key: field.to_owned(),
        range: Some(range),
        ..FieldCondition::default()
    }))
}

fn equals(field: &str, value: &Value) -> Result<WireCondition, StoreError> {
    let wanted = match value {
        Value::String(text) => MatchValue::Keyword(text.clone()),
        Value::Bool(truth) => MatchValue::Boolean(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => MatchValue::Integer(whole),
            // Qdrant matches strings, integers and truth values; other numbers only by range.
            (None, value) => {
                return Ok(range(
                    field,
                    Range {
                        gte: value,
                        lte: value,
                        ..Range::default()
                    },
                ));
            }
        },
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(engine(
                "reading a filter",
                format!("`{field}` can be compared with text, a number or true/false, not {value}"),
            ));
        }
    };
    Ok(wire(ConditionOneOf::Field(FieldCondition {
        key: field.to_owned(),
        r#match: Some(Match {
            match_value: Some(wanted),
        }),
        ..FieldCondition::default()
    })))
}

pub(super) fn payload_fields(fields: &Fields) -> WithPayloadSelector {
    let options = match &fields.payload {
        None => SelectorOptions::Enable(true),
        Some(names) if names.is_empty() => SelectorOptions::Enable(false),
        Some(names) => SelectorOptions::Include(PayloadIncludeSelector {
            fields: names.clone(),
        }),
    };
    WithPayloadSelector {
        selector_options: Some(options),
    }
}

pub(super) fn point(record: RetrievedPoint) -> Result<Point, StoreError> {
    let mut point = Point {
        id: id_back(record.id)?,
        dense: BTreeMap::new(),
        sparse: BTreeMap::new(),
        payload: super::json(record.payload),
    };
    let mut keep = |name: String, vector| match vector {
        vector_output::Vector::Dense(DenseVector { data }) => {
            point.dense.insert(name, data);
        }
        vector_output::Vector::Sparse(WireSparse { values, indices }) => {
            point.sparse.insert(name, SparseVector { indices, values });
        }
        // One vector per token: nothing here searches those.
        vector_output::Vector::MultiDense(_) => {}
    };
    match record.vectors.and_then(|vectors| vectors.vectors_options) {
        Some(vectors_output::VectorsOptions::Vector(vector)) => {
            keep(String::new(), vector.into_vector());
        }
        Some(vectors_output::VectorsOptions::Vectors(named)) => {
            for (name, vector) in named.vectors {
                keep(name, vector.into_vector());
            }
        }
        None => {}
    }
    Ok(point)
}

pub(super) fn facet_hit(hit: FacetHit) -> (Value, u64) {
    let value = match hit.value.and_then(|value| value.variant) {
        Some(facet_value::Variant::StringValue(text)) => Value::from(text),
        Some(facet_value::Variant::IntegerValue(number)) => Value::from(number),
        Some(facet_value::Variant::BoolValue(truth)) => Value::from(truth),
        None => Value::Null,
    };
    (value, hit.count)
}
