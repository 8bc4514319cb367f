//! What a value of an answer is: a number, a moment, or a text.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Timestamp, civil};

use crate::database::Cell;

/// Beyond it the arithmetic of axes would overflow.
const LARGEST: f64 = 1e150;

/// Letters of a label that are kept at all.
const LONGEST_LABEL: usize = 200;

/// A value as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    /// A number to draw.
    Number(f64),
    /// A number that has no place on an axis.
    Odd,
    /// None at all.
    Other,
}

/// Reads a number; decimals and large whole numbers come as texts.
pub(super) fn number(cell: &Cell) -> Reading {
    match cell {
        Cell::Number(number) => number.as_f64().map_or(Reading::Odd, bounded),
        Cell::String(text) => number_in(text),
        _ => Reading::Other,
    }
}

fn bounded(number: f64) -> Reading {
    if number.abs() <= LARGEST {
        // There is a negative zero, and nobody wants to see it.
        Reading::Number(if number == 0.0 { 0.0 } else { number })
    } else {
        Reading::Odd
    }
}

fn number_in(text: &str) -> Reading {
    let bare = text.trim_start_matches(['+', '-']);
    if ["nan", "inf", "infinity"]
        .iter()
        .any(|odd| bare.eq_ignore_ascii_case(odd))
    {
        return Reading::Odd;
    }
    let written = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let mut digits = bare.chars();
    // Digits after a zero are a code: nobody writes a number like that.
    let coded = digits.next() == Some('0') && digits.next().is_some_and(|c| c.is_ascii_digit());
    if coded || !bare.chars().all(written) {
        return Reading::Other;
    }
    text.parse().map_or(Reading::Other, bounded)
}

/// How finely a column tells the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grain {
    Year,
    Month,
    Day,
    Second,
}

/// The seconds since 1970 of an ISO date or timestamp.
pub(super) fn moment(text: &str) -> Option<(f64, Grain)> {
    let text = text.trim();
    let dated = text.as_bytes().get(4) == Some(&b'-') && text.len() <= 40;
    if !dated || !text.is_ascii() {
        return None;
    }
    if text.len() == 7 {
        let (year, month) = text.split_once('-')?;
        let date = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        return Some((seconds(date.into())?, Grain::Month));
    }
    if text.len() == 10 {
        let date: Date = text.parse().ok()?;
        return Some((seconds(date.into())?, Grain::Day));
    }
    let (date, time) = text.split_at_checked(10)?;
    if !time.starts_with([' ', 'T', 't']) || date.contains(' ') {
        return None;
    }
    let second = if time.contains(['Z', 'z', '+', '-']) {
        let at: Timestamp = text.parse().ok()?;
        at.as_duration().as_secs_f64()
    } else {
        let at: DateTime = text.parse().ok()?;
        seconds(at)?
    };
    let grain = if second.rem_euclid(86_400.0) == 0.0 {
        Grain::Day
    } else {
        Grain::Second
    };
    Some((second, grain))
}

/// The first second of a year.
pub(super) fn year(year: f64) -> Option<f64> {
    if year.fract() != 0.0 || !(1000.0..3000.0).contains(&year) {
        return None;
    }
    seconds(Date::new(year as i16, 1, 1).ok()?.into())
}

/// The second at which the clock shows this.
pub(super) fn seconds(at: DateTime) -> Option<f64> {
    let stamp = Offset::UTC.to_timestamp(at).ok()?;
    Some(stamp.as_duration().as_secs_f64())
}

/// What the clock shows at a second.
pub(super) fn clock(second: f64) -> DateTime {
    let stamp = Timestamp::from_millisecond((second * 1000.0).round() as i64);
    stamp.map_or(civil::date(1970, 1, 1).into(), |stamp| {
        Offset::UTC.to_datetime(stamp)
    })
}

/// A value as a label.
pub(super) fn label(cell: &Cell) -> String {
    let label = match cell {
        Cell::Null => return "(none)".to_owned(),
        Cell::String(text) => one_line(text, LONGEST_LABEL),
        other => one_line(&other.to_string(), LONGEST_LABEL),
    };
    if label.is_empty() {
        "(empty)".to_owned()
    } else {
        label
    }
}

/// A text on one line of at most so many letters, without what cannot be seen in it.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || ropewalk_ink::is_unseen(c)) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > most.saturating_mul(8) {
            break;
        }
    }
    ropewalk_ink::cut(&line, most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_in_many_forms() {
        for (cell, expected) in [
            (json!(1), Reading::Number(1.0)),
            (json!("2.50"), Reading::Number(2.5)),
            (
                json!("9007199254740993"),
                Reading::Number(9_007_199_254_740_992.0),
            ),
            (json!("-1e3"), Reading::Number(-1000.0)),
            (json!("NaN"), Reading::Odd),
            (json!("-inf"), Reading::Odd),
            (json!("1e300"), Reading::Odd),
            (json!("007"), Reading::Other),
            (json!("0.5"), Reading::Number(0.5)),
            (json!("infant"), Reading::Other),
            (json!(""), Reading::Other),
            (json!(null), Reading::Other),
            (json!(true), Reading::Other),
        ] {
            assert_eq!(number(&cell), expected, "{cell}");
        }
    }

    #[test]
    fn moments_are_iso() {
        for (text, expected) in [
            ("1970-01-02", Some((86_400.0, Grain::Day))),
            ("1970-02", Some((31.0 * 86_400.0, Grain::Month))),
            ("1970-01-01 00:00:01.5", Some((1.5, Grain::Second))),
            ("1970-01-01T01:00:00Z", Some((3600.0, Grain::Second))),
            ("1970-01-01 01:00:00+01", Some((0.0, Grain::Day))),
            ("1970-01-01 01:00:00+01:00", Some((0.0, Grain::Day))),
            ("1970-13-01", None),
            ("1970-01-01x", None),
            ("12:30:00", None),
            ("2024-Q1", None),
            ("", None),
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        assert_eq!(clock(86_400.0).to_string(), "1970-01-02T00:00:00");
    }
}
