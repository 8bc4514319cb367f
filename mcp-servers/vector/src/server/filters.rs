//! Filters as a caller writes them: a flat list, which every client can express.

use std::collections::BTreeSet;

use ropewalk_mcp_kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{VectorServer, failed};
use crate::filter::{Bounds, Condition, Filter};
use crate::store::Fields;

/// equals, any_of, exists or bounds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct FilterArgument {
    /// Such as meta.author.
    field: String,
    equals: Option<Scalar>,
    any_of: Option<Vec<Scalar>>,
    exists: Option<bool>,
    gt: Option<f64>,
    gte: Option<f64>,
    lt: Option<f64>,
    lte: Option<f64>,
    /// Negates.
    not: Option<bool>,
}

// What a field can be compared with; said to people alone, as it would be said four times.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(Number),
    Flag(bool),
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => Self::String(text),
            Scalar::Number(number) => Self::Number(number),
            Scalar::Flag(flag) => Self::Bool(flag),
        }
    }
}

impl FilterArgument {
    fn condition(self) -> Result<Condition, ToolError> {
        let Self {
            field,
            equals,
            any_of,
            exists,
            gt,
            gte,
            lt,
            lte,
            not,
        } = self;
        let refused = |what: String| {
            ToolError::new(
                what,
                "write one of equals, any_of, exists and bounds (gt, gte, lt, lte) for each field",
            )
        };
        let bounded = gt.or(gte).or(lt).or(lte).is_some();
        let condition = match (equals, any_of, exists, bounded) {
            (Some(value), None, None, false) => Condition::Equals {
                field,
                value: value.into(),
            },
            (None, Some(values), None, false) => Condition::AnyOf {
                field,
                values: values.into_iter().map(Value::from).collect(),
            },
            (None, None, Some(true), false) => Condition::Exists { field },
            (None, None, Some(false), false) => Condition::Not {
                conditions: vec![Condition::Exists { field }],
            },
            (None, None, None, true) => Condition::Range {
                field,
                bounds: Bounds { gt, gte, lt, lte },
            },
            _ => {
                return Err(refused(format!(
                    "the condition on `{field}` is not one condition"
                )));
            }
        };
        Ok(match not {
            Some(true) => Condition::Not {
                conditions: vec![condition],
            },
            _ => condition,
        })
    }
}

/// Points looked at to learn which fields there are.
const SAMPLE: usize = 64;

impl VectorServer {
    /// The filter, once every field in it is known to exist.
    pub(super) async fn filter(
        &self,
        collection: &str,
        arguments: Option<Vec<FilterArgument>>,
    ) -> Result<Filter, ToolError> {
        let arguments = arguments.unwrap_or_default();
        if arguments.is_empty() {
            return Ok(Filter::default());
        }
        let known = self.fields(collection).await?;
        for argument in &arguments {
            let field = argument.field.as_str();
            let stem = field.split('[').next().unwrap_or(field);
            if !known.contains(stem) && !known.is_empty() {
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                return Err(ToolError::new(
                    format!("no passage of `{collection}` has a field `{field}`"),
                    format!("the fields are: {}", names.join(", ")),
                ));
            }
        }
        let all = arguments
            .into_iter()
            .map(FilterArgument::condition)
            .collect::<Result<_, _>>()?;
        Ok(Filter { all })
    }

    /// Fields that are indexed, and those that a sample of the points has.
    pub(super) async fn fields(&self, collection: &str) -> Result<BTreeSet<String>, ToolError> {
        let shape = self.store.shape(collection).await.map_err(failed)?;
        let mut known: BTreeSet<String> = shape.indexed.keys().cloned().collect();
        let fields = Fields {
            payload: None,
            vectors: false,
        };
        let sample = self
            .store
            .scroll(collection, &Filter::default(), &fields, None, SAMPLE)
            .await;
        for point in sample.map_err(failed)?.points {
            gather("", &point.payload, &mut known);
        }
        Ok(known)
    }
}

fn gather(prefix: &str, payload: &Map<String, Value>, known: &mut BTreeSet<String>) {
    for (name, value) in payload {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        if let Value::Object(inner) = value {
            gather(&path, inner, known);
        }
        known.insert(path);
    }
}
