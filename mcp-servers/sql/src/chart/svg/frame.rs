//! What is around the marks, and where on it a value lies.

use super::super::numbers::Ticks;
use super::super::reading::Grain;
use super::super::{Chart, Kind, calendar};
use super::canvas::{Anchor, Canvas};
use super::{Area, LINE, MARGIN, SMALL, WIDTH, from_zero, text};

pub(super) const HEIGHT: f64 = 300.0;
/// Lines of an axis.
const LINES: usize = 6;
/// How much of the distance of two slanted labels is left between them: the sine of their angle.
const SLOPE: f64 = 0.64;
/// Labels that stand slanted are cut at this length.
const SLANTED: f64 = 110.0;

/// The axis of what is measured.
pub(super) fn measure(chart: &Chart) -> Ticks {
    let (mut low, mut high) = span(chart);
    if from_zero(chart) {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    Ticks::around(low, high, LINES - 1)
}

/// Lowest and highest of what is drawn: of a stack, what lies on top of each other.
fn span(chart: &Chart) -> (f64, f64) {
    if chart.kind != Kind::Stacked {
        return chart.span().unwrap_or_default();
    }
    let mut stacks: Vec<(f64, f64)> = Vec::new();
    for mark in &chart.marks {
        let place = mark.x as usize;
        if stacks.len() <= place {
            stacks.resize(place + 1, (0.0, 0.0));
        }
        if let (Some(stack), Some(y)) = (stacks.get_mut(place), mark.y) {
            stack.0 += y.min(0.0);
            stack.1 += y.max(0.0);
        }
    }
    let low = stacks.iter().map(|stack| stack.0).fold(0.0, f64::min);
    let high = stacks.iter().map(|stack| stack.1).fold(0.0, f64::max);
    (low, high)
}

/// Where a value lies between two ends.
pub(super) fn between(value: f64, ticks: &Ticks, from: f64, to: f64) -> f64 {
    let share = (value - ticks.low) / (ticks.high - ticks.low);
    from + share.clamp(0.0, 1.0) * (to - from)
}

/// The lines of what is measured, with its name above; gives back where the marks lie.
pub(super) fn upright(canvas: &mut Canvas, chart: &Chart, ticks: &Ticks, top: f64) -> Area {
    let widths = ticks
        .values()
        .map(|value| text::width(&ticks.say(value), SMALL));
    let left = MARGIN + widths.fold(0.0, f64::max) + 8.0;
    let named = text::fit(&chart.y, SMALL, WIDTH - 2.0 * MARGIN);
    canvas.text("quiet", (MARGIN, top + 20.0), Anchor::Start, &named);
    let area = Area {
        left,
        top: top + 38.0,
        right: WIDTH - MARGIN - 6.0,
        bottom: top + 38.0 + HEIGHT,
    };
    for value in ticks.values() {
        let y = between(value, ticks, area.bottom, area.top);
        canvas.straight("grid", (area.left, y), (area.right, y));
        canvas.text(
            "quiet",
            (area.left - 8.0, y + 4.0),
            Anchor::End,
            &ticks.say(value),
        );
    }
    area
}

/// The line on which marks stand; drawn after them.
pub(super) fn ground(canvas: &mut Canvas, ticks: &Ticks, area: &Area) {
    let zero = between(0.0_f64.max(ticks.low), ticks, area.bottom, area.top);
    canvas.straight("axis", (area.left, zero), (area.right, zero));
}

/// Labels below their bands; gives back where they end.
pub(super) fn labels(canvas: &mut Canvas, chart: &Chart, labels: &[String], area: &Area) -> f64 {
    let band = area.width() / labels.len().max(1) as f64;
    let middle = |place: usize| area.left + (place as f64 + 0.5) * band;
    let widest = labels
        .iter()
        .map(|label| text::width(label, SMALL))
        .fold(0.0, f64::max);
    if widest <= band - 6.0 {
        for (place, label) in labels.iter().enumerate() {
            canvas.text(
                "label",
                (middle(place), area.bottom + 18.0),
                Anchor::Middle,
                label,
            );
        }
        return named(canvas, chart, area, area.bottom + 18.0);
    }
    // Short ones are thinned out, long ones slanted and then thinned out.
    let (every, slanted) = if widest <= 48.0 {
        (((widest + 8.0) / band).ceil(), false)
    } else {
        ((LINE / SLOPE / band).ceil(), true)
    };
    let mut deep = area.bottom + 18.0;
    for (place, label) in labels.iter().enumerate().step_by(every.max(1.0) as usize) {
        if slanted {
            // What rises to the left must not leave the picture.
            let room = ((middle(place) - 4.0) / 0.77).min(SLANTED);
            let label = text::fit(label, SMALL, room);
            deep = deep.max(area.bottom + 18.0 + text::width(&label, SMALL) * SLOPE);
            canvas.slanted("label", (middle(place) + 4.0, area.bottom + 14.0), &label);
        } else {
            canvas.text(
                "label",
                (middle(place), area.bottom + 18.0),
                Anchor::Middle,
                label,
            );
        }
    }
    named(canvas, chart, area, deep)
}

/// The name of the first axis; gives back where it ends.
pub(super) fn named(canvas: &mut Canvas, chart: &Chart, area: &Area, below: f64) -> f64 {
    let y = below + 22.0;
    let name = text::fit(&chart.x.title, SMALL, area.width());
    let middle = (area.left + area.right) / 2.0;
    canvas.text("quiet", (middle, y), Anchor::Middle, &name);
    y
}

/// Numbers along the first axis; gives back where they end.
pub(super) fn numbers(canvas: &mut Canvas, chart: &Chart, ticks: &Ticks, area: &Area) -> f64 {
    let places = ticks.values().map(|value| {
        let x = between(value, ticks, area.left, area.right);
        (x, ticks.say(value))
    });
    let places: Vec<(f64, String)> = places.collect();
    marked(canvas, area, &places);
    named(canvas, chart, area, area.bottom + 18.0)
}

/// Times along the first axis; gives back where they end.
pub(super) fn times(
    canvas: &mut Canvas,
    chart: &Chart,
    span: (f64, f64),
    grain: Grain,
    area: &Area,
) -> f64 {
    let short = matches!(grain, Grain::Year | Grain::Month);
    let most = if short { 12 } else { 8 };
    let (from, to) = span;
    let lines = calendar::ticks(from, to, grain, most).into_iter();
    let places = lines.map(|(second, label)| {
        let share = (second - from) / (to - from).max(f64::MIN_POSITIVE);
        (area.left + share * area.width(), label)
    });
    marked(canvas, area, &places.collect::<Vec<_>>());
    named(canvas, chart, area, area.bottom + 18.0)
}

/// Labels at their places, without those that would touch the one before.
fn marked(canvas: &mut Canvas, area: &Area, places: &[(f64, String)]) {
    let mut free = 0.0;
    for (x, label) in places {
        canvas.straight("axis", (*x, area.bottom), (*x, area.bottom + 4.0));
        let half = text::width(label, SMALL) / 2.0;
        let x = x.clamp(half + 4.0, WIDTH - half - 4.0);
        if x - half >= free {
            canvas.text("label", (x, area.bottom + 18.0), Anchor::Middle, label);
            free = x + half + 8.0;
        }
    }
}
