//! How values of PostgreSQL are shown.

use tokio_postgres::{Error, Row};

use crate::database::rows::{begun, real, whole};
use crate::database::{Cell, Head, Limits};

/// How a value of a type is asked for: as it is, or as a text of no more than so many characters.
pub(super) fn cut(kind: &str, value: &str, length: usize) -> String {
    match kind {
        "int2" | "int4" | "int8" | "float4" | "float8" | "bool" => value.to_owned(),
        // Cut before it is written in digits, of which there may be more than a text can hold.
        "bytea" => format!("'\\x' || encode(substring({value} FOR {length}), 'hex')"),
        _ => format!("left({value}::text, {length})"),
    }
}

pub(super) fn cell(row: &Row, place: usize, head: &Head, limits: &Limits) -> Result<Cell, Error> {
    fn or_null<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Null, cell)
    }
    Ok(match head.kind.as_str() {
        "int2" => or_null(row.try_get::<_, Option<i16>>(place)?, |number| {
            whole(number.into())
        }),
        "int4" => or_null(row.try_get::<_, Option<i32>>(place)?, |number| {
            whole(number.into())
        }),
        "int8" => or_null(row.try_get::<_, Option<i64>>(place)?, whole),
        "float4" => or_null(row.try_get::<_, Option<f32>>(place)?, |number| {
            // As it is shown, and not with the digits that its half width makes up.
            real(number.to_string().parse().unwrap_or_else(|_| number.into()))
        }),
        "float8" => or_null(row.try_get::<_, Option<f64>>(place)?, real),
        "bool" => or_null(row.try_get::<_, Option<bool>>(place)?, Cell::Bool),
        _ => or_null(row.try_get::<_, Option<String>>(place)?, |value| {
            begun(&value, limits.cell_bytes)
        }),
    })
}
