//! Statements that fail are repaired, and texts are written as they are stored.

use serde_json::json;

use super::Library;

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
