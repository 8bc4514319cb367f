//! Repair over databases that tell names apart by their capitals.

use std::sync::Arc;

use ropewalk_sql::Asked;
use ropewalk_sql::database::{Engine, MySql};
use ropewalk_sql::guard::Rules;
use ropewalk_sql::repair::repair;
use ropewalk_sql::source::{Settings, Source};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::mariadb::MariaDbServer;
use crate::server::postgres::PostgresServer;

async fn repaired(engine: Arc<dyn Engine>, cases: &[(&str, Value)]) {
    let source = Source::over("music", engine, Settings::default()).unwrap();
    let schema = source.schema().await.unwrap();
    let cancel = CancellationToken::new();
    for (sql, rows) in cases {
        let asked = Asked::new(&source, &schema, &cancel).await;
        let repaired = repair(None, sql, &asked)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}: {}", error.sql));
        assert_eq!(
            json!(repaired.rows().rows),
            *rows,
            "{sql}: {}",
            repaired.sql
        );
        assert!(!repaired.changes.is_empty(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_finds_names_as_they_are_stored() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    server.psql(
        "CREATE TABLE \"Singer\" (\"Id\" int PRIMARY KEY, \"Name\" text, \"HomeTown\" text);
         INSERT INTO \"Singer\" VALUES (1, 'Ada', 'Bonn'), (2, 'Grace', 'Kiel');
         CREATE TABLE concert (id int PRIMARY KEY, singer int REFERENCES \"Singer\", day date);
         INSERT INTO concert VALUES (1, 1, '2024-03-01'), (2, 2, '2025-03-02');",
    );
    repaired(
        Arc::new(server.owner().await),
        &[
            ("SELECT Name FROM Singer WHERE Id = 1", json!([["Ada"]])),
            (
                "SELECT nam FROM \"Singer\" WHERE \"ID\" = 2",
                json!([["Grace"]]),
            ),
            (
                "SELECT s.NAME FROM concert c JOIN singers s ON c.singer = s.id WHERE s.name = 'ada'",
                json!([["Ada"]]),
            ),
            (
                "SELECT x.Name FROM (SELECT Name, HomeTown FROM Singer) x ORDER BY x.HomeTown DESC",
                json!([["Grace"], ["Ada"]]),
            ),
            (
                "SELECT id FROM concert WHERE singer = 'Grace'",
                json!([[2]]),
            ),
            (
                "SELECT count(*) FROM \"Singer\" WHERE \"Name\" = \"Ada\"",
                json!([[1]]),
            ),
            (
                "SELECT hometown FROM concert WHERE YEAR(day) = 2025",
                json!([["Kiel"]]),
            ),
            (
                "SELECT Name, count(*) FROM Singer JOIN concert ON concert.singer = Singer.Id ORDER BY Name",
                json!([["Ada", 1], ["Grace", 1]]),
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_finds_tables_as_they_are_stored() {
    let Some(server) = MariaDbServer::start() else {
        return;
    };
    server.sql(
        "CREATE TABLE test.Singer (Id int PRIMARY KEY, Name varchar(20), Born date);
         INSERT INTO test.Singer VALUES (1, 'Ada', '1815-12-10'), (2, 'Grace', '1906-12-09');",
    );
    let database = MySql::connect("music", &server.owner_url(), Rules::default())
        .await
        .unwrap();
    repaired(
        Arc::new(database),
        &[
            ("SELECT NAME FROM singer WHERE id = 1", json!([["Ada"]])),
            ("SELECT nam FROM SINGER WHERE id = 2", json!([["Grace"]])),
            (
                "SELECT name FROM Singer WHERE STRFTIME('%Y', Born) = '1815'",
                json!([["Ada"]]),
            ),
        ],
    )
    .await;
}
