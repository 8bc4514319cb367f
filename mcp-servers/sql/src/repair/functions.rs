//! Functions of other databases, written as the one that is asked writes them.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, Expr, Fetch, Function, FunctionArg, FunctionArgExpr, FunctionArguments, LimitClause,
    Query, SetExpr, Top, TopQuantity, Value, VisitMut, VisitorMut,
};
use sqlparser::parser::Parser;

use crate::dialect::Dialect;

/// Writes functions and clauses that the dialect does not have as it would.
pub(super) fn mend(query: &mut Query, dialect: Dialect, how: &mut Vec<String>) {
    let mut mending = Mending { dialect, how };
    let ControlFlow::Continue(()) = query.visit(&mut mending) else {
        return;
    };
}

struct Mending<'a> {
    dialect: Dialect,
    how: &'a mut Vec<String>,
}

impl VisitorMut for Mending<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = &mut *query.body
            && let Some(Top {
                with_ties: false,
                percent: false,
                quantity: Some(quantity),
            }) = &select.top
            && query.limit_clause.is_none()
        {
            let limit = match quantity {
                TopQuantity::Expr(expression) => expression.clone(),
                TopQuantity::Constant(number) => number_of(&number.to_string()),
            };
            query.limit_clause = Some(limited(limit));
            select.top = None;
            self.how.push("wrote LIMIT for TOP".to_owned());
        }
        // PostgreSQL has it as well; SQLite and MySQL know LIMIT alone.
        if self.dialect != Dialect::Postgres
            && query.limit_clause.is_none()
            && let Some(Fetch {
                with_ties: false,
                percent: false,
                quantity,
            }) = &query.fetch
        {
            let limit = quantity.clone().unwrap_or_else(|| number_of("1"));
            query.limit_clause = Some(limited(limit));
            query.fetch = None;
            self.how.push("wrote LIMIT for FETCH".to_owned());
        }
        if self.dialect == Dialect::Postgres
            && let Some(LimitClause::OffsetCommaLimit { offset, limit }) =
                query.limit_clause.clone()
        {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(limit),
                offset: Some(sqlparser::ast::Offset {
                    value: offset,
                    rows: sqlparser::ast::OffsetRows::None,
                }),
                limit_by: Vec::new(),
            });
            self.how.push("wrote OFFSET for a comma".to_owned());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let Some(sql) = meant(expression).and_then(|meant| said(&meant, self.dialect)) else {
            return ControlFlow::Continue(());
        };
        let parsed = Parser::new(self.dialect.grammar())
            .try_with_sql(&sql)
            .and_then(|mut parser| parser.parse_expr());
        if let Ok(written) = parsed
            && written != *expression
        {
            self.how
                .push(format!("wrote `{written}` for `{expression}`"));
            *expression = written;
        }
        ControlFlow::Continue(())
    }
}

fn number_of(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

fn limited(limit: Expr) -> LimitClause {
    LimitClause::LimitOffset {
        limit: Some(limit),
        offset: None,
        limit_by: Vec::new(),
    }
}

/// What a call of any database means, with its arguments as text.
enum Meant {
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
    /// A date as `strftime` of SQLite writes it.
    Format(String, String),
    /// Texts of a group in one, with what stands between them.
    Together(String, String),
    /// Whether a text is like a pattern, whatever its capitals.
    Like(String, String, bool),
    Deviation(String),
    Days(String, String),
    Cast(String, String),
}

fn meant(expression: &Expr) -> Option<Meant> {
    match expression {
        Expr::Extract { field, expr, .. } => {
            Some(Meant::Part(part(&field.to_string())?, expr.to_string()))
        }
        Expr::ILike {
            negated,
            expr,
            pattern,
            any: false,
            escape_char: None,
        } => Some(Meant::Like(expr.to_string(), pattern.to_string(), *negated)),
        Expr::Substring {
            expr,
            substring_from: Some(from),
            substring_for,
            ..
        } => {
            let length = substring_for.iter().map(ToString::to_string);
            let arguments = [expr.to_string(), from.to_string()];
            Some(Meant::Slice(arguments.into_iter().chain(length).collect()))
        }
        Expr::Cast {
            kind: CastKind::DoubleColon,
            expr,
            data_type,
            ..
        } => Some(Meant::Cast(expr.to_string(), data_type.to_string())),
        Expr::Function(function) if function.over.is_none() => of_function(function),
        _ => None,
    }
}

fn of_function(function: &Function) -> Option<Meant> {
    let name = function.name.to_string().to_lowercase();
    let mut arguments = Vec::new();
    match &function.args {
        FunctionArguments::List(list) => {
            if list.duplicate_treatment.is_some() {
                return None;
            }
            for argument in &list.args {
                match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                        arguments.push(expression.to_string());
                    }
                    _ => return None,
                }
            }
        }
        FunctionArguments::None => {}
        FunctionArguments::Subquery(_) => return None,
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
        ("strftime", [format, date]) => Meant::Format(owned(format), owned(date)),
        ("date_format", [date, format]) => Meant::Format(format.replace("%i", "%M"), owned(date)),
        ("group_concat" | "string_agg", [text, between]) => {
            Meant::Together(owned(text), owned(between))
        }
        ("group_concat", [text]) => Meant::Together(owned(text), owned("','")),
        ("stddev" | "stddev_pop" | "stdev" | "stdevp" | "std", [value]) => {
            Meant::Deviation(owned(value))
        }
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

fn said(meant: &Meant, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Sqlite => by_sqlite(meant),
        Dialect::Postgres => by_postgres(meant),
        Dialect::Mysql => by_mysql(meant),
    }
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
        // Older ones have no `concat`.
        Meant::Concat(texts) => format!("({})", texts.join(" || ")),
        Meant::Left(text, count) => format!("substr({text}, 1, {count})"),
        Meant::Right(text, count) => format!("substr({text}, -({count}))"),
        Meant::Length(text) => format!("length({text})"),
        Meant::Slice(arguments) => format!("substr({})", arguments.join(", ")),
        Meant::Or(value, other) => format!("ifnull({value}, {other})"),
        Meant::If(condition, one, other) => {
            format!("CASE WHEN {condition} THEN {one} ELSE {other} END")
        }
        Meant::Start(part, date) => {
            let form = match part.as_str() {
                "year" => "%Y-01-01",
                "month" => "%Y-%m-01",
                "day" => "%Y-%m-%d",
                _ => return None,
            };
            format!("strftime('{form}', {date})")
        }
        Meant::Format(form, date) => format!("strftime({form}, {date})"),
        Meant::Together(text, between) => format!("group_concat({text}, {between})"),
        Meant::Like(text, pattern, negated) => {
            let not = if *negated { "NOT " } else { "" };
            format!("{text} {not}LIKE {pattern}")
        }
        Meant::Deviation(value) => {
            format!("sqrt(avg({value} * {value}) - avg({value}) * avg({value}))")
        }
        Meant::Days(later, earlier) => {
            format!("CAST(julianday({later}) - julianday({earlier}) AS INTEGER)")
        }
        Meant::Cast(value, kind) => format!("CAST({value} AS {kind})"),
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
        Meant::If(condition, one, other) => {
            format!("CASE WHEN {condition} THEN {one} ELSE {other} END")
        }
        Meant::Format(form, date) => {
            format!("to_char(CAST({date} AS TIMESTAMP), {})", letters(form)?)
        }
        Meant::Together(text, between) => format!("string_agg(CAST({text} AS TEXT), {between})"),
        Meant::Deviation(value) => format!("stddev_pop({value})"),
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
        Meant::If(condition, one, other) => {
            format!("CASE WHEN {condition} THEN {one} ELSE {other} END")
        }
        Meant::Start(part, date) => {
            let form = match part.as_str() {
                "year" => "%Y-01-01",
                "month" => "%Y-%m-01",
                "day" => "%Y-%m-%d",
                _ => return None,
            };
            format!("date_format({date}, '{form}')")
        }
        Meant::Format(form, date) => format!("date_format({date}, {})", form.replace("%M", "%i")),
        Meant::Like(text, pattern, negated) => {
            let not = if *negated { "NOT " } else { "" };
            format!("{text} {not}LIKE {pattern}")
        }
        Meant::Deviation(value) => format!("stddev_pop({value})"),
        Meant::Days(later, earlier) => format!("datediff({later}, {earlier})"),
        Meant::Cast(value, kind) => {
            let kind = match kind.to_lowercase().as_str() {
                "int" | "integer" | "bigint" => "SIGNED".to_owned(),
                "text" | "varchar" => "CHAR".to_owned(),
                _ => kind.clone(),
            };
            format!("CAST({value} AS {kind})")
        }
        // Its own commas are not said as an argument.
        Meant::Together(..) | Meant::Concat(_) | Meant::Left(..) | Meant::Right(..) => return None,
    })
}

/// A format of `strftime` in the letters of `to_char`.
fn letters(form: &str) -> Option<String> {
    let pairs = [
        ("%Y", "YYYY"),
        ("%m", "MM"),
        ("%d", "DD"),
        ("%H", "HH24"),
        ("%M", "MI"),
        ("%S", "SS"),
    ];
    let written = pairs.iter().fold(form.to_owned(), |form, (mark, letters)| {
        form.replace(mark, letters)
    });
    (!written.contains('%')).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::mend;
    use crate::asked::parsed;
    use crate::dialect::Dialect;

    fn mended(sql: &str, dialect: Dialect) -> String {
        let mut query = parsed(&format!("SELECT {sql} FROM t"), dialect).unwrap();
        mend(&mut query, dialect, &mut Vec::new());
        let sql = query.to_string();
        sql.strip_prefix("SELECT ")
            .unwrap()
            .strip_suffix(" FROM t")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn sqlite_writes_what_others_have_functions_for() {
        for (sql, written) in [
            ("YEAR(a)", "CAST(strftime('%Y', a) AS INTEGER)"),
            (
                "EXTRACT(MONTH FROM a)",
                "CAST(strftime('%m', a) AS INTEGER)",
            ),
            ("DATEPART(yyyy, a)", "CAST(strftime('%Y', a) AS INTEGER)"),
            ("CONCAT(a, ' ', b)", "(a || ' ' || b)"),
            ("NOW()", "datetime('now')"),
            ("LEFT(a, 2)", "SUBSTR(a, 1, 2)"),
            ("LEN(UPPER(a))", "length(UPPER(a))"),
            ("ISNULL(a, 0)", "ifnull(a, 0)"),
            (
                "IF(a > 1, 'x', 'y')",
                "CASE WHEN a > 1 THEN 'x' ELSE 'y' END",
            ),
            ("DATE_TRUNC('month', a)", "strftime('%Y-%m-01', a)"),
            ("STDDEV(a)", "sqrt(avg(a * a) - avg(a) * avg(a))"),
            ("a ILIKE 'x%'", "a LIKE 'x%'"),
            ("a::INTEGER", "CAST(a AS INTEGER)"),
        ] {
            assert_eq!(mended(sql, Dialect::Sqlite), written, "{sql}");
        }
    }

    #[test]
    fn postgres_and_mysql_write_theirs() {
        for (sql, written) in [
            ("YEAR(a)", "EXTRACT(YEAR FROM CAST(a AS TIMESTAMP))"),
            ("IFNULL(a, 0)", "COALESCE(a, 0)"),
            (
                "STRFTIME('%Y-%m', a)",
                "to_char(CAST(a AS TIMESTAMP), 'YYYY-MM')",
            ),
            ("GROUP_CONCAT(a)", "string_agg(CAST(a AS TEXT), ',')"),
        ] {
            assert_eq!(mended(sql, Dialect::Postgres), written, "{sql}");
        }
        for (sql, written) in [
            ("LEN(a)", "char_length(a)"),
            ("STRFTIME('%H:%M', a)", "date_format(a, '%H:%i')"),
            ("DATE_TRUNC('year', a)", "date_format(a, '%Y-01-01')"),
        ] {
            assert_eq!(mended(sql, Dialect::Mysql), written, "{sql}");
        }
    }

    #[test]
    fn a_number_of_rows_is_said_with_limit() {
        for sql in [
            "SELECT a FROM t FETCH FIRST 3 ROWS ONLY",
            "SELECT TOP 3 a FROM t",
            "SELECT TOP (3) a FROM t",
        ] {
            let mut query = parsed(sql, Dialect::Sqlite).unwrap();
            mend(&mut query, Dialect::Sqlite, &mut Vec::new());
            assert_eq!(query.to_string(), "SELECT a FROM t LIMIT 3");
        }
    }
}
