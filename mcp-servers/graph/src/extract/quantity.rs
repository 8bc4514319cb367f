//! Numbers with units: `12 km`, `$3.5 million`, `45 %`.

use super::token::{Shape, Text};

/// A number with its unit, as words from and to (both included).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quantity {
    pub(super) first: usize,
    pub(super) last: usize,
    /// Value, scale and unit in one form: `3.5 million dollars`.
    pub(super) form: String,
}

/// Units as they are written, and the one form of each.
const UNITS: &[(&str, &[&str])] = &[
    ("percent", &["%", "percent", "pct"]),
    (
        "km",
        &["km", "kilometre", "kilometres", "kilometer", "kilometers"],
    ),
    ("m", &["m", "metre", "metres", "meter", "meters"]),
    ("cm", &["cm", "centimetre", "centimetres", "centimeters"]),
    ("mm", &["mm", "millimetre", "millimetres", "millimeters"]),
    ("nm", &["nm", "nanometres", "nanometers"]),
    ("miles", &["mi", "mile", "miles"]),
    ("feet", &["ft", "foot", "feet"]),
    ("inches", &["inch", "inches"]),
    ("hectares", &["ha", "hectare", "hectares"]),
    ("acres", &["acre", "acres"]),
    ("kg", &["kg", "kilogram", "kilograms"]),
    ("g", &["g", "gram", "grams"]),
    ("mg", &["mg", "milligram", "milligrams"]),
    ("tonnes", &["tonne", "tonnes", "ton", "tons"]),
    ("pounds", &["lb", "lbs", "pound", "pounds", "£"]),
    ("l", &["l", "litre", "litres", "liter", "liters"]),
    ("ml", &["ml", "mL"]),
    ("celsius", &["°C", "celsius"]),
    ("fahrenheit", &["°F", "fahrenheit"]),
    ("degrees", &["°", "degrees"]),
    ("hz", &["Hz"]),
    ("khz", &["kHz"]),
    ("mhz", &["MHz"]),
    ("ghz", &["GHz"]),
    ("watts", &["W", "watt", "watts"]),
    ("kilowatts", &["kW", "kilowatts"]),
    ("megawatts", &["MW", "megawatts"]),
    ("volts", &["V", "volt", "volts"]),
    ("kb", &["KB", "kB", "KiB"]),
    ("mb", &["MB", "MiB", "megabytes"]),
    ("gb", &["GB", "GiB", "gigabytes"]),
    ("tb", &["TB", "TiB", "terabytes"]),
    ("dollars", &["$", "USD", "dollar", "dollars"]),
    ("euros", &["€", "EUR", "euro", "euros"]),
    ("yen", &["¥", "JPY", "yen"]),
    ("years", &["year", "years"]),
    ("months", &["month", "months"]),
    ("weeks", &["week", "weeks"]),
    ("days", &["day", "days"]),
    ("hours", &["hour", "hours"]),
    ("minutes", &["min", "minute", "minutes"]),
    ("seconds", &["s", "sec", "second", "seconds"]),
    ("ms", &["ms", "milliseconds"]),
];

const SCALES: &[&str] = &["hundred", "thousand", "million", "billion", "trillion"];

/// The quantities in a text, in order.
pub(super) fn quantities(text: &Text<'_>) -> Vec<Quantity> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match at_number(text, at) {
            Some(quantity) => {
                at = quantity.last + 1;
                found.push(quantity);
            }
            None => at += 1,
        }
    }
    found
}

fn at_number(text: &Text<'_>, at: usize) -> Option<Quantity> {
    let number = text
        .token(at)
        .filter(|token| token.shape == Shape::Number)?;
    let word = text.word(at);
    let digits = word.trim_end_matches(|c: char| c.is_alphabetic());
    let tail = word.get(digits.len()..)?;
    let value = digits.replace(',', "");
    if value.len() > 20 || value.parse::<f64>().is_err() {
        return None;
    }
    let before = at.checked_sub(1).filter(|_| {
        number.glued
            || text
                .token(at - 1)
                .is_some_and(|t| t.shape == Shape::Mark('$'))
    });
    let currency = before
        .and_then(|at| unit(text.word(at)))
        .filter(|unit| ["dollars", "pounds", "euros", "yen"].contains(unit));
    let first = if currency.is_some() {
        at.saturating_sub(1)
    } else {
        at
    };
    let mut last = at;
    let mut form = value;
    if !tail.is_empty() {
        // `1990s`
        if tail == "s" {
            return None;
        }
        form = format!("{form} {}", unit(tail)?);
        return Some(Quantity { first, last, form });
    }
    let same_line = |at: usize| text.token(at).is_some_and(|token| !token.line);
    if same_line(last + 1) {
        let scale = text.lower(last + 1);
        if SCALES.contains(&scale.as_str()) {
            form = format!("{form} {scale}");
            last += 1;
        }
    }
    if let Some(currency) = currency {
        return Some(Quantity {
            first,
            last,
            form: format!("{form} {currency}"),
        });
    }
    if !same_line(last + 1) {
        return None;
    }
    if text.is_mark(last + 1, '°') && ["C", "F"].contains(&text.word(last + 2)) {
        let unit = unit(text.slice(last + 1, last + 2))?;
        return Some(Quantity {
            first,
            last: last + 2,
            form: format!("{form} {unit}"),
        });
    }
    // `2-year` and `2 years` are one.
    let next = last
        + 1
        + usize::from(
            text.is_mark(last + 1, '-') && text.token(last + 2).is_some_and(|token| token.glued),
        );
    let unit = unit(text.word(next))?;
    // One letter after a number is an initial or a label as often as a unit.
    (text.word(next).len() > 1
        || text.is_mark(next, '%')
        || ["m", "g", "l"].contains(&text.word(next)))
    .then(|| Quantity {
        first,
        last: next,
        form: format!("{form} {unit}"),
    })
}

fn unit(word: &str) -> Option<&'static str> {
    UNITS
        .iter()
        .find(|(_, written)| written.contains(&word))
        .map(|(unit, _)| *unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, String)> {
        let text = Text::of(text);
        quantities(&text)
            .into_iter()
            .map(|one| (text.slice(one.first, one.last).to_owned(), one.form))
            .collect()
    }

    #[test]
    fn quantities_have_one_form() {
        let one = |text: &str| {
            of(text)
                .into_iter()
                .map(|(_, form)| form)
                .collect::<Vec<_>>()
        };
        assert_eq!(one("12 km, 12km and 12 kilometres"), ["12 km"; 3]);
        assert_eq!(
            one("$3.5 million or 45 % or 1,200 dollars"),
            ["3.5 million dollars", "45 percent", "1200 dollars"]
        );
        assert_eq!(one("a 2-year lease at 20 °C"), ["2 years", "20 celsius"]);
        assert_eq!(of("paid $3.5 million")[0].0, "$3.5 million");
    }

    #[test]
    fn numbers_without_a_unit_are_none() {
        assert_eq!(
            of("31 February, the 1950s, 12 men, 1.2.3 km, 7 W. Smith"),
            []
        );
    }
}
