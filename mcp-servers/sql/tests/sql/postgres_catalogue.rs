//! A real PostgreSQL: what is in it, how it would go about statements, how values are shown, what
//! its users may do, and how secret the way to it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ropewalk_sql::database::{Engine, Limits, Postgres};
use ropewalk_sql::guard::Rules;
use serde_json::json;

use crate::corpus::unguarded;
use crate::engine::query;
use crate::server::postgres::PostgresServer;

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_is_in_it_and_who_may_do_what() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    the_schema_has_keys_comments_and_samples(&server).await;
    keys_tell_of_nothing_that_rules_hide(&server).await;
    values_are_shown_as_they_are(&server).await;
    plans_tell_how_much_would_be_read(&server).await;
    a_plan_that_nobody_waits_for_is_stopped(&server).await;
    too_much_power_is_told(&server).await;
    the_way_there_is_as_secret_as_was_asked(&server).await;
}

async fn the_schema_has_keys_comments_and_samples(server: &PostgresServer) {
    let owner = server.owner().await;
    let schema = owner.schema().await.unwrap();
    let names: Vec<&str> = schema
        .tables
        .iter()
        .map(|table| table.name.as_str())
        .collect();
    assert_eq!(names, ["other.thing", "person", "post"]);
    let person = schema.table("person").unwrap();
    assert_eq!(person.comment.as_deref(), Some("Everybody we know"));
    assert_eq!(person.rows, Some(3));
    assert_eq!(
        person.column("secret").unwrap().comment.as_deref(),
        Some("Not to be told")
    );
    assert_eq!(person.column("name").unwrap().samples.len(), 3);
    assert_eq!(schema.table("other.thing").unwrap().primary_key, ["a", "b"]);
    let key = &schema.table("post").unwrap().foreign_keys[0];
    assert_eq!(
        (key.table.as_str(), key.targets[0].as_str()),
        ("person", "id")
    );
    let seen = server.reader().await.schema().await.unwrap();
    assert!(seen.table("other.thing").is_none(), "it may not be read");
}

async fn keys_tell_of_nothing_that_rules_hide(server: &PostgresServer) {
    let rules = Rules {
        columns: BTreeMap::from([
            ("other.thing".to_owned(), vec!["a".to_owned()]),
            ("person".to_owned(), vec!["name".to_owned()]),
        ]),
        ..Rules::default()
    };
    let database = Postgres::connect("people", &server.owner_url(), rules).await;
    let schema = database.unwrap().schema().await.unwrap();
    for table in &schema.tables {
        let hidden = table.name == "post";
        assert_eq!(!table.primary_key.is_empty(), hidden, "{table:?}");
        assert!(table.foreign_keys.is_empty(), "{table:?}");
    }
}

async fn values_are_shown_as_they_are(server: &PostgresServer) {
    server.psql(
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN price AS numeric(10, 2);
         CREATE TABLE \"Odd \"\"one\"\" 📈\" (\"a.b\" int); INSERT INTO \"Odd \"\"one\"\" 📈\" VALUES (1)",
    );
    let database = server.owner().await;
    for (value, kind, shown) in [
        ("'NaN'::float8", "float8", json!("NaN")),
        ("'-Infinity'::float8", "float8", json!("-inf")),
        ("'NaN'::numeric", "numeric", json!("NaN")),
        (
            "12345678901234567890.10",
            "numeric",
            json!("12345678901234567890.10"),
        ),
        ("0.1::float4", "float4", json!(0.1)),
        ("'\\x00ff'::bytea", "bytea", json!("\\x00ff")),
        ("'glad'::mood", "mood", json!("glad")),
        ("1.5::price", "numeric", json!("1.50")),
        ("NULL::date", "date", json!(null)),
        ("'infinity'::date", "date", json!("infinity")),
        (
            "'2024-02-29 12:30:00.5+02'::timestamptz AT TIME ZONE 'UTC'",
            "timestamp",
            json!("2024-02-29 10:30:00.5"),
        ),
        ("'12:30+02'::timetz", "timetz", json!("12:30:00+02")),
        (
            "INTERVAL '1 year -3 days 04:05'",
            "interval",
            json!("P1Y-3DT4H5M"),
        ),
        (
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            "uuid",
            json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("B'101'", "bit", json!("101")),
        (
            "ARRAY[[1, 2], [3, NULL]]",
            "_int4",
            json!("{{1,2},{3,NULL}}"),
        ),
        ("int4range(1, 5)", "int4range", json!("[1,5)")),
        ("'10.0.0.1/8'::inet", "inet", json!("10.0.0.1/8")),
        ("ROW(1, 'a')", "record", json!("(1,a)")),
        ("'{\"a\": null}'::json", "json", json!("{\"a\": null}")),
    ] {
        let asked = unguarded(&format!("SELECT {value} AS v"));
        let cancel = tokio_util::sync::CancellationToken::new();
        let rows = database.query(&asked, &Limits::default(), &cancel).await;
        let rows = rows.unwrap();
        assert_eq!(rows.rows, [[shown]], "{value}");
        assert_eq!(rows.columns[0].kind, kind, "{value}");
    }
    let odd = "SELECT \"a.b\" FROM \"Odd \"\"one\"\" 📈\"";
    let rows = query(&database, odd, &Limits::default()).await.unwrap();
    assert_eq!(rows.rows, [[json!(1)]]);
    // More digits than a text can hold.
    server.psql(
        "CREATE TABLE file (body bytea); ALTER TABLE file ALTER body SET STORAGE EXTERNAL;
         INSERT INTO file SELECT decode(repeat('ab', 300000000), 'hex')",
    );
    let rows = query(&database, "SELECT body FROM file", &Limits::default()).await;
    let rows = rows.unwrap();
    let text = rows.rows[0][0].as_str().unwrap();
    assert!(
        text.starts_with("\\xabab") && text.len() < 9_000,
        "{}",
        text.len()
    );
    server.psql(
        "DROP TABLE file; DROP TABLE \"Odd \"\"one\"\" 📈\"; DROP TYPE mood; DROP DOMAIN price",
    );
}

async fn plans_tell_how_much_would_be_read(server: &PostgresServer) {
    server.psql(
        "CREATE TABLE large AS SELECT n AS id, n % 7 AS kind, 'x' || n AS name
         FROM generate_series(1, 50000) n; ANALYZE large",
    );
    let database = server.owner().await;
    let rows = async |sql: &str| database.plan(&unguarded(sql)).await.unwrap().rows.unwrap();
    // All are looked at, though one comes out.
    assert_eq!(
        rows("SELECT * FROM large WHERE name = 'x1'").await,
        50_000.0
    );
    assert!(rows("SELECT * FROM large LIMIT 5").await < 100.0);
    let loops = rows("SELECT * FROM large a JOIN large b ON a.name || b.name = 'x'").await;
    assert!(loops > 1e9, "{loops}");
    let inner = "SELECT id, (SELECT count(*) FROM large b WHERE b.name > a.name) FROM large a";
    let inner = rows(inner).await;
    assert!(inner > 1e9, "{inner}");
    let plan = database.plan(&unguarded("SELECT * FROM person")).await;
    let plan = plan.unwrap();
    assert_eq!(plan.steps, ["Seq Scan on person, 3 rows"]);
    assert_eq!(plan.rows, Some(3.0));
    server.psql("DROP TABLE large");
}

/// Planning computes what does not depend on rows.
async fn a_plan_that_nobody_waits_for_is_stopped(server: &PostgresServer) {
    server.psql(
        "CREATE FUNCTION slow() RETURNS int IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(60); RETURN 1; END $$",
    );
    let database = server.owner().await;
    let statement = unguarded("SELECT slow()");
    // More than are asked at the same time.
    for _ in 0..6 {
        let plan = database.plan(&statement);
        let late = tokio::time::timeout(Duration::from_millis(200), plan).await;
        assert!(late.is_err());
    }
    let began = Instant::now();
    query(&database, "SELECT 1", &Limits::default())
        .await
        .unwrap();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                AND query LIKE 'EXPLAIN%'";
    while server.psql(busy).trim() != "0" {
        assert!(began.elapsed() < Duration::from_secs(8), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.psql("DROP FUNCTION slow()");
}

async fn too_much_power_is_told(server: &PostgresServer) {
    let owner = server.owner().await;
    let excess = owner.excess().await.unwrap().join("\n");
    assert!(excess.contains("is a superuser"), "{excess}");
    assert!(excess.contains("may change 3 tables"), "{excess}");
    assert_eq!(
        server.reader().await.excess().await.unwrap(),
        Vec::<String>::new()
    );
    server.psql(
        "CREATE ROLE writer LOGIN PASSWORD 'writer-password';
         GRANT SELECT, UPDATE (name) ON person TO writer;
         GRANT CREATE ON SCHEMA other TO writer; GRANT CREATE ON DATABASE postgres TO writer;
         GRANT pg_read_server_files TO writer; ALTER ROLE writer NOINHERIT",
    );
    let url = server.url("writer", "writer-password", "postgres");
    let writer = Postgres::connect("people", &url, Rules::default()).await;
    assert_eq!(
        writer.unwrap().excess().await.unwrap(),
        [
            "the user is a member of pg_read_server_files",
            "the user may make schemas in this database",
            "the user may make tables in the schema other",
            "the user may change 1 tables, person among them",
        ]
    );
}

async fn the_way_there_is_as_secret_as_was_asked(server: &PostgresServer) {
    let url = server.url("reader", "reader-password", "postgres");
    let connect = async |mode: &str| {
        let url = format!("{url}{mode}");
        let connected = Postgres::connect("people", &url, Rules::default()).await;
        connected.map(|_| ()).map_err(|error| error.to_string())
    };
    let none = connect("?sslmode=verify-full").await.unwrap_err();
    assert!(none.contains("it has no TLS"), "{none}");
    connect("").await.unwrap();
    if !server.offers_secrecy() {
        return;
    }
    for mode in [
        "",
        "?sslmode=require",
        "?sslmode=verify-ca",
        "?sslmode=verify-full",
    ] {
        let told = connect(mode).await.unwrap_err();
        assert!(told.contains("trust its certificate"), "{mode}: {told}");
        assert!(told.contains("sslmode=disable"), "{mode}: {told}");
    }
    connect("?sslmode=disable").await.unwrap();
}
