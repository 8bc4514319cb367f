//! Every colour, for light and for dark.

use std::fmt::Write;

/// Everything that changes between light and dark.
struct Theme {
    ground: &'static str,
    ink: &'static str,
    quiet: &'static str,
    grid: &'static str,
    series: [&'static str; 9],
}

/// Neighbours differ in lightness as well: not everybody tells colours apart. The last is what is
/// left over.
const LIGHT: Theme = Theme {
    ground: "#ffffff",
    ink: "#1f2328",
    quiet: "#57606a",
    grid: "#e4e8ec",
    series: [
        "#2f74d0", "#d9822b", "#0f8577", "#c2388f", "#7c4ddb", "#6b8e23", "#a0522d", "#3e8fb0",
        "#7d8590",
    ],
};

const DARK: Theme = Theme {
    ground: "#0d1117",
    ink: "#e6edf3",
    quiet: "#9aa4b0",
    grid: "#262c34",
    series: [
        "#60a5fa", "#f0a04b", "#2dd4bf", "#e879c0", "#a78bfa", "#a3c95a", "#d99a6c", "#7cc7e8",
        "#8b949e",
    ],
};

/// The colours of series on a light ground.
pub(in crate::chart) fn colours() -> [&'static str; 9] {
    LIGHT.series
}

/// The class of an area of a series.
pub(super) fn fill(series: usize) -> String {
    format!("s{}", place(series))
}

/// The class of a line of a series.
pub(super) fn stroke(series: usize) -> String {
    format!("l{}", place(series))
}

fn place(series: usize) -> usize {
    series % LIGHT.series.len()
}

/// What does not change between light and dark.
const FORM: &str = "
.ropewalk-chart text { font-family: ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', sans-serif; font-size: 12px; }
.ropewalk-chart .title { font-size: 16px; font-weight: 600; }
.ropewalk-chart .line { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
.ropewalk-chart .cloud { fill: none; stroke-width: 5; stroke-linecap: round; stroke-opacity: 0.55; }
.ropewalk-chart .dot { fill-opacity: 0.7; }
.ropewalk-chart .broken { stroke-dasharray: 7 4; }
";

/// The style sheet. Every rule is bound to charts: a picture may stand in a page with others.
pub(super) fn sheet() -> String {
    let mut sheet = FORM.to_owned();
    theme(&mut sheet, &LIGHT);
    sheet.push_str("@media (prefers-color-scheme: dark) {\n");
    theme(&mut sheet, &DARK);
    sheet.push_str("}\n");
    sheet
}

fn theme(sheet: &mut String, theme: &Theme) {
    let mut rule = |selector: &str, property: &str, colour: &str| {
        let _ = writeln!(
            sheet,
            ".ropewalk-chart {selector} {{ {property}: {colour}; }}"
        );
    };
    rule(".ground", "fill", theme.ground);
    rule(".title", "fill", theme.ink);
    rule(".label", "fill", theme.ink);
    rule(".quiet", "fill", theme.quiet);
    rule(".grid", "stroke", theme.grid);
    rule(".axis", "stroke", theme.quiet);
    rule(".slice", "stroke", theme.ground);
    for (place, colour) in theme.series.iter().enumerate() {
        rule(&format!(".s{place}"), "fill", colour);
        rule(&format!(".l{place}"), "stroke", colour);
    }
}

#[cfg(test)]
mod tests {
    use ropewalk_ink::contrast;

    use super::*;

    #[test]
    fn everything_stands_out_from_the_ground() {
        for theme in [LIGHT, DARK] {
            assert!(contrast(theme.ink, theme.ground) > 7.0);
            assert!(contrast(theme.quiet, theme.ground) > 4.5);
            for colour in theme.series {
                assert!(contrast(colour, theme.ground) > 2.9, "{colour}");
            }
        }
    }
}
