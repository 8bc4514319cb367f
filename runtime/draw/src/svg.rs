//! Graphs as SVG: one file, no script, no font, readable on light and on dark.
//!
//! [`arrange`] measures texts and asks the layout for places, from the innermost graph
//! outwards; [`card`] draws nodes, [`line`] draws edges, [`style`] has every colour.

mod arrange;
mod card;
mod line;
mod style;

use std::fmt::{self, Display, Write};

use ropewalk_ink::{Escaped, Number};

use crate::scene::Scene;
use crate::text;
use arrange::{Arranged, Corner};
pub(crate) use style::light;

/// Around everything.
const MARGIN: f64 = 20.0;

/// For the name of the graph.
const TITLE_SIZE: f64 = 15.0;
const TITLE_HEIGHT: f64 = 34.0;

/// The whole picture.
pub(crate) fn draw(scene: &Scene) -> String {
    let arranged = Arranged::of(scene);
    let size = arranged.placed.size;
    let least = text::width(&scene.name, TITLE_SIZE).min(360.0);
    let (width, height) = (
        size.width.max(least) + 2.0 * MARGIN,
        size.height + TITLE_HEIGHT + 2.0 * MARGIN,
    );
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = document(&mut out, scene, &arranged, width, height);
    out
}

fn document(
    out: &mut String,
    scene: &Scene,
    arranged: &Arranged,
    width: f64,
    height: f64,
) -> fmt::Result {
    let (wide, high) = (Number(width), Number(height));
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="ropewalk" role="img" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">"#
    )?;
    writeln!(out, "<title>{}</title>", Escaped(&scene.name))?;
    writeln!(out, "<style>{}</style>", style::sheet())?;
    writeln!(
        out,
        r#"<rect class="ground" width="{wide}" height="{high}"/>"#
    )?;
    let title = Words {
        class: "title",
        size: TITLE_SIZE,
        at: (MARGIN, MARGIN + TITLE_SIZE),
        text: &text::fit(&scene.name, TITLE_SIZE, width - 2.0 * MARGIN),
    };
    writeln!(out, "{title}")?;
    let corner = Corner {
        x: (width - arranged.placed.size.width) / 2.0,
        y: MARGIN + TITLE_HEIGHT,
    };
    content(out, arranged, corner)?;
    out.write_str("</svg>\n")
}

/// Lines below boxes below labels, so that what is to be read lies on top.
fn content(out: &mut String, arranged: &Arranged, corner: Corner) -> fmt::Result {
    let (x, y) = (Number(corner.x), Number(corner.y));
    writeln!(out, r#"<g transform="translate({x} {y})">"#)?;
    for drawn in arranged.lines() {
        line::draw(out, &drawn)?;
    }
    arranged
        .marks()
        .try_for_each(|mark| card::mark(out, &mark))?;
    for (card, rect) in arranged.cards() {
        card::draw(out, card, rect)?;
        if let Some((inner, corner)) = card.opened(rect) {
            content(out, inner, corner)?;
        }
    }
    for drawn in arranged.lines() {
        line::label(out, &drawn)?;
    }
    out.write_str("</g>\n")
}

/// A piece of text in its place.
struct Words<'a> {
    class: &'a str,
    size: f64,
    at: (f64, f64),
    text: &'a str,
}

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (x, y) = (Number(self.at.0), Number(self.at.1));
        write!(f, r#"<text class="{}" x="{x}" y="{y}""#, self.class)?;
        if let Some(width) = text::FACE.fixed(self.text, self.size) {
            let width = Number(width);
            write!(
                f,
                r#" textLength="{width}" lengthAdjust="spacingAndGlyphs""#
            )?;
        }
        write!(f, ">{}</text>", Escaped(self.text))
    }
}

#[cfg(test)]
mod tests;
