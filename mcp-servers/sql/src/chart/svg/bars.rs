//! Bars: upright, lying, and of bins.

use super::super::numbers::{self, Ticks};
use super::super::{Chart, Kind, Mark, Scale};
use super::canvas::{Anchor, Canvas};
use super::frame::{self, between};
use super::{Area, MARGIN, SMALL, WIDTH, about, style, text};

/// Bars wider than this look like boxes.
const WIDEST: f64 = 64.0;
/// Labels of lying bars are cut at this length.
const LABEL: f64 = 210.0;
/// Room for a value behind its bar.
const BEHIND: f64 = 70.0;

/// The ends of each bar: across its band, and along what is measured.
struct Bar<'a> {
    mark: &'a Mark,
    side: f64,
    thick: f64,
    from: f64,
    to: f64,
}

/// All bars, in bands of such a size.
fn bars(chart: &Chart, band: f64, thickest: f64) -> Vec<Bar<'_>> {
    let beside = if chart.kind == Kind::Grouped {
        chart.width()
    } else {
        1
    };
    let thick = (band * 0.78 / beside as f64).min(thickest);
    let whole = thick * beside as f64;
    let mut stacks = std::collections::HashMap::new();
    let all = chart.marks.iter();
    all.filter_map(|mark| {
        let y = mark.y?;
        let at = if chart.kind == Kind::Grouped {
            mark.series as f64 * thick
        } else {
            0.0
        };
        let from = if chart.kind == Kind::Stacked {
            let stack: &mut f64 = stacks.entry((mark.x as usize, y < 0.0)).or_default();
            let from = *stack;
            *stack += y;
            from
        } else {
            0.0
        };
        Some(Bar {
            mark,
            side: mark.x * band + (band - whole) / 2.0 + at,
            thick: if beside > 1 {
                (thick - 1.0).max(1.0)
            } else {
                thick
            },
            from,
            to: from + y,
        })
    })
    .collect()
}

fn labels(chart: &Chart) -> &[String] {
    match &chart.x.scale {
        Scale::Labels(labels) => labels,
        _ => &[],
    }
}

/// Gives back where it ends.
pub(super) fn upright(canvas: &mut Canvas, chart: &Chart, top: f64) -> f64 {
    let mut ticks = frame::measure(chart);
    let lowest = chart.span().map_or(0.0, |(low, _)| low);
    let room = between(lowest, &ticks, 0.0, frame::HEIGHT);
    // A value below its bar would lie on the labels.
    if chart.kind == Kind::Bar && lowest < 0.0 && room < 18.0 {
        ticks.low -= ticks.step;
    }
    let area = frame::upright(canvas, chart, &ticks, top);
    let labels = labels(chart);
    let band = area.width() / labels.len().max(1) as f64;
    let said = |mark: &Mark| mark.y.map(numbers::short).unwrap_or_default();
    let widest = chart
        .marks
        .iter()
        .map(|mark| text::width(&said(mark), SMALL));
    let valued = chart.kind == Kind::Bar && widest.fold(0.0, f64::max) < band - 4.0;
    for bar in bars(chart, band, WIDEST) {
        let (from, to) = along(&bar, &ticks, area.bottom, area.top);
        let place = (
            area.left + bar.side,
            from.min(to),
            bar.thick,
            (from - to).abs(),
        );
        canvas.rect(
            &style::fill(bar.mark.series),
            place,
            Some(&about(chart, bar.mark)),
        );
        if valued {
            let y = if bar.to < 0.0 { to + 14.0 } else { to - 5.0 };
            let x = area.left + bar.side + bar.thick / 2.0;
            canvas.text("quiet", (x, y), Anchor::Middle, &said(bar.mark));
        }
    }
    frame::ground(canvas, &ticks, &area);
    frame::labels(canvas, chart, labels, &area)
}

fn along(bar: &Bar<'_>, ticks: &Ticks, from: f64, to: f64) -> (f64, f64) {
    (
        between(bar.from, ticks, from, to),
        between(bar.to, ticks, from, to),
    )
}

/// Gives back where it ends.
pub(super) fn lying(canvas: &mut Canvas, chart: &Chart, top: f64) -> f64 {
    let ticks = frame::measure(chart);
    let labels = labels(chart);
    let band = match chart.kind {
        Kind::Grouped => (13.0 * chart.width() as f64 + 10.0).max(24.0),
        _ => 24.0,
    };
    let shown: Vec<String> = labels
        .iter()
        .map(|label| text::fit(label, SMALL, LABEL))
        .collect();
    let named = text::fit(&chart.x.title, SMALL, LABEL);
    let widest = shown
        .iter()
        .map(|label| text::width(label, SMALL))
        .fold(0.0, f64::max);
    let valued = chart.kind == Kind::Bar;
    let area = Area {
        left: MARGIN + widest.max(40.0) + 10.0,
        top: top + 32.0,
        right: WIDTH - MARGIN - if valued { BEHIND } else { 10.0 },
        bottom: top + 32.0 + band * labels.len() as f64,
    };
    canvas.text("quiet", (MARGIN, top + 20.0), Anchor::Start, &named);
    let mut free = 0.0;
    for value in ticks.values() {
        let x = between(value, &ticks, area.left, area.right);
        canvas.straight("grid", (x, area.top), (x, area.bottom));
        let said = ticks.say(value);
        let half = text::width(&said, SMALL) / 2.0;
        if x - half >= free && x + half <= WIDTH {
            canvas.text("quiet", (x, area.bottom + 16.0), Anchor::Middle, &said);
            free = x + half + 8.0;
        }
    }
    for bar in bars(chart, band, band) {
        let (from, to) = along(&bar, &ticks, area.left, area.right);
        let place = (
            from.min(to),
            area.top + bar.side,
            (to - from).abs(),
            bar.thick,
        );
        canvas.rect(
            &style::fill(bar.mark.series),
            place,
            Some(&about(chart, bar.mark)),
        );
        if valued {
            let said = bar.mark.y.map(numbers::short).unwrap_or_default();
            let y = area.top + bar.side + bar.thick / 2.0 + 4.0;
            // Behind the bar, whose end is to the right of zero where it goes below.
            canvas.text("quiet", (from.max(to) + 5.0, y), Anchor::Start, &said);
        }
    }
    for (place, label) in shown.iter().enumerate() {
        let y = area.top + (place as f64 + 0.5) * band + 4.0;
        canvas.text("label", (area.left - 8.0, y), Anchor::End, label);
    }
    let zero = between(0.0, &ticks, area.left, area.right);
    canvas.straight("axis", (zero, area.top), (zero, area.bottom));
    let y = area.bottom + 36.0;
    let name = text::fit(&chart.y, SMALL, area.width());
    canvas.text(
        "quiet",
        ((area.left + area.right) / 2.0, y),
        Anchor::Middle,
        &name,
    );
    y
}

/// A histogram; gives back where it ends.
pub(super) fn bins(canvas: &mut Canvas, chart: &Chart, top: f64) -> f64 {
    let ticks = frame::measure(chart);
    let area = frame::upright(canvas, chart, &ticks, top);
    let Scale::Bins(step) = chart.x.scale else {
        return area.bottom;
    };
    let first = chart.marks.first().map_or(0.0, |mark| mark.x);
    let last = chart.marks.last().map_or(1.0, |mark| mark.x + step);
    let across = Ticks {
        low: first,
        high: last,
        step,
    };
    for mark in &chart.marks {
        let from = between(mark.x, &across, area.left, area.right);
        let to = between(mark.x + step, &across, area.left, area.right);
        let y = between(mark.y.unwrap_or_default(), &ticks, area.bottom, area.top);
        let place = (from + 0.5, y, (to - from - 1.0).max(0.5), area.bottom - y);
        canvas.rect(&style::fill(0), place, Some(&about(chart, mark)));
    }
    frame::ground(canvas, &ticks, &area);
    frame::numbers(canvas, chart, &across, &area)
}
