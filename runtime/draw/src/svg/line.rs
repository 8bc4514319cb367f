//! Lines: smooth, with a tip, dashed where they lead back.

use std::fmt::{self, Write};

use super::arrange::{Drawn, LABEL_LINE, LABEL_SIZE};
use super::{Escaped, Number, Words};
use crate::layout::Point;

/// Length of a tip, and half of its width.
const TIP: (f64, f64) = (8.0, 4.2);

/// A line and its tip.
pub(super) fn draw(out: &mut String, drawn: &Drawn) -> fmt::Result {
    let points = &drawn.route.points;
    let Some((tip, direction)) = tip(points, drawn.route.around) else {
        return Ok(());
    };
    open(out, "line", drawn)?;
    let course = if drawn.route.around {
        around(points)
    } else {
        course(points, direction)
    };
    writeln!(out, r#"<path class="course" d="{course}"/>"#)?;
    writeln!(out, r#"<path class="tip" d="{}"/>"#, arrow(tip, direction))?;
    out.write_str("</g>\n")
}

/// What is written on a line.
pub(super) fn label(out: &mut String, drawn: &Drawn) -> fmt::Result {
    let Some(rect) = drawn.route.label.filter(|_| !drawn.label.is_empty()) else {
        return Ok(());
    };
    open(out, "label", drawn)?;
    let (x, y) = (Number(rect.left()), Number(rect.top()));
    let (width, height) = (Number(rect.size.width), Number(rect.size.height));
    writeln!(
        out,
        r#"<rect class="plate" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>"#
    )?;
    let mut y = rect.top() + 2.0 + LABEL_SIZE;
    for text in drawn.label {
        let words = Words {
            class: "on-line",
            size: LABEL_SIZE,
            at: (rect.middle.x, y),
            text,
        };
        writeln!(out, "{words}")?;
        y += LABEL_LINE;
    }
    out.write_str("</g>\n")
}

fn open(out: &mut String, what: &str, drawn: &Drawn) -> fmt::Result {
    write!(out, r#"<g class="{what}"#)?;
    match drawn.taken {
        None => {}
        Some(true) => out.write_str(" taken")?,
        Some(false) => out.write_str(" untaken")?,
    }
    let Some(line) = drawn.line else {
        return out.write_str("\">\n");
    };
    if line.back {
        out.write_str(" back")?;
    }
    if line.on_error {
        out.write_str(" on-error")?;
    }
    let about = Escaped(&drawn.about);
    writeln!(out, "\" data-edge=\"{}\">\n<title>{about}</title>", line.id)
}

/// Where a line ends, and whither it leads there.
fn tip(points: &[Point], around: bool) -> Option<(Point, (f64, f64))> {
    let (last, before) = match points {
        [.., before, last] => (*last, *before),
        _ => return None,
    };
    let direction = if around {
        (-1.0, 0.0)
    } else {
        (0.0, if last.y < before.y { -1.0 } else { 1.0 })
    };
    Some((last, direction))
}

fn arrow(tip: Point, (x, y): (f64, f64)) -> String {
    let (length, half) = TIP;
    let base = Point {
        x: tip.x - x * length,
        y: tip.y - y * length,
    };
    let corner = |side: f64| {
        (
            Number(base.x + y * half * side),
            Number(base.y + x * half * side),
        )
    };
    let ((ax, ay), (bx, by)) = (corner(1.0), corner(-1.0));
    format!("M{} {}L{ax} {ay}L{bx} {by}Z", Number(tip.x), Number(tip.y))
}

/// Straight down or up where two points lie above each other, and a swing that begins and ends
/// upright where they do not.
fn course(points: &[Point], (_, down): (f64, f64)) -> String {
    let mut course = String::new();
    let mut at: Option<Point> = None;
    for (place, point) in points.iter().enumerate() {
        let mut to = *point;
        if place + 1 == points.len() {
            // The tip covers the rest.
            to.y -= down * (TIP.0 - 1.0);
        }
        let (x, y) = (Number(to.x), Number(to.y));
        let _ = match at {
            None => write!(course, "M{x} {y}"),
            Some(from) if (from.x - to.x).abs() < 0.5 => write!(course, "L{x} {y}"),
            Some(from) => {
                let middle = Number((from.y + to.y) / 2.0);
                write!(course, "C{} {middle} {x} {middle} {x} {y}", Number(from.x))
            }
        };
        at = Some(to);
    }
    course
}

/// From a box to itself.
fn around(points: &[Point]) -> String {
    let [start, turn, end] = points else {
        return String::new();
    };
    // A cubic reaches three quarters of the way to where its handles are.
    let handle = Number(start.x + (turn.x - start.x) * 4.0 / 3.0);
    let (from, to) = (Number(start.y), Number(end.y));
    let last = Number(end.x + TIP.0 - 1.0);
    format!(
        "M{} {from}C{handle} {from} {handle} {to} {last} {to}",
        Number(start.x)
    )
}
