//! Real SQLite files: what is asked of them, and what nobody can make them do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod corpus;
mod engine;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corpus::{statements, unguarded};
use engine::query;
use ropewalk_sql::database::{DatabaseError, Engine, Limits, Sqlite, Truncation};
use ropewalk_sql::guard::Rules;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

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
    engine::keeps_what_engines_promise(Arc::new(database)).await;
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
