//! Every colour, for light and for dark.

use std::fmt::Write;

use crate::scene::Kind;

/// What a box looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) fill: &'static str,
    pub(super) border: &'static str,
    /// The second line.
    pub(super) second: &'static str,
}

/// Everything that changes between light and dark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) ground: &'static str,
    pub(super) ink: &'static str,
    pub(super) quiet: &'static str,
    /// Lines on which a run did not go.
    pub(super) faint: &'static str,
    pub(super) failed: Paint,
    kinds: [Paint; 8],
}

const fn paint(fill: &'static str, border: &'static str, second: &'static str) -> Paint {
    Paint {
        fill,
        border,
        second,
    }
}

pub(super) const LIGHT: Theme = Theme {
    ground: "#ffffff",
    ink: "#1f2328",
    quiet: "#57606a",
    faint: "#c4cad1",
    failed: paint("#ffdcd8", "#cf222e", "#a40e26"),
    kinds: [
        paint("#f3effd", "#7c4ddb", "#5b2fb8"),
        paint("#e9f2fe", "#2f74d0", "#1d55a3"),
        paint("#e4f6f3", "#0f8577", "#0b655b"),
        paint("#fbedf8", "#b0389a", "#8a2478"),
        paint("#eef1f5", "#5b6b80", "#44515f"),
        paint("#fdf2dc", "#b7791f", "#7c4f08"),
        paint("#eaf6e7", "#3d8b37", "#2b6626"),
        paint("#f4f2ee", "#8a7f6d", "#5f5646"),
    ],
};

pub(super) const DARK: Theme = Theme {
    ground: "#0d1117",
    ink: "#e6edf3",
    quiet: "#9aa4b0",
    faint: "#3d444d",
    failed: paint("#5c1a1d", "#f85149", "#ffb3ad"),
    kinds: [
        paint("#2a2144", "#a78bfa", "#c9b8fd"),
        paint("#14283f", "#60a5fa", "#a5cdfc"),
        paint("#0f2f2c", "#2dd4bf", "#8be8db"),
        paint("#3a1734", "#e879d0", "#f5b5e6"),
        paint("#232b36", "#94a3b8", "#c3cdd9"),
        paint("#35270c", "#f0b429", "#f9d584"),
        paint("#172f18", "#6cc763", "#a9e2a3"),
        paint("#2b2821", "#b8ab93", "#d8cdb9"),
    ],
};

impl Theme {
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Kind, Paint)> {
        Kind::ALL.into_iter().zip(self.kinds)
    }
}

/// The colours of a kind, for formats that know no dark.
pub(crate) fn light(kind: Kind) -> (&'static str, &'static str) {
    let found = LIGHT.kinds().find(|(other, _)| *other == kind);
    found.map_or(("#ffffff", "#000000"), |(_, paint)| {
        (paint.fill, paint.border)
    })
}

/// What does not change between light and dark.
const FORM: &str = "
.ropewalk text { font-family: ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', sans-serif; }
.ropewalk .title { font-size: 15px; font-weight: 600; }
.ropewalk .name { font-size: 13px; font-weight: 600; text-anchor: middle; }
.ropewalk .second { font-size: 11px; text-anchor: middle; }
.ropewalk .head { text-anchor: start; }
.ropewalk .on-line { font-size: 11px; text-anchor: middle; }
.ropewalk .box { stroke-width: 1.5; }
.ropewalk .trim { fill: none; stroke-width: 1; }
.ropewalk .plate { stroke: none; fill-opacity: 0.92; }
.ropewalk .course { fill: none; stroke-width: 1.5; stroke-linecap: round; }
.ropewalk .back .course { stroke-dasharray: 6 4; }
.ropewalk .taken .course { stroke-width: 2.25; }
.ropewalk .untaken .course { stroke-width: 1; }
.ropewalk .tip { stroke: none; }
.ropewalk .mark .ring { fill: none; stroke-width: 1.5; }
.ropewalk .badge circle { stroke: none; }
.ropewalk .badge path { fill: none; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.ropewalk .running .box { stroke-width: 2.75; }
.ropewalk .waiting .box { stroke-dasharray: 3 3; }
.ropewalk .skipped { opacity: 0.5; }
.ropewalk .skipped .box { stroke-dasharray: 3 3; }
";

/// The style sheet. Every rule is bound to this picture: it may stand in a page with others.
pub(super) fn sheet() -> String {
    let mut sheet = FORM.to_owned();
    theme(&mut sheet, &LIGHT);
    sheet.push_str("@media (prefers-color-scheme: dark) {\n");
    theme(&mut sheet, &DARK);
    sheet.push_str("}\n");
    sheet
}

fn theme(sheet: &mut String, theme: &Theme) {
    let mut rule = |selector: &str, what: &str| {
        let _ = writeln!(sheet, ".ropewalk {selector} {{ {what} }}");
    };
    let fill = |colour: &str| format!("fill: {colour};");
    let stroke = |colour: &str| format!("stroke: {colour};");
    for selector in [".ground", ".panel", ".plate"] {
        rule(selector, &fill(theme.ground));
    }
    for selector in [".title", ".name"] {
        rule(selector, &fill(theme.ink));
    }
    for selector in [".second", ".on-line", ".tip", ".mark .dot"] {
        rule(selector, &fill(theme.quiet));
    }
    for selector in [".course", ".mark .ring"] {
        rule(selector, &stroke(theme.quiet));
    }
    for (kind, paint) in theme.kinds() {
        let kind = kind.word();
        let look = format!("fill: {}; stroke: {};", paint.fill, paint.border);
        rule(&format!(".{kind} > .box"), &look);
        rule(&format!(".{kind} > .trim"), &stroke(paint.border));
        rule(&format!(".{kind} > .second"), &fill(paint.second));
        rule(&format!(".{kind} > .badge circle"), &fill(paint.border));
    }
    rule(".badge path", &stroke(theme.ground));
    rule(".running > .badge path", &fill(theme.ground));
    for state in ["waiting", "skipped"] {
        rule(&format!(".{state} > .box"), &fill(theme.ground));
    }
    let failed = theme.failed;
    let look = format!("fill: {}; stroke: {};", failed.fill, failed.border);
    rule(".failed > .box", &look);
    rule(".failed > .trim", &stroke(failed.border));
    rule(".failed > .second", &fill(failed.second));
    rule(".failed > .badge circle", &fill(failed.border));
    rule(".on-error .course", &stroke(failed.border));
    rule(".on-error .tip", &fill(failed.border));
    rule(".on-error .on-line", &fill(failed.second));
    rule(".taken .course", &stroke(theme.ink));
    rule(".taken .tip", &fill(theme.ink));
    rule(".taken.on-error .course", &stroke(failed.border));
    rule(".taken.on-error .tip", &fill(failed.border));
    rule(".untaken .course", &stroke(theme.faint));
    rule(".untaken .tip", &fill(theme.faint));
}

#[cfg(test)]
mod tests {
    use ropewalk_ink::contrast;

    use super::*;

    #[test]
    fn every_text_can_be_read() {
        for theme in [LIGHT, DARK] {
            assert!(contrast(theme.ink, theme.ground) > 7.0);
            assert!(contrast(theme.quiet, theme.ground) > 4.5);
            let paints = theme.kinds().map(|(_, paint)| paint);
            for paint in paints.chain([theme.failed]) {
                assert!(contrast(theme.ink, paint.fill) > 7.0, "{paint:?}");
                assert!(contrast(paint.second, paint.fill) > 4.5, "{paint:?}");
                assert!(contrast(paint.second, theme.ground) > 4.5, "{paint:?}");
                assert!(contrast(paint.border, theme.ground) > 3.0, "{paint:?}");
            }
        }
    }
}
