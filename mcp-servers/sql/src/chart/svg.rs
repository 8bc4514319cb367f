//! A chart as a picture: one file, no script, no font, readable on light and on dark.
//!
//! `text` measures, `frame` draws what is around the marks and says where a value lies; `bars`,
//! `lines` and `slices` draw the marks; `style` has every colour.

mod bars;
mod canvas;
mod frame;
mod lines;
mod slices;
mod style;
mod text;

use super::{Chart, Kind, Scale, numbers};
use canvas::{Anchor, Canvas};

pub(super) use style::colours;

const WIDTH: f64 = 720.0;
const MARGIN: f64 = 20.0;
const TITLE: f64 = 16.0;
/// Labels, legends and notes.
const SMALL: f64 = 12.0;
const LINE: f64 = 16.0;

/// Where the marks lie.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn width(&self) -> f64 {
        self.right - self.left
    }
}

/// How wide a label is drawn.
pub(super) fn label_width(label: &str) -> f64 {
    text::width(label, SMALL)
}

/// Whether the axis of what is measured begins at zero.
pub(super) fn from_zero(chart: &Chart) -> bool {
    match (chart.kind, chart.span()) {
        (Kind::Line | Kind::Point, Some((low, high))) => {
            let far = if low >= 0.0 { low / high } else { high / low };
            // Values that differ little would lie in a heap far from zero.
            (low <= 0.0 && high >= 0.0) || far < 0.4
        }
        _ => true,
    }
}

pub(super) fn draw(chart: &Chart) -> String {
    let mut canvas = Canvas::default();
    let top = head(&mut canvas, chart);
    let bottom = match chart.kind {
        _ if !chart.marks.iter().any(|mark| mark.y.is_some()) => nothing(&mut canvas, top),
        Kind::Bar | Kind::Grouped | Kind::Stacked if chart.horizontal => {
            bars::lying(&mut canvas, chart, top)
        }
        Kind::Bar | Kind::Grouped | Kind::Stacked => bars::upright(&mut canvas, chart, top),
        Kind::Histogram => bars::bins(&mut canvas, chart, top),
        Kind::Line => lines::lines(&mut canvas, chart, top),
        Kind::Point => lines::points(&mut canvas, chart, top),
        Kind::Pie => slices::draw(&mut canvas, chart, top),
    };
    canvas.finish(WIDTH, bottom + MARGIN, &chart.title, &described(chart))
}

/// Title, note and legend; gives back where they end.
fn head(canvas: &mut Canvas, chart: &Chart) -> f64 {
    let room = WIDTH - 2.0 * MARGIN;
    let mut y = MARGIN + TITLE;
    for line in text::wrap(&chart.title, TITLE * text::BOLD, room, 2) {
        canvas.text("title", (MARGIN, y), Anchor::Start, &line);
        y += TITLE + 5.0;
    }
    if let Some(note) = &chart.note {
        for line in text::wrap(note, SMALL, room, 3) {
            canvas.text("quiet", (MARGIN, y), Anchor::Start, &line);
            y += LINE;
        }
    }
    let names = chart.series.as_ref().map(|series| series.names.as_slice());
    let mut x = MARGIN;
    let names = names
        .filter(|_| chart.kind != Kind::Pie)
        .unwrap_or_default();
    if !names.is_empty() {
        y += 6.0;
    }
    for (place, name) in names.iter().enumerate() {
        let name = text::fit(name, SMALL, 180.0);
        let width = 16.0 + text::width(&name, SMALL) + 18.0;
        if x > MARGIN && x + width > WIDTH - MARGIN {
            x = MARGIN;
            y += LINE + 2.0;
        }
        canvas.rect(&style::fill(place), (x, y - 10.0, 11.0, 11.0), None);
        canvas.text("label", (x + 16.0, y), Anchor::Start, &name);
        x += width;
    }
    if names.is_empty() { y - 6.0 } else { y + 4.0 }
}

fn nothing(canvas: &mut Canvas, top: f64) -> f64 {
    let y = top + 60.0;
    canvas.text(
        "quiet",
        (WIDTH / 2.0, y),
        Anchor::Middle,
        "No values to draw",
    );
    y + 40.0
}

/// What somebody who does not see it has to know.
fn described(chart: &Chart) -> String {
    let kind = match chart.kind {
        Kind::Bar => "Bar chart",
        Kind::Grouped => "Grouped bar chart",
        Kind::Stacked => "Stacked bar chart",
        Kind::Line => "Line chart",
        Kind::Point => "Scatter plot",
        Kind::Histogram => "Histogram",
        Kind::Pie => "Pie chart",
    };
    let mut told = format!("{kind}: {} by {}", chart.y, chart.x.title);
    if let Some(series) = &chart.series {
        told.push_str(&format!(
            ", told apart by {}: {}",
            series.title,
            series.names.join(", ")
        ));
    }
    told.push('.');
    let known = || chart.marks.iter().filter_map(|mark| Some((mark, mark.y?)));
    let low = known().min_by(|one, other| one.1.total_cmp(&other.1));
    let high = known().max_by(|one, other| one.1.total_cmp(&other.1));
    for (word, found) in [("Highest", high), ("lowest", low)] {
        if let Some((mark, y)) = found {
            let place = match chart.x.scale {
                Scale::Numbers => format!("{} {}", chart.x.title, chart.place(mark)),
                _ => chart.place(mark),
            };
            let end = if word == "Highest" { ";" } else { "." };
            told.push_str(&format!(" {word}: {} at {place}{end}", numbers::full(y)));
        }
    }
    if let Some(note) = &chart.note {
        told.push(' ');
        told.push_str(note);
    }
    told
}

/// What a pointer brings up over a mark.
fn about(chart: &Chart, mark: &super::Mark) -> String {
    let y = mark.y.map_or("no value".to_owned(), numbers::full);
    let mut told = mark.name.clone().unwrap_or_default();
    if !told.is_empty() {
        told.push('\n');
    }
    if let Some(series) = chart.series_name(mark.series) {
        told.push_str(&format!("{series}\n"));
    }
    told.push_str(&format!(
        "{}: {}\n{}: {y}",
        chart.x.title,
        chart.place(mark),
        chart.y
    ));
    told
}

#[cfg(test)]
mod tests;
