//! What every engine does, whichever database is behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ropewalk_sql::Dialect;
use ropewalk_sql::answer::{Answer, Questioning};
use ropewalk_sql::catalogue::{Catalogue, Entry, Kept};
use ropewalk_sql::database::{DatabaseError, Engine, Limits, Rows, Truncation};
use ropewalk_sql::guard::{Guard, Rules};
use ropewalk_sql::source::{Settings, Source};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Numbers without an end.
const NUMBERS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)";

/// Ten thousand of them.
const THOUSANDS: &str =
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000)";

pub async fn query(
    database: &dyn Engine,
    sql: &str,
    limits: &Limits,
) -> Result<Rows, DatabaseError> {
    let guard = Guard::new(database.dialect(), Rules::default()).unwrap();
    let approved = guard.check(sql).unwrap();
    let cancel = CancellationToken::new();
    database.query(&approved, limits, &cancel).await
}

/// Over a database with a table `person` of three rows.
pub async fn keeps_what_engines_promise(database: Arc<dyn Engine>) {
    what_has_no_end_is_stopped(&*database).await;
    a_caller_who_leaves_stops_it(&*database).await;
    a_caller_may_leave_while_others_are_answered(&database).await;
    rows_beyond_the_limit_are_said(&*database).await;
    one_row_is_not_larger_than_all_may_be(&*database).await;
    a_plan_is_made(&*database).await;
    there_are_no_more_columns_than_it_can_have(&*database).await;
    many_ask_at_the_same_time(&database).await;
    questions_are_read_in_its_dialect(&database).await;
}

async fn what_has_no_end_is_stopped(database: &dyn Engine) {
    let limits = Limits {
        time: Duration::from_millis(300),
        ..Limits::default()
    };
    for sql in [
        format!("{NUMBERS} SELECT count(*) FROM n"),
        format!("{NUMBERS} SELECT max(x) FROM n"),
        // A million million rows.
        format!("{THOUSANDS} SELECT count(*) FROM n a, n b, n c"),
    ] {
        let began = Instant::now();
        let error = query(database, &sql, &limits).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Time { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    let rows = query(database, "SELECT 1", &limits).await.unwrap();
    assert_eq!(rows.rows, [[json!(1)]]);
}

async fn a_caller_who_leaves_stops_it(database: &dyn Engine) {
    let guard = Guard::new(database.dialect(), Rules::default()).unwrap();
    let endless = guard
        .check(&format!("{NUMBERS} SELECT count(*) FROM n"))
        .unwrap();
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let cancel = CancellationToken::new();
    // More than may run at once: if they went on, nothing after them would ever run.
    for _ in 0..6 {
        let asked = database.query(&endless, &limits, &cancel);
        let late = tokio::time::timeout(Duration::from_millis(200), asked).await;
        assert!(late.is_err());
    }
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let error = database
        .query(&endless, &limits, &cancel)
        .await
        .unwrap_err();
    assert!(matches!(error, DatabaseError::Cancelled), "{error}");
    query(database, "SELECT 1", &limits).await.unwrap();
}

async fn a_caller_may_leave_while_others_are_answered(database: &Arc<dyn Engine>) {
    let guard = Guard::new(database.dialect(), Rules::default()).unwrap();
    let endless = guard
        .check(&format!("{NUMBERS} SELECT count(*) FROM n"))
        .unwrap();
    let limits = Limits {
        time: Duration::from_secs(600),
        ..Limits::default()
    };
    let all = CancellationToken::new();
    // More than are answered at the same time.
    let asked = (0..8).map(|_| {
        let (database, endless) = (Arc::clone(database), endless.clone());
        let (limits, cancel) = (limits.clone(), all.child_token());
        tokio::spawn(async move { database.query(&endless, &limits, &cancel).await })
    });
    let asked: Vec<_> = asked.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let one = all.child_token();
    let stop = one.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.cancel();
    });
    let began = Instant::now();
    let error = database.query(&endless, &limits, &one).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Cancelled), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
    all.cancel();
    for asked in asked {
        let error = asked.await.unwrap().unwrap_err();
        assert!(matches!(error, DatabaseError::Cancelled), "{error}");
    }
    query(&**database, "SELECT 1", &Limits::default())
        .await
        .unwrap();
}

async fn one_row_is_not_larger_than_all_may_be(database: &dyn Engine) {
    let limits = Limits {
        bytes: 1_000,
        ..Limits::default()
    };
    let large = format!("SELECT '{0}' AS a, '{0}' AS b, 7 AS c", "x".repeat(4_000));
    let rows = query(database, &large, &limits).await.unwrap();
    assert_eq!(rows.truncated, Some(Truncation::Bytes));
    let lengths = rows.rows[0].iter().map(|cell| cell.to_string().len());
    assert!(lengths.sum::<usize>() < 1_000, "{rows:?}");
    assert_eq!(rows.rows[0][2], json!(7));
}

async fn there_are_no_more_columns_than_it_can_have(database: &dyn Engine) {
    let columns = |count: usize| format!("SELECT {}", vec!["1"; count].join(", "));
    let rows = query(database, &columns(1_000), &Limits::default()).await;
    assert_eq!(rows.unwrap().rows[0].len(), 1_000);
    let began = Instant::now();
    match query(database, &columns(10_000), &Limits::default()).await {
        // MariaDB has as many as it likes where they are of no table.
        Ok(rows) => assert_eq!(rows.rows[0].len(), 10_000),
        Err(error) => assert!(matches!(error, DatabaseError::Statement { .. }), "{error}"),
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    query(database, "SELECT 1", &Limits::default())
        .await
        .unwrap();
}

async fn a_plan_is_made(database: &dyn Engine) {
    let guard = Guard::new(database.dialect(), Rules::default()).unwrap();
    let statement = guard.check("SELECT name FROM person WHERE id = 2").unwrap();
    let plan = database.plan(&statement).await.unwrap();
    assert!(!plan.steps.is_empty());
}

async fn rows_beyond_the_limit_are_said(database: &dyn Engine) {
    // MySQL makes all rows of a recursion before it gives the first.
    let numbers = match database.dialect() {
        Dialect::Mysql => THOUSANDS,
        Dialect::Sqlite | Dialect::Postgres => NUMBERS,
    };
    let many = format!("{numbers} SELECT x FROM n LIMIT 5000");
    let rows = query(database, &many, &Limits::default()).await.unwrap();
    assert_eq!(
        (rows.rows.len(), rows.truncated),
        (1_000, Some(Truncation::Rows))
    );
    let exactly = format!("{numbers} SELECT x FROM n LIMIT 1000");
    let rows = query(database, &exactly, &Limits::default()).await.unwrap();
    assert_eq!((rows.rows.len(), rows.truncated), (1_000, None));
    let few_bytes = Limits {
        bytes: 100,
        ..Limits::default()
    };
    let rows = query(database, &exactly, &few_bytes).await.unwrap();
    assert_eq!(rows.truncated, Some(Truncation::Bytes));
}

async fn many_ask_at_the_same_time(database: &Arc<dyn Engine>) {
    let asked = (0..50).map(|number| {
        let database = Arc::clone(database);
        tokio::spawn(async move {
            let sql = format!("SELECT {number}, count(*) FROM person");
            let rows = query(&*database, &sql, &Limits::default()).await;
            rows.unwrap().rows
        })
    });
    for (number, rows) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(rows.await.unwrap(), [[json!(number), json!(3)]]);
    }
}

/// Without a model: what the parser writes runs on every database.
async fn questions_are_read_in_its_dialect(database: &Arc<dyn Engine>) {
    let source = Source::over("people", Arc::clone(database), Settings::default()).unwrap();
    let entry = Entry::new(source, &Kept::default(), None).await.unwrap();
    let catalogue = Catalogue::new(vec![entry], None).unwrap();
    let cancel = CancellationToken::new();
    for (question, rows) in [
        ("How many persons are there?", json!([[3]])),
        ("What is the id of the person named Grace?", json!([[2]])),
        (
            "List the names of all persons in alphabetical order.",
            json!([["Ada"], ["Edsger"], ["Grace"]]),
        ),
        (
            "Which person has the largest id? Give the name.",
            json!([["Edsger"]]),
        ),
        (
            "How many persons have a name starting with E?",
            json!([[1]]),
        ),
    ] {
        let answer = Questioning {
            entry: &catalogue.entries()[0],
            linker: &catalogue.linker().await,
            limits: Limits::default(),
            writer: None,
            cancel: &cancel,
        }
        .answer(question)
        .await
        .unwrap();
        let Answer::Answered(answered) = answer else {
            panic!("{question}: {answer:?}");
        };
        assert_eq!(json!(answered.rows.rows), rows, "{}", answered.sql);
    }
}
