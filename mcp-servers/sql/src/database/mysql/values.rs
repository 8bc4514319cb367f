//! What the columns of MySQL are called and how their values are shown.

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value};

use crate::database::rows::{begun, begun_bytes, real, whole};
use crate::database::{Cell, Head, Limits};

/// What the server calls characters that are none.
const BINARY: u16 = 63;

/// Decimals of a time that has as many as it needs.
const FLOATING: u8 = 31;

pub(super) fn head(column: &Column) -> Head {
    Head {
        name: column.name_str().into_owned(),
        kind: kind(column),
    }
}

/// The type of a column, as its definition would say it.
fn kind(column: &Column) -> String {
    let flags = column.flags();
    let binary = column.character_set() == BINARY;
    let name = match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY => "tinyint",
        ColumnType::MYSQL_TYPE_SHORT => "smallint",
        ColumnType::MYSQL_TYPE_INT24 => "mediumint",
        ColumnType::MYSQL_TYPE_LONG => "int",
        ColumnType::MYSQL_TYPE_LONGLONG => "bigint",
        ColumnType::MYSQL_TYPE_FLOAT => "float",
        ColumnType::MYSQL_TYPE_DOUBLE => "double",
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => "decimal",
        ColumnType::MYSQL_TYPE_NULL => "null",
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => "date",
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => "time",
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2 => "datetime",
        ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_TIMESTAMP2 => "timestamp",
        ColumnType::MYSQL_TYPE_YEAR => "year",
        ColumnType::MYSQL_TYPE_BIT => "bit",
        ColumnType::MYSQL_TYPE_JSON => "json",
        ColumnType::MYSQL_TYPE_GEOMETRY => "geometry",
        ColumnType::MYSQL_TYPE_ENUM => "enum",
        ColumnType::MYSQL_TYPE_SET => "set",
        _ if flags.contains(ColumnFlags::ENUM_FLAG) => "enum",
        _ if flags.contains(ColumnFlags::SET_FLAG) => "set",
        ColumnType::MYSQL_TYPE_STRING if binary => "binary",
        ColumnType::MYSQL_TYPE_STRING => "char",
        ColumnType::MYSQL_TYPE_VARCHAR | ColumnType::MYSQL_TYPE_VAR_STRING if binary => "varbinary",
        ColumnType::MYSQL_TYPE_VARCHAR | ColumnType::MYSQL_TYPE_VAR_STRING => "varchar",
        _ if binary => "blob",
        _ => "text",
    };
    let number = matches!(
        column.column_type(),
        ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_INT24
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_LONGLONG
    );
    if number && flags.contains(ColumnFlags::UNSIGNED_FLAG) {
        format!("{name} unsigned")
    } else {
        name.to_owned()
    }
}

/// How a value that may be large is cut by the server to so many characters; `None` where it
/// cannot be large.
pub(super) fn cut(column: &Column, name: &str, length: usize) -> Option<String> {
    match column.column_type() {
        ColumnType::MYSQL_TYPE_GEOMETRY => Some(format!("LEFT(ST_AsText({name}), {length})")),
        _ if may_be_large(column) => Some(format!("LEFT({name}, {length})")),
        _ => None,
    }
}

/// Whether a value can be as long as it likes.
pub(super) fn may_be_large(column: &Column) -> bool {
    matches!(
        column.column_type(),
        ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_JSON
            | ColumnType::MYSQL_TYPE_GEOMETRY
    )
}

pub(super) fn cell(value: Value, column: &Column, limits: &Limits) -> Cell {
    match value {
        Value::NULL => Cell::Null,
        Value::Int(number) => whole(number),
        Value::UInt(number) => natural(number),
        // As it is shown, and not with the digits that its half width makes up.
        Value::Float(number) => real(number.to_string().parse().unwrap_or_else(|_| number.into())),
        Value::Double(number) => real(number),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            if column.column_type() == ColumnType::MYSQL_TYPE_DATE {
                return date.into();
            }
            let fraction = fraction(micros, column.decimals());
            format!("{date} {hour:02}:{minute:02}:{second:02}{fraction}").into()
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let hours = days.saturating_mul(24).saturating_add(hours.into());
            let fraction = fraction(micros, column.decimals());
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}").into()
        }
        Value::Bytes(value) => match column.column_type() {
            ColumnType::MYSQL_TYPE_BIT => bits(&value),
            kind if column.character_set() == BINARY && is_text(kind) => {
                begun_bytes(&value, limits.cell_bytes)
            }
            _ => begun(&String::from_utf8_lossy(&value), limits.cell_bytes),
        },
    }
}

/// Whether what comes as bytes is a text where it has characters; decimals and documents of JSON
/// have none and are texts all the same.
fn is_text(kind: ColumnType) -> bool {
    !matches!(
        kind,
        ColumnType::MYSQL_TYPE_JSON
            | ColumnType::MYSQL_TYPE_DECIMAL
            | ColumnType::MYSQL_TYPE_NEWDECIMAL
    )
}

fn natural(number: u64) -> Cell {
    i64::try_from(number).map_or_else(|_| number.to_string().into(), whole)
}

/// A row of up to 64 bits as the number that it is.
fn bits(value: &[u8]) -> Cell {
    let number = value
        .iter()
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    natural(number)
}

fn fraction(micros: u32, decimals: u8) -> String {
    let digits = format!("{micros:06}");
    match decimals {
        0 => String::new(),
        FLOATING if micros == 0 => String::new(),
        _ => format!(".{}", digits.get(..decimals.into()).unwrap_or(&digits)),
    }
}
