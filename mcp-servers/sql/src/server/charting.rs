//! Charts in the results of tools.

use ropewalk_mcp_kit::ToolError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failed;
use crate::chart::{Chart, Kind, Wish};
use crate::database::Rows;

/// Longest chart that fits a result, in bytes.
const LONGEST: usize = 128 << 10;

/// How a chart is wanted: as [`Wish`], without the words that its schema would cost every
/// conversation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct ChartArguments {
    format: Option<Format>,
    kind: Option<KindArgument>,
    x: Option<String>,
    y: Option<String>,
    series: Option<String>,
    title: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum KindArgument {
    Bar,
    Grouped,
    Stacked,
    Line,
    Point,
    Histogram,
    Pie,
}

impl From<KindArgument> for Kind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Bar => Self::Bar,
            KindArgument::Grouped => Self::Grouped,
            KindArgument::Stacked => Self::Stacked,
            KindArgument::Line => Self::Line,
            KindArgument::Point => Self::Point,
            KindArgument::Histogram => Self::Histogram,
            KindArgument::Pie => Self::Pie,
        }
    }
}

impl ChartArguments {
    fn wish(&self) -> Wish {
        Wish {
            kind: self.kind.map(Kind::from),
            x: self.x.clone(),
            y: self.y.clone(),
            series: self.series.clone(),
            title: self.title.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    VegaLite,
    Plain,
    Svg,
}

/// A chart of the rows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChartShown {
    #[schemars(with = "String")]
    kind: Kind,
    title: String,
    /// What was left out, added up or sampled.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The chart itself, where a format was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<Value>,
}

/// The chart that is wanted, in the format that is wanted; a suggestion where none is.
pub(super) fn chart(
    rows: &Rows,
    wanted: Option<&ChartArguments>,
) -> Result<Option<ChartShown>, ToolError> {
    let chart = match wanted {
        None => Chart::suggest(rows),
        Some(wanted) => Some(Chart::wished(rows, &wanted.wish()).map_err(failed)?),
    };
    let Some(chart) = chart else { return Ok(None) };
    let format = wanted.map(|wanted| wanted.format.unwrap_or(Format::VegaLite));
    let spec = format.map(|format| match format {
        Format::VegaLite => chart.vega_lite(),
        Format::Plain => chart.plain(),
        Format::Svg => Value::String(chart.svg()),
    });
    if spec
        .as_ref()
        .is_some_and(|spec| spec.to_string().len() > LONGEST)
    {
        let fix = "ask for fewer rows, or for sums";
        return Err(ToolError::new("the chart is too large for a result", fix));
    }
    Ok(Some(ChartShown {
        kind: chart.kind,
        title: chart.title,
        note: chart.note,
        spec,
    }))
}
