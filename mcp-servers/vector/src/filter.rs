//! Conditions on metadata, as a caller writes them and as the stores apply them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
