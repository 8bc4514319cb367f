//! The chart that a caller asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choose::{self, Choice};
use super::column::{Column, Role};
use super::{ChartError, Kind};

/// Which chart is wanted. What is left out is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// What it looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The column along the first axis: categories, times or numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The column that is measured. It holds numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The column whose values become lines or colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Wish {
    pub(super) fn choice(&self, columns: &[Column<'_>], rows: usize) -> Result<Choice, ChartError> {
        if rows == 0 || columns.is_empty() {
            return Err(ChartError::Empty);
        }
        let find = |name: &Option<String>| match name {
            Some(name) => find(name, columns).map(Some),
            None => Ok(None),
        };
        let (x, y, series) = (find(&self.x)?, find(&self.y)?, find(&self.series)?);
        let best = choose::choose(columns, rows);
        if self.kind.is_none() && x.is_none() && y.is_none() && series.is_none() {
            return best.ok_or_else(|| ChartError::Unsuited {
                there: all(columns),
            });
        }
        if let Some(y) = y {
            numeric(y, columns)?;
        }
        // What was chosen without the wish is kept where the wish does not say otherwise.
        if let Some(best) = best
            && self.kind.is_none_or(|kind| kind == best.kind)
            && x.is_none_or(|x| x == best.x)
            && y.is_none_or(|y| Some(y) == best.y)
            && (series.is_none() || series == best.series)
        {
            let more = if y.is_some() { Vec::new() } else { best.more };
            let kind = if more.is_empty() && best.series.is_none() && best.kind == Kind::Grouped {
                Kind::Bar
            } else {
                best.kind
            };
            return Ok(Choice { kind, more, ..best });
        }
        Open {
            columns,
            kind: self.kind,
            x,
            y,
            series,
        }
        .filled()
    }
}

/// A wish with its columns found, and the rest still open.
struct Open<'a> {
    columns: &'a [Column<'a>],
    kind: Option<Kind>,
    x: Option<usize>,
    y: Option<usize>,
    series: Option<usize>,
}

impl Open<'_> {
    fn filled(self) -> Result<Choice, ChartError> {
        let kind = self.kind.or_else(|| self.fitting());
        if kind == Some(Kind::Histogram) {
            return self.histogram();
        }
        let x = match self.x {
            Some(x) => x,
            None => self.first_axis(kind)?,
        };
        let measure = |place: &usize| self.role(*place) == Role::Measure;
        let free =
            (0..self.columns.len()).filter(|place| *place != x && Some(*place) != self.series);
        let y = self.y.or_else(|| free.clone().find(measure));
        let kind = kind.unwrap_or_else(|| match self.role(x) {
            Role::Time(_) => Kind::Line,
            Role::Measure if self.series.is_none() || y.is_some() => Kind::Point,
            _ => Kind::Bar,
        });
        let series = match kind {
            Kind::Pie => None,
            Kind::Grouped | Kind::Stacked => self.series.or_else(|| {
                let mut groups = free.filter(|place| Some(*place) != y);
                groups.find(|place| self.columns.get(*place).is_some_and(Column::groups))
            }),
            _ => self.series,
        };
        let kind = match (kind, series) {
            (Kind::Bar, Some(_)) => Kind::Grouped,
            (Kind::Grouped | Kind::Stacked, None) => Kind::Bar,
            (kind, _) => kind,
        };
        if kind == Kind::Point {
            if !matches!(self.role(x), Role::Time(_)) {
                numeric(x, self.columns)?;
            }
            if y.is_none() {
                return Err(self.missing("a second column with numbers as `y`"));
            }
        }
        let mut choice = Choice::new(kind, x, y);
        choice.series = series;
        Ok(choice)
    }

    fn histogram(self) -> Result<Choice, ChartError> {
        let mut measures =
            (0..self.columns.len()).filter(|place| self.role(*place) == Role::Measure);
        let of = self.x.or(self.y).or_else(|| measures.next());
        let of = of.ok_or_else(|| self.missing("a column with numbers as `x`"))?;
        numeric(of, self.columns)?;
        Ok(Choice::new(Kind::Histogram, of, None))
    }

    fn role(&self, place: usize) -> Role {
        self.columns
            .get(place)
            .map_or(Role::Other, |column| column.role)
    }

    /// What the columns that are named look best as.
    fn fitting(&self) -> Option<Kind> {
        let alone = self.x.is_none() && self.series.is_none() && self.y.is_some();
        let others = |place: &usize| Some(*place) != self.y;
        let mut others = (0..self.columns.len()).filter(others);
        let bare = !others.any(|place| !matches!(self.role(place), Role::Other | Role::Measure));
        (alone && bare).then_some(Kind::Histogram)
    }

    fn first_axis(&self, kind: Option<Kind>) -> Result<usize, ChartError> {
        let free = |place: &usize| Some(*place) != self.y && Some(*place) != self.series;
        let free: Vec<usize> = (0..self.columns.len()).filter(free).collect();
        let first = |fits: &dyn Fn(&Column<'_>) -> bool| {
            let mut all = free.iter().copied();
            all.find(|place| self.columns.get(*place).is_some_and(fits))
        };
        let time = first(&|column| matches!(column.role, Role::Time(_)));
        let ordered = first(&|column| column.role == Role::Ordered);
        let apart = first(&|column| column.groups() && column.tells_apart());
        let group = first(&|column| column.groups());
        let named = first(&|column| column.role == Role::Identifier);
        let measure = first(&|column| column.role == Role::Measure);
        let found = match kind {
            Some(Kind::Line) | None => time.or(ordered).or(apart).or(group).or(named).or(measure),
            Some(Kind::Point) => measure.or(time),
            _ => apart.or(group).or(time).or(named).or(measure),
        };
        found.ok_or_else(|| self.missing("a column as `x`"))
    }

    fn missing(&self, what: &'static str) -> ChartError {
        ChartError::Missing {
            what,
            there: all(self.columns),
        }
    }
}

fn find(wanted: &str, columns: &[Column<'_>]) -> Result<usize, ChartError> {
    let exact = columns.iter().position(|column| column.name == wanted);
    let alike = |column: &Column<'_>| {
        column.name.to_lowercase() == wanted.to_lowercase()
            || column.title.to_lowercase() == wanted.to_lowercase()
    };
    exact
        .or_else(|| columns.iter().position(alike))
        .ok_or_else(|| ChartError::Column {
            wanted: super::reading::one_line(wanted, 80),
            there: all(columns),
        })
}

fn numeric(place: usize, columns: &[Column<'_>]) -> Result<(), ChartError> {
    let drawn = |column: &&Column<'_>| {
        !matches!(column.role, Role::Time(_)) && column.numbers.iter().any(Option::is_some)
    };
    match columns.get(place) {
        Some(column) if !drawn(&column) => Err(ChartError::NotNumbers {
            column: column.name.to_owned(),
            there: list(columns.iter().filter(drawn)),
        }),
        _ => Ok(()),
    }
}

fn all(columns: &[Column<'_>]) -> String {
    list(columns.iter())
}

/// Names of columns in a message; of very many the first.
fn list<'a>(columns: impl Iterator<Item = &'a Column<'a>>) -> String {
    let mut names: Vec<String> = columns
        .map(|column| format!("`{}`", super::reading::one_line(column.name, 80)))
        .collect();
    match names.len() {
        0 => "none".to_owned(),
        many => {
            names.truncate(30);
            let more = if many > 30 { ", …" } else { "" };
            names.join(", ") + more
        }
    }
}
