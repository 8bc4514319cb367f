//! Slices of a pie, with what they stand for beside them.

use std::f64::consts::TAU;

use ropewalk_ink::Number;

use super::super::{Chart, numbers};
use super::canvas::{Anchor, Canvas};
use super::{MARGIN, SMALL, about, style, text};

const RADIUS: f64 = 130.0;

/// Gives back where it ends.
pub(super) fn draw(canvas: &mut Canvas, chart: &Chart, top: f64) -> f64 {
    let whole: f64 = chart.marks.iter().filter_map(|mark| mark.y).sum();
    let (x, y) = (MARGIN + RADIUS + 10.0, top + 24.0 + RADIUS);
    let mut turned = 0.0;
    let mut line = y - (chart.marks.len() as f64 - 1.0) * 12.0 + 4.0;
    for (place, mark) in chart.marks.iter().enumerate() {
        let value = mark.y.unwrap_or_default();
        let share = if whole > 0.0 { value / whole } else { 0.0 };
        // What is left over is grey.
        let left_over = chart.place(mark).starts_with("other (") && place + 1 == chart.marks.len();
        let colour = style::fill(if left_over { 8 } else { place });
        let class = format!("slice {colour}");
        let told = about(chart, mark);
        if share > 0.999_9 {
            canvas.circle(&class, (x, y), RADIUS, Some(&told));
        } else if share > 0.0 {
            let at = |turn: f64| {
                let angle = turn * TAU;
                (
                    Number(x + RADIUS * angle.sin()),
                    Number(y - RADIUS * angle.cos()),
                )
            };
            let ((from_x, from_y), (to_x, to_y)) = (at(turned), at(turned + share));
            let far = u8::from(share > 0.5);
            let (middle_x, middle_y, radius) = (Number(x), Number(y), Number(RADIUS));
            let path = format!(
                "M{middle_x} {middle_y}L{from_x} {from_y}A{radius} {radius} 0 {far} 1 {to_x} {to_y}Z"
            );
            canvas.path(&class, &path, Some(&told));
        }
        turned += share;
        let left = x + RADIUS + 40.0;
        canvas.rect(&colour, (left, line - 10.0, 11.0, 11.0), None);
        let name = text::fit(&chart.place(mark), SMALL, 200.0);
        canvas.text("label", (left + 18.0, line), Anchor::Start, &name);
        let percent = numbers::full((share * 1000.0).round() / 10.0);
        let value = format!("{} ({percent} %)", numbers::short(value));
        canvas.text("quiet", (super::WIDTH - MARGIN, line), Anchor::End, &value);
        line += 24.0;
    }
    y + RADIUS + 12.0
}
