//! Our types to Edge's and back.

use std::str::FromStr;

use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{
    Distance as EdgeDistance, FacetValue, Filter as EdgeFilter, JsonPath, NamedQuery,
    PointId as EdgeId, QueryEnum, Record, SparseVector as EdgeSparse, VectorInternal,
    VectorStructInternal, WithPayloadInterface,
};
use serde_json::{Map, Value, json};

use super::shards::ENGINE;
use crate::filter::{Condition, Filter};
use crate::store::{Distance, Fields, Point, PointId, Query, Selection, SparseVector, StoreError};

fn refused(action: &str, message: impl ToString) -> StoreError {
    StoreError::Engine {
        engine: ENGINE,
        action: action.to_owned(),
        message: message.to_string(),
    }
}

pub(super) fn id(id: &PointId) -> Result<EdgeId, StoreError> {
    match id {
        PointId::Number(number) => Ok(EdgeId::NumId(*number)),
        PointId::Uuid(text) => Uuid::from_str(text)
            .map(EdgeId::Uuid)
            .map_err(|error| refused("reading a point id", format!("`{text}`: {error}"))),
    }
}

pub(super) fn id_back(id: EdgeId) -> PointId {
    match id {
        EdgeId::NumId(number) => PointId::Number(number),
        EdgeId::Uuid(uuid) => PointId::Uuid(uuid.to_string()),
    }
}

pub(super) fn path(field: &str) -> Result<JsonPath, StoreError> {
    JsonPath::from_str(field).map_err(|()| {
        refused(
            "reading a field name",
            format!("`{field}` is not a field path"),
        )
    })
}

pub(super) fn distance(distance: Distance) -> EdgeDistance {
    match distance {
        Distance::Cosine => EdgeDistance::Cosine,
        Distance::Dot => EdgeDistance::Dot,
        Distance::Euclid => EdgeDistance::Euclid,
        Distance::Manhattan => EdgeDistance::Manhattan,
    }
}

pub(super) fn distance_back(distance: EdgeDistance) -> Distance {
    match distance {
        EdgeDistance::Cosine => Distance::Cosine,
        EdgeDistance::Dot => Distance::Dot,
        EdgeDistance::Euclid => Distance::Euclid,
        EdgeDistance::Manhattan => Distance::Manhattan,
    }
}

pub(super) fn sparse(vector: SparseVector) -> EdgeSparse {
    EdgeSparse {
        indices: vector.indices,
        values: vector.values,
    }
}

pub(super) fn query(query: &Query) -> QueryEnum {
    let (vector, query) = match query {
        Query::Dense { vector, values, .. } => (vector, VectorInternal::Dense(values.clone())),
        Query::Sparse { vector, values } => {
            (vector, VectorInternal::Sparse(sparse(values.clone())))
        }
    };
    let using = (!vector.is_empty()).then(|| vector.clone());
    QueryEnum::Nearest(NamedQuery { query, using })
}

pub(super) fn selection(selection: &Selection) -> Result<Option<EdgeFilter>, StoreError> {
    match selection {
        Selection::Matching(conditions) if conditions.all.is_empty() => Ok(None),
        Selection::Matching(conditions) => filter(conditions).map(Some),
        Selection::Ids(ids) => parse(json!({"must": [{"has_id": ids}]})).map(Some),
    }
}

/// Edge reads the same JSON as Qdrant's REST interface, so filters are written in it.
pub(super) fn filter(filter: &Filter) -> Result<EdgeFilter, StoreError> {
    parse(json!({"must": conditions(&filter.all)}))
}

fn parse(filter: Value) -> Result<EdgeFilter, StoreError> {
    serde_json::from_value(filter).map_err(|error| refused("reading a filter", error))
}

fn conditions(all: &[Condition]) -> Vec<Value> {
    all.iter().map(condition).collect()
}

fn condition(condition: &Condition) -> Value {
    match condition {
        Condition::Equals { field, value } => equals(field, value),
        // No id is in an empty list, so nothing passes an empty choice.
        Condition::AnyOf { values, .. } if values.is_empty() => json!({"has_id": []}),
        Condition::AnyOf { field, values } => {
            let any: Vec<Value> = values.iter().map(|value| equals(field, value)).collect();
            json!({"should": any})
        }
        Condition::Range { field, bounds } => json!({"key": field, "range": bounds}),
        Condition::Exists { field } => json!({"must_not": [{"is_empty": {"key": field}}]}),
        Condition::Not { conditions: inner } => json!({"must_not": [{"must": conditions(inner)}]}),
    }
}

fn equals(field: &str, value: &Value) -> Value {
    match value {
        // Qdrant matches strings, integers and truth values; other numbers only by range.
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            json!({"key": field, "range": {"gte": number, "lte": number}})
        }
        value => json!({"key": field, "match": {"value": value}}),
    }
}

pub(super) fn payload_fields(fields: &Fields) -> Result<WithPayloadInterface, StoreError> {
    match &fields.payload {
        None => Ok(WithPayloadInterface::Bool(true)),
        Some(names) if names.is_empty() => Ok(WithPayloadInterface::Bool(false)),
        Some(names) => {
            let paths = names
                .iter()
                .map(|name| path(name))
                .collect::<Result<_, _>>()?;
            Ok(WithPayloadInterface::Fields(paths))
        }
    }
}

pub(super) fn point(record: Record) -> Point {
    let mut point = Point {
        id: id_back(record.id),
        dense: Default::default(),
        sparse: Default::default(),
        payload: record.payload.map_or_else(Map::new, |payload| payload.0),
    };
    match record.vector {
        None | Some(VectorStructInternal::MultiDense(_)) => {}
        Some(VectorStructInternal::Single(values)) => {
            point.dense.insert(String::new(), values);
        }
        Some(VectorStructInternal::Named(named)) => {
            for (name, vector) in named {
                match vector {
                    VectorInternal::Dense(values) => {
                        point.dense.insert(name.to_string(), values);
                    }
                    VectorInternal::Sparse(EdgeSparse { indices, values }) => {
                        point
                            .sparse
                            .insert(name.to_string(), SparseVector { indices, values });
                    }
                    // One vector per token: nothing here searches those.
                    VectorInternal::MultiDense(_) => {}
                }
            }
        }
    }
    point
}

pub(super) fn facet_value(value: FacetValue) -> Value {
    match value {
        FacetValue::Keyword(text) => Value::from(text),
        FacetValue::Int(number) => Value::from(number),
        FacetValue::Uuid(number) => Value::from(Uuid::from_u128(number).to_string()),
        FacetValue::Bool(truth) => Value::from(truth),
    }
}
