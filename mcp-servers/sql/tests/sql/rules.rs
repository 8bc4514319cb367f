//! Rules on tables, rows and columns: what is written in place of what came.

use ropewalk_sql::Dialect;
use ropewalk_sql::guard::{Guard, Rules};

fn rules() -> Rules {
    Rules {
        rows: [("person".to_owned(), "tenant = 7".to_owned())].into(),
        columns: [(
            "account".to_owned(),
            vec!["id".to_owned(), "owner".to_owned()],
        )]
        .into(),
        ..Rules::default()
    }
}

fn written(sql: &str, rules: Rules, dialect: Dialect) -> Result<String, String> {
    let guard = Guard::new(dialect, rules).unwrap();
    match guard.check(sql) {
        Ok(approved) => Ok(approved.sql),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn sqlite(sql: &str) -> String {
    written(sql, rules(), Dialect::Sqlite).unwrap()
}

#[test]
fn rows_are_filtered_wherever_the_table_stands() {
    assert_eq!(
        sqlite("SELECT * FROM person"),
        "SELECT * FROM (SELECT * FROM person WHERE (tenant = 7)) AS person"
    );
    assert_eq!(
        sqlite("SELECT p.name FROM other JOIN person p ON p.id = other.id"),
        "SELECT p.name FROM other JOIN (SELECT * FROM person WHERE (tenant = 7)) p ON p.id = \
         other.id"
    );
    for sql in [
        "SELECT * FROM PERSON",
        "SELECT * FROM main.person",
        "SELECT * FROM \"person\"",
        "SELECT (SELECT count(*) FROM person)",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM person)",
        "SELECT 1 FROM other WHERE id IN (SELECT id FROM person)",
        "SELECT 1 UNION SELECT id FROM person",
        "WITH x AS (SELECT * FROM person) SELECT * FROM x",
        "SELECT * FROM (SELECT * FROM (SELECT * FROM person))",
        "SELECT * FROM (other JOIN person USING (id))",
        "SELECT 1 ORDER BY (SELECT max(id) FROM person)",
        "SELECT sum(1) OVER (ORDER BY (SELECT max(id) FROM person)) FROM other",
        "SELECT 1 FROM other LIMIT (SELECT max(id) FROM person)",
    ] {
        let written = sqlite(sql);
        assert!(written.contains("(tenant = 7)"), "{sql}: {written}");
        assert_eq!(written.matches("tenant").count(), 1, "{sql}: {written}");
    }
}

#[test]
fn a_table_read_twice_is_filtered_twice() {
    let written = sqlite("SELECT * FROM person a JOIN person b ON a.id = b.id");
    assert_eq!(written.matches("(tenant = 7)").count(), 2, "{written}");
}

#[test]
fn columns_that_may_not_be_seen_are_not_there() {
    assert_eq!(
        sqlite("SELECT * FROM account"),
        "SELECT * FROM (SELECT \"id\", \"owner\" FROM account) AS account"
    );
}

#[test]
fn a_column_named_with_its_schema_is_found_in_what_stands_for_the_table() {
    assert_eq!(
        written(
            "SELECT public.person.name FROM public.person",
            rules(),
            Dialect::Postgres
        )
        .unwrap(),
        "SELECT person.name FROM (SELECT * FROM public.person WHERE (tenant = 7)) AS person"
    );
}

#[test]
fn definitions_do_not_hide_tables_that_may_not_be_read() {
    let only = || Rules {
        tables: ["person".to_owned()].into(),
        ..Rules::default()
    };
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        let refused = |sql: &str| written(sql, only(), dialect).unwrap_err();
        for sql in [
            "SELECT * FROM secret",
            "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
            "WITH x AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM x",
            "SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret) x, secret",
            "SELECT (WITH secret AS (SELECT 1) SELECT 1), (SELECT max(id) FROM secret)",
            "WITH a AS (WITH secret AS (SELECT 1) SELECT 1) SELECT * FROM secret",
        ] {
            assert!(refused(sql).contains("`secret` may not be read"), "{sql}");
        }
        for sql in [
            "SELECT * FROM person",
            "WITH x AS (SELECT * FROM person) SELECT * FROM x",
            "WITH x AS (SELECT * FROM person), y AS (SELECT * FROM x) SELECT * FROM y",
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x",
            "WITH x AS (SELECT 1) SELECT * FROM person WHERE id IN (SELECT * FROM x)",
        ] {
            written(sql, only(), dialect).unwrap();
        }
    }
    let named_like = "WITH person AS (SELECT 1 AS id) SELECT * FROM person";
    let refusal = written(named_like, rules(), Dialect::Sqlite).unwrap_err();
    assert!(refusal.contains("which a table has"), "{refusal}");
}

#[test]
fn no_statement_changes_what_a_condition_reads() {
    let rules = || Rules {
        rows: [(
            "person".to_owned(),
            "tenant IN (SELECT id FROM tenants WHERE mine)".to_owned(),
        )]
        .into(),
        ..Rules::default()
    };
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
        for sql in [
            "WITH tenants AS (SELECT 1 AS id, true AS mine) SELECT * FROM person",
            "WITH TENANTS AS (SELECT 1 AS id, true AS mine) SELECT * FROM person",
            "SELECT * FROM (WITH tenants AS (SELECT 1 AS id) SELECT * FROM person) x",
        ] {
            let refusal = written(sql, rules(), dialect).unwrap_err();
            assert!(refusal.contains("which a table has"), "{sql}: {refusal}");
        }
        written(
            "SELECT * FROM person JOIN tenants USING (id)",
            rules(),
            dialect,
        )
        .unwrap();
    }
}

#[test]
fn a_table_listed_with_its_schema_is_not_one_without() {
    let rules = Rules {
        tables: ["app.orders".to_owned(), "person".to_owned()].into(),
        ..Rules::default()
    };
    let check = |sql: &str| written(sql, rules.clone(), Dialect::Postgres);
    assert!(check("SELECT * FROM app.orders, person").is_ok());
    // Which schema it is in is for the session to say, and may not be the one that is listed.
    assert!(check("SELECT * FROM orders").is_err());
    assert!(check("SELECT * FROM other.orders").is_err());
    assert!(check("SELECT * FROM public.person").is_err());
    let sqlite = written("SELECT * FROM main.person", rules.clone(), Dialect::Sqlite);
    assert!(sqlite.is_ok(), "{sqlite:?}");
}

#[test]
fn capitals_make_no_difference_to_a_rule() {
    let rules = Rules {
        rows: [("Person".to_owned(), "tenant = 7".to_owned())].into(),
        columns: [("PERSON".to_owned(), vec!["Name".to_owned()])].into(),
        ..Rules::default()
    };
    assert_eq!(
        written("SELECT * FROM person", rules, Dialect::Sqlite).unwrap(),
        "SELECT * FROM (SELECT \"Name\" FROM person WHERE (tenant = 7)) AS person"
    );
}

#[test]
fn what_else_is_said_of_a_table_is_kept() {
    assert_eq!(
        written(
            "SELECT * FROM person PARTITION (p0) AS p USE INDEX (x)",
            rules(),
            Dialect::Mysql
        )
        .unwrap(),
        "SELECT * FROM (SELECT * FROM person PARTITION (p0) USE INDEX (x) WHERE (tenant = 7)) AS p"
    );
    let sampled = "SELECT * FROM person TABLESAMPLE BERNOULLI (10)";
    let sampled = written(sampled, rules(), Dialect::Postgres).unwrap();
    assert!(
        sampled.contains("TABLESAMPLE BERNOULLI (10) WHERE (tenant = 7)"),
        "{sampled}"
    );
}

#[test]
fn functions_are_added_and_taken_away() {
    let rules = Rules {
        functions: ["our_score".to_owned(), "app.score".to_owned()].into(),
        denied_functions: ["random".to_owned()].into(),
        ..Rules::default()
    };
    let check = |sql: &str| written(sql, rules.clone(), Dialect::Postgres);
    assert!(check("SELECT our_score(1), app.score(1)").is_ok());
    assert!(check("SELECT score(1)").is_err());
    assert!(
        check("SELECT random()")
            .unwrap_err()
            .contains("denied here")
    );
    let near = check("SELECT uper('x')").unwrap_err();
    assert!(near.contains("did you mean `upper`?"), "{near}");
}

#[test]
fn rules_that_do_more_than_compute_are_refused() {
    for condition in [
        "1 = 1; DROP TABLE person",
        "load_extension('x')",
        "tenant =",
        "tenant = 7) OR (1 = 1",
        "",
    ] {
        let rules = Rules {
            rows: [("person".to_owned(), condition.to_owned())].into(),
            ..Rules::default()
        };
        assert!(Guard::new(Dialect::Sqlite, rules).is_err(), "{condition}");
    }
}

#[test]
fn texts_mean_the_same_when_they_are_written_down() {
    for (dialect, sql, written_down) in [
        (
            Dialect::Sqlite,
            "SELECT '\\'' OR 1 = 1 --'",
            "SELECT '\\'' OR 1 = 1 --'",
        ),
        (Dialect::Sqlite, "SELECT 'a''''b'", "SELECT 'a''''b'"),
        (Dialect::Postgres, "SELECT 'a\\'", "SELECT 'a\\'"),
        (
            Dialect::Postgres,
            "SELECT E'a\\'b\\\\c'",
            "SELECT 'a''b\\c'",
        ),
        (Dialect::Postgres, "SELECT $x$a'b$x$", "SELECT 'a''b'"),
        (Dialect::Mysql, "SELECT 'a\\'b\\\\c'", "SELECT 'a''b\\\\c'"),
        (Dialect::Mysql, "SELECT \"a'b\"", "SELECT 'a''b'"),
        (
            Dialect::Sqlite,
            "SELECT \"a\"\"b\" FROM [c d]",
            "SELECT \"a\"\"b\" FROM [c d]",
        ),
    ] {
        let outcome = written(sql, Rules::default(), dialect).unwrap();
        assert_eq!(outcome, written_down);
    }
}
