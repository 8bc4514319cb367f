//! What a call means, whichever database it is of.

use sqlparser::ast::{CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::format::Format;
use crate::dialect::Dialect;
use crate::guard::is_known;

/// What a call means, with its arguments as text.
pub(super) enum Meant {
    /// A part of a date: `year`, `month`, `day`, `hour`, `minute` or `second`.
    Part(String, String),
    Now,
    Today,
    Concat(Vec<String>),
    /// The first letters.
    Left(String, String),
    /// The last letters.
    Right(String, String),
    Length(String),
    Slice(Vec<String>),
    /// The other where the one is null.
    Or(String, String),
    If(String, String, String),
    /// The beginning of a `year`, `month` or `day`.
    Start(String, String),
    /// A date, written.
    Format(Format, String),
    /// Texts of a group in one, with what stands between them.
    Together(String, String),
    /// Whether a text is like a pattern, whatever its capitals.
    Like(String, String, bool),
    /// How far values are from their average: of a sample, or of all.
    Deviation(String, bool),
    /// How many days lie between.
    Days(String, String),
    Cast(String, String),
}

/// What an expression means that a dialect has no words for; `None` where it has, or where nobody
/// knows what is meant.
pub(super) fn of(expression: &Expr, dialect: Dialect) -> Option<Meant> {
    let sqlite = dialect == Dialect::Sqlite;
    let postgres = dialect == Dialect::Postgres;
    match expression {
        Expr::Extract { field, expr, .. } if sqlite => {
            Some(Meant::Part(part(&field.to_string())?, text(expr)))
        }
        Expr::ILike {
            negated,
            expr,
            pattern,
            any: false,
            escape_char: None,
        } if !postgres => Some(Meant::Like(text(expr), text(pattern), *negated)),
        Expr::Substring {
            expr,
            substring_from: Some(from),
            substring_for,
            special: false,
            ..
        } if sqlite => {
            let length = substring_for.iter().map(|length| text(length));
            let arguments = [text(expr), text(from)];
            Some(Meant::Slice(arguments.into_iter().chain(length).collect()))
        }
        Expr::Cast {
            kind: CastKind::DoubleColon,
            expr,
            data_type,
            format: None,
        } if !postgres => Some(Meant::Cast(text(expr), data_type.to_string())),
        Expr::Function(function) => of_function(function, dialect),
        _ => None,
    }
}

/// An expression as an argument: in parentheses, unless it is of one piece.
fn text(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Nested(_)
        | Expr::Function(_)
        | Expr::Subquery(_)
        | Expr::Substring { .. }
        | Expr::Extract { .. }
        | Expr::Cast {
            kind: CastKind::Cast,
            ..
        } => expression.to_string(),
        other => format!("({other})"),
    }
}

/// The arguments of a call that is nothing but its arguments.
fn arguments(function: &Function) -> Option<Vec<String>> {
    let plain = function.over.is_none()
        && function.filter.is_none()
        && function.within_group.is_empty()
        && function.null_treatment.is_none()
        && !function.uses_odbc_syntax
        && matches!(function.parameters, FunctionArguments::None);
    let list = match &function.args {
        FunctionArguments::List(list) => list,
        FunctionArguments::None => return plain.then(Vec::new),
        FunctionArguments::Subquery(_) => return None,
    };
    if !plain || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(text(expression)),
        _ => None,
    };
    list.args.iter().map(argument).collect()
}

/// Names that a dialect has with other arguments, or only one of two databases of a dialect has.
fn is_elsewhere(name: &str, arguments: usize, dialect: Dialect) -> bool {
    dialect == Dialect::Mysql && matches!((name, arguments), ("isnull" | "nvl", 2))
}

fn of_function(function: &Function, dialect: Dialect) -> Option<Meant> {
    let name = function.name.to_string().to_lowercase();
    let arguments = arguments(function)?;
    if is_known(&name, dialect) && !is_elsewhere(&name, arguments.len(), dialect) {
        return None;
    }
    let owned = |text: &str| text.to_owned();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Some(match (name.as_str(), arguments.as_slice()) {
        ("year" | "month" | "day" | "hour" | "minute" | "second", [date]) => {
            Meant::Part(name, owned(date))
        }
        ("dayofmonth", [date]) => Meant::Part(owned("day"), owned(date)),
        ("datepart" | "date_part", [field, date]) => {
            Meant::Part(part(field.trim_matches('\''))?, owned(date))
        }
        ("now" | "getdate" | "sysdate" | "current_timestamp", []) => Meant::Now,
        ("curdate" | "today" | "current_date", []) => Meant::Today,
        ("concat", several) if !several.is_empty() => {
            Meant::Concat(several.iter().map(|text| owned(text)).collect())
        }
        ("left", [text, count]) => Meant::Left(owned(text), owned(count)),
        ("right", [text, count]) => Meant::Right(owned(text), owned(count)),
        ("len" | "char_length" | "character_length" | "length", [text]) => {
            Meant::Length(owned(text))
        }
        ("substring" | "substr" | "mid", several) if several.len() > 1 => {
            Meant::Slice(several.iter().map(|text| owned(text)).collect())
        }
        ("isnull" | "nvl" | "ifnull", [value, other]) => Meant::Or(owned(value), owned(other)),
        ("if" | "iif", [condition, one, other]) => {
            Meant::If(owned(condition), owned(one), owned(other))
        }
        ("date_trunc" | "datetrunc", [field, date]) => {
            Meant::Start(part(field.trim_matches('\''))?, owned(date))
        }
        ("strftime", [format, date]) => Meant::Format(Format::of_strftime(format)?, owned(date)),
        ("date_format", [date, format]) => {
            Meant::Format(Format::of_date_format(format)?, owned(date))
        }
        ("group_concat" | "string_agg", [text, between]) => {
            Meant::Together(owned(text), owned(between))
        }
        ("group_concat", [text]) => Meant::Together(owned(text), owned("','")),
        ("stddev" | "stddev_samp" | "stdev", [value]) => Meant::Deviation(owned(value), true),
        ("stddev_pop" | "stdevp" | "std", [value]) => Meant::Deviation(owned(value), false),
        ("datediff", [later, earlier]) => Meant::Days(owned(later), owned(earlier)),
        _ => return None,
    })
}

fn part(field: &str) -> Option<String> {
    let field = field.to_lowercase();
    let short = match field.as_str() {
        "yyyy" | "yy" => "year",
        "mm" => "month",
        "dd" => "day",
        "hh" => "hour",
        "year" | "month" | "day" | "hour" | "minute" | "second" => field.as_str(),
        _ => return None,
    };
    Some(short.to_owned())
}
