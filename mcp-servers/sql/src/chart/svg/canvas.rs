//! What SVG is written with.

use std::fmt::{self, Write};

use ropewalk_ink::{Escaped, Face, Number};

use super::style;

/// A picture in the making.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    content: String,
}

/// Which end of a text lies at its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas {
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        self.placed(class, at, anchor, "", text);
    }

    /// A text that ends below its mark, and rises towards it.
    pub(super) fn slanted(&mut self, class: &str, at: (f64, f64), text: &str) {
        let (x, y) = (Number(at.0), Number(at.1));
        let turn = format!(r#" transform="rotate(-40 {x} {y})""#);
        self.placed(class, at, Anchor::End, &turn, text);
    }

    fn placed(&mut self, class: &str, at: (f64, f64), anchor: Anchor, more: &str, text: &str) {
        let (x, y) = (Number(at.0), Number(at.1));
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let fixed = Face::Regular
            .fixed(text, super::SMALL)
            .map(|width| {
                format!(
                    r#" textLength="{}" lengthAdjust="spacingAndGlyphs""#,
                    Number(width)
                )
            })
            .unwrap_or_default();
        self.line(format_args!(
            r#"<text class="{class}" x="{x}" y="{y}"{anchor}{fixed}{more}>{}</text>"#,
            Escaped(text)
        ));
    }

    /// A box, by its corner and size.
    pub(super) fn rect(&mut self, class: &str, at: (f64, f64, f64, f64), about: Option<&str>) {
        let (x, y, width, height) = (Number(at.0), Number(at.1), Number(at.2), Number(at.3));
        let shape =
            format!(r#"rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}""#);
        self.shape("rect", &shape, about);
    }

    pub(super) fn circle(&mut self, class: &str, at: (f64, f64), radius: f64, about: Option<&str>) {
        let (x, y, radius) = (Number(at.0), Number(at.1), Number(radius));
        let shape = format!(r#"circle class="{class}" cx="{x}" cy="{y}" r="{radius}""#);
        self.shape("circle", &shape, about);
    }

    pub(super) fn path(&mut self, class: &str, path: &str, about: Option<&str>) {
        self.shape(
            "path",
            &format!(r#"path class="{class}" d="{path}""#),
            about,
        );
    }

    pub(super) fn straight(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1) = (Number(from.0), Number(from.1));
        let (x2, y2) = (Number(to.0), Number(to.1));
        self.line(format_args!(
            r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#
        ));
    }

    fn shape(&mut self, name: &str, shape: &str, about: Option<&str>) {
        match about {
            Some(about) => self.line(format_args!(
                "<{shape}><title>{}</title></{name}>",
                Escaped(about)
            )),
            None => self.line(format_args!("<{shape}/>")),
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.content, "{line}");
    }

    /// The whole picture.
    pub(super) fn finish(self, width: f64, height: f64, title: &str, about: &str) -> String {
        let (wide, high) = (Number(width), Number(height));
        let (title, about) = (Escaped(title), Escaped(about));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="ropewalk-chart" role="img" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">
<title>{title}</title>
<desc>{about}</desc>
<style>{}</style>
<rect class="ground" width="{wide}" height="{high}"/>
{}</svg>
"#,
            style::sheet(),
            self.content
        )
    }
}
