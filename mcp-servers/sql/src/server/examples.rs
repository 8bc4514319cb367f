//! The tool that shows questions with their statements: examples, and figures that are defined.

use std::collections::BTreeMap;
use std::sync::Arc;

use ropewalk_mcp_kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SqlServer, failed};
use crate::catalogue::beside;
use crate::semantics::Metric;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct ExamplesArguments {
    question: String,
    database: Option<String>,
    #[schemars(range(min = 1, max = 20))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ExamplesResult {
    database: String,
    /// Best first.
    examples: Vec<ExampleShown>,
    /// Those the question names.
    metrics: Vec<MetricShown>,
    other_metrics: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ExampleShown {
    question: String,
    sql: String,
    score: f32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct MetricShown {
    name: String,
    definition: String,
    sql: String,
    /// What it can be grouped by, name to SQL.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dimensions: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
}

impl From<&Metric> for MetricShown {
    fn from(metric: &Metric) -> Self {
        Self {
            name: metric.name.clone(),
            definition: metric.definition.clone(),
            sql: metric.sql(&[]),
            dimensions: metric.dimensions.clone(),
            context: metric.context.clone(),
        }
    }
}

impl SqlServer {
    pub(super) async fn examples(
        &self,
        arguments: ExamplesArguments,
    ) -> Result<ExamplesResult, ToolError> {
        let entry = Arc::clone(self.entry(arguments.database.as_deref())?);
        let limit = arguments.limit.unwrap_or(3).clamp(1, 20);
        let question = arguments.question.clone();
        let searched = Arc::clone(&entry);
        let like = beside(move || searched.library.like(&question, limit)).await;
        let metrics = entry.metrics_in(&arguments.question);
        let others = entry.metrics().iter();
        let others = others.filter(|metric| !metrics.contains(metric));
        Ok(ExamplesResult {
            database: entry.source.name().to_owned(),
            examples: like
                .map_err(failed)?
                .into_iter()
                .map(|like| ExampleShown {
                    question: like.example.question,
                    sql: like.example.sql,
                    score: like.score,
                })
                .collect(),
            other_metrics: others.map(|metric| metric.name.clone()).collect(),
            metrics: metrics.into_iter().map(MetricShown::from).collect(),
        })
    }
}
