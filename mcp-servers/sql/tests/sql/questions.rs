//! Questions read without a model on every database: what is missing, what is kept as something
//! else, and marks that mean something.

use std::sync::Arc;

use ropewalk_sql::database::{Engine, MySql, Postgres, Sqlite};
use ropewalk_sql::guard::Rules;
use ropewalk_sql::parse::Parser;
use ropewalk_sql::source::{Settings, Source};
use ropewalk_sql::values::{Bounds, ValueIndex};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::mariadb::MariaDbServer;
use crate::server::postgres::PostgresServer;

/// A plant without an age, one without a gardener, and heights that are texts.
const GARDEN: &str = "
    CREATE TABLE gardener (gardener_id int PRIMARY KEY, name varchar(40), country varchar(40));
    INSERT INTO gardener VALUES (1, 'Ada', 'France'), (2, 'Grace', 'Spain');
    CREATE TABLE plant (plant_id int PRIMARY KEY, name varchar(40), colour varchar(40), age int,
        height varchar(40), gardener_id int REFERENCES gardener (gardener_id));
    INSERT INTO plant VALUES (1, 'Rose 50%', 'red', 3, '9', 1), (2, 'Iris', 'blue', 7, '130', 1),
        (3, 'Moss 500', 'green', NULL, 'unknown', NULL), (4, 'Poppy', 'red', 5, NULL, 2);";

async fn are_answered(engine: Arc<dyn Engine>) {
    let source = Source::over("garden", engine, Settings::default()).unwrap();
    let cancel = CancellationToken::new();
    let schema = source.schema().await.unwrap();
    let bounds = Bounds::default();
    let values = ValueIndex::read(&source, &schema, &bounds, &cancel);
    let parser = Parser::new(&schema, Arc::new(values.await.unwrap()), source.dialect());
    for (question, expected) in [
        (
            "What is the name of the youngest plant?",
            json!([["Rose 50%"]]),
        ),
        ("What is the name of the oldest plant?", json!([["Iris"]])),
        ("How many plants have a height above 100?", json!([["1"]])),
        ("How many plants have a height below 100?", json!([["1"]])),
        (
            "What is the name of the plant with the greatest height?",
            json!([["Iris"]]),
        ),
        (
            "What are the names of plants above the average height?",
            json!([["Iris"]]),
        ),
        (
            "How many plants have a name containing '50%'?",
            json!([["1"]]),
        ),
        (
            "How many plants do not have a gardener from France?",
            json!([["2"]]),
        ),
        (
            "How many gardeners have both red and blue plants?",
            json!([["1"]]),
        ),
    ] {
        let reading = parser.parse(question).settled(&source, &cancel);
        let reading = reading.await.unwrap();
        let Some(sql) = &reading.sql else {
            panic!("{question}: {reading:?}");
        };
        let rows = source.rows(sql, source.limits(), &cancel).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}")).rows;
        let texts = |cell: &Value| {
            cell.as_str()
                .map_or_else(|| cell.to_string(), str::to_owned)
        };
        let rows: Vec<Vec<String>> = rows
            .rows
            .iter()
            .map(|row| row.iter().map(texts).collect())
            .collect();
        assert_eq!(json!(rows), expected, "{}: {sql}", source.dialect().name());
    }
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("garden.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(GARDEN).unwrap();
    let engine = Sqlite::open(&file, Rules::default()).await.unwrap();
    are_answered(Arc::new(engine)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    server.psql(GARDEN);
    // What PostgreSQL knows of values it has from this.
    server.psql("ANALYZE");
    let url = server.url("owner", "owner-password", "postgres");
    let engine = Postgres::connect("garden", &url, Rules::default());
    are_answered(Arc::new(engine.await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    let Some(server) = MariaDbServer::start() else {
        return;
    };
    server.sql(GARDEN);
    let url = server.owner_url();
    let engine = MySql::connect("garden", &url, Rules::default());
    are_answered(Arc::new(engine.await.unwrap())).await;
}
