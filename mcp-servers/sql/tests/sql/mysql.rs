//! A real MariaDB: what is asked of it, and what nobody can make it do.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ropewalk_sql::database::{DatabaseError, Engine, Limits, MySql, Rows, Truncation};
use ropewalk_sql::guard::Rules;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::corpus::{statements, unguarded};
use crate::engine::query;
use crate::server::mariadb::MariaDbServer;

/// What a server may be set to where the guard's texts would mean something else.
const ASTRAY: &str = "
    SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';
    SET GLOBAL character_set_server = 'latin1';
    SET GLOBAL max_recursive_iterations = 10;
    SET GLOBAL group_concat_max_len = 4";

/// Everything that an attack could have changed.
fn state(server: &MariaDbServer) -> String {
    server.sql(
        "SELECT * FROM person; SELECT * FROM note; SELECT * FROM person_number;
         SHOW DATABASES; SHOW TABLES FROM test; SHOW TABLES FROM other;
         SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2;
         SELECT db, name FROM mysql.proc WHERE db <> 'sys' ORDER BY 1, 2;
         SELECT db, name FROM mysql.event; SHOW PLUGINS;
         SHOW GLOBAL VARIABLES WHERE VARIABLE_NAME NOT LIKE '%GTID%'",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_and_cannot_be_made_to_do_anything_else() {
    let Some(server) = MariaDbServer::start() else {
        return;
    };
    server.sql(ASTRAY);
    answers_have_columns_types_and_values(&server).await;
    sessions_are_as_the_guard_presumes(&server).await;
    honest_questions_are_answered(&server).await;
    no_attack_changes_anything_even_past_the_guard(&server).await;
    let database = server.reader().await;
    crate::engine::keeps_what_engines_promise(Arc::new(database)).await;
    rows_without_an_end_are_left(&server).await;
    nothing_goes_on_in_the_server(&server).await;
    what_is_too_much_is_cut_and_said(&server).await;
    who_locks_is_not_waited_for(&server).await;
    a_server_that_stands_still_is_left(&server).await;
    who_is_not_let_in_is_told_without_the_password(&server).await;
    it_goes_away_and_comes_back(&server).await;
}

/// What is asked past the guard.
async fn past(database: &MySql, sql: &str) -> Result<Rows, DatabaseError> {
    let cancel = CancellationToken::new();
    database
        .query(&unguarded(sql), &Limits::default(), &cancel)
        .await
}

fn kinds(rows: &Rows) -> Vec<&str> {
    rows.columns.iter().map(|head| head.kind.as_str()).collect()
}

async fn answers_have_columns_types_and_values(server: &MariaDbServer) {
    server.sql(
        "SET NAMES utf8mb4; SET time_zone = '+00:00';
         CREATE TABLE kind (tiny TINYINT, great BIGINT UNSIGNED, price DECIMAL(20, 4), half FLOAT,
             full DOUBLE, day DATE, at DATETIME(3), stamp TIMESTAMP NULL, span TIME, age YEAR,
             mood ENUM('sad', 'glad'), tags SET('a', 'b'), bits BIT(9), bytes VARBINARY(10),
             fixed CHAR(3), body TEXT, doc JSON, place POINT) CHARACTER SET utf8mb4;
         INSERT INTO kind VALUES (-1, 18446744073709551615, 1234567890123456.7800, 1.1, 0.1,
             '2024-02-29', '2024-02-29 12:30:00.125', '2024-02-29 12:30:00', '-100:00:01', 2024,
             'glad', 'a,b', b'100000001', x'00ff', 'abc', 'ü€', '{\"a\": 1}', POINT(1, 2))",
    );
    let owner = server.owner().await;
    let plain = "SELECT tiny, great, price, half, full, day, at, span, age, mood, tags, bits, \
                 bytes, fixed, body, tiny = 1, NULL, tiny FROM kind";
    let rows = query(&owner, plain, &Limits::default()).await.unwrap();
    assert_eq!(
        kinds(&rows),
        [
            "tinyint",
            "bigint unsigned",
            "decimal",
            "float",
            "double",
            "date",
            "datetime",
            "time",
            "year",
            "enum",
            "set",
            "bit",
            "varbinary",
            "char",
            "text",
            "int",
            "null",
            "tinyint"
        ]
    );
    let values = [
        json!(-1),
        json!("18446744073709551615"),
        json!("1234567890123456.7800"),
        json!(1.1),
        json!(0.1),
        json!("2024-02-29"),
        json!("2024-02-29 12:30:00.125"),
        json!("-100:00:01"),
        json!(2024),
        json!("glad"),
        json!("a,b"),
        json!(257),
        json!("0x00ff"),
        json!("abc"),
        json!("ü€"),
        json!(0),
        json!(null),
        json!(-1),
    ];
    assert_eq!(rows.rows, [values.to_vec()]);
    assert_eq!(rows.columns[0].name, "tiny");
    // What no calendar has.
    server.sql(
        "SET sql_mode = ''; CREATE TABLE never (day DATE, at DATETIME, year YEAR);
         INSERT INTO never VALUES ('0000-00-00', '2024-02-00 00:00:00', 0)",
    );
    let never = query(
        &owner,
        "SELECT day, at, year FROM never",
        &Limits::default(),
    )
    .await;
    assert_eq!(
        never.unwrap().rows,
        [[json!("0000-00-00"), json!("2024-02-00 00:00:00"), json!(0)]]
    );
    server.sql("DROP TABLE never");
    // The same where values can be large, and are cut by the server.
    let wide = plain.replace("FROM", ", doc, place FROM");
    let rows = query(&owner, &wide, &Limits::default()).await.unwrap();
    assert_eq!(kinds(&rows)[18..], ["text", "geometry"]);
    assert_eq!(rows.rows[0][..18], values);
    assert_eq!(
        rows.rows[0][18..],
        [json!("{\"a\": 1}"), json!("POINT(1 2)")]
    );
    server.sql("DROP TABLE kind");
    let database = server.reader().await;
    let sql = "SELECT p.name, o.score, o.id FROM post o JOIN person p ON o.author = p.id \
               ORDER BY o.id DESC";
    let rows = query(&database, sql, &Limits::default()).await.unwrap();
    assert_eq!(
        rows.rows,
        [
            [json!("Edsger"), json!(null), json!("9007199254740993")],
            [json!("Ada"), json!("2.50"), json!(1)]
        ]
    );
    let wrong = query(&database, "SELECT nam FROM person", &Limits::default()).await;
    let told = wrong.unwrap_err().to_string();
    assert!(told.contains("Unknown column 'nam'"), "{told}");
    // What looks like a parameter of the driver's is none.
    let colon = "SELECT ':name', 'it''s :name', 5 - '1:name'";
    let rows = query(&database, colon, &Limits::default()).await.unwrap();
    assert_eq!(
        rows.rows,
        [[json!(":name"), json!("it's :name"), json!(4.0)]]
    );
    let sign = query(&database, "SELECT -'1:name'", &Limits::default()).await;
    assert!(sign.unwrap_err().to_string().contains("write `0 - "));
}

/// Whatever the server is set to, and also when a session is used again.
async fn sessions_are_as_the_guard_presumes(server: &MariaDbServer) {
    let database = server.reader().await;
    for _ in 0..3 {
        let rows = past(
            &database,
            "SELECT @@sql_mode, @@tx_read_only, @@character_set_client, @@character_set_results, \
             @@lock_wait_timeout, @@autocommit, CONNECTION_ID()",
        )
        .await
        .unwrap();
        let mode = rows.rows[0][0].as_str().unwrap();
        for wrong in ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT"] {
            assert!(!mode.contains(wrong), "{mode}");
        }
        let rest = ["utf8mb4", "utf8mb4"].map(|name| json!(name));
        assert_eq!(rows.rows[0][1], json!(1));
        assert_eq!(rows.rows[0][2..4], rest);
        assert_eq!(rows.rows[0][4..6], [json!(2), json!(1)]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let recursion = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000) \
                     SELECT count(*), length(group_concat(x)) FROM n";
    let rows = query(&database, recursion, &Limits::default()).await;
    assert_eq!(rows.unwrap().rows, [[json!(3000), json!(13_892)]]);
    // The limit on rows is one of answers, and of nothing inside of them.
    let numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000)";
    for (sql, first) in [
        ("SELECT count(*) FROM (SELECT x FROM n ORDER BY x) y", 3000),
        (
            "SELECT count(*) FROM (SELECT x FROM n UNION ALL SELECT x FROM n) y",
            6000,
        ),
        ("SELECT count(*) FROM n WHERE x IN (SELECT x FROM n)", 3000),
        (
            "SELECT x FROM n UNION SELECT x FROM n ORDER BY x DESC LIMIT 1",
            3000,
        ),
        ("SELECT x FROM n ORDER BY x DESC", 3000),
    ] {
        let sql = format!("{numbers} {sql}");
        let rows = query(&database, &sql, &Limits::default()).await.unwrap();
        assert_eq!(rows.rows[0], [json!(first)], "{sql}");
    }
    let quotes = query(
        &database,
        "SELECT 'a\\'b', \"c\", 1 || 0",
        &Limits::default(),
    )
    .await;
    assert_eq!(quotes.unwrap().rows, [[json!("a'b"), json!("c"), json!(1)]]);
}

async fn honest_questions_are_answered(server: &MariaDbServer) {
    let database = server.reader().await;
    let mut failed = Vec::new();
    for honest in statements(include_str!("honest/mysql.txt")) {
        if let Err(error) = query(&database, &honest, &Limits::default()).await {
            let told = error.to_string();
            // MySQL has it, MariaDB has not.
            if !told.contains("any_value") {
                failed.push(format!("{honest}\n  {told}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The guard refuses all of these; here it is left out. Whoever asks, and were it somebody whom no
/// grant keeps from anything: nothing changes, and no file is written.
async fn no_attack_changes_anything_even_past_the_guard(server: &MariaDbServer) {
    let file = Path::new("/tmp/ropewalk-attack");
    assert!(!file.exists(), "left by somebody else; remove it");
    let before = state(server);
    let limits = Limits {
        time: Duration::from_millis(300),
        ..Limits::default()
    };
    let owner = server.owner().await;
    let reader = server.reader().await;
    let own = statements(include_str!("attacks/mysql.txt")).count();
    let attacks = [
        include_str!("attacks/mysql.txt"),
        include_str!("attacks/postgres.txt"),
        include_str!("attacks/sqlite.txt"),
    ];
    for (place, attack) in attacks.into_iter().flat_map(statements).enumerate() {
        let cancel = CancellationToken::new();
        let statement = unguarded(&attack);
        for database in [&reader, &owner] {
            let _ = database.query(&statement, &limits, &cancel).await;
        }
        assert!(!file.exists(), "{attack}");
        // Those in other dialects mostly mean nothing here, and are looked at in tens.
        if place < own || place % 10 == 0 {
            assert_eq!(state(server), before, "{attack}");
        }
    }
    assert_eq!(state(server), before);
    // What answers with no rows is not begun, whoever asks, and one statement is all.
    for (sql, reason) in [
        ("SHUTDOWN", "it gives no rows"),
        ("KILL 1", "it gives no rows"),
        ("SET GLOBAL general_log = 1", "it gives no rows"),
        ("SELECT 1 INTO @x", "it gives no rows"),
        (
            "SELECT 1 INTO OUTFILE '/tmp/ropewalk-attack'",
            "it gives no rows",
        ),
        ("SELECT ?", "it has parameters"),
        ("SELECT 1; SELECT 2", "syntax"),
        ("DELETE FROM person RETURNING id", "READ ONLY"),
        ("SELECT forgotten()", "READ ONLY"),
    ] {
        let told = past(&owner, sql).await.unwrap_err().to_string();
        assert!(told.contains(reason), "{sql}: {told}");
    }
}

/// More rows than anybody can read, all of which the server would send.
async fn rows_without_an_end_are_left(server: &MariaDbServer) {
    let database = server.reader().await;
    let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) \
                SELECT a.x, b.x FROM n a, n b, n c LIMIT 1000000000000";
    for _ in 0..5 {
        let began = Instant::now();
        let rows = query(&database, many, &Limits::default()).await.unwrap();
        assert_eq!(
            (rows.rows.len(), rows.truncated),
            (1_000, Some(Truncation::Rows))
        );
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

/// After callers have left and what had no end was stopped.
async fn nothing_goes_on_in_the_server(server: &MariaDbServer) {
    let busy = || {
        server.sql(
            "SELECT count(*) FROM information_schema.PROCESSLIST \
             WHERE INFO LIKE '%RECURSIVE%' AND ID <> CONNECTION_ID()",
        )
    };
    let began = Instant::now();
    while busy().trim() != "0" {
        assert!(began.elapsed() < Duration::from_secs(5), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn what_is_too_much_is_cut_and_said(server: &MariaDbServer) {
    let database = server.reader().await;
    let limits = Limits::default();
    for large in [
        "SELECT repeat('x', 50000000)",
        "SELECT repeat('x', 50000000) UNION SELECT repeat('x', 50000000)",
        "SELECT x.large, x.large FROM (SELECT repeat('x', 50000000) AS large) x",
    ] {
        let cell = query(&database, large, &limits).await.unwrap();
        let text = cell.rows[0][0].as_str().unwrap();
        assert!(
            text.len() < 9_000 && text.ends_with("… (more than 8192 bytes)"),
            "{}",
            text.len()
        );
    }
    // In the order that was asked for.
    for (sql, rows) in [
        ("SELECT id, body FROM document ORDER BY id DESC", [3, 2, 1]),
        ("(SELECT id, body FROM document ORDER BY id)", [1, 2, 3]),
        (
            "SELECT id, body FROM document UNION SELECT 9, 'x' ORDER BY id LIMIT 3",
            [1, 2, 3],
        ),
        (
            "WITH d AS (SELECT * FROM document) SELECT id, body FROM d ORDER BY id + 0 DESC",
            [3, 2, 1],
        ),
    ] {
        let answer = query(&database, sql, &limits).await.unwrap();
        let first: Vec<_> = answer.rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(first, rows.map(|id| json!(id)), "{sql}");
    }
    // What cannot stand inside of another statement cannot be cut there.
    let whole = "SELECT SQL_CALC_FOUND_ROWS repeat('x', 50000000)";
    let error = query(&database, whole, &limits).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Size { .. }), "{error}");
    // More than the server itself makes of it, which would be NULL.
    let beyond = "SELECT length(repeat('x', 500000000))";
    let error = query(&database, beyond, &limits).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Size { .. }), "{error}");
    query(&database, "SELECT 1", &limits).await.unwrap();
}

async fn who_locks_is_not_waited_for(server: &MariaDbServer) {
    let database = server.reader().await;
    std::thread::scope(|scope| {
        scope.spawn(|| server.sql("LOCK TABLES person WRITE; SELECT SLEEP(6) AS locked"));
        let locked = "SELECT count(*) FROM information_schema.PROCESSLIST \
                      WHERE INFO LIKE '%AS locked%' AND ID <> CONNECTION_ID()";
        let began = Instant::now();
        while server.sql(locked).trim() == "0" {
            assert!(began.elapsed() < Duration::from_secs(10), "nobody locks it");
        }
        let error = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(query(
                &database,
                "SELECT * FROM person",
                &Limits::default(),
            ))
        })
        .unwrap_err();
        assert!(matches!(error, DatabaseError::Locked), "{error}");
    });
}

async fn a_server_that_stands_still_is_left(server: &MariaDbServer) {
    let database = server.reader().await;
    let limits = Limits {
        time: Duration::from_millis(300),
        ..Limits::default()
    };
    query(&database, "SELECT 1", &limits).await.unwrap();
    server.stands_still(true);
    let began = Instant::now();
    let error = query(&database, "SELECT 1", &limits).await.unwrap_err();
    server.stands_still(false);
    // Or, where the connection of the question before had not come back yet: there is no other.
    let unreached =
        matches!(&error, DatabaseError::Open { reason, .. } if reason.contains("within"));
    assert!(
        unreached || matches!(error, DatabaseError::Time { .. }),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(20));
    let rows = query(&database, "SELECT 1", &Limits::default()).await;
    assert_eq!(rows.unwrap().rows, [[json!(1)]]);
}

async fn who_is_not_let_in_is_told_without_the_password(server: &MariaDbServer) {
    for (url, reason) in [
        (
            server.url("reader", "wrong-password", "test"),
            "check user and password",
        ),
        (
            server.url("owner", "owner-password", "nothing"),
            "no database of this name",
        ),
        (
            server.url("reader", "reader-password", "nothing"),
            "no database of this name",
        ),
        (
            "mysql://reader:hush@127.0.0.1:1/test".to_owned(),
            "check that it runs",
        ),
        (
            "mysql://reader:hush@127.0.0.1:1/test?password=hush".to_owned(),
            "not of the form",
        ),
        (
            "not an address with hush in it".to_owned(),
            "not of the form",
        ),
    ] {
        let error = MySql::connect("people", &url, Rules::default())
            .await
            .err()
            .unwrap();
        let told = format!("{error} {error:?}");
        assert!(told.contains(reason) && told.contains("people"), "{told}");
        for secret in [
            "wrong-password",
            "owner-password",
            "reader-password",
            "hush",
            "127.0.0.1",
        ] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

async fn it_goes_away_and_comes_back(server: &MariaDbServer) {
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
