//! What the values of a column of a Parquet file mean, and how they are told in SQLite.

use std::borrow::Cow;
use std::fmt::Write;

use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use ::parquet::data_type::{ByteArray, Decimal, Int96};
use ::parquet::record::Field;
use ::parquet::schema::types::ColumnDescriptor;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::database::files::types::{Kind, Value};

const SECOND: i128 = 1_000_000_000;

const DAY: i128 = 86_400 * SECOND;

/// Days from where Julius Scaliger's count begins to where Unix's does.
const JULIAN: i128 = 2_440_588;

/// What the values of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    /// What they are stored as.
    Plain(Physical),
    Unsigned,
    Date,
    /// Of this many nanoseconds each.
    Time(i64),
    /// Of this many nanoseconds each.
    Moment(i64),
    /// With this many digits after the point.
    Decimal(usize),
    Text,
    Json,
    Uuid,
    Half,
    Interval,
}

impl Leaf {
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        let physical = column.physical_type();
        let numeric = matches!(physical, Physical::INT32 | Physical::INT64);
        let scale = || usize::try_from(column.type_scale()).unwrap_or_default();
        let logical = match column.logical_type_ref() {
            Some(LogicalType::String | LogicalType::Enum) => Some(Self::Text),
            Some(LogicalType::Json) => Some(Self::Json),
            Some(LogicalType::Uuid) => Some(Self::Uuid),
            Some(LogicalType::Float16) => Some(Self::Half),
            Some(LogicalType::Decimal(_)) => Some(Self::Decimal(scale())),
            Some(LogicalType::Date) => Some(Self::Date),
            Some(LogicalType::Time(time)) => Some(Self::Time(nanos(&time.unit))),
            Some(LogicalType::Timestamp(time)) => Some(Self::Moment(nanos(&time.unit))),
            Some(LogicalType::Integer(integer)) if !integer.is_signed => Some(Self::Unsigned),
            Some(LogicalType::Integer(_)) => Some(Self::Plain(physical)),
            _ => None,
        };
        let converted = || match column.converted_type() {
            ConvertedType::UTF8 | ConvertedType::ENUM => Self::Text,
            ConvertedType::JSON => Self::Json,
            ConvertedType::INTERVAL => Self::Interval,
            ConvertedType::DECIMAL => Self::Decimal(scale()),
            ConvertedType::DATE => Self::Date,
            ConvertedType::TIME_MILLIS => Self::Time(1_000_000),
            ConvertedType::TIME_MICROS => Self::Time(1_000),
            ConvertedType::TIMESTAMP_MILLIS => Self::Moment(1_000_000),
            ConvertedType::TIMESTAMP_MICROS => Self::Moment(1_000),
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Self::Unsigned,
            _ => Self::Plain(physical),
        };
        match logical.unwrap_or_else(converted) {
            // What does not fit how it is stored, is what is stored.
            Self::Date | Self::Time(_) | Self::Moment(_) | Self::Unsigned if !numeric => {
                Self::Plain(physical)
            }
            Self::Text | Self::Json | Self::Uuid | Self::Half | Self::Interval if numeric => {
                Self::Plain(physical)
            }
            leaf => leaf,
        }
    }

    /// What the column is, where that does not depend on its values.
    pub(super) fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::Unsigned | Self::Decimal(_) => return None,
            Self::Date => Kind::Date,
            Self::Time(_) => Kind::Time,
            Self::Moment(_) | Self::Plain(Physical::INT96) => Kind::Timestamp,
            Self::Json => Kind::Json,
            Self::Text | Self::Uuid | Self::Interval => Kind::Text,
            Self::Half | Self::Plain(Physical::FLOAT | Physical::DOUBLE) => Kind::Real,
            Self::Plain(Physical::BOOLEAN) => Kind::Boolean,
            Self::Plain(Physical::INT32 | Physical::INT64) => Kind::Integer,
            Self::Plain(Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) => Kind::Blob,
        })
    }

    pub(super) fn short(self, number: i32) -> Value<'static> {
        match self {
            Self::Unsigned => Value::Integer(i64::from(number.cast_unsigned())),
            _ => self.long(i64::from(number)),
        }
    }

    pub(super) fn long(self, number: i64) -> Value<'static> {
        let unit = |unit: i64| i128::from(number).saturating_mul(i128::from(unit));
        match self {
            Self::Unsigned => match number {
                0.. => Value::Integer(number),
                _ => Value::Number(Cow::Owned(number.cast_unsigned().to_string())),
            },
            Self::Date => day(number).map_or(Value::Integer(number), text),
            Self::Time(nanos) => time(unit(nanos)).map_or(Value::Integer(number), text),
            Self::Moment(nanos) => moment(unit(nanos)).map_or(Value::Integer(number), text),
            Self::Decimal(scale) => decimal(number.to_string(), scale),
            _ => Value::Integer(number),
        }
    }

    pub(super) fn bytes(self, bytes: &ByteArray) -> Value<'_> {
        let data = bytes.data();
        let told = std::str::from_utf8(data).ok().map(Cow::Borrowed);
        let told = match self {
            Self::Text => told.map(Value::Text),
            Self::Json => told.map(Value::Json),
            Self::Decimal(scale) => Some(decimal(digits(bytes), scale)),
            Self::Uuid => uuid(data).map(text),
            Self::Half => half(data).map(Value::Real),
            Self::Interval => interval(data).map(text),
            _ => None,
        };
        told.unwrap_or(Value::Blob(Cow::Borrowed(data)))
    }
}

/// A number of 32 bits with the few digits that tell it, not with all those of 64 bits.
pub(super) fn float(number: f32) -> Value<'static> {
    let told = number.to_string();
    Value::Real(told.parse().unwrap_or_else(|_| f64::from(number)))
}

/// A moment as it was once stored: nanoseconds of a day, and the day.
pub(super) fn julian(moment_: Int96) -> Value<'static> {
    let [low, high, day] = *moment_.data() else {
        return Value::Null;
    };
    let nanos = i128::from(u64::from(high) << 32 | u64::from(low));
    let days = i128::from(day.cast_signed()).saturating_sub(JULIAN);
    let nanos = days.saturating_mul(DAY).saturating_add(nanos);
    moment(nanos).map_or_else(|| text(nanos.to_string()), text)
}

fn text(text: String) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}

fn nanos(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000_000,
        TimeUnit::MICROS => 1_000,
        TimeUnit::NANOS => 1,
    }
}

pub(super) fn day(days: i64) -> Option<String> {
    let nanos = i128::from(days).checked_mul(DAY)?;
    let moment = Timestamp::from_nanosecond(nanos).ok()?;
    let at = Offset::UTC.to_datetime(moment);
    (at.year() >= 0).then(|| format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()))
}

pub(super) fn moment(nanos: i128) -> Option<String> {
    let moment = Timestamp::from_nanosecond(nanos).ok()?;
    let at = Offset::UTC.to_datetime(moment);
    if at.year() < 0 {
        return None;
    }
    let (year, month, day) = (at.year(), at.month(), at.day());
    let mut text = format!("{year:04}-{month:02}-{day:02} ");
    text.push_str(&time(nanos.rem_euclid(DAY))?);
    Some(text)
}

/// A time of a day; only as many digits of a second as there are.
pub(super) fn time(nanos: i128) -> Option<String> {
    if !(0..DAY).contains(&nanos) {
        return None;
    }
    let (seconds, nanos) = (nanos / SECOND, nanos % SECOND);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if nanos > 0 {
        let fraction = format!("{nanos:09}");
        let _ = write!(text, ".{}", fraction.trim_end_matches('0'));
    }
    Some(text)
}

/// A decimal out of its digits.
fn decimal(digits: String, scale: usize) -> Value<'static> {
    if scale == 0 {
        return Value::Number(Cow::Owned(digits));
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let padded = format!("{digits:0>width$}", width = scale.saturating_add(1));
    let (before, after) = padded.split_at(padded.len().saturating_sub(scale));
    Value::Number(Cow::Owned(format!("{sign}{before}.{after}")))
}

/// The digits of a whole number of any length.
fn digits(bytes: &ByteArray) -> String {
    let data = bytes.data();
    let negative = data.first().is_some_and(|first| *first >= 0x80);
    if data.len() <= 16 {
        let mut whole = if negative { [0xFF; 16] } else { [0; 16] };
        let free = whole.len().saturating_sub(data.len());
        if let Some(place) = whole.get_mut(free..) {
            place.copy_from_slice(data);
        }
        return i128::from_be_bytes(whole).to_string();
    }
    let precision = i32::try_from(data.len().saturating_mul(3)).unwrap_or(i32::MAX);
    let field = Field::Decimal(Decimal::from_bytes(bytes.clone(), precision, 0));
    field.to_string().trim_end_matches('.').to_owned()
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let (a, rest) = digits.split_at_checked(8)?;
    let (b, rest) = rest.split_at_checked(4)?;
    let (c, rest) = rest.split_at_checked(4)?;
    let (d, e) = rest.split_at_checked(4)?;
    Some(format!("{a}-{b}-{c}-{d}-{e}"))
}

/// A number of 16 bits.
fn half(bytes: &[u8]) -> Option<f64> {
    let bits = u16::from_le_bytes(bytes.try_into().ok()?);
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (bits >> 10 & 0x1F, f64::from(bits & 0x3FF) / 1_024.0);
    Some(match exponent {
        0 => sign * fraction * 2_f64.powi(-14),
        0x1F if fraction == 0.0 => sign * f64::INFINITY,
        0x1F => f64::NAN,
        _ => sign * (1.0 + fraction) * 2_f64.powi(i32::from(exponent).saturating_sub(15)),
    })
}

/// A length of time in months, days and milliseconds, which are kept apart.
fn interval(bytes: &[u8]) -> Option<String> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes else {
        return None;
    };
    let months = u32::from_le_bytes([a, b, c, d]);
    let days = u32::from_le_bytes([e, f, g, h]);
    let millis = u32::from_le_bytes([i, j, k, l]);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    Some(format!("P{months}M{days}DT{seconds}.{millis:03}S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: &str) -> Value<'static> {
        Value::Number(Cow::Owned(digits.to_owned()))
    }

    #[test]
    fn decimals_keep_their_digits() {
        let leaf = Leaf::Decimal(2);
        assert_eq!(leaf.long(12_345), number("123.45"));
        assert_eq!(leaf.long(-5), number("-0.05"));
        assert_eq!(Leaf::Decimal(0).long(7), number("7"));
        let bytes = |number: i128| ByteArray::from(number.to_be_bytes().to_vec());
        assert_eq!(leaf.bytes(&bytes(-250)), number("-2.50"));
        assert_eq!(
            leaf.bytes(&ByteArray::from(vec![0xFF, 0x06])),
            number("-2.50")
        );
        // 2 to the power of 136.
        let mut long = vec![0; 18];
        long[0] = 1;
        let power = "87112285931760246646623899502532662132736";
        assert_eq!(
            Leaf::Decimal(0).bytes(&ByteArray::from(long)),
            number(power)
        );
    }

    #[test]
    fn moments_are_in_iso_form() {
        assert_eq!(day(19_782).as_deref(), Some("2024-02-29"));
        assert_eq!(day(-719_528).as_deref(), Some("0000-01-01"));
        assert_eq!(day(i64::MAX), None);
        assert_eq!(moment(-1).as_deref(), Some("1969-12-31 23:59:59.999999999"));
        assert_eq!(moment(0).as_deref(), Some("1970-01-01 00:00:00"));
        assert_eq!(time(DAY), None);
        let leaf = Leaf::Moment(1_000);
        assert_eq!(
            leaf.long(1_500_000),
            text("1970-01-01 00:00:01.5".to_owned())
        );
        assert_eq!(leaf.long(i64::MAX), Value::Integer(i64::MAX));
        let mut old = Int96::new();
        old.set_data(1, 0, 2_440_589);
        assert_eq!(
            julian(old),
            text("1970-01-02 00:00:00.000000001".to_owned())
        );
    }

    #[test]
    fn small_kinds_are_told() {
        assert_eq!(float(0.1), Value::Real(0.1));
        assert_eq!(half(&[0x00, 0x3C]), Some(1.0));
        assert_eq!(half(&[0x01, 0x00]), Some(2_f64.powi(-24)));
        assert_eq!(half(&[0x00, 0xFC]), Some(f64::NEG_INFINITY));
        assert_eq!(
            uuid(&[0x12; 16]).as_deref(),
            Some("12121212-1212-1212-1212-121212121212")
        );
        let interval = interval(&[1, 0, 0, 0, 2, 0, 0, 0, 0xDC, 5, 0, 0]);
        assert_eq!(interval.as_deref(), Some("P1M2DT1.500S"));
        assert_eq!(Leaf::Unsigned.short(-1), Value::Integer(4_294_967_295));
        assert_eq!(Leaf::Unsigned.long(-1), number("18446744073709551615"));
    }
}
