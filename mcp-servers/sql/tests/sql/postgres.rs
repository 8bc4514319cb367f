//! A real PostgreSQL: what is asked of it, and what nobody can make it do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ropewalk_sql::database::{DatabaseError, Engine, Limits, Postgres, Truncation};
use ropewalk_sql::guard::Rules;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::corpus::{statements, unguarded};
use crate::engine::query;
use crate::server::postgres::PostgresServer;

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
    answers_have_columns_types_and_values(&server).await;
    no_attack_changes_anything_even_past_the_guard(&server).await;
    let database = server.reader().await;
    crate::engine::keeps_what_engines_promise(Arc::new(database)).await;
    nothing_goes_on_in_the_server(&server).await;
    what_is_too_much_is_cut_and_said(&server).await;
    a_server_that_stands_still_is_left(&server).await;
    sessions_are_reset(&server).await;
    who_is_not_let_in_is_told_without_the_password(&server).await;
    it_goes_away_and_comes_back(&server).await;
}

async fn answers_have_columns_types_and_values(server: &PostgresServer) {
    let database = server.reader().await;
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
    let owner = server.owner().await;
    let reader = server.reader().await;
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
    let database = server.reader().await;
    let limits = Limits::default();
    let cell = query(&database, "SELECT repeat('x', 50000000)", &limits)
        .await
        .unwrap();
    let text = cell.rows[0][0].as_str().unwrap();
    assert!(
        text.len() < 9_000 && text.ends_with("… (more than 8192 bytes)"),
        "{}",
        text.len()
    );
    // Rows that nobody reads are not waited for, and rows may have no columns.
    let unread = "SELECT FROM generate_series(1, 200000)";
    let began = Instant::now();
    let rows = query(&database, unread, &limits).await.unwrap();
    assert_eq!((rows.rows.len(), rows.columns.len()), (1_000, 0));
    let wide = "SELECT repeat('x', 8000), repeat('y', 8000), repeat('z', 8000) \
                FROM generate_series(1, 200000)";
    let many = Limits {
        rows: usize::MAX,
        ..Limits::default()
    };
    let rows = query(&database, wide, &many).await.unwrap();
    assert_eq!(rows.truncated, Some(Truncation::Bytes));
    assert!(began.elapsed() < Duration::from_secs(5));
    query(&database, "SELECT 1", &limits).await.unwrap();
}

async fn a_server_that_stands_still_is_left(server: &PostgresServer) {
    let database = server.reader().await;
    let slow = Limits {
        time: Duration::from_secs(1),
        ..Limits::default()
    };
    let asked = "SELECT count(*) FROM generate_series(1, 1000000000)";
    let halting = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.halt("reader")
    };
    let began = Instant::now();
    let (rows, halted) = tokio::join!(query(&database, asked, &slow), halting);
    server.go_on(&halted);
    let error = rows.unwrap_err();
    assert!(matches!(error, DatabaseError::Time { .. }), "{error}");
    assert!(!halted.is_empty() && began.elapsed() < Duration::from_secs(8));
    let rows = query(&database, "SELECT 1", &Limits::default()).await;
    assert_eq!(rows.unwrap().rows, [[json!(1)]]);
}

/// What the guard keeps from being set is not kept by a session either.
async fn sessions_are_reset(server: &PostgresServer) {
    let database = server.reader().await;
    let past = async |sql: &str| {
        let cancel = CancellationToken::new();
        let limits = Limits::default();
        database.query(&unguarded(sql), &limits, &cancel).await
    };
    past("SELECT pg_advisory_lock(7)").await.unwrap();
    past("SELECT 1").await.unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(server.psql(held).trim(), "0");
    let settings = "SELECT current_setting('transaction_read_only'), \
                    current_setting('standard_conforming_strings'), \
                    current_setting('statement_timeout')";
    let rows = past(settings).await.unwrap();
    assert_eq!(rows.rows, [[json!("on"), json!("on"), json!("10s")]]);
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
    let database = server.reader().await;
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
