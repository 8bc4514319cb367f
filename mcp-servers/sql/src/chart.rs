//! Charts of answers: which one shows the rows best, and what it looks like.
//!
//! Read it in this order:
//! - `column`: what each column of an answer can be in a chart; `reading` and `names` are how its
//!   values and its name tell.
//! - `choose`: which chart shows the rows best; `wish`: which one a caller asks for instead.
//! - `build`: the rows made into marks: added up where several belong to one place, cut to what
//!   can be told apart; `sample` leaves out what nobody could see.
//! - `vega`, `plain` and `svg`: the three forms in which a chart goes out.
//!
//! The picture is drawn here, not by `plotters`: that writes one set of colours into every shape,
//! takes each byte of a label for as wide as any other, and tells screen readers nothing.

mod build;
mod calendar;
mod choose;
mod column;
mod names;
mod numbers;
mod plain;
mod reading;
mod sample;
mod svg;
mod vega;
mod wish;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::database::Rows;
use reading::Grain;

pub use wish::Wish;

/// What a chart looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A bar for each category.
    Bar,
    /// Bars beside each other for each category.
    Grouped,
    /// Bars on top of each other for each category.
    Stacked,
    /// A line over time, or one for each series.
    Line,
    /// A point for each row, from two measures.
    Point,
    /// How often the values of one measure occur.
    Histogram,
    /// Shares of a whole. Only where it is asked for: lengths are compared better than angles.
    Pie,
}

/// Rows as a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it looks like.
    pub kind: Kind,
    /// What it is called.
    pub title: String,
    /// What the reader has to know: what was left out, added up or sampled.
    pub note: Option<String>,
    x: Axis,
    /// What is measured.
    y: String,
    series: Option<Series>,
    /// Bars lie down where their labels are long or many.
    horizontal: bool,
    marks: Vec<Mark>,
}

/// What lies along the first axis.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    title: String,
    scale: Scale,
}

#[derive(Debug, Clone, PartialEq)]
enum Scale {
    /// Categories, in their order; a mark says which by its number.
    Labels(Vec<String>),
    /// Seconds since 1970.
    Time(Grain),
    Numbers,
    /// Numbers in bins of this width; a mark says where its bin begins.
    Bins(f64),
}

/// What marks are told apart by.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    title: String,
    names: Vec<String>,
}

/// A bar, a point, a slice.
#[derive(Debug, Clone, PartialEq)]
struct Mark {
    x: f64,
    y: Option<f64>,
    series: usize,
    /// What the row is called, where it has a name of its own.
    name: Option<String>,
}

/// Why there is no chart of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChartError {
    /// There is nothing to draw.
    #[error("the answer has no rows to draw; ask for rows first")]
    Empty,
    /// There is no such column.
    #[error("the answer has no column `{wanted}`; use one of: {there}")]
    Column {
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// The column holds no numbers.
    #[error("the column `{column}` holds no numbers; columns with numbers: {there}")]
    NotNumbers {
        /// The column.
        column: String,
        /// Those that do.
        there: String,
    },
    /// A column is missing that this kind of chart needs.
    #[error("a chart of this kind needs {what}; name one of the columns: {there}")]
    Missing {
        /// What is needed.
        what: &'static str,
        /// What there is.
        there: String,
    },
    /// A pie has no slices below zero.
    #[error("the column `{column}` has values below zero, which a pie cannot show; ask for `bar`")]
    Negative {
        /// The column.
        column: String,
    },
    /// No chart shows these rows.
    #[error("no chart shows these rows by itself; say what `x` and `y` are, of: {there}")]
    Unsuited {
        /// What there is.
        there: String,
    },
}

impl Chart {
    /// The chart that shows these rows best; `None` where a table shows them better.
    #[must_use]
    pub fn suggest(rows: &Rows) -> Option<Self> {
        let columns = column::read(rows);
        let choice = choose::choose(&columns, rows.rows.len())?;
        build::build(&choice, &columns, rows).ok()
    }

    /// The chart that is asked for; what the wish leaves open is chosen.
    ///
    /// # Errors
    /// When the rows cannot be shown like that.
    pub fn wished(rows: &Rows, wish: &Wish) -> Result<Self, ChartError> {
        let columns = column::read(rows);
        let choice = wish.choice(&columns, rows.rows.len())?;
        let mut chart = build::build(&choice, &columns, rows)?;
        if let Some(title) = &wish.title {
            chart.title = reading::one_line(title, 200);
        }
        Ok(chart)
    }

    /// As a complete Vega-Lite specification (version 5), its data in it.
    #[must_use]
    pub fn vega_lite(&self) -> serde_json::Value {
        vega::spec(self)
    }

    /// In the simple form that Chart.js takes: `{chart_type, data: {labels, datasets}, options}`.
    #[must_use]
    pub fn plain(&self) -> serde_json::Value {
        plain::form(self)
    }

    /// As a picture: an SVG without scripts and fonts, legible on light and on dark.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    /// How many series there are; one where nothing is told apart.
    fn width(&self) -> usize {
        self.series.as_ref().map_or(1, |series| series.names.len())
    }

    fn series_name(&self, place: usize) -> Option<&str> {
        let series = self.series.as_ref()?;
        series.names.get(place).map(String::as_str)
    }

    /// Where a mark stands on the first axis, in words.
    fn place(&self, mark: &Mark) -> String {
        match &self.x.scale {
            Scale::Labels(labels) => labels.get(mark.x as usize).cloned().unwrap_or_default(),
            Scale::Time(grain) => calendar::say(mark.x, *grain),
            Scale::Numbers => numbers::full(mark.x),
            Scale::Bins(step) => {
                format!(
                    "{} to {}",
                    numbers::full(mark.x),
                    numbers::full(mark.x + step)
                )
            }
        }
    }

    /// Lowest and highest of what is measured.
    fn span(&self) -> Option<(f64, f64)> {
        let values = self.marks.iter().filter_map(|mark| mark.y);
        values.fold(None, |span, y| match span {
            None => Some((y, y)),
            Some((low, high)) => Some((y.min(low), y.max(high))),
        })
    }
}
