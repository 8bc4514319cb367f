//! The tools that ask a database: check and query.

use ropewalk_mcp_kit::{CallContext, Citation, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::charting::{self, ChartArguments, ChartShown};
use super::{SqlServer, cite, failed};
use crate::database::{Cell, Limits, Rows, Truncation};

/// Rows of an answer when the caller says nothing, and at most.
const ROWS: usize = 100;
const MOST_ROWS: usize = 10_000;

/// Bytes of values in one answer: a share of a small context window.
const BYTES: usize = 32 << 10;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct CheckArguments {
    sql: String,
    database: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CheckResult {
    database: String,
    /// The statement as it would be sent.
    sql: String,
    /// What it reads.
    tables: Vec<String>,
    /// How the database would go about it.
    plan: Vec<String>,
    /// Rows the database thinks it would look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<f64>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct QueryArguments {
    sql: String,
    database: Option<String>,
    /// Most rows, 100 if left out.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<usize>,
    /// Draws the rows.
    chart: Option<ChartArguments>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QueryResult {
    database: String,
    /// The statement as it was sent.
    sql: String,
    #[serde(flatten)]
    table: Table,
    #[serde(skip_serializing_if = "Option::is_none")]
    chart: Option<ChartShown>,
    /// Cite it as [id].
    citation: Citation,
}

/// Rows as a caller gets them.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Table {
    columns: Vec<Head>,
    rows: Vec<Vec<Cell>>,
    /// Why there are no more rows, where there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Head {
    name: String,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
}

impl SqlServer {
    pub(super) async fn check(&self, arguments: CheckArguments) -> Result<CheckResult, ToolError> {
        let entry = self.entry(arguments.database.as_deref())?;
        let checked = entry.source.check(&arguments.sql).await.map_err(failed)?;
        Ok(CheckResult {
            database: entry.source.name().to_owned(),
            sql: checked.approved.sql,
            tables: checked.approved.tables,
            plan: checked.plan.steps,
            rows: checked.plan.rows,
        })
    }

    pub(super) async fn query(
        &self,
        arguments: QueryArguments,
        context: CallContext,
    ) -> Result<QueryResult, ToolError> {
        let entry = self.entry(arguments.database.as_deref())?;
        let limits = limits(arguments.limit);
        let answered = entry
            .source
            .query(&arguments.sql, &limits, &context.cancel)
            .await
            .map_err(failed)?;
        let name = entry.source.name();
        let approved = &answered.approved;
        Ok(QueryResult {
            chart: charting::chart(&answered.rows, arguments.chart.as_ref())?,
            citation: cite::citation(name, &approved.sql, &answered.rows),
            database: name.to_owned(),
            sql: approved.sql.clone(),
            table: Table::of(answered.rows),
        })
    }
}

/// How much a caller gets who wants so many rows.
pub(super) fn limits(rows: Option<usize>) -> Limits {
    Limits {
        rows: rows.unwrap_or(ROWS).clamp(1, MOST_ROWS),
        bytes: BYTES,
        ..Limits::default()
    }
}

impl Table {
    pub(super) fn of(rows: Rows) -> Self {
        let shown = rows.rows.len();
        let truncated = rows.truncated.map(|why| match why {
            Truncation::Rows => format!("there are more than these {shown} rows"),
            Truncation::Bytes => format!("there is more than these {shown} rows, too long to show"),
        });
        let heads = rows.columns.into_iter().map(|head| Head {
            name: head.name,
            kind: head.kind,
        });
        Self {
            columns: heads.collect(),
            rows: rows.rows,
            truncated,
        }
    }
}
