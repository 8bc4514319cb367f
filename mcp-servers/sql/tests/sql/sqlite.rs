//! Real SQLite files: what is asked of them, and what nobody can make them do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ropewalk_sql::database::{DatabaseError, Engine, Limits, Sqlite, Truncation};
use ropewalk_sql::guard::Rules;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::corpus::{statements, unguarded};
use crate::engine::query;

struct File {
    _folder: TempDir,
    path: PathBuf,
}

fn file(sql: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    File {
        _folder: folder,
        path,
    }
}

fn people() -> File {
    file(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, secret TEXT);
         INSERT INTO person VALUES (1, 'Ada', 'a'), (2, 'Grace', 'b'), (3, 'Edsger', NULL);
         CREATE TABLE post (id INTEGER PRIMARY KEY, author INT REFERENCES person, score REAL);
         INSERT INTO post VALUES (1, 1, 2.5), (2, 1, 9007199254740993), (3, 3, NULL);
         CREATE VIEW author AS SELECT name FROM person;",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_engines_promise() {
    let people = people();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    crate::engine::keeps_what_engines_promise(Arc::new(database)).await;
}

#[tokio::test]
async fn answers_have_columns_types_and_values() {
    let people = people();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let sql = "SELECT p.name, o.score, o.id + 9007199254740992 AS big, x'00ff' AS raw FROM person p \
               LEFT JOIN post o ON o.author = p.id ORDER BY p.id, o.id";
    let rows = query(&database, sql, &Limits::default()).await.unwrap();
    let told = rows
        .columns
        .iter()
        .map(|head| (head.name.as_str(), head.kind.as_str()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("name", "TEXT"),
            ("score", "REAL"),
            ("big", ""),
            ("raw", "")
        ]
    );
    assert_eq!(
        rows.rows,
        [
            vec![
                json!("Ada"),
                json!(2.5),
                json!("9007199254740993"),
                json!("0x00ff")
            ],
            vec![
                json!("Ada"),
                json!(9_007_199_254_740_992.0),
                json!("9007199254740994"),
                json!("0x00ff")
            ],
            vec![json!("Grace"), json!(null), json!(null), json!("0x00ff")],
            vec![
                json!("Edsger"),
                json!(null),
                json!("9007199254740995"),
                json!("0x00ff")
            ],
        ]
    );
    assert_eq!(rows.truncated, None);
}

#[tokio::test]
async fn the_schema_has_keys_counts_and_samples() {
    let people = people();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let schema = database.schema().await.unwrap();
    let names: Vec<&str> = schema
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(names, ["author", "person", "post"]);
    assert!(schema.tables[0].view);
    let person = schema.table("PERSON").unwrap();
    assert_eq!(person.primary_key, ["id"]);
    assert_eq!(person.rows, Some(3));
    assert_eq!(
        person.column("name").unwrap().samples,
        ["Ada", "Grace", "Edsger"]
    );
    assert!(!person.column("name").unwrap().nullable);
    let key = &schema.table("post").unwrap().foreign_keys[0];
    assert_eq!(
        (
            key.columns.as_slice(),
            key.table.as_str(),
            key.targets.as_slice()
        ),
        (
            ["author".to_owned()].as_slice(),
            "person",
            ["id".to_owned()].as_slice()
        )
    );
}

#[tokio::test]
async fn no_attack_changes_the_file_even_past_the_guard() {
    let people = people();
    let before = std::fs::read(&people.path).unwrap();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let limits = Limits {
        time: Duration::from_secs(1),
        ..Limits::default()
    };
    for attack in statements(include_str!("attacks/sqlite.txt")) {
        let cancel = CancellationToken::new();
        // Whether it fails is its own affair; the guard, which refuses all of these, is left out.
        let _ = database.query(&unguarded(&attack), &limits, &cancel).await;
    }
    assert_eq!(std::fs::read(&people.path).unwrap(), before);
    let siblings = std::fs::read_dir(people.path.parent().unwrap())
        .unwrap()
        .count();
    assert_eq!(siblings, 1, "something was written beside the file");
    assert!(!Path::new("/tmp/ropewalk-attack.db").exists());
    assert!(!Path::new("/tmp/ropewalk-attack").exists());
}

#[tokio::test]
async fn what_may_not_be_read_is_refused_by_the_database_as_well() {
    let people = people();
    let rules = Rules {
        tables: ["author".to_owned(), "post".to_owned()].into(),
        ..Rules::default()
    };
    let database = Sqlite::open(&people.path, rules).await.unwrap();
    let cancel = CancellationToken::new();
    let limits = Limits::default();
    for sql in [
        "SELECT secret FROM person",
        "SELECT * FROM post WHERE author IN (SELECT id FROM person)",
        "WITH person AS (SELECT * FROM main.person) SELECT * FROM person",
        "WITH post AS (SELECT secret FROM person) SELECT * FROM post",
        "WITH author AS (SELECT secret FROM person) SELECT * FROM author",
        "SELECT * FROM (SELECT secret FROM person) AS author",
        "SELECT * FROM sqlite_master",
        "SELECT load_extension('x')",
        "SELECT randomblob(3), sqlite_compileoption_get(0)",
    ] {
        let refused = database.query(&unguarded(sql), &limits, &cancel).await;
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("prohibited") || error.contains("not authorized"),
            "{sql}: {error}"
        );
    }
    let view = database
        .query(&unguarded("SELECT name FROM author"), &limits, &cancel)
        .await;
    assert_eq!(view.unwrap().rows.len(), 3);
    let schema = database.schema().await.unwrap();
    assert!(schema.table("person").is_none());
}

#[tokio::test]
async fn the_schema_shows_nothing_that_rules_hide() {
    let people = people();
    let rules = Rules {
        columns: [(
            "PERSON".to_owned(),
            vec!["ID".to_owned(), "name".to_owned()],
        )]
        .into(),
        rows: [("Person".to_owned(), "id = 1".to_owned())].into(),
        ..Rules::default()
    };
    let database = Sqlite::open(&people.path, rules).await.unwrap();
    let schema = database.schema().await.unwrap();
    let person = schema.table("person").unwrap();
    let columns = person.columns.iter().map(|column| column.name.as_str());
    assert_eq!(columns.collect::<Vec<_>>(), ["id", "name"]);
    assert!(
        person
            .columns
            .iter()
            .all(|column| column.samples.is_empty())
    );
    assert_eq!(person.rows, None, "how many rows others have");
}

#[tokio::test]
async fn what_is_too_much_is_cut_and_said() {
    let people = people();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let wide = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                SELECT hex(zeroblob(4000)) FROM n";
    let rows = query(&database, wide, &Limits::default()).await.unwrap();
    assert_eq!(rows.truncated, Some(Truncation::Bytes));
    let one = query(
        &database,
        "SELECT hex(zeroblob(100000))",
        &Limits::default(),
    )
    .await
    .unwrap();
    let text = one.rows[0][0].as_str().unwrap();
    assert!(text.ends_with("… (200000 bytes)") && text.len() < 9_000);
    let huge = query(
        &database,
        "SELECT length(zeroblob(500000000))",
        &Limits::default(),
    )
    .await;
    let error = huge.unwrap_err();
    assert!(matches!(error, DatabaseError::Size { .. }), "{error}");
}

/// SQLite looks at the clock between steps, and there are functions that take long over one value.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_look_at_the_clock_is_left() {
    let people = people();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let limits = Limits {
        time: Duration::from_millis(200),
        ..Limits::default()
    };
    let zeros = "0".repeat(900);
    let slow = format!("SELECT hex(zeroblob(1000000)) LIKE '%{zeros}1'");
    let began = Instant::now();
    let error = query(&database, &slow, &limits).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Time { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(4));
    query(&database, "SELECT 1", &limits).await.unwrap();
}

#[tokio::test]
async fn a_file_in_the_place_of_another_is_read() {
    let (people, others) = (self::people(), self::people());
    let connection = rusqlite::Connection::open(&others.path).unwrap();
    connection
        .execute_batch("DELETE FROM post; DELETE FROM person WHERE id > 1")
        .unwrap();
    drop(connection);
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let count = async || {
        let counted = query(&database, "SELECT count(*) FROM person", &Limits::default()).await;
        counted.map(|rows| rows.rows[0][0].clone())
    };
    assert_eq!(count().await.unwrap(), json!(3));
    std::fs::rename(&others.path, &people.path).unwrap();
    assert_eq!(count().await.unwrap(), json!(1));
    std::fs::remove_file(&people.path).unwrap();
    let error = count().await.unwrap_err();
    assert!(matches!(error, DatabaseError::Open { .. }), "{error}");
}

#[tokio::test]
async fn what_is_large_or_has_no_end_is_no_sample() {
    let large = file(
        "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
         INSERT INTO book VALUES (1, 'Notes', hex(zeroblob(40000000)));
         INSERT INTO book VALUES (2, 'Errata', 'short');
         CREATE VIEW number AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
             SELECT x FROM n;
         CREATE VIEW huge AS SELECT zeroblob(900000000) AS x, length(hex(zeroblob(400000000))) AS y",
    );
    let database = Sqlite::open(&large.path, Rules::default()).await.unwrap();
    let began = Instant::now();
    let schema = database.schema().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    let samples = |table: &str, column: &str| {
        let table = schema.table(table).unwrap();
        table.column(column).unwrap().samples.clone()
    };
    assert_eq!(samples("book", "title"), ["Notes", "Errata"]);
    assert_eq!(samples("book", "body"), ["short"]);
    assert_eq!(schema.table("book").unwrap().rows, Some(2));
    // Its first rows are known, though never how many there are.
    assert_eq!(samples("number", "x"), ["1", "2", "3", "4", "5"]);
    assert_eq!(schema.table("number").unwrap().rows, None);
    assert!(samples("huge", "y").is_empty());
}

/// On a disk that is only read, or in somebody else's folder.
#[cfg(unix)]
#[tokio::test]
async fn nothing_need_be_written_beside_a_file() {
    let people = people();
    let connection = rusqlite::Connection::open(&people.path).unwrap();
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    drop(connection);
    let beside = |ending: &str| people.path.with_extension(format!("db-{ending}"));
    // What leads nowhere cannot be made a file, not even by root.
    std::os::unix::fs::symlink("/nowhere/at/all", beside("shm")).unwrap();
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let count = "SELECT count(*) FROM person";
    let rows = query(&database, count, &Limits::default()).await.unwrap();
    assert_eq!(rows.rows, [[json!(3)]]);
    assert_eq!(database.schema().await.unwrap().tables.len(), 3);
    // Once somebody writes, what is in the file is not all.
    std::fs::write(beside("wal"), "something").unwrap();
    let error = query(&database, count, &Limits::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("in a file beside it"), "{error}");
}

/// As a program leaves them that is killed while it writes.
#[tokio::test]
async fn a_file_that_was_left_half_written_says_so() {
    let people = people();
    let writer = rusqlite::Connection::open(&people.path).unwrap();
    writer
        .execute_batch(
            "PRAGMA cache_size = 2; BEGIN;
             WITH RECURSIVE n(x) AS (SELECT 10 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)
             INSERT INTO person SELECT x, 'somebody with a long name', 'x' FROM n;
             UPDATE person SET secret = 'y'",
        )
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("left.db");
    std::fs::copy(&people.path, &left).unwrap();
    let journal = people.path.with_extension("db-journal");
    std::fs::copy(journal, folder.path().join("left.db-journal")).unwrap();
    let error = Sqlite::open(&left, Rules::default()).await.err().unwrap();
    assert!(
        error.to_string().contains("ended while it wrote"),
        "{error}"
    );
    // While somebody writes the whole file, nobody reads it.
    drop(writer);
    let database = Sqlite::open(&people.path, Rules::default()).await.unwrap();
    let writer = rusqlite::Connection::open(&people.path).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = database.schema().await.unwrap_err();
    assert!(matches!(error, DatabaseError::Locked), "{error}");
    let error = query(&database, "SELECT name FROM person", &Limits::default()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, DatabaseError::Locked), "{error}");
}

#[tokio::test]
async fn keys_tell_of_nothing_that_rules_hide() {
    let people = people();
    let rules = Rules {
        tables: ["person".to_owned(), "post".to_owned()].into(),
        columns: [("person".to_owned(), vec!["name".to_owned()])].into(),
        ..Rules::default()
    };
    let database = Sqlite::open(&people.path, rules).await.unwrap();
    let schema = database.schema().await.unwrap();
    assert!(schema.table("person").unwrap().primary_key.is_empty());
    let post = schema.table("post").unwrap();
    assert!(post.foreign_keys.is_empty(), "{post:?}");
    assert_eq!(post.primary_key, ["id"]);
}

#[tokio::test]
async fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("letter.txt");
    std::fs::write(
        &text,
        "This is a letter, and longer than the head of a database is, so that \
        it is looked at."
            .repeat(10),
    )
    .unwrap();
    for (path, reason) in [
        (folder.path().join("none.db"), "there is no such file"),
        (folder.path().to_owned(), "it is no file"),
        (text, "it is no SQLite database"),
    ] {
        let error = Sqlite::open(&path, Rules::default())
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
}
