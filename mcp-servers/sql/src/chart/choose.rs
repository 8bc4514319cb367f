//! Which chart shows the rows best.

use std::collections::HashSet;

use super::column::{Column, Role};
use super::{Kind, names};

/// More lines or colours than this nobody tells apart.
pub(super) const MOST_SERIES: usize = 8;
/// More names than this are not read one by one.
pub(super) const MOST_LABELS: usize = 50;
/// Fewer values than this have no distribution.
const LEAST_SPREAD: usize = 10;
/// Measures further apart than this do not share an axis.
const ALIKE: f64 = 10.0;
/// Measures that share an axis at most.
const MOST_MEASURES: usize = 4;

/// A chart, in terms of the columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) kind: Kind,
    pub(super) x: usize,
    /// What is measured; rows are counted where it is nothing.
    pub(super) y: Option<usize>,
    /// What is measured beside it, on the same axis.
    pub(super) more: Vec<usize>,
    pub(super) series: Option<usize>,
}

impl Choice {
    pub(super) fn new(kind: Kind, x: usize, y: Option<usize>) -> Self {
        Self {
            kind,
            x,
            y,
            more: Vec::new(),
            series: None,
        }
    }

    fn with_series(mut self, series: usize) -> Self {
        self.series = Some(series);
        self
    }

    fn with_more(mut self, more: Vec<usize>) -> Self {
        if !more.is_empty() && self.kind == Kind::Bar {
            self.kind = Kind::Grouped;
        }
        self.more = more;
        self
    }
}

/// The columns by the parts they can play.
struct Cast<'a> {
    columns: &'a [Column<'a>],
    rows: usize,
    measures: Vec<usize>,
    labels: Vec<usize>,
}

/// The chart that shows the rows best, if any does.
pub(super) fn choose(columns: &[Column<'_>], rows: usize) -> Option<Choice> {
    if rows < 2 {
        return None;
    }
    let having = |fits: &dyn Fn(&Column<'_>) -> bool| -> Vec<usize> {
        let all = columns.iter().enumerate();
        all.filter(|(_, column)| fits(column))
            .map(|(place, _)| place)
            .collect()
    };
    let is_time = |column: &Column<'_>| matches!(column.role, Role::Time(_));
    // What is the same in every row says nothing.
    let times = having(&|column| is_time(column) && column.distinct > 2);
    let mut labels = having(&|column| column.groups() && column.distinct > 1);
    labels.extend(having(&|column| is_time(column) && column.distinct == 2));
    let cast = Cast {
        columns,
        rows,
        measures: having(&|column| column.role == Role::Measure),
        labels,
    };
    let over_time = times.first().and_then(|time| cast.over_time(*time));
    let identifiers = having(&|column| column.role == Role::Identifier);
    over_time
        .or_else(|| cast.by_label())
        .or_else(|| cast.of_measures(identifiers.first().copied()))
}

impl Cast<'_> {
    fn column(&self, place: usize) -> Option<&Column<'_>> {
        self.columns.get(place)
    }

    fn distinct(&self, place: usize) -> usize {
        self.column(place).map_or(0, |column| column.distinct)
    }

    fn tells_apart(&self, place: usize) -> bool {
        self.column(place).is_some_and(Column::tells_apart)
    }

    /// What the answer is about: what it is sorted by, else what was reckoned, else the first.
    fn leading(&self) -> Option<usize> {
        let of = |fits: &dyn Fn(&Column<'_>) -> bool| {
            let mut all = self.measures.iter().copied();
            all.find(|place| self.column(*place).is_some_and(fits))
        };
        of(&|column| column.is_sorted())
            .or_else(|| of(&|column| column.name.contains('(')))
            .or_else(|| of(&|column| column.can_be_summed))
            .or_else(|| self.measures.first().copied())
    }

    /// Measures that share an axis with the leading one: of about the same size, and both sums or
    /// named alike.
    fn alike(&self, leading: usize) -> Vec<usize> {
        let size = |place: usize| {
            let numbers = self.column(place)?.numbers.iter().flatten();
            Some(numbers.fold(0.0_f64, |most, number| most.max(number.abs())))
        };
        let summed = |place: usize| {
            self.column(place)
                .is_some_and(|column| column.can_be_summed)
        };
        let kindred = |other: usize| match (self.column(leading), self.column(other)) {
            (Some(one), Some(other)) => names::are_kindred(one.name, other.name),
            _ => false,
        };
        let Some(led) = size(leading).filter(|size| *size > 0.0) else {
            return Vec::new();
        };
        let others = self
            .measures
            .iter()
            .copied()
            .filter(|other| *other != leading);
        let near = others.filter(|other| {
            let ratio = size(*other).unwrap_or_default() / led;
            let together = (summed(*other) && summed(leading)) || kindred(*other);
            (1.0 / ALIKE..=ALIKE).contains(&ratio) && together
        });
        near.take(MOST_MEASURES - 1).collect()
    }

    /// Whether two columns together tell the rows apart.
    fn pairs(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.column(one), self.column(other)) else {
            return false;
        };
        let pairs: HashSet<_> = one.labels.iter().zip(&other.labels).collect();
        pairs.len() == self.rows
    }

    /// The first named of two measures is what the second depends upon.
    fn cloud(&self, one: usize, other: usize) -> Choice {
        Choice::new(Kind::Point, one.min(other), Some(one.max(other)))
    }

    fn over_time(&self, time: usize) -> Option<Choice> {
        let y = self.leading()?;
        let line = Choice::new(Kind::Line, time, Some(y));
        let sorted = self.column(time).is_some_and(Column::is_sorted);
        let few = |place: &usize| self.distinct(*place) <= MOST_SERIES;
        if self.tells_apart(time) {
            // Names in an order of their own, which happen to have dates.
            let named = self.labels.iter().any(|label| self.tells_apart(*label));
            if named && !sorted && self.rows <= MOST_LABELS {
                return None;
            }
            return Some(line.with_more(self.alike(y)));
        }
        let mut told = self.labels.iter().copied();
        if let Some(series) = told
            .clone()
            .find(|label| few(label) && self.pairs(time, *label))
        {
            return Some(line.with_series(series));
        }
        if told.clone().any(|label| self.tells_apart(label)) && self.rows <= MOST_LABELS {
            return None;
        }
        Some(match told.find(few) {
            Some(series) => line.with_series(series),
            None => line,
        })
    }

    fn by_label(&self) -> Option<Choice> {
        let first = *self.labels.first()?;
        let Some(y) = self.leading() else {
            let repeated = self.distinct(first).saturating_mul(2) <= self.rows;
            let shown =
                repeated && self.rows >= LEAST_SPREAD && self.distinct(first) <= MOST_LABELS;
            return shown.then(|| Choice::new(Kind::Bar, first, None));
        };
        let second = self.measures.iter().copied().find(|measure| *measure != y);
        if let Some(name) = self
            .labels
            .iter()
            .copied()
            .find(|label| self.tells_apart(*label))
        {
            if let Some(x) = second.filter(|_| self.rows > MOST_LABELS) {
                return Some(self.cloud(x, y));
            }
            let more = if self.rows <= MOST_LABELS / 2 {
                self.alike(y)
            } else {
                Vec::new()
            };
            return Some(Choice::new(Kind::Bar, name, Some(y)).with_more(more));
        }
        if let Some((x, series)) = self.two_labels() {
            return Some(Choice::new(self.together(y, series), x, Some(y)).with_series(series));
        }
        if let Some(x) = second.filter(|_| self.rows > MOST_LABELS / 2) {
            let cloud = self.cloud(x, y);
            return Some(if self.distinct(first) <= MOST_SERIES {
                cloud.with_series(first)
            } else {
                cloud
            });
        }
        Some(Choice::new(Kind::Bar, first, Some(y)))
    }

    /// Two categories that together tell the rows apart; the one with fewer values is second.
    fn two_labels(&self) -> Option<(usize, usize)> {
        let mut pairs = self.labels.iter().enumerate().flat_map(|(place, one)| {
            let others = self.labels.iter().skip(place + 1);
            others.map(|other| (*one, *other))
        });
        let (one, other) = pairs.find(|(one, other)| {
            self.distinct(*one).min(self.distinct(*other)) <= MOST_SERIES
                && self.pairs(*one, *other)
        })?;
        // Of two that are alike the first named is the first thought of.
        if self.distinct(other) <= MOST_SERIES && self.distinct(other) <= self.distinct(one) {
            Some((one, other))
        } else {
            Some((other, one))
        }
    }

    /// Many parts of a whole lie on top of each other, all else stands beside each other.
    fn together(&self, y: usize, series: usize) -> Kind {
        let whole = self.column(y).is_some_and(|column| {
            column.can_be_summed && column.numbers.iter().flatten().all(|number| *number >= 0.0)
        });
        if whole && self.distinct(series) > 3 {
            Kind::Stacked
        } else {
            Kind::Grouped
        }
    }

    fn of_measures(&self, identifier: Option<usize>) -> Option<Choice> {
        let y = self.leading()?;
        let second = self.measures.iter().copied().find(|measure| *measure != y);
        if let Some(second) = second.filter(|_| self.rows > 2) {
            return Some(self.cloud(second, y));
        }
        if let Some(x) = identifier.filter(|_| self.rows <= MOST_LABELS) {
            return Some(Choice::new(Kind::Bar, x, Some(y)));
        }
        let spread = self.rows >= LEAST_SPREAD && self.distinct(y) >= LEAST_SPREAD / 2;
        spread.then(|| Choice::new(Kind::Histogram, y, None))
    }
}
