//! How a dialect says what is meant.

use super::meant::Meant;
use crate::dialect::Dialect;

/// What is meant, in a dialect; `None` where it has no words for it, or has it as it is.
pub(super) fn by(meant: &Meant, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Sqlite => by_sqlite(meant),
        Dialect::Postgres => by_postgres(meant),
        Dialect::Mysql => by_mysql(meant),
    }
}

fn case(condition: &str, one: &str, other: &str) -> String {
    format!("CASE WHEN {condition} THEN {one} ELSE {other} END")
}

fn like(text: &str, pattern: &str, negated: bool) -> String {
    let not = if negated { "NOT " } else { "" };
    format!("{text} {not}LIKE {pattern}")
}

/// How the beginning of a span is written.
fn start(part: &str) -> Option<&'static str> {
    match part {
        "year" => Some("%Y-01-01"),
        "month" => Some("%Y-%m-01"),
        "day" => Some("%Y-%m-%d"),
        _ => None,
    }
}

/// The first word of a type, in small letters.
fn word(kind: &str) -> String {
    let word = kind.split(|letter: char| !letter.is_alphanumeric()).next();
    word.unwrap_or_default().to_lowercase()
}

fn by_sqlite(meant: &Meant) -> Option<String> {
    Some(match meant {
        Meant::Part(part, date) => {
            let mark = match part.as_str() {
                "year" => "%Y",
                "month" => "%m",
                "day" => "%d",
                "hour" => "%H",
                "minute" => "%M",
                _ => "%S",
            };
            format!("CAST(strftime('{mark}', {date}) AS INTEGER)")
        }
        Meant::Now => "datetime('now')".to_owned(),
        Meant::Today => "date('now')".to_owned(),
        Meant::Concat(texts) => format!("({})", texts.join(" || ")),
        Meant::Left(text, count) => format!("substr({text}, 1, {count})"),
        Meant::Right(text, count) => format!("substr({text}, -{count})"),
        Meant::Length(text) => format!("length({text})"),
        Meant::Slice(arguments) => format!("substr({})", arguments.join(", ")),
        Meant::Or(value, other) => format!("ifnull({value}, {other})"),
        Meant::If(condition, one, other) => case(condition, one, other),
        Meant::Start(part, date) => format!("strftime('{}', {date})", start(part)?),
        Meant::Format(form, date) => format!("strftime({}, {date})", form.said(Dialect::Sqlite)?),
        Meant::Together(text, between) => format!("group_concat({text}, {between})"),
        Meant::Like(text, pattern, negated) => like(text, pattern, *negated),
        // Half a unit of rounding must not make the root of less than nothing.
        Meant::Deviation(value, sample) => {
            let squares = format!("sum(1.0 * {value} * {value})");
            let square = format!("1.0 * sum({value}) * sum({value}) / count({value})");
            let of = if *sample {
                format!("nullif(count({value}) - 1, 0)")
            } else {
                format!("count({value})")
            };
            format!("sqrt(max({squares} - {square}, 0) / {of})")
        }
        Meant::Days(later, earlier) => {
            format!("CAST(julianday(date({later})) - julianday(date({earlier})) AS INTEGER)")
        }
        // Dates are texts there: a cast would take their first number.
        Meant::Cast(value, kind) => match word(kind).as_str() {
            "date" => format!("date({value})"),
            "time" => format!("time({value})"),
            "timestamp" | "timestamptz" | "datetime" => format!("datetime({value})"),
            "int" | "integer" | "bigint" | "smallint" | "int4" | "int8" => {
                format!("CAST({value} AS INTEGER)")
            }
            "numeric" | "decimal" | "real" | "float" | "float4" | "float8" | "double" => {
                format!("CAST({value} AS REAL)")
            }
            "text" | "varchar" | "char" | "character" => format!("CAST({value} AS TEXT)"),
            _ => return None,
        },
    })
}

fn by_postgres(meant: &Meant) -> Option<String> {
    Some(match meant {
        Meant::Part(part, date) => format!(
            "EXTRACT({} FROM CAST({date} AS TIMESTAMP))",
            part.to_uppercase()
        ),
        Meant::Today => "CURRENT_DATE".to_owned(),
        Meant::Now => "CURRENT_TIMESTAMP".to_owned(),
        Meant::Length(text) => format!("length({text})"),
        Meant::Slice(arguments) => format!("substr({})", arguments.join(", ")),
        Meant::Or(value, other) => format!("COALESCE({value}, {other})"),
        Meant::If(condition, one, other) => case(condition, one, other),
        Meant::Format(form, date) => {
            let form = form.said(Dialect::Postgres)?;
            format!("to_char(CAST({date} AS TIMESTAMP), {form})")
        }
        Meant::Together(text, between) => format!("string_agg(CAST({text} AS TEXT), {between})"),
        Meant::Deviation(value, true) => format!("stddev_samp({value})"),
        Meant::Deviation(value, false) => format!("stddev_pop({value})"),
        Meant::Days(later, earlier) => format!("(CAST({later} AS DATE) - CAST({earlier} AS DATE))"),
        Meant::Concat(_)
        | Meant::Left(..)
        | Meant::Right(..)
        | Meant::Start(..)
        | Meant::Like(..)
        | Meant::Cast(..) => return None,
    })
}

fn by_mysql(meant: &Meant) -> Option<String> {
    Some(match meant {
        Meant::Part(part, date) => format!("{part}({date})"),
        Meant::Now => "now()".to_owned(),
        Meant::Today => "curdate()".to_owned(),
        Meant::Length(text) => format!("char_length({text})"),
        Meant::Slice(arguments) => format!("substr({})", arguments.join(", ")),
        Meant::Or(value, other) => format!("ifnull({value}, {other})"),
        Meant::If(condition, one, other) => case(condition, one, other),
        Meant::Start(part, date) => format!("date_format({date}, '{}')", start(part)?),
        Meant::Format(form, date) => format!("date_format({date}, {})", form.said(Dialect::Mysql)?),
        Meant::Like(text, pattern, negated) => like(text, pattern, *negated),
        Meant::Deviation(value, true) => format!("stddev_samp({value})"),
        Meant::Deviation(value, false) => format!("stddev_pop({value})"),
        Meant::Days(later, earlier) => format!("datediff({later}, {earlier})"),
        Meant::Cast(value, kind) => {
            let kind = match word(kind).as_str() {
                "int" | "integer" | "bigint" | "smallint" | "int4" | "int8" => "SIGNED",
                "text" | "varchar" | "char" | "character" => "CHAR",
                "date" => "DATE",
                "time" => "TIME",
                "timestamp" | "timestamptz" | "datetime" => "DATETIME",
                // A decimal of no size has no places after the point.
                "numeric" | "decimal" | "real" | "float" | "float4" | "float8" | "double" => {
                    "DOUBLE"
                }
                _ => return None,
            };
            format!("CAST({value} AS {kind})")
        }
        // Its own commas are not said as an argument.
        Meant::Together(..) | Meant::Concat(_) | Meant::Left(..) | Meant::Right(..) => return None,
    })
}
