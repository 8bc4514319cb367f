//! A real PostgreSQL: what is asked of it, and what nobody can make it do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod corpus;
mod engine;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use corpus::{statements, unguarded};
use engine::query;
use ropewalk_sql::database::{DatabaseError, Engine, Limits, Postgres};
use ropewalk_sql::guard::Rules;
use serde_json::json;
use server::postgres::PostgresServer;
use tokio_util::sync::CancellationToken;

const PEOPLE: &str = "
    CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, secret text);
    COMMENT ON TABLE person IS 'Everybody we know';
    COMMENT ON COLUMN person.secret IS 'Not to be told';
    INSERT INTO person VALUES (1, 'Ada', 'a'), (2, 'Grace', 'b'), (3, 'Edsger', NULL);
    CREATE SEQUENCE person_id_seq;
    CREATE TABLE post (id bigint PRIMARY KEY, author int REFERENCES person (id), score numeric(8, 2));
    INSERT INTO post VALUES (1, 1, 2.50), (9007199254740993, 3, NULL);
    CREATE SCHEMA other;
    CREATE TABLE other.thing (a int, b int, PRIMARY KEY (a, b));
    CREATE ROLE reader LOGIN PASSWORD 'reader-password';
    GRANT SELECT ON person, post TO reader;
    ANALYZE;";

/// Everything that an attack could have changed.
fn state(server: &PostgresServer) -> String {
    server.psql(
        "SELECT (SELECT string_agg(p::text, '|' ORDER BY id) FROM person p),
                (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace),
                (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles),
                (SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace),
                (SELECT string_agg(proname, ',') FROM pg_proc
                 WHERE pronamespace = 'public'::regnamespace),
                (SELECT count(*) FROM pg_largeobject_metadata),
                (SELECT count(*) FROM pg_replication_slots),
                (SELECT last_value FROM person_id_seq)",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_and_cannot_be_made_to_do_anything_else() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    server.psql(PEOPLE);
    answers_have_columns_types_and_values(&server).await;
    the_schema_has_keys_comments_and_samples(&server).await;
    no_attack_changes_anything_even_past_the_guard(&server).await;
    let database = reader(&server).await;
    engine::keeps_what_engines_promise(Arc::new(database)).await;
    nothing_goes_on_in_the_server(&server).await;
    what_is_too_much_is_cut_and_said(&server).await;
    too_much_power_is_told(&server).await;
    who_is_not_let_in_is_told_without_the_password(&server).await;
    it_goes_away_and_comes_back(&server).await;
}

async fn reader(server: &PostgresServer) -> Postgres {
    let url = server.url("reader", "reader-password", "postgres");
    Postgres::connect("people", &url, Rules::default())
        .await
        .unwrap()
}

async fn answers_have_columns_types_and_values(server: &PostgresServer) {
    let database = reader(server).await;
    let sql = "SELECT p.name, o.score, o.id, o.id = 1 AS first, 1.5::float4 AS half, \
               ARRAY[1, 2] AS list, '{\"a\": 1}'::jsonb AS doc, DATE '2024-02-29' AS day, \
               INTERVAL '1 day' AS span, o.id \
               FROM post o JOIN person p ON o.author = p.id ORDER BY o.id DESC";
    let rows = query(&database, sql, &Limits::default()).await.unwrap();
    let kinds: Vec<&str> = rows.columns.iter().map(|head| head.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "text", "numeric", "int8", "bool", "float4", "_int4", "jsonb", "date", "interval",
            "int8"
        ]
    );
    assert_eq!(
        rows.rows[1],
        [
            json!("Ada"),
            json!("2.50"),
            json!(1),
            json!(true),
            json!(1.5),
            json!("{1,2}"),
            json!("{\"a\": 1}"),
            json!("2024-02-29"),
            json!("P1D"),
            json!(1)
        ]
    );
    assert_eq!(rows.rows[0][2], json!("9007199254740993"));
    assert_eq!(rows.rows[0][1], json!(null));
    let wrong = query(&database, "SELECT nam FROM person", &Limits::default()).await;
    assert!(
        wrong
            .unwrap_err()
            .to_string()
            .contains("column \"nam\" does not exist")
    );
    let approved = unguarded("SELECT * FROM person");
    let plan = database.plan(&approved).await.unwrap();
    assert_eq!(
        (plan.steps.as_slice(), plan.rows),
        (
            ["Seq Scan on person, 3 rows".to_owned()].as_slice(),
            Some(3.0)
        )
    );
}

async fn the_schema_has_keys_comments_and_samples(server: &PostgresServer) {
    let owner = Postgres::connect("people", &server.owner(), Rules::default())
        .await
        .unwrap();
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
    let seen = reader(server).await.schema().await.unwrap();
    assert!(seen.table("other.thing").is_none(), "it may not be read");
}

/// The guard refuses all of these; here it is left out. As somebody who may only read, nothing at
/// all happens. As the owner, whom no grant keeps from anything, no data change: what steers the
/// server or writes files of its machine is kept from a superuser by the guard alone, which is why
/// `excess` warns of one.
async fn no_attack_changes_anything_even_past_the_guard(server: &PostgresServer) {
    let before = state(server);
    let limits = Limits {
        time: Duration::from_millis(300),
        ..Limits::default()
    };
    let steers = |attack: &str| {
        let names = [
            "pg_reload",
            "pg_rotate",
            "pg_switch",
            "pg_create_",
            "pg_start",
            "pg_drop",
            "pg_promote",
            "pg_terminate",
            "pg_logical",
            "CHECKPOINT",
            "lo_export",
            "COPY",
        ];
        names.iter().any(|name| attack.contains(name))
    };
    let owner = Postgres::connect("people", &server.owner(), Rules::default())
        .await
        .unwrap();
    let reader = reader(server).await;
    for attack in statements(include_str!("attacks/postgres.txt")) {
        let cancel = CancellationToken::new();
        let statement = unguarded(&attack);
        let _ = reader.query(&statement, &limits, &cancel).await;
        if !steers(&attack) {
            let _ = owner.query(&statement, &limits, &cancel).await;
        }
        assert_eq!(state(server), before, "{attack}");
    }
    assert!(!std::path::Path::new("/tmp/ropewalk-attack").exists());
}

/// After callers have left and what had no end was stopped.
async fn nothing_goes_on_in_the_server(server: &PostgresServer) {
    let busy = || {
        server.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%RECURSIVE%' \
             AND pid <> pg_backend_pid()",
        )
    };
    let began = Instant::now();
    while busy().trim() != "0" {
        assert!(began.elapsed() < Duration::from_secs(10), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn what_is_too_much_is_cut_and_said(server: &PostgresServer) {
    let database = reader(server).await;
    let limits = Limits::default();
    let cell = query(&database, "SELECT repeat('x', 50000000)", &limits)
        .await
        .unwrap();
    let text = cell.rows[0][0].as_str().unwrap();
    assert!(text.len() < 9_000 && text.contains('…'), "{}", text.len());
}

async fn too_much_power_is_told(server: &PostgresServer) {
    let owner = Postgres::connect("people", &server.owner(), Rules::default())
        .await
        .unwrap();
    let excess = owner.excess().await.unwrap().join("\n");
    assert!(excess.contains("is a superuser"), "{excess}");
    assert!(excess.contains("may change 3 tables"), "{excess}");
    assert_eq!(
        reader(server).await.excess().await.unwrap(),
        Vec::<String>::new()
    );
}

async fn who_is_not_let_in_is_told_without_the_password(server: &PostgresServer) {
    for (url, reason) in [
        (
            server.url("reader", "wrong-password", "postgres"),
            "check user and password",
        ),
        (
            server.url("owner", "owner-password", "nothing"),
            "no database of this name",
        ),
        (
            "postgres://reader:hush@127.0.0.1:1/postgres".to_owned(),
            "check that it runs",
        ),
        (
            "not an address with hush in it".to_owned(),
            "not of the form",
        ),
    ] {
        let error = Postgres::connect("people", &url, Rules::default())
            .await
            .err()
            .unwrap();
        let told = format!("{error} {error:?}");
        assert!(told.contains(reason) && told.contains("people"), "{told}");
        assert!(
            !told.contains("wrong-password") && !told.contains("hush"),
            "{told}"
        );
    }
}

async fn it_goes_away_and_comes_back(server: &PostgresServer) {
    let database = reader(server).await;
    query(&database, "SELECT 1", &Limits::default())
        .await
        .unwrap();
    server.down();
    let error = query(&database, "SELECT 1", &Limits::default())
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Open { .. }), "{error}");
    server.up();
    let rows = query(&database, "SELECT 1", &Limits::default())
        .await
        .unwrap();
    assert_eq!(rows.rows, [[json!(1)]]);
}
