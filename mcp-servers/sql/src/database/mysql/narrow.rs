//! A statement whose values cannot be larger than is read: the server cuts them.

use std::fmt::Write as _;

use mysql_async::Column;
use sqlparser::ast;
use sqlparser::parser::Parser;

use crate::database::Limits;
use crate::database::mysql::values;
use crate::dialect::Dialect;

/// The most bytes that the values of a row may have, as far as the server knows in advance, before
/// it is asked to cut them.
const WIDE: u64 = 1 << 20;

/// The statement so that no value can be larger than is read, where the server cannot promise that
/// of itself.
pub(super) fn narrowed(sql: &str, columns: &[Column], limits: &Limits) -> Option<String> {
    let widths = columns.iter().filter(|column| values::may_be_large(column));
    let widths: u64 = widths.map(|column| u64::from(column.column_length())).sum();
    if widths <= WIDE {
        return None;
    }
    let length = limits.cell_bytes.saturating_add(1);
    let (mut names, mut cells) = (String::new(), String::new());
    for (place, column) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let name = format!("c{place}");
        let value = values::cut(column, &name, length).unwrap_or_else(|| name.clone());
        let _ = write!(names, "{comma}{name}");
        let _ = write!(cells, "{comma}{value}");
    }
    // Inside of another statement an order without an end is left out as if it meant nothing.
    let end = if ordered_without_end(sql) {
        format!(" LIMIT {}", limits.rows.saturating_add(1))
    } else {
        String::new()
    };
    Some(format!(
        "WITH ropewalk_answer ({names}) AS ({sql}{end}) SELECT {cells} FROM ropewalk_answer"
    ))
}

fn ordered_without_end(sql: &str) -> bool {
    let parsed = Parser::parse_sql(Dialect::Mysql.grammar(), sql);
    let Ok([ast::Statement::Query(query)]) = parsed.as_deref() else {
        return false;
    };
    let mut query = query;
    loop {
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return false;
        }
        match &*query.body {
            _ if query.order_by.is_some() => return true,
            ast::SetExpr::Query(inner) => query = inner,
            _ => return false,
        }
    }
}
