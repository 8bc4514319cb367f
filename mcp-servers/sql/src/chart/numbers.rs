//! Numbers as a reader likes them, and where the lines of an axis lie.

/// From here on a number is written with a unit.
const SHORTENED: f64 = 10_000.0;

const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")];

/// Where an axis begins and ends, and the distance of its lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ticks {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) step: f64,
}

impl Ticks {
    /// Round numbers around these values, about so many.
    pub(super) fn around(low: f64, high: f64, about: usize) -> Self {
        let (low, high) = (low.min(high), low.max(high));
        let most = low.abs().max(high.abs());
        let (low, high) = if high - low > most * 1e-9 {
            (low, high)
        } else if most == 0.0 {
            (0.0, 1.0)
        } else {
            // All the same: a little room on either side.
            (low - most * 0.1, high + most * 0.1)
        };
        let step = round_up((high - low) / about.max(1) as f64);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = f64> + use<> {
        let first = (self.low / self.step).round();
        let count = ((self.high - self.low) / self.step)
            .round()
            .clamp(0.0, 100.0) as usize;
        let step = self.step;
        (0..=count).map(move |place| {
            let value = (first + place as f64) * step;
            if value == 0.0 { 0.0 } else { value }
        })
    }

    /// A value as it stands beside a line of this axis.
    pub(super) fn say(&self, value: f64) -> String {
        let most = self.low.abs().max(self.high.abs());
        if !(1e-6..1e18).contains(&most) {
            return exponent(value, 1);
        }
        if most < SHORTENED {
            return spaced(value, decimals(self.step));
        }
        if value == 0.0 {
            return "0".to_owned();
        }
        let (unit, letter) = unit(most);
        format!(
            "{}{letter}",
            spaced(value / unit, decimals(self.step / unit))
        )
    }
}

/// The next of 1, 2, 5, 10, 20, 50, ….
fn round_up(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let rest = step / power;
    let round = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|round| rest <= round * 1.000_001);
    round.unwrap_or(10.0) * power
}

/// Digits behind the point that tell multiples of a step apart.
fn decimals(step: f64) -> usize {
    (0..12)
        .find(|digits| {
            let scaled = step * 10_f64.powi(*digits);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.max(1e-9)
        })
        .unwrap_or(12) as usize
}

fn unit(most: f64) -> (f64, &'static str) {
    let mut units = UNITS.into_iter();
    units.find(|(unit, _)| most >= *unit).unwrap_or((1.0, ""))
}

/// With a comma between thousands.
fn spaced(value: f64, decimals: usize) -> String {
    let written = format!("{:.decimals$}", value.abs());
    let (whole, rest) = written
        .split_once('.')
        .map_or((written.as_str(), ""), |parts| parts);
    let digits = whole.len();
    let mut out = String::new();
    // What is rounded to nothing has no sign.
    if value < 0.0 && written.chars().any(|c| !matches!(c, '0' | '.')) {
        out.push('\u{2212}');
    }
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (digits - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out
}

fn without_zeros(written: String) -> String {
    if !written.contains('.') {
        return written;
    }
    written
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// With a power of ten, for what is far from anything that is counted.
fn exponent(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let written = format!("{value:.digits$e}");
    written.replacen('-', "\u{2212}", usize::from(value < 0.0))
}

/// A number as exactly as anybody wants to know it.
pub(super) fn full(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-6..1e15).contains(&size) {
        exponent(value, 3)
    } else if size >= 1.0 {
        without_zeros(spaced(value, 2))
    } else {
        let digits = (3.0 - size.log10().floor()).clamp(2.0, 10.0);
        without_zeros(spaced(value, digits as usize))
    }
}

/// A number in little room.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if !(SHORTENED * 10.0..1e15).contains(&size) {
        return full(value);
    }
    let (unit, letter) = unit(size);
    let scaled = value / unit;
    let decimals = match scaled.abs() {
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{}{letter}", without_zeros(spaced(scaled, decimals)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, expected) in [
            (0.0, "0"),
            (1_234_567.0, "1,234,567"),
            (-1234.5, "−1,234.5"),
            (0.123_456, "0.1235"),
            (12.0, "12"),
            (99.999, "100"),
            (1e20, "1.000e20"),
            (-1e-9, "−1.000e-9"),
        ] {
            assert_eq!(full(value), expected);
        }
        for (value, expected) in [
            (12_345.0, "12,345"),
            (1_234_567.0, "1.23M"),
            (-250_000.0, "−250k"),
            (3_000_000_000.0, "3B"),
        ] {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn axes_have_round_lines() {
        let said = |low, high| {
            let ticks = Ticks::around(low, high, 5);
            ticks
                .values()
                .map(|value| ticks.say(value))
                .collect::<Vec<_>>()
        };
        assert_eq!(said(0.0, 100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(said(0.0, 0.3), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(said(-3.0, 7.0), ["−4", "−2", "0", "2", "4", "6", "8"]);
        assert_eq!(
            said(0.0, 2_400_000.0),
            ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]
        );
        assert_eq!(said(0.0, 0.0).len(), 6);
        assert!(said(5.0, 5.0).len() > 2);
    }

    proptest! {
        #[test]
        fn every_value_lies_on_its_axis(low in -1e150..1e150_f64, high in -1e150..1e150_f64) {
            let ticks = Ticks::around(low, high, 6);
            prop_assert!(ticks.low <= low.min(high) && ticks.high >= low.max(high), "{:?}", ticks);
            let lines = ticks.values().count();
            prop_assert!((2..=12).contains(&lines), "{} lines", lines);
        }
    }
}
