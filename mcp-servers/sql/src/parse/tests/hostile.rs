//! Any text, long ones, thousands of tables: read without harm, and soon.

use std::sync::Arc;

use proptest::prelude::*;

use super::{library, parser, table};
use crate::dialect::Dialect;
use crate::guard::{Guard, Rules};
use crate::parse::Parser;

#[test]
fn thousands_of_tables_are_no_hindrance() {
    let mut schema = library();
    for number in 0..5_000 {
        let name = format!("archive_{number}");
        let columns = [
            ("id", "int"),
            ("name", "text"),
            ("note_text", "text"),
            ("created_date", "date"),
        ];
        schema.tables.push(table(&name, &columns, &[]));
    }
    let parser = Parser::new(&schema, Arc::default(), Dialect::Sqlite);
    let began = std::time::Instant::now();
    let reading = parser.parse("What are the names of authors older than 40, ordered by age?");
    let took = began.elapsed();
    let sql = reading.best.unwrap().sql;
    assert!(
        sql.contains("FROM \"author\" WHERE \"age\" > 40 ORDER BY \"age\""),
        "{sql}"
    );
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}

#[test]
fn long_and_common_words_are_no_hindrance() {
    let mut schema = library();
    for number in 0..5_000 {
        let name = format!("archive_{number}");
        let column = format!("name_{number}x");
        let columns = [("id", "int"), ("name", "text"), (column.as_str(), "text")];
        schema.tables.push(table(&name, &columns, &[]));
    }
    let parser = Parser::new(&schema, Arc::default(), Dialect::Sqlite);
    for question in [
        // A megabyte.
        "authors ".repeat(131_072),
        "x".repeat(1 << 20),
        "'".repeat(1 << 20),
        // As long as is read.
        "archive name ".repeat(50),
        "misspeltt archiive ".repeat(50),
        "archive of the name of ".repeat(20),
        "a ".repeat(999),
    ] {
        let began = std::time::Instant::now();
        let reading = parser.parse(&question);
        let took = began.elapsed();
        let said = &question[..40];
        assert!(took < std::time::Duration::from_secs(2), "{said}: {took:?}");
        assert_eq!(reading.sql, None, "{said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_read_without_harm(text in ".{0,120}") {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            passes(&parser(dialect), dialect, &text);
        }
    }

    #[test]
    fn any_words_give_what_the_guard_lets_pass(words in prop::collection::vec(word(), 0..14)) {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            passes(&parser(dialect), dialect, &words.join(" "));
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    let words = [
        "how",
        "many",
        "authors",
        "books",
        "the",
        "of",
        "names",
        "titles",
        "with",
        "most",
        "each",
        "not",
        "without",
        "more",
        "than",
        "3",
        "1990",
        "'it''s'",
        "France",
        "crime",
        "and",
        "or",
        "both",
        "oldest",
        "average",
        "age",
        "between",
        "in",
        "order",
        "by",
        "descending",
        "readers",
        "genre",
        "country",
        "who",
        "have",
        "top",
        "number",
        "number of",
        "highest",
        ",",
        ".",
        "\"x\\y\"",
        "named",
        "contains",
        "for",
        "is",
        "what are",
        "list",
        "all",
        "information",
        "page",
        "count",
        "borrowed",
        "5 million",
        "one",
        "same",
        "after",
        "or before",
    ];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn passes(parser: &Parser, dialect: Dialect, question: &str) {
    let guard = Guard::new(dialect, Rules::default()).unwrap();
    let reading = parser.parse(question);
    assert!(
        (0.0..=1.0).contains(&reading.confidence),
        "{question}: {}",
        reading.confidence
    );
    for candidate in reading.best.iter().chain(&reading.others) {
        let checked = guard.check(&candidate.sql);
        assert!(checked.is_ok(), "{question}: {} {checked:?}", candidate.sql);
    }
}
