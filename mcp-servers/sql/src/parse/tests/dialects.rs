//! What is written differently for each database.

use std::sync::Arc;

use super::{parser, table};
use crate::dialect::Dialect;
use crate::guard::{Guard, Rules};
use crate::parse::Parser;
use crate::schema::Schema;

const ALL: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];

/// A statement that the guard lets through, without the marks around names.
fn read(parser: &Parser, dialect: Dialect, question: &str) -> String {
    let reading = parser.parse(question);
    let sql = reading.sql.clone();
    let sql = sql.unwrap_or_else(|| panic!("{question}: {reading:?}"));
    let guard = Guard::new(dialect, Rules::default()).unwrap();
    assert!(guard.check(&sql).is_ok(), "{sql}");
    sql.replace(dialect.quote(), "")
}

#[test]
fn years_of_dates_are_compared_in_each_dialect() {
    let visit = table(
        "visit",
        &[("id", "int"), ("day", "date"), ("name", "text")],
        &[],
    );
    for (dialect, year) in [
        (Dialect::Sqlite, "CAST(SUBSTR(\"day\", 1, 4) AS INTEGER)"),
        (Dialect::Postgres, "EXTRACT(YEAR FROM \"day\")"),
        (Dialect::Mysql, "EXTRACT(YEAR FROM `day`)"),
    ] {
        let schema = Schema {
            tables: vec![visit.clone()],
        };
        let parser = Parser::new(&schema, Arc::default(), dialect);
        let sql = parser
            .parse("How many visits have a day after 2013?")
            .sql
            .unwrap();
        assert!(sql.ends_with(&format!("WHERE {year} > 2013")), "{sql}");
        assert!(
            Guard::new(dialect, Rules::default())
                .unwrap()
                .check(&sql)
                .is_ok()
        );
        let sql = parser
            .parse("How many visits have a day before 2018-04-07?")
            .sql
            .unwrap();
        assert!(sql.ends_with("< '2018-04-07'"), "{sql}");
    }
}

#[test]
fn names_of_any_kind_are_quoted() {
    let odd = |name: &str| {
        table(
            "sales order",
            &[
                ("id", "int"),
                ("order \"by\" `x`", "int"),
                (name, "text"),
                ("group", "text"),
            ],
            &[],
        )
    };
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        let schema = Schema {
            tables: vec![odd("🙂 mood")],
        };
        let parser = Parser::new(&schema, Arc::default(), dialect);
        let guard = Guard::new(dialect, Rules::default()).unwrap();
        let reading = parser.parse("What are the moods and groups of all sales orders?");
        let sql = reading.sql.unwrap();
        let quoted = |name: &str| dialect.quoted(name);
        assert_eq!(
            sql,
            format!(
                "SELECT {}, {} FROM {}",
                quoted("🙂 mood"),
                quoted("group"),
                quoted("sales order")
            )
        );
        assert!(guard.check(&sql).is_ok(), "{sql}");
    }
}

#[test]
fn rows_without_a_value_are_no_first() {
    let known = |question: &str, dialect: Dialect| {
        let sql = read(&parser(dialect), dialect, question);
        sql.contains("WHERE age IS NOT NULL ORDER BY age")
    };
    for dialect in ALL {
        // Where missing values come first, which databases disagree on.
        let up = dialect != Dialect::Postgres;
        assert_eq!(
            known("What is the name of the youngest author?", dialect),
            up
        );
        assert_eq!(
            known("What is the name of the oldest author?", dialect),
            !up
        );
        let sql = read(
            &parser(dialect),
            dialect,
            "How many books did the oldest author write?",
        );
        let inside =
            sql.contains("(SELECT author_id FROM author WHERE age IS NOT NULL ORDER BY age DESC");
        assert_eq!(inside, !up, "{sql}");
        // What is compared is known.
        let sql = read(
            &parser(dialect),
            dialect,
            "Who is the youngest author with an age above 30?",
        );
        assert!(!sql.contains("IS NOT NULL"), "{sql}");
    }
}

#[test]
fn numbers_that_are_kept_as_texts_are_compared_as_numbers() {
    let mut car = table(
        "car",
        &[("id", "int"), ("name", "text"), ("power", "text")],
        &[],
    );
    car.columns[2].samples = ["9", "130", "unknown"].map(str::to_owned).to_vec();
    let schema = Schema { tables: vec![car] };
    for (dialect, power) in [
        (
            Dialect::Sqlite,
            "CASE WHEN power GLOB '*[0-9]*' THEN CAST(power AS NUMERIC) END",
        ),
        (
            Dialect::Postgres,
            "CASE WHEN power ~ '^\\s*[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?\\s*$' \
             THEN CAST(power AS NUMERIC) END",
        ),
        (
            Dialect::Mysql,
            "CASE WHEN power REGEXP '[0-9]' THEN power + 0 END",
        ),
    ] {
        let parser = Parser::new(&schema, Arc::default(), dialect);
        for (question, expected) in [
            (
                "How many cars have a power above 100?",
                format!("SELECT COUNT(*) FROM car WHERE {power} > 100"),
            ),
            (
                "How many cars have a power between 5 and 10?",
                format!("SELECT COUNT(*) FROM car WHERE {power} BETWEEN 5 AND 10"),
            ),
            (
                "What is the average power of cars?",
                format!("SELECT AVG({power}) FROM car"),
            ),
            (
                "Show the names of cars above the average power.",
                format!("SELECT name FROM car WHERE {power} > (SELECT AVG({power}) FROM car)"),
            ),
            (
                "List the names of cars in ascending order of power.",
                format!("SELECT name FROM car ORDER BY {power} ASC"),
            ),
            // As it is written.
            (
                "How many cars have a power of 130?",
                "SELECT COUNT(*) FROM car WHERE power = '130'".to_owned(),
            ),
        ] {
            assert_eq!(read(&parser, dialect, question), expected);
        }
    }
}

#[test]
fn marks_that_mean_something_in_a_search_are_searched_for() {
    for dialect in ALL {
        let like = match dialect {
            Dialect::Postgres => "ILIKE",
            Dialect::Sqlite | Dialect::Mysql => "LIKE",
        };
        let backslash = dialect.literal("%a\\b%");
        for (text, pattern) in [
            ("Love", "'%Love%'".to_owned()),
            ("100%", "'%100!%%' ESCAPE '!'".to_owned()),
            ("a_b!", "'%a!_b!!%' ESCAPE '!'".to_owned()),
            ("wow!", "'%wow!%'".to_owned()),
            ("a\\b", format!("{backslash} ESCAPE '!'")),
        ] {
            let question = format!("List the titles of books that contain '{text}'.");
            let sql = read(&parser(dialect), dialect, &question);
            let expected = format!("SELECT title FROM book WHERE title {like} {pattern}");
            assert_eq!(sql, expected);
        }
    }
}
