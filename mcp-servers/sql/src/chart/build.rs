//! The rows made into marks.

mod grid;
mod words;

use super::choose::{Choice, MOST_LABELS, MOST_SERIES};
use super::column::{Column, Role};
use super::numbers::Ticks;
use super::{Axis, Chart, ChartError, Kind, Mark, Scale, Series, names, numbers, sample, svg};
use crate::database::Rows;
use grid::Grid;

/// Slices of a pie that can be told apart.
const MOST_SLICES: usize = 7;

/// Bars of months or numbers: more would be thinner than a line.
const MOST_ORDERED: usize = 200;

/// Room for the labels under upright bars.
const UPRIGHT: f64 = 600.0;
/// More bars than this lie down.
const MOST_UPRIGHT: usize = 16;

/// The chart that was chosen.
pub(super) fn build(
    choice: &Choice,
    columns: &[Column<'_>],
    rows: &Rows,
) -> Result<Chart, ChartError> {
    let x = columns.get(choice.x).ok_or(ChartError::Empty)?;
    let mut build = Build {
        choice,
        columns,
        x,
        notes: Vec::new(),
    };
    let mut chart = match choice.kind {
        Kind::Histogram => build.histogram(),
        Kind::Point => build.points(),
        Kind::Line if build.continuous() => build.line(),
        _ => build.labelled()?,
    };
    let drawn = [Some(choice.x), choice.y]
        .into_iter()
        .flatten()
        .chain(choice.more.iter().copied());
    let odd: usize = drawn
        .filter_map(|place| columns.get(place))
        .map(|column| column.odd)
        .sum();
    if odd > 0 {
        build.notes.push(format!(
            "{odd} values that are not finite numbers are left out"
        ));
    }
    if rows.truncated.is_some() {
        let read = numbers::full(rows.rows.len() as f64);
        build.notes.push(format!(
            "Only the first {read} rows were read; there are more"
        ));
    }
    chart.note = (!build.notes.is_empty()).then(|| build.notes.join(". ") + ".");
    Ok(chart)
}

struct Build<'a> {
    choice: &'a Choice,
    columns: &'a [Column<'a>],
    x: &'a Column<'a>,
    notes: Vec<String>,
}

impl<'a> Build<'a> {
    fn column(&self, place: usize) -> Option<&'a Column<'a>> {
        self.columns.get(place)
    }

    /// Whether the first axis has a scale rather than labels.
    fn continuous(&self) -> bool {
        matches!(self.x.role, Role::Time(_) | Role::Measure)
    }

    fn scale(&self) -> Scale {
        match self.x.role {
            Role::Time(grain) => Scale::Time(grain),
            _ => Scale::Numbers,
        }
    }

    fn measures(&self) -> Vec<&'a Column<'a>> {
        let places = self
            .choice
            .y
            .into_iter()
            .chain(self.choice.more.iter().copied());
        places.filter_map(|place| self.column(place)).collect()
    }

    /// Whether values may be added up.
    fn summable(&self) -> bool {
        self.measures().iter().all(|measure| measure.can_be_summed)
    }

    fn chart(&self, scale: Scale, measured: &[String], names: Vec<String>) -> Chart {
        let y = match measured {
            [one] => one.clone(),
            _ => "Value".to_owned(),
        };
        let told = match self.choice.series.and_then(|place| self.column(place)) {
            Some(column) => Some(column.title.clone()),
            None => (measured.len() > 1).then(|| "Measure".to_owned()),
        };
        Chart {
            kind: self.choice.kind,
            title: self.title(measured),
            note: None,
            x: Axis {
                title: self.x.title.clone(),
                scale,
            },
            y,
            series: told.map(|title| Series { title, names }),
            horizontal: false,
            marks: Vec::new(),
        }
    }

    /// What the marks of each series are called.
    fn series_names(&self, grid: &Grid, measured: &[String]) -> Vec<String> {
        if measured.len() > 1 {
            measured.to_vec()
        } else {
            grid.series.clone()
        }
    }

    fn line(&mut self) -> Chart {
        let mut grid = Grid::of(self.choice, self.columns, true);
        grid.sort_by_number();
        self.tell_merged(&grid);
        self.fold_series(&mut grid);
        let measured = self.measured(grid.repeated);
        let names = self.series_names(&grid, &measured);
        let mut chart = self.chart(self.scale(), &measured, names);
        chart.marks = grid.marks(self.summable());
        if grid.skipped > 0 {
            let name = names::lower_first(&self.x.title);
            self.notes
                .push(format!("{} rows without {name} are left out", grid.skipped));
        }
        if chart.marks.len() > sample::MOST {
            let all = chart.marks.len();
            let each = sample::LEFT / chart.width().max(1);
            let mut kept = Vec::new();
            for series in 0..chart.width() {
                let of: Vec<&Mark> = chart
                    .marks
                    .iter()
                    .filter(|mark| mark.series == series)
                    .collect();
                let values: Vec<Option<f64>> = of.iter().map(|mark| mark.y).collect();
                let places = sample::stretches(&values, each);
                kept.extend(
                    places
                        .into_iter()
                        .filter_map(|place| of.get(place).copied().cloned()),
                );
            }
            self.tell_sampled(kept.len(), all);
            chart.marks = kept;
        }
        chart
    }

    fn points(&mut self) -> Chart {
        let series = self.choice.series.and_then(|place| self.column(place));
        let grid = Grid::of(self.choice, self.columns, true);
        let y = self.choice.y.and_then(|place| self.column(place));
        let named = self
            .columns
            .iter()
            .find(|column| column.groups() && column.tells_apart());
        let measured = self.measured(false);
        let mut chart = self.chart(self.scale(), &measured, grid.series.clone());
        let ys = y.map(|y| y.numbers.as_slice()).unwrap_or_default();
        for (row, (x, y)) in self.x.numbers.iter().zip(ys).enumerate() {
            if let (Some(x), Some(y)) = (x, y) {
                let told = series.and_then(|series| series.labels.get(row));
                let told = told.and_then(|label| grid.series.iter().position(|one| one == label));
                chart.marks.push(Mark {
                    x: *x,
                    y: Some(*y),
                    series: told.unwrap_or_default(),
                    name: named.and_then(|named| named.labels.get(row)).cloned(),
                });
            }
        }
        self.fold_colours(&mut chart);
        if chart.marks.len() > sample::MOST {
            let all = chart.marks.len();
            let places: Vec<(f64, f64)> = chart
                .marks
                .iter()
                .map(|mark| (mark.x, mark.y.unwrap_or_default()))
                .collect();
            let kept = sample::scattered(&places, sample::LEFT);
            self.tell_sampled(kept.len(), all);
            chart.marks = kept
                .into_iter()
                .filter_map(|place| chart.marks.get(place).cloned())
                .collect();
        }
        chart
    }

    /// Of too many colours the later ones become one.
    fn fold_colours(&mut self, chart: &mut Chart) {
        let Some(series) = &mut chart.series else {
            return;
        };
        if series.names.len() > MOST_SERIES {
            let rest = series.names.len() - MOST_SERIES;
            series.names.truncate(MOST_SERIES);
            series.names.push(format!("other ({rest})"));
            for mark in &mut chart.marks {
                mark.series = mark.series.min(MOST_SERIES);
            }
        }
    }

    fn histogram(&mut self) -> Chart {
        let known: Vec<f64> = self.x.numbers.iter().flatten().copied().collect();
        let low = known.iter().copied().fold(f64::INFINITY, f64::min);
        let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let about = (known.len() as f64).sqrt().clamp(5.0, 30.0);
        let mut bins = Ticks::around(low, high, about as usize);
        if known.iter().all(|number| number.fract() == 0.0) && bins.step < 1.0 {
            bins = Ticks {
                low,
                high: high + 1.0,
                step: 1.0,
            };
        }
        let count = ((bins.high - bins.low) / bins.step)
            .round()
            .clamp(1.0, 100.0) as usize;
        let mut counts = vec![0_u32; count];
        for number in &known {
            let bin = ((number - bins.low) / bins.step).floor().max(0.0) as usize;
            if let Some(counted) = counts.get_mut(bin.min(count - 1)) {
                *counted += 1;
            }
        }
        let mut chart = self.chart(Scale::Bins(bins.step), &["Count".to_owned()], Vec::new());
        chart.title = format!("Distribution of {}", names::lower_first(&self.x.title));
        let all = counts.into_iter().enumerate();
        chart.marks = all
            .map(|(bin, counted)| Mark {
                x: bins.low + bin as f64 * bins.step,
                y: Some(counted.into()),
                series: 0,
                name: None,
            })
            .collect();
        self.notes.push(format!(
            "Counted over {} values",
            numbers::full(known.len() as f64)
        ));
        chart
    }

    /// Bars, slices, and lines over labels.
    fn labelled(&mut self) -> Result<Chart, ChartError> {
        let mut grid = Grid::of(self.choice, self.columns, false);
        self.tell_merged(&grid);
        self.order(&mut grid);
        let summable = self.summable();
        if self.choice.kind == Kind::Pie {
            self.no_negatives(&grid)?;
            grid.sort_by_value(summable);
        }
        self.fold_labels(&mut grid);
        self.fold_series(&mut grid);
        let measured = self.measured(grid.repeated);
        let names = self.series_names(&grid, &measured);
        let labels: Vec<String> = grid
            .places
            .iter()
            .map(|place| place.label.clone())
            .collect();
        let ordered = grid.has_numbers();
        let lies = !ordered && lies_down(&labels);
        let mut chart = self.chart(Scale::Labels(labels), &measured, names);
        chart.marks = grid.marks(summable);
        if chart.kind == Kind::Grouped && chart.marks.len() <= grid.places.len() {
            // One bar each: beside each other they would stand among gaps.
            chart.kind = Kind::Stacked;
        }
        chart.horizontal = lies && matches!(chart.kind, Kind::Bar | Kind::Grouped | Kind::Stacked);
        Ok(chart)
    }

    fn no_negatives(&self, grid: &Grid) -> Result<(), ChartError> {
        let marks = grid.marks(self.summable());
        if marks.iter().filter_map(|mark| mark.y).any(|y| y < 0.0) {
            let column = self.choice.y.and_then(|place| self.column(place));
            return Err(ChartError::Negative {
                column: column
                    .map(|column| column.name.to_owned())
                    .unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Months and numbers keep their order, sorted answers theirs; the rest is sorted by value.
    fn order(&self, grid: &mut Grid) {
        if self.continuous() || self.x.role == Role::Ordered {
            grid.sort_by_number();
        } else if !self.is_sorted(grid) && !grid.in_calendar() && self.choice.kind != Kind::Line {
            grid.sort_by_value(self.summable());
        }
    }

    /// Whether the rows come in an order. That of rows which are added up is not that of the sums.
    fn is_sorted(&self, grid: &Grid) -> bool {
        self.x.is_sorted() || (!grid.repeated && self.columns.iter().any(Column::is_sorted))
    }

    fn fold_labels(&mut self, grid: &mut Grid) {
        let pie = self.choice.kind == Kind::Pie;
        // What has an order of its own can be read between its labels.
        let ordered = !pie && (self.continuous() || self.x.role == Role::Ordered);
        let most = match () {
            () if pie => MOST_SLICES,
            () if ordered => MOST_ORDERED,
            () => MOST_LABELS,
        };
        let all = grid.places.len();
        // One more slice fits where "other" would.
        if all <= most + usize::from(pie) {
            return;
        }
        let summable = self.summable();
        let measures = self.measures();
        let measured = measures.first().is_some_and(|measure| measure.is_sorted());
        let first = ordered || (!pie && measured);
        let which = if first { "first" } else { "largest" };
        let whole = pie || (summable && !ordered && self.choice.kind != Kind::Line);
        let other = format!("other ({})", all - most);
        grid.keep_labels(most, !first, whole.then_some(other.as_str()), summable);
        let all = numbers::full(all as f64);
        let mut note = format!("The {which} {most} of {all}");
        if !whole {
            note = format!("Only the {which} {most} of {all} are shown");
        } else if let Some(sum) = (!pie).then(|| grid.drop_giant()).flatten() {
            let sum = numbers::full(sum);
            note.push_str(&format!(
                "; {other} is left out, which comes to {sum} together"
            ));
        } else {
            note.push_str("; the rest is added up as other");
        }
        self.notes.push(note);
    }

    fn fold_series(&mut self, grid: &mut Grid) {
        let all = grid.series.len();
        if self.choice.series.is_none() || all <= MOST_SERIES {
            return;
        }
        let rest = all - MOST_SERIES;
        let title = self.choice.series.and_then(|place| self.column(place));
        let title = title
            .map(|column| names::lower_first(&column.title))
            .unwrap_or_default();
        let whole = self.summable();
        grid.keep_series(MOST_SERIES, whole.then(|| format!("other ({rest})")), whole);
        self.notes.push(if whole {
            format!("The largest {MOST_SERIES} of {all} by {title}; the rest is added up as other")
        } else {
            format!("Only the largest {MOST_SERIES} of {all} by {title} are shown")
        });
    }
}

pub(super) fn lies_down(labels: &[String]) -> bool {
    let room = UPRIGHT / labels.len().max(1) as f64 - 8.0;
    labels.len() > MOST_UPRIGHT || labels.iter().any(|label| svg::label_width(label) > room)
}
