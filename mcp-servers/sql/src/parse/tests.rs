//! Each shape of question on a small library.
//!
//! - `dialects`: what is written differently for each database.
//! - `hostile`: any text, long ones, thousands of tables.

mod dialects;
mod hostile;

use std::sync::Arc;

use super::{Parser, THRESHOLD};
use crate::dialect::Dialect;
use crate::schema::{Column, ForeignKey, Schema, Table};
use crate::values::{IndexedColumn, ValueIndex};

fn table(name: &str, columns: &[(&str, &str)], foreign: &[(&str, &str, &str)]) -> Table {
    let column = |(name, kind): &(&str, &str)| Column {
        name: (*name).to_owned(),
        kind: (*kind).to_owned(),
        nullable: true,
        comment: None,
        samples: Vec::new(),
    };
    let key = |(column, table, target): &(&str, &str, &str)| ForeignKey {
        columns: vec![(*column).to_owned()],
        table: (*table).to_owned(),
        targets: vec![(*target).to_owned()],
    };
    let first = columns.first().map(|(name, _)| (*name).to_owned());
    Table {
        name: name.to_owned(),
        view: false,
        comment: None,
        columns: columns.iter().map(column).collect(),
        primary_key: first
            .filter(|name| name.ends_with("id"))
            .into_iter()
            .collect(),
        foreign_keys: foreign.iter().map(key).collect(),
        rows: None,
    }
}

fn library() -> Schema {
    Schema {
        tables: vec![
            table(
                "author",
                &[
                    ("author_id", "int"),
                    ("name", "text"),
                    ("country", "text"),
                    ("age", "int"),
                ],
                &[],
            ),
            table(
                "book",
                &[
                    ("book_id", "int"),
                    ("title", "text"),
                    ("genre", "text"),
                    ("page_count", "int"),
                    ("publishedYear", "int"),
                    ("author_id", "int"),
                ],
                &[("author_id", "author", "author_id")],
            ),
            table(
                "reader",
                &[("reader_id", "int"), ("fname", "text"), ("lname", "text")],
                &[],
            ),
            table(
                "loan",
                &[("book_id", "int"), ("reader_id", "int")],
                &[
                    ("book_id", "book", "book_id"),
                    ("reader_id", "reader", "reader_id"),
                ],
            ),
        ],
    }
}

fn parser(dialect: Dialect) -> Parser {
    let column = |table: &str, column: &str| IndexedColumn {
        table: table.into(),
        column: column.into(),
        complete: true,
    };
    let columns = vec![
        column("author", "country"),
        column("book", "genre"),
        column("author", "name"),
    ];
    let values = [
        (0, "France"),
        (0, "Germany"),
        (1, "crime"),
        (1, "poetry"),
        (2, "Ada Byron"),
    ];
    let values = values
        .map(|(column, value)| (column, value.to_owned()))
        .to_vec();
    let schema = library();
    let values = ValueIndex::of(&schema, columns, values);
    Parser::new(&schema, Arc::new(values), dialect)
}

fn read(question: &str) -> String {
    let reading = parser(Dialect::Sqlite).parse(question);
    let sql = reading
        .sql
        .unwrap_or_else(|| format!("left: {:?}", reading.best));
    sql.replace('"', "")
}

#[track_caller]
fn reads(question: &str, sql: &str) {
    assert_eq!(read(question), sql, "{question}");
}

#[test]
fn counts() {
    reads("How many authors are there?", "SELECT COUNT(*) FROM author");
    reads("Count the number of books.", "SELECT COUNT(*) FROM book");
    reads(
        "How many different genres of books are there?",
        "SELECT COUNT(DISTINCT genre) FROM book",
    );
    reads(
        "How many authors have written a book?",
        "SELECT COUNT(DISTINCT t1.author_id) FROM author AS t1 JOIN book AS t2 ON t2.author_id = t1.author_id",
    );
}

#[test]
fn lists() {
    reads(
        "List the name and age of every author.",
        "SELECT name, age FROM author",
    );
    reads(
        "What are the different genres?",
        "SELECT DISTINCT genre FROM book",
    );
    reads(
        "Show the first and last names of all readers.",
        "SELECT fname, lname FROM reader",
    );
    reads(
        "Show all the information about readers.",
        "SELECT reader_id, fname, lname FROM reader",
    );
}

#[test]
fn filters() {
    reads(
        "Which authors are from France?",
        "SELECT name FROM author WHERE country = 'France'",
    );
    reads(
        "What are the names of French or German authors?",
        "SELECT name FROM author WHERE (country = 'France' OR country = 'Germany')",
    );
    reads(
        "What is the age of the author named Ada Byron?",
        "SELECT age FROM author WHERE name = 'Ada Byron'",
    );
    reads(
        "How many authors are older than 40?",
        "SELECT COUNT(*) FROM author WHERE age > 40",
    );
    reads(
        "What are the titles of books with a page count between 100 and 200?",
        "SELECT title FROM book WHERE page_count BETWEEN 100 AND 200",
    );
    reads(
        "Which books were published after 1990?",
        "SELECT title FROM book WHERE publishedYear > 1990",
    );
    reads(
        "Which books have a page count above 200 sheets?",
        "SELECT title FROM book WHERE page_count > 200",
    );
    reads(
        "How many book records (with genre crime) are there?",
        "SELECT COUNT(*) FROM book WHERE genre = 'crime'",
    );
    reads(
        "List the titles of books that contain 'Love'.",
        "SELECT title FROM book WHERE title LIKE '%Love%'",
    );
    reads(
        "What are the names of authors whose country is not France?",
        "SELECT name FROM author WHERE country <> 'France'",
    );
    reads(
        "Show the names of authors above the average age.",
        "SELECT name FROM author WHERE age > (SELECT AVG(age) FROM author)",
    );
}

#[test]
fn aggregates_and_groups() {
    reads(
        "What are the average and maximum age of authors?",
        "SELECT AVG(age), MAX(age) FROM author",
    );
    reads(
        "How many authors are there in each country?",
        "SELECT country, COUNT(*) FROM author GROUP BY country",
    );
    reads(
        "What is the average page count for each genre?",
        "SELECT genre, AVG(page_count) FROM book GROUP BY genre",
    );
    reads(
        "Show the genres that have at least 3 books.",
        "SELECT genre FROM book GROUP BY genre HAVING COUNT(*) >= 3",
    );
    reads(
        "Show the name of each author and the number of books.",
        "SELECT t1.name, COUNT(*) FROM author AS t1 JOIN book AS t2 ON t2.author_id = t1.author_id \
         GROUP BY t1.author_id, t1.name",
    );
}

#[test]
fn orders_and_firsts() {
    reads(
        "List the names of authors in descending order of age.",
        "SELECT name FROM author ORDER BY age DESC",
    );
    reads(
        "What is the name of the youngest author?",
        "SELECT name FROM author WHERE age IS NOT NULL ORDER BY age ASC LIMIT 1",
    );
    reads(
        "What are the titles of the 3 books with the highest page count?",
        "SELECT title FROM book ORDER BY page_count DESC LIMIT 3",
    );
    reads(
        "Which genre has the most books?",
        "SELECT genre FROM book GROUP BY genre ORDER BY COUNT(*) DESC LIMIT 1",
    );
    reads(
        "What are the top 2 genres by number of books? Return the genre and the number of books.",
        "SELECT genre, COUNT(*) FROM book GROUP BY genre ORDER BY COUNT(*) DESC LIMIT 2",
    );
    reads(
        "What are the top 3 genres by total page count?",
        "SELECT genre FROM book GROUP BY genre ORDER BY SUM(page_count) DESC LIMIT 3",
    );
    reads(
        "Who is the oldest author? Show both the name and the country.",
        "SELECT name, country FROM author ORDER BY age DESC LIMIT 1",
    );
    reads(
        "What is the most common country of authors?",
        "SELECT country FROM author GROUP BY country ORDER BY COUNT(*) DESC LIMIT 1",
    );
}

#[test]
fn joins_and_what_is_not_there() {
    reads(
        "What are the titles of books by authors from Germany?",
        "SELECT t1.title FROM book AS t1 JOIN author AS t2 ON t1.author_id = t2.author_id WHERE t2.country = 'Germany'",
    );
    reads(
        "What are the names of authors that do not have any books?",
        "SELECT name FROM author WHERE author_id NOT IN (SELECT author_id FROM book WHERE author_id IS NOT NULL)",
    );
    reads(
        "Which readers have not borrowed crime books?",
        "SELECT reader_id FROM reader WHERE reader_id NOT IN (SELECT t1.reader_id FROM loan AS t1 JOIN book AS t2 \
         ON t1.book_id = t2.book_id WHERE t2.genre = 'crime' AND t1.reader_id IS NOT NULL)",
    );
    reads(
        "What are the names of authors who have both crime and poetry books?",
        "SELECT t1.name FROM author AS t1 JOIN book AS t2 ON t2.author_id = t1.author_id WHERE t2.genre = 'crime' \
         INTERSECT SELECT t1.name FROM author AS t1 JOIN book AS t2 ON t2.author_id = t1.author_id \
         WHERE t2.genre = 'poetry'",
    );
    // Of both, not of each half.
    reads(
        "How many authors have both crime and poetry books?",
        "SELECT COUNT(*) FROM (SELECT t1.author_id FROM author AS t1 JOIN book AS t2 \
         ON t2.author_id = t1.author_id WHERE t2.genre = 'crime' INTERSECT SELECT t1.author_id FROM author AS t1 \
         JOIN book AS t2 ON t2.author_id = t1.author_id WHERE t2.genre = 'poetry') AS counted",
    );
    // A book without an author is by nobody either.
    reads(
        "How many books do not have an author from France?",
        "SELECT COUNT(*) FROM book WHERE (author_id IS NULL OR author_id NOT IN \
         (SELECT author_id FROM author WHERE country = 'France'))",
    );
    reads(
        "How many books did the oldest author write?",
        "SELECT COUNT(*) FROM book AS t1 JOIN author AS t2 ON t1.author_id = t2.author_id \
         WHERE t2.author_id = (SELECT author_id FROM author ORDER BY age DESC LIMIT 1)",
    );
}

#[test]
fn what_rows_count_themselves_is_not_counted_without_doubt() {
    let mut schema = library();
    let sold = [("sale_id", "int"), ("book_id", "int"), ("count", "int")];
    schema
        .tables
        .push(table("sale", &sold, &[("book_id", "book", "book_id")]));
    let parser = Parser::new(&schema, Arc::default(), Dialect::Sqlite);
    let reading = parser.parse("How many sales are there?");
    assert!(reading.sql.is_none(), "{reading:?}");
    assert!(
        reading.doubts.iter().any(|doubt| doubt.contains("count")),
        "{reading:?}"
    );
}

#[test]
fn names_with_numbers_are_told_apart() {
    let lines = [
        ("address_id", "int"),
        ("line_1", "text"),
        ("line_2", "text"),
    ];
    let schema = Schema {
        tables: vec![table("address", &lines, &[])],
    };
    let parser = Parser::new(&schema, Arc::default(), Dialect::Sqlite);
    let reading = parser.parse("Show line 2 of all addresses.");
    let sql = reading.sql.unwrap().replace('"', "");
    assert_eq!(sql, "SELECT line_2 FROM address");
}

#[test]
fn what_the_database_does_not_hold_is_left_to_others() {
    let parser = parser(Dialect::Sqlite);
    for question in [
        "What is the purpose of life?",
        "How does photosynthesis work?",
        "Which country has the longest coastline in Africa?",
        "What is the ratio of books to authors?",
        "Can you recommend a good restaurant near the river?",
        "",
        "?",
        "and or not",
    ] {
        let reading = parser.parse(question);
        assert!(reading.confidence < THRESHOLD, "{question}: {reading:?}");
        assert_eq!(reading.sql, None, "{question}");
    }
}

#[test]
fn what_was_read_is_said() {
    let reading = parser(Dialect::Sqlite).parse("Which authors are from France?");
    assert!(reading.confidence > 0.8, "{reading:?}");
    let said = reading.explanation.join("; ");
    assert!(said.contains("author.country is France"), "{said}");
    let doubtful = parser(Dialect::Sqlite).parse("Which authors are from Wonderland?");
    assert!(
        doubtful
            .doubts
            .iter()
            .any(|doubt| doubt.contains("Wonderland")),
        "{doubtful:?}"
    );
    assert!(doubtful.best.is_some());
}
