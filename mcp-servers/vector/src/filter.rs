//! Conditions on metadata, as a caller writes them and as the stores apply them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Conditions that must all hold. An empty filter lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Filter {
    /// Every one of these must hold.
    pub all: Vec<Condition>,
}

/// One condition on one payload field, or the negation of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The field has this value (a string, an integer or a boolean).
    Equals {
        /// Payload field.
        field: String,
        /// Wanted value.
        value: Value,
    },
    /// The field has one of these values.
    AnyOf {
        /// Payload field.
        field: String,
        /// Accepted values.
        values: Vec<Value>,
    },
    /// The field's number lies within these bounds.
    Range {
        /// Payload field.
        field: String,
        /// The bounds; at least one is given.
        #[serde(flatten)]
        bounds: Bounds,
    },
    /// The field is present and not null.
    Exists {
        /// Payload field.
        field: String,
    },
    /// None of these holds... taken together: not (all of them).
    Not {
        /// The conditions that must not all hold.
        conditions: Vec<Condition>,
    },
}

/// Bounds of a [`Condition::Range`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Bounds {
    /// Greater than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<f64>,
    /// Greater than or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<f64>,
    /// Less than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<f64>,
    /// Less than or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<f64>,
}

impl Filter {
    /// Whether a payload passes, as the engines decide it; what their answers are checked against.
    ///
    /// They differ in one case: an index holds only values of its own type, so a range over a
    /// field indexed as integers does not see the 0.5 that a payload may have there.
    #[must_use]
    pub fn matches(&self, payload: &Map<String, Value>) -> bool {
        self.all.iter().all(|condition| condition.matches(payload))
    }
}

impl Condition {
    fn matches(&self, payload: &Map<String, Value>) -> bool {
        match self {
            Self::Equals { field, value } => elements(payload, field).any(|it| same(it, value)),
            Self::AnyOf { field, values } => {
                elements(payload, field).any(|it| values.iter().any(|value| same(it, value)))
            }
            Self::Range { field, bounds } => elements(payload, field)
                .filter_map(Value::as_f64)
                .any(|it| bounds.hold(it)),
            Self::Exists { field } => match at(payload, field) {
                None | Some(Value::Null) => false,
                Some(Value::Array(list)) => !list.is_empty(),
                Some(_) => true,
            },
            Self::Not { conditions } => !conditions.iter().all(|it| it.matches(payload)),
        }
    }
}

impl Bounds {
    fn hold(&self, value: f64) -> bool {
        self.gt.is_none_or(|bound| value > bound)
            && self.gte.is_none_or(|bound| value >= bound)
            && self.lt.is_none_or(|bound| value < bound)
            && self.lte.is_none_or(|bound| value <= bound)
    }
}

/// The value at a path of keys with dots between.
fn at<'a>(payload: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    let mut keys = field.split('.');
    let first = payload.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.as_object()?.get(key))
}

/// The value of a field, or each value when it is a list.
fn elements<'a>(
    payload: &'a Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    match at(payload, field) {
        Some(Value::Array(list)) => list.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
    .iter()
}

fn same(found: &Value, wanted: &Value) -> bool {
    match wanted {
        // Engines match whole numbers as such, and others by an interval of one point.
        Value::Number(number) if !number.is_i64() && !number.is_u64() => found
            .as_f64()
            .is_some_and(|found| Some(found) == number.as_f64()),
        wanted => found == wanted,
    }
}
