//! Calls as each dialect writes them.

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
        ("NOW()", "datetime('now')"),
        ("LEFT(a, 2)", "SUBSTR(a, 1, 2)"),
        ("RIGHT(a || b, c + 1)", "SUBSTR((a || b), -(c + 1))"),
        ("SUBSTRING(a FROM 2 FOR 3)", "SUBSTR(a, 2, 3)"),
        ("LEN(UPPER(a))", "length(UPPER(a))"),
        ("ISNULL(a, 0)", "ifnull(a, 0)"),
        ("DATE_TRUNC('month', a)", "strftime('%Y-%m-01', a)"),
        ("DATE_FORMAT(a, '%H:%i')", "strftime('%H:%M', a)"),
        (
            "STDDEV_POP(a + 1)",
            "sqrt(max(sum(1.0 * (a + 1) * (a + 1)) - 1.0 * sum((a + 1)) * sum((a + 1)) / count((a + 1)), 0) / count((a + 1)))",
        ),
        ("a ILIKE 'x%'", "a LIKE 'x%'"),
        ("a::INTEGER", "CAST(a AS INTEGER)"),
        ("'2020-01-01'::date", "date('2020-01-01')"),
        ("(a + 1)::text", "CAST((a + 1) AS TEXT)"),
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
        (
            "DATE_FORMAT(a, 'day %d')",
            "to_char(CAST(a AS TIMESTAMP), '\"day \"DD')",
        ),
        ("GROUP_CONCAT(a)", "string_agg(CAST(a AS TEXT), ',')"),
        ("STDEV(a)", "stddev_samp(a)"),
    ] {
        assert_eq!(mended(sql, Dialect::Postgres), written, "{sql}");
    }
    for (sql, written) in [
        ("LEN(a)", "char_length(a)"),
        ("STRFTIME('%H:%M', a)", "date_format(a, '%H:%i')"),
        ("DATE_TRUNC('year', a)", "date_format(a, '%Y-01-01')"),
        ("ISNULL(a, 0)", "ifnull(a, 0)"),
        ("a::numeric", "CAST(a AS DOUBLE)"),
    ] {
        assert_eq!(mended(sql, Dialect::Mysql), written, "{sql}");
    }
}

#[test]
fn what_a_dialect_has_is_left_to_it() {
    for (dialect, calls) in [
        (
            Dialect::Sqlite,
            vec![
                "CONCAT(a, b)",
                "IIF(a > 1, 2, 3)",
                "strftime('%W', a)",
                "SUBSTRING(a, 1, 2)",
                "CAST(a AS DATE)",
            ],
        ),
        (
            Dialect::Postgres,
            vec![
                "EXTRACT(YEAR FROM a)",
                "stddev(a)",
                "length(a)",
                "date_part('year', a)",
                "concat(a, b)",
                "a::DATE",
                "a ILIKE 'x'",
                "SUBSTRING(a FROM 2)",
            ],
        ),
        (
            Dialect::Mysql,
            vec![
                "date_format(a, '%M')",
                "length(a)",
                "year(a)",
                "EXTRACT(YEAR FROM a)",
                "stddev(a)",
                "group_concat(a)",
                "isnull(a)",
                "left(a, 2)",
            ],
        ),
    ] {
        for call in calls {
            assert_eq!(mended(call, dialect), call, "{dialect:?}");
        }
    }
}

#[test]
fn no_part_of_a_call_is_lost() {
    for (dialect, call) in [
        (Dialect::Sqlite, "stddev(a) FILTER (WHERE b > 1)"),
        (Dialect::Sqlite, "stddev(DISTINCT a)"),
        (Dialect::Sqlite, "DATE_FORMAT(a, '%M')"),
        (Dialect::Sqlite, "a::boolean"),
        (Dialect::Postgres, "GROUP_CONCAT(a ORDER BY b)"),
        (Dialect::Postgres, "STRFTIME('%W', a)"),
        (Dialect::Mysql, "string_agg(a, ',')"),
    ] {
        assert_eq!(
            mended(call, dialect).to_lowercase(),
            call.to_lowercase(),
            "{dialect:?}"
        );
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
