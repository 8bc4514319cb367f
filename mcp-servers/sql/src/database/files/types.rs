//! What values are, and what columns are once all their values were seen.
//!
//! A type is given to a column only where every value of it fits, and where nothing of any value is
//! lost by it: `00123` is no number, nor is a number with more digits than SQLite keeps.

mod numbers;
mod times;

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};

pub(super) use numbers::{real, whole};
pub(super) use times::{date, time, timestamp};

/// Largest whole number up to which every whole number is a real one as well.
const MAX_EXACT: u64 = 1 << 53;

/// A value, as its file gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    /// A number in digits.
    Number(Cow<'a, str>),
    /// Text that may be meant as something else: the file knows no types.
    Written(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// Nested values, as JSON.
    Json(Cow<'a, str>),
    Blob(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The same, for longer than its row.
    pub(super) fn owned(&self) -> Value<'static> {
        let text = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        match self {
            Self::Null => Value::Null,
            Self::Boolean(truth) => Value::Boolean(*truth),
            Self::Integer(number) => Value::Integer(*number),
            Self::Real(number) => Value::Real(*number),
            Self::Number(digits) => Value::Number(text(digits)),
            Self::Written(written) => Value::Written(text(written)),
            Self::Text(told) => Value::Text(text(told)),
            Self::Json(json) => Value::Json(text(json)),
            Self::Blob(bytes) => Value::Blob(Cow::Owned(bytes.clone().into_owned())),
        }
    }

    /// The same, not copied.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Number(digits) => Value::Number(Cow::Borrowed(digits)),
            Self::Written(written) => Value::Written(Cow::Borrowed(written)),
            Self::Text(told) => Value::Text(Cow::Borrowed(told)),
            Self::Json(json) => Value::Json(Cow::Borrowed(json)),
            Self::Blob(bytes) => Value::Blob(Cow::Borrowed(bytes)),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Real(_) => self.owned(),
        }
    }

    /// As people would write it.
    pub(super) fn told(&self) -> Cow<'_, str> {
        match self {
            Self::Null | Self::Blob(_) => Cow::Borrowed(""),
            Self::Boolean(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            // Without a row of zeros where it is very large or very small.
            Self::Real(number) => Cow::Owned(format!("{number:?}")),
            Self::Number(told) | Self::Written(told) | Self::Text(told) | Self::Json(told) => {
                Cow::Borrowed(told)
            }
        }
    }
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Real,
    Date,
    Time,
    Timestamp,
    Json,
    Text,
    Blob,
}

/// From the narrowest to the widest: the first that fits is taken.
const KINDS: [Kind; 9] = [
    Kind::Boolean,
    Kind::Integer,
    Kind::Real,
    Kind::Date,
    Kind::Time,
    Kind::Timestamp,
    Kind::Json,
    Kind::Text,
    Kind::Blob,
];

impl Kind {
    /// As it is declared. `TEXT` is in the names of what is kept as text, because SQLite would
    /// compare a column declared `DATE` with `'2024'` as with a number.
    pub(super) fn declared(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Date => "DATE TEXT",
            Self::Time => "TIME TEXT",
            Self::Timestamp => "TIMESTAMP TEXT",
            Self::Json => "JSON TEXT",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What the values of a column have been so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    fits: u16,
    any: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            fits: u16::MAX,
            any: false,
        }
    }
}

impl Seen {
    pub(super) fn see(&mut self, value: &Value<'_>) {
        if matches!(value, Value::Null) {
            return;
        }
        self.any = true;
        // Most columns are one kind from their first row on: no need to look at more than that.
        let only_text = Kind::Text.bit() | Kind::Blob.bit();
        let blob = matches!(value, Value::Blob(_));
        if self.fits != only_text || blob {
            self.fits &= fits(value);
        }
    }

    /// Whether there was any value.
    pub(super) fn any(self) -> bool {
        self.any
    }

    pub(super) fn kind(self) -> Kind {
        if !self.any {
            return Kind::Text;
        }
        let mut kinds = KINDS.into_iter();
        let fitting = kinds.find(|kind| self.fits & kind.bit() != 0);
        fitting.unwrap_or(Kind::Blob)
    }

    /// Whether a value would leave the kind as it is.
    pub(super) fn takes(self, value: &Value<'_>) -> bool {
        fits(value) & self.kind().bit() != 0
    }
}

fn fits(value: &Value<'_>) -> u16 {
    // A blob is kept among texts as it is, in a column without a type.
    let text = Kind::Text.bit() | Kind::Blob.bit();
    match value {
        Value::Null => u16::MAX,
        Value::Boolean(_) => Kind::Boolean.bit() | text,
        Value::Integer(number) => whole_bits(*number) | text,
        Value::Real(_) => Kind::Real.bit() | text,
        Value::Number(digits) => number_bits(digits, true) | text,
        Value::Written(written) => written_bits(written) | text,
        Value::Text(told) => time_bits(told) | text,
        Value::Json(_) => Kind::Json.bit() | text,
        Value::Blob(_) => Kind::Blob.bit(),
    }
}

fn whole_bits(number: i64) -> u16 {
    if number.unsigned_abs() <= MAX_EXACT {
        Kind::Integer.bit() | Kind::Real.bit()
    } else {
        Kind::Integer.bit()
    }
}

fn number_bits(digits: &str, sure: bool) -> u16 {
    if let Some(number) = whole(digits) {
        return whole_bits(number);
    }
    match real(digits, sure) {
        Some(_) => Kind::Real.bit(),
        None => 0,
    }
}

fn written_bits(written: &str) -> u16 {
    let word = trimmed(written);
    match word.as_bytes().first() {
        Some(b'0'..=b'9' | b'-' | b'.') => match number_bits(word, false) {
            0 => time_bits(written),
            bits => bits,
        },
        Some(b't' | b'T' | b'f' | b'F') if truth(word).is_some() => Kind::Boolean.bit(),
        _ => 0,
    }
}

fn time_bits(text: &str) -> u16 {
    // A day without a time among days with one is the day's beginning.
    if date(text) {
        Kind::Date.bit() | Kind::Timestamp.bit()
    } else if timestamp(text) {
        Kind::Timestamp.bit()
    } else if time(text) {
        Kind::Time.bit()
    } else {
        0
    }
}

/// Blanks around a number or a truth are nobody's data.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn truth(word: &str) -> Option<bool> {
    match word {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A value as a column of a kind keeps it; `None` where it is not of that kind.
pub(super) fn kept<'v>(value: &'v Value<'_>, kind: Kind) -> Option<ToSqlOutput<'v>> {
    let integer = |number| ToSqlOutput::Owned(Owned::Integer(number));
    let number = |number| ToSqlOutput::Owned(Owned::Real(number));
    match (kind, value) {
        (_, Value::Null) => Some(ToSqlOutput::Owned(Owned::Null)),
        (Kind::Boolean, Value::Boolean(truth)) => Some(integer(i64::from(*truth))),
        (Kind::Boolean, Value::Written(word)) => {
            truth(trimmed(word)).map(|truth| integer(i64::from(truth)))
        }
        (Kind::Integer, Value::Integer(number)) => Some(integer(*number)),
        (Kind::Integer, Value::Number(digits)) => whole(digits).map(integer),
        (Kind::Integer, Value::Written(digits)) => whole(trimmed(digits)).map(integer),
        (Kind::Real, Value::Real(real)) => Some(number(*real)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "no column is real where that lost something"
        )]
        (Kind::Real, Value::Integer(whole)) => Some(number(*whole as f64)),
        (Kind::Real, Value::Number(digits)) => real(digits, true).map(number),
        (Kind::Real, Value::Written(digits)) => real(trimmed(digits), true).map(number),
        (Kind::Boolean | Kind::Integer | Kind::Real, _) => None,
        (_, Value::Blob(bytes)) => Some(ToSqlOutput::Borrowed(ValueRef::Blob(bytes))),
        (_, other) => Some(match other.told() {
            Cow::Borrowed(told) => ToSqlOutput::Borrowed(ValueRef::Text(told.as_bytes())),
            Cow::Owned(told) => ToSqlOutput::Owned(Owned::Text(told)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str]) -> Kind {
        let mut seen = Seen::default();
        for value in values {
            seen.see(&Value::Written((*value).into()));
        }
        seen.kind()
    }

    #[test]
    fn a_column_is_what_all_its_values_are() {
        assert_eq!(kind(&[]), Kind::Text);
        assert_eq!(
            kind(&["1", "-2", " 3 ", "9223372036854775807"]),
            Kind::Integer
        );
        assert_eq!(kind(&["1", "9223372036854775808"]), Kind::Text);
        assert_eq!(kind(&["1", "2.5", ".5", "1.5e-7", "1e+16"]), Kind::Real);
        assert_eq!(kind(&["2.5", "9007199254740993"]), Kind::Text);
        assert_eq!(kind(&["00123", "1"]), Kind::Text);
        assert_eq!(kind(&["1", "NA"]), Kind::Text);
        assert_eq!(kind(&["+1"]), Kind::Text);
        assert_eq!(kind(&["1E5", "2E7"]), Kind::Text);
        assert_eq!(kind(&["NaN", "1.5"]), Kind::Text);
        assert_eq!(kind(&["true", "FALSE"]), Kind::Boolean);
        assert_eq!(kind(&["true", "1"]), Kind::Text);
        assert_eq!(kind(&["2024-02-29"]), Kind::Date);
        assert_eq!(kind(&["2023-02-29"]), Kind::Text);
        assert_eq!(
            kind(&["2024-02-29", "2024-02-29T12:00:00Z"]),
            Kind::Timestamp
        );
        assert_eq!(kind(&["12:30", "23:59:59.5"]), Kind::Time);
        assert_eq!(kind(&["2024-02-29", "12:30"]), Kind::Text);
    }

    #[test]
    fn a_text_for_certain_is_no_number() {
        let mut seen = Seen::default();
        seen.see(&Value::Text("12".into()));
        assert_eq!(seen.kind(), Kind::Text);
        let mut seen = Seen::default();
        seen.see(&Value::Number("1E5".into()));
        assert_eq!(seen.kind(), Kind::Real);
    }

    #[test]
    fn values_of_other_kinds_are_not_kept_as_if_they_were_of_this() {
        let word = Value::Written("1x".into());
        assert_eq!(kept(&word, Kind::Integer), None);
        let text = |text: &'static str| Some(ToSqlOutput::from(text));
        assert_eq!(kept(&word, Kind::Text), text("1x"));
        let real = Value::Real(1e300);
        assert_eq!(
            kept(&real, Kind::Text),
            Some(ToSqlOutput::Owned(Owned::Text("1e300".to_owned())))
        );
    }
}
