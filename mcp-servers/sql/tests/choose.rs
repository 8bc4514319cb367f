//! Statements that fail are repaired, and the right one is chosen among several, over a real file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod corpus;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use corpus::statements;
use proptest::prelude::*;
use proptest::sample::select;
use ropewalk_sql::choose::{Choice, ChoiceError, Outcome, choice};
use ropewalk_sql::database::{DatabaseError, Engine, Limits, Plan, Rows, Sqlite};
use ropewalk_sql::guard::{Approved, Rules};
use ropewalk_sql::measure::{Folder, measure_choice, measure_repair};
use ropewalk_sql::repair::{Repaired, Unrepaired, repair};
use ropewalk_sql::schema::Schema;
use ropewalk_sql::source::{Settings, Source};
use ropewalk_sql::{Asked, Dialect};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const LIBRARY: &str = "
    CREATE TABLE authors (author_id INTEGER PRIMARY KEY, name TEXT, country TEXT, full_title TEXT);
    INSERT INTO authors VALUES (1, 'Woolf', 'England', 'Virginia Woolf'),
        (2, 'Zola', 'France', 'Emile Zola'), (3, 'Sand', 'France', 'George Sand');
    CREATE TABLE books (book_id INTEGER PRIMARY KEY, title TEXT, year INTEGER, pages INTEGER,
        author INTEGER REFERENCES authors (author_id), in_print TEXT);
    INSERT INTO books VALUES (10, 'Orlando', 1928, 330, 1, 'T'), (11, 'Nana', 1880, 500, 2, 'T'),
        (12, 'Germinal', 1885, 590, 2, 'F'), (13, 'Indiana', 1832, 280, 3, 'F');
    CREATE TABLE loans (loan_id INTEGER PRIMARY KEY, book_id INTEGER REFERENCES books (book_id),
        reader TEXT, day TEXT);
    INSERT INTO loans VALUES (1, 10, 'Ann', '2024-03-01'), (2, 11, 'Ann', '2024-04-02'),
        (3, 11, 'Bob', '2023-05-03');";

/// A file with the library in it, and an engine that sees to what is sent to it.
struct Library {
    _folder: TempDir,
    engine: Arc<Watched>,
    source: Source,
    schema: Arc<Schema>,
    cancel: CancellationToken,
}

/// Keeps what was sent.
struct Watched {
    inner: Sqlite,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl Engine for Watched {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        self.inner.schema().await
    }

    async fn plan(&self, statement: &Approved) -> Result<Plan, DatabaseError> {
        self.inner.plan(statement).await
    }

    async fn query(
        &self,
        statement: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        self.sent.lock().unwrap().push(statement.sql.clone());
        self.inner.query(statement, limits, cancel).await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        self.inner.excess().await
    }
}

impl Library {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.sqlite");
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(LIBRARY)
            .unwrap();
        let inner = Sqlite::open(&path, Rules::default()).await.unwrap();
        let schema = Arc::new(inner.schema().await.unwrap());
        let engine = Arc::new(Watched {
            inner,
            sent: Mutex::default(),
        });
        let settings = Settings {
            limits: Limits {
                time: Duration::from_secs(2),
                ..Limits::default()
            },
            ..Settings::default()
        };
        Self {
            _folder: folder,
            source: Source::over("library", Arc::clone(&engine) as _, settings).unwrap(),
            engine,
            schema,
            cancel: CancellationToken::new(),
        }
    }

    async fn asked(&self) -> Asked<'_> {
        Asked::new(&self.source, &self.schema, &self.cancel).await
    }

    async fn repair(&self, question: &str, sql: &str) -> Result<Repaired, Unrepaired> {
        repair(Some(question), sql, &self.asked().await).await
    }

    async fn choice(&self, question: &str, candidates: &[&str]) -> Result<Choice, ChoiceError> {
        let candidates: Vec<String> = candidates.iter().map(|sql| (*sql).to_owned()).collect();
        choice(question, &candidates, &self.asked().await).await
    }
}

#[tokio::test]
async fn what_fails_is_repaired() {
    let library = Library::open().await;
    for (question, sql, rows) in [
        // Text around it.
        ("", "```sql\nSELECT count(*) FROM books;\n```", json!([[4]])),
        ("", "count(*) FROM books", json!([[4]])),
        ("", "SELECT max(pages FROM books", json!([[590]])),
        // Tables in other numbers, and of other libraries.
        ("", "SELECT count(*) FROM book", json!([[4]])),
        (
            "How many authors are there?",
            "SELECT count(*) FROM writer",
            json!([[3]]),
        ),
        // Columns: misspelt, of another table of the statement, of another table.
        (
            "",
            "SELECT titel FROM books WHERE year = 1928",
            json!([["Orlando"]]),
        ),
        ("", "SELECT id FROM books WHERE year = 1928", json!([[10]])),
        (
            "",
            "SELECT b.name FROM books AS b JOIN authors AS a ON b.author = a.author_id WHERE b.year = 1832",
            json!([["Sand"]]),
        ),
        (
            "",
            "SELECT books.title FROM books AS b WHERE b.year = 1880",
            json!([["Nana"]]),
        ),
        (
            "",
            "SELECT title FROM books WHERE name = 'Sand'",
            json!([["Indiana"]]),
        ),
        (
            "",
            "SELECT DISTINCT name FROM authors WHERE reader = 'Bob'",
            json!([["Zola"]]),
        ),
        // Names that could be of two.
        (
            "",
            "SELECT DISTINCT book_id FROM books JOIN loans ON books.book_id = loans.book_id WHERE reader = 'Bob'",
            json!([[11]]),
        ),
        // A join by what is not there.
        (
            "",
            "SELECT DISTINCT a.name FROM authors AS a JOIN loans AS l ON a.author_id = l.author_id",
            json!([["Woolf"], ["Zola"]]),
        ),
        // A join that is missing, in a subquery.
        (
            "",
            "SELECT count(*) FROM loans WHERE book_id IN (SELECT book_id FROM books WHERE name = 'Woolf')",
            json!([[1]]),
        ),
        // A column that holds the value it is compared with.
        (
            "",
            "SELECT title FROM books WHERE writer = 'Emile Zola' AND year = 1880",
            json!([["Nana"]]),
        ),
        // Functions and clauses of others.
        (
            "",
            "SELECT count(*) FROM loans WHERE YEAR(day) = 2024",
            json!([[2]]),
        ),
        (
            "",
            "SELECT TOP 1 title FROM books ORDER BY pages DESC",
            json!([["Germinal"]]),
        ),
        // Aggregates where there can be none.
        (
            "",
            "SELECT author FROM books WHERE count(*) > 1 GROUP BY author",
            json!([[2]]),
        ),
        (
            "",
            "SELECT book_id FROM loans GROUP BY book_id HAVING count(*) = (SELECT max(count(*)) FROM loans GROUP BY book_id)",
            json!([[11]]),
        ),
    ] {
        let repaired = library
            .repair(question, sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(json!(repaired.rows().rows), rows, "{sql}: {}", repaired.sql);
        assert!(repaired.mended && !repaired.changes.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn texts_that_no_row_holds_are_written_as_they_are_stored() {
    let library = Library::open().await;
    for (sql, rows) in [
        (
            "SELECT count(*) FROM authors WHERE country = 'france'",
            json!([[2]]),
        ),
        (
            "SELECT count(*) FROM authors WHERE country = \"FRANCE\"",
            json!([[2]]),
        ),
        (
            "SELECT name FROM authors WHERE name = 'Virginia Woolf'",
            json!([["Woolf"]]),
        ),
        (
            "SELECT name FROM authors WHERE full_title = 'Virginia-Woolf'",
            json!([["Woolf"]]),
        ),
        (
            "SELECT title FROM books WHERE author = 'Sand'",
            json!([["Indiana"]]),
        ),
        (
            "SELECT count(*) FROM books WHERE in_print = 'Yes'",
            json!([[2]]),
        ),
        (
            "SELECT title FROM books WHERE in_print = 'False' AND year = 1832",
            json!([["Indiana"]]),
        ),
        (
            "SELECT count(*) FROM authors WHERE country IN ('england', 'FRANCE')",
            json!([[3]]),
        ),
    ] {
        let repaired = library.repair("", sql).await.unwrap();
        assert_eq!(json!(repaired.rows().rows), rows, "{sql}: {}", repaired.sql);
        assert!(!repaired.mended && !repaired.changes.is_empty(), "{sql}");
    }
    for sql in [
        "SELECT count(*) FROM authors WHERE country = 'France'",
        "SELECT count(*) FROM authors WHERE country = 'Poland'",
        "SELECT count(*) FROM authors WHERE country <> 'france'",
        "SELECT count(*) FROM books WHERE in_print = 'maybe'",
        // What is not let through, and what is counted otherwise.
        "SELECT count(*) FROM authors WHERE NOT country = 'france'",
        "SELECT sum(CASE WHEN country = 'france' THEN 1 ELSE 2 END) FROM authors",
        // Something is found as it is: another column is another question.
        "SELECT name FROM authors WHERE name = 'Woolf' OR name = 'Emile Zola'",
    ] {
        let repaired = library.repair("", sql).await.unwrap();
        assert_eq!((repaired.sql.as_str(), repaired.changes.len()), (sql, 0));
    }
}

#[tokio::test]
async fn joins_by_anything_but_keys_are_written_anew_where_nothing_is_found() {
    let library = Library::open().await;
    let stray = "SELECT title FROM books JOIN loans ON books.book_id = loans.loan_id";
    let repaired = library.repair("", stray).await.unwrap();
    assert_eq!(repaired.rows().rows.len(), 3, "{}", repaired.sql);
    assert_eq!(repaired.changes.len(), 1);
    let found = "SELECT title FROM books JOIN loans ON books.book_id = loans.loan_id + 9";
    assert_eq!(library.repair("", found).await.unwrap().sql, found);
    let filtered =
        "SELECT title FROM books JOIN loans ON books.book_id = loans.loan_id AND reader = 'Bob'";
    let repaired = library.repair("", filtered).await.unwrap();
    assert_eq!(
        json!(repaired.rows().rows),
        json!([["Nana"]]),
        "{}",
        repaired.sql
    );
}

#[tokio::test]
async fn a_table_is_joined_where_its_key_can_be_named() {
    let library = Library::open().await;
    let sql = "SELECT DISTINCT full_title, l.reader FROM books AS b, loans AS l WHERE b.book_id = l.book_id";
    let repaired = library.repair("", sql).await.unwrap();
    assert_eq!(repaired.rows().rows.len(), 3);
    assert!(
        repaired
            .sql
            .contains("books AS b JOIN authors ON b.author = authors.author_id, loans AS l"),
        "{}",
        repaired.sql
    );
}

#[tokio::test]
async fn what_nobody_can_repair_is_left_with_its_reason() {
    let library = Library::open().await;
    for (sql, reason) in [
        ("DROP TABLE books", "does not read"),
        ("SELECT load_extension('x') FROM books", "load_extension"),
        ("SELECT a FROM spaceships", "no such table"),
        ("", "no statement"),
        ("I do not know.", "this is no SQLite that can be read"),
    ] {
        let failed = library.repair("", sql).await.unwrap_err();
        assert!(failed.to_string().contains(reason), "{sql}: {failed}");
    }
    library.cancel.cancel();
    assert!(library.repair("", "SELECT a FROM b").await.is_err());
}

#[tokio::test]
async fn rows_that_most_agree_on_are_chosen_unless_they_do_not_fit() {
    let library = Library::open().await;
    let many = "SELECT count(*) FROM books";
    for (question, candidates, chosen) in [
        // Most agree.
        (
            "How many books are there?",
            vec!["SELECT count(*) FROM loans", many, many],
            1,
        ),
        // Nothing is no answer where something is.
        (
            "Which books have more than 550 pages?",
            vec![
                "SELECT title FROM books WHERE pages > 5500",
                "SELECT title FROM books WHERE pages > 550",
            ],
            1,
        ),
        // More than was asked for.
        (
            "What is the title of the longest book?",
            vec![
                "SELECT book_id, title, pages FROM books ORDER BY pages DESC LIMIT 1",
                "SELECT title FROM books ORDER BY pages DESC LIMIT 1",
            ],
            1,
        ),
        (
            "List the titles of all books.",
            vec!["SELECT * FROM books", "SELECT title FROM books"],
            1,
        ),
        // One number, different ones, an average.
        (
            "How many books are there?",
            vec!["SELECT title FROM books", many],
            1,
        ),
        (
            "Show the different countries of authors.",
            vec![
                "SELECT country FROM authors",
                "SELECT DISTINCT country FROM authors",
            ],
            1,
        ),
        (
            "What is the average number of pages?",
            vec![
                "SELECT sum(pages) FROM books",
                "SELECT avg(pages) FROM books",
            ],
            1,
        ),
        // The thing, not its key in another table.
        (
            "Which author has most books?",
            vec![
                "SELECT author FROM books GROUP BY author ORDER BY count(*) DESC LIMIT 1",
                "SELECT authors.name FROM books JOIN authors ON books.author = authors.author_id GROUP BY authors.author_id ORDER BY count(*) DESC LIMIT 1",
            ],
            1,
        ),
        // Joins: of two keys that have nothing to do with each other, with rows that have no partner.
        (
            "Which readers borrowed Orlando?",
            vec![
                "SELECT reader FROM loans JOIN books ON loans.loan_id = books.book_id - 9 WHERE title = 'Nana'",
                "SELECT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title = 'Orlando'",
            ],
            1,
        ),
        (
            "Show each author's number of books.",
            vec![
                "SELECT name, count(book_id) FROM authors LEFT JOIN books ON author = author_id AND year > 1900 GROUP BY author_id",
                "SELECT name, count(*) FROM authors JOIN books ON author = author_id GROUP BY author_id",
            ],
            1,
        ),
        // Conditions.
        (
            "Which readers borrowed both Orlando and Nana?",
            vec![
                "SELECT DISTINCT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title IN ('Orlando', 'Nana')",
                "SELECT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title = 'Orlando' INTERSECT SELECT reader FROM loans JOIN books ON loans.book_id = books.book_id WHERE title = 'Nana'",
            ],
            1,
        ),
        (
            "Titles of books with at least 500 pages?",
            vec![
                "SELECT title FROM books WHERE pages > 500",
                "SELECT title FROM books WHERE pages >= 500",
            ],
            1,
        ),
        (
            "Titles of books that were never borrowed?",
            vec![
                "SELECT title FROM books WHERE book_id IN (SELECT book_id FROM loans)",
                "SELECT title FROM books WHERE book_id NOT IN (SELECT book_id FROM loans)",
            ],
            1,
        ),
        (
            "Titles that contain the letter d?",
            vec![
                "SELECT title FROM books WHERE title = 'Nana'",
                "SELECT title FROM books WHERE title LIKE '%d%'",
            ],
            1,
        ),
        // Orders.
        (
            "List the titles of books in descending order of pages.",
            vec![
                "SELECT title FROM books ORDER BY pages",
                "SELECT title FROM books ORDER BY pages DESC",
            ],
            1,
        ),
        (
            "What is the title of the book with the fewest pages?",
            vec![
                "SELECT title FROM books ORDER BY pages DESC LIMIT 1",
                "SELECT title FROM books ORDER BY pages LIMIT 1",
            ],
            1,
        ),
    ] {
        let choice = library.choice(question, &candidates).await.unwrap();
        assert_eq!(choice.index, chosen, "{question}: {:#?}", choice.considered);
        assert!(choice.confidence > 0.5 && choice.confidence <= 1.0);
        assert_eq!(choice.considered.len(), candidates.len());
    }
}

#[tokio::test]
async fn the_first_of_equals_is_chosen_and_what_fails_is_told() {
    let library = Library::open().await;
    let candidates = ["SELECT name FROM spaceships", "SELECT 1", "SELECT 2"];
    let choice = library.choice("", &candidates).await.unwrap();
    assert_eq!(choice.index, 1);
    assert!((choice.agreement - 1.0 / 3.0).abs() < 1e-9);
    let failed = &choice.considered[0].outcome;
    assert!(
        matches!(failed, Outcome::Failed(why) if why.contains("spaceships")),
        "{failed:?}"
    );
    assert_eq!(choice.considered[1].outcome, Outcome::Rows(1));

    let error = library.choice("", &candidates[..1]).await.unwrap_err();
    assert!(
        matches!(error, ChoiceError::NoAnswer { count: 1, .. }),
        "{error}"
    );
    let error = library.choice("", &[]).await.unwrap_err();
    assert!(matches!(error, ChoiceError::Nothing));
    library.cancel.cancel();
    let error = library.choice("", &["SELECT 1"]).await.unwrap_err();
    assert!(matches!(error, ChoiceError::Database(_)), "{error}");
}

#[tokio::test]
async fn a_folder_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("database")).unwrap();
    let file = folder.path().join("database/library.sqlite");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch(LIBRARY)
        .unwrap();
    let line = |question: &str, gold: &str, predictions: Value| {
        json!({"db_id": "library", "question": question, "query": gold, "predictions": predictions})
            .to_string()
    };
    let french = "SELECT count(*) FROM authors WHERE country = 'France'";
    let lines = [
        line(
            "How many authors are from France?",
            french,
            json!({
                "a": "SELECT count(*) FROM authors WHERE country = 'france'",
                "b": "SELECT count(*) FROM authors WHERE country = 'FRANCE'",
                "c": french,
            }),
        ),
        line(
            "How many books are there?",
            "SELECT count(*) FROM books",
            json!({
                "a": "SELECT count(*) FROM bookz",
                "b": "SELECT count(*) FROM loans",
                "c": "SELECT count(*) FROM books",
            }),
        ),
    ];
    fs::write(folder.path().join("questions.jsonl"), lines.join("\n")).unwrap();
    let folder = Folder::read(folder.path()).unwrap();
    let choice = measure_choice(&folder).await.unwrap();
    assert_eq!(
        (
            choice.questions,
            choice.ex,
            choice.majority_ex,
            choice.oracle_ex
        ),
        (2, 100.0, 0.0, 100.0)
    );
    let repair = measure_repair(&folder, None).await.unwrap();
    assert_eq!(
        (repair.system.as_str(), repair.ex_before, repair.ex_after),
        ("a", 0.0, 100.0)
    );
    assert_eq!(
        (repair.errors_before, repair.errors_after, repair.lost),
        (1, 0, 0)
    );
    let repair = measure_repair(&folder, Some("c")).await.unwrap();
    assert_eq!(
        (repair.system.as_str(), repair.ex_before, repair.lost),
        ("c", 100.0, 0)
    );
}

/// Statements of all kinds, mixed from pieces of attacks, honest statements and this library's.
fn anything() -> impl Strategy<Value = String> {
    let texts = [
        include_str!("attacks/sqlite.txt"),
        include_str!("honest/sqlite.txt"),
    ];
    let mut pieces: Vec<String> = texts
        .into_iter()
        .flat_map(statements)
        .flat_map(|statement| {
            let pieces = statement.split_inclusive([' ', '(', ')', ',', ';', '\'', '"', '\n']);
            pieces.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let own = "SELECT |DISTINCT |title |, |count(*) |FROM |book |books |authors |JOIN |ON |loans.author = |books.book_id |WHERE |country = 'france' |a.name |AND |GROUP BY |year |HAVING |max(count(*)) |ORDER BY |DESC |LIMIT |1 |UNION |IN (|) |NOT |``` |YEAR(day) ";
    for _ in 0..40 {
        pieces.extend(own.split('|').map(str::to_owned));
    }
    let mixed = prop::collection::vec(select(pieces), 0..24).prop_map(|pieces| pieces.concat());
    prop_oneof![mixed, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_sent_that_the_guard_has_not_written(
        question in any::<String>(),
        candidates in prop::collection::vec(anything(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let library = Library::open().await;
            let _ = choice(&question, &candidates, &library.asked().await).await;
            for sent in library.engine.sent.lock().unwrap().iter() {
                let again = library.source.guard().check(sent).map(|approved| approved.sql);
                assert_eq!(again.as_ref(), Ok(sent));
            }
        });
    }
}
