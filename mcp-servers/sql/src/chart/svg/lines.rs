//! Lines and points.

use std::fmt::Write;

use ropewalk_ink::Number;

use super::super::numbers::Ticks;
use super::super::{Chart, Mark, Scale};
use super::canvas::Canvas;
use super::frame::{self, between};
use super::{Area, about, style};

/// Up to so many points of a line are marked, each with what it stands for.
const MARKED: usize = 60;
/// Up to so many points say what they stand for; more would make the file heavy.
const TOLD: usize = 500;

/// Where the first axis begins and ends.
enum Across<'a> {
    Labels(&'a [String]),
    Scale(Ticks),
}

impl<'a> Across<'a> {
    fn of(chart: &'a Chart) -> Self {
        let places = || {
            chart
                .marks
                .iter()
                .filter(|mark| mark.y.is_some())
                .map(|mark| mark.x)
        };
        let low = places().fold(f64::INFINITY, f64::min);
        let high = places().fold(f64::NEG_INFINITY, f64::max);
        match &chart.x.scale {
            Scale::Labels(labels) => Self::Labels(labels),
            Scale::Time(_) if high > low => Self::Scale(Ticks {
                low,
                high,
                step: high - low,
            }),
            // A single moment stands in the middle of a day and a half.
            Scale::Time(_) => {
                let (low, high) = (low - 86_400.0, high + 86_400.0);
                Self::Scale(Ticks {
                    low,
                    high,
                    step: high - low,
                })
            }
            _ => Self::Scale(Ticks::around(low, high, 7)),
        }
    }

    fn place(&self, mark: &Mark, area: &Area) -> f64 {
        match self {
            Self::Labels(labels) => {
                area.left + (mark.x + 0.5) * area.width() / labels.len().max(1) as f64
            }
            Self::Scale(ticks) => between(mark.x, ticks, area.left, area.right),
        }
    }

    fn draw(&self, canvas: &mut Canvas, chart: &Chart, area: &Area) -> f64 {
        match (self, &chart.x.scale) {
            (Self::Labels(labels), _) => frame::labels(canvas, chart, labels, area),
            (Self::Scale(ticks), Scale::Time(grain)) => {
                frame::times(canvas, chart, (ticks.low, ticks.high), *grain, area)
            }
            (Self::Scale(ticks), _) => frame::numbers(canvas, chart, ticks, area),
        }
    }
}

/// Gives back where it ends.
pub(super) fn lines(canvas: &mut Canvas, chart: &Chart, top: f64) -> f64 {
    let ticks = frame::measure(chart);
    let area = frame::upright(canvas, chart, &ticks, top);
    let across = Across::of(chart);
    frame::ground(canvas, &ticks, &area);
    let at = |mark: &Mark, y: f64| {
        (
            across.place(mark, &area),
            between(y, &ticks, area.bottom, area.top),
        )
    };
    for series in 0..chart.width() {
        let of = || chart.marks.iter().filter(|mark| mark.series == series);
        let mut path = String::new();
        let mut pen = 'M';
        for mark in of() {
            // Where a value is missing the line is interrupted.
            let Some(y) = mark.y else {
                pen = 'M';
                continue;
            };
            let (x, y) = at(mark, y);
            let _ = write!(path, "{pen}{} {}", Number(x), Number(y));
            pen = 'L';
        }
        let broken = if series >= 4 { " broken" } else { "" };
        let class = format!("line {}{broken}", style::stroke(series));
        canvas.path(&class, &path, None);
        if of().count() <= MARKED {
            for (mark, y) in of().filter_map(|mark| Some((mark, mark.y?))) {
                let about = about(chart, mark);
                canvas.circle(&style::fill(series), at(mark, y), 3.2, Some(&about));
            }
        }
    }
    across.draw(canvas, chart, &area)
}

/// Gives back where it ends.
pub(super) fn points(canvas: &mut Canvas, chart: &Chart, top: f64) -> f64 {
    let ticks = frame::measure(chart);
    let area = frame::upright(canvas, chart, &ticks, top);
    let across = Across::of(chart);
    canvas.straight("axis", (area.left, area.bottom), (area.right, area.bottom));
    let known = || chart.marks.iter().filter_map(|mark| Some((mark, mark.y?)));
    let at = |mark: &Mark, y: f64| {
        (
            across.place(mark, &area),
            between(y, &ticks, area.bottom, area.top),
        )
    };
    if chart.marks.len() <= TOLD {
        for (mark, y) in known() {
            let class = format!("dot {}", style::fill(mark.series));
            canvas.circle(&class, at(mark, y), 4.0, Some(&about(chart, mark)));
        }
    } else {
        for series in 0..chart.width() {
            let mut path = String::new();
            for (mark, y) in known().filter(|(mark, _)| mark.series == series) {
                let (x, y) = at(mark, y);
                let _ = write!(path, "M{} {}h.01", Number(x), Number(y));
            }
            canvas.path(&format!("cloud {}", style::stroke(series)), &path, None);
        }
    }
    across.draw(canvas, chart, &area)
}
