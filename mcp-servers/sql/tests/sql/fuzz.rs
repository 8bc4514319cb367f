//! Whatever the guard lets through changes nothing, even where nothing else keeps it from that.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use ropewalk_sql::Dialect;
use ropewalk_sql::guard::{Guard, Rules};

use crate::corpus::statements;

/// Pieces of attacks and of honest queries: words, marks, and white space between.
fn pieces() -> Vec<String> {
    let texts = [
        include_str!("attacks/sqlite.txt"),
        include_str!("honest/sqlite.txt"),
    ];
    let mut pieces: Vec<String> = texts
        .into_iter()
        .flat_map(statements)
        .flat_map(|statement| split(&statement))
        .collect();
    pieces.sort();
    pieces.dedup();
    pieces
}

fn split(statement: &str) -> Vec<String> {
    let pieces = statement.split_inclusive([' ', '(', ')', ',', ';', '\'', '"', '\n']);
    pieces.map(str::to_owned).collect()
}

fn whole() -> Vec<String> {
    let texts = [
        include_str!("attacks/sqlite.txt"),
        include_str!("honest/sqlite.txt"),
    ];
    texts.into_iter().flat_map(statements).collect()
}

/// A statement with a piece of another in its middle, and some pieces of anything.
fn mixed() -> impl Strategy<Value = String> {
    let one = (select(whole()), any::<Index>());
    let other = (select(whole()), any::<Index>());
    let extra = prop::collection::vec(select(pieces()), 0..4);
    (one, other, extra).prop_map(move |((one, at), (other, from), extra)| {
        let (at, from) = (place(&one, &at), place(&other, &from));
        let (before, after) = one.split_at(at);
        format!("{before}{}{}{after}", extra.concat(), &other[from..])
    })
}

/// Where a text can be cut.
fn place(text: &str, at: &Index) -> usize {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    places
        .get(at.index(places.len().max(1)))
        .copied()
        .unwrap_or_default()
}

/// A statement with one piece exchanged.
fn exchanged() -> impl Strategy<Value = String> {
    (select(whole()), any::<Index>(), select(pieces())).prop_map(|(statement, at, piece)| {
        let mut parts = split(&statement);
        let at = at.index(parts.len().max(1));
        if let Some(part) = parts.get_mut(at) {
            *part = piece;
        }
        parts.concat()
    })
}

/// A statement in a place where a query can stand.
fn nested() -> impl Strategy<Value = String> {
    let inner = prop_oneof![select(whole()), exchanged()];
    let frame = select(vec![
        "SELECT (@)",
        "SELECT * FROM (@) AS x",
        "WITH x AS (@) SELECT * FROM x",
        "WITH x AS MATERIALIZED (@), y AS (SELECT 1) SELECT * FROM y, x",
        "SELECT * FROM person WHERE EXISTS (@)",
        "SELECT * FROM person WHERE id IN (@)",
        "SELECT 1 UNION ALL @",
        "@ EXCEPT SELECT 1",
        "SELECT CASE WHEN (@) THEN 1 ELSE (SELECT 2) END FROM person ORDER BY (@)",
        "SELECT count(*) FILTER (WHERE (@)) OVER (PARTITION BY (@)) FROM person",
        "SELECT 1 FROM person GROUP BY (@) HAVING (@) LIMIT (@)",
    ]);
    (inner, frame).prop_map(|(inner, frame)| {
        let inner = inner.trim_end_matches(';');
        frame.replace('@', inner)
    })
}

/// A database that anybody may write to, in memory, with all that attacks ask for.
fn writable() -> rusqlite::Connection {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, secret TEXT);
             INSERT INTO person VALUES (1, 'Ada', 'a'), (2, 'Grace', 'b');",
        )
        .unwrap();
    connection
}

fn state(connection: &rusqlite::Connection) -> String {
    let read = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    [
        "SELECT group_concat(quote(id) || quote(name) || quote(secret)) FROM person",
        "SELECT group_concat(coalesce(sql, name)) FROM sqlite_master",
        "SELECT count(*) || '' FROM sqlite_temp_master",
        "SELECT group_concat(name || coalesce(file, '')) FROM pragma_database_list",
        "SELECT user_version || '' FROM pragma_user_version",
        "SELECT query_only || '' FROM pragma_query_only",
        "SELECT total_changes() || ''",
    ]
    .map(read)
    .join("\n")
}

#[test]
fn what_is_let_through_changes_nothing() {
    let guard = Guard::new(Dialect::Sqlite, Rules::default()).unwrap();
    let (passed, ran) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cases = if std::env::var_os("ROPEWALK_HEAVY").is_some() {
        200_000
    } else {
        4_000
    };
    proptest!(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() },
    |(sql in prop_oneof![mixed(), exchanged(), nested()])| {
        let Ok(approved) = guard.check(&sql) else { return Ok(()) };
        passed.fetch_add(1, Ordering::Relaxed);
        // What was let through once is let through again, and as it is.
        prop_assert_eq!(&guard.check(&approved.sql).unwrap().sql, &approved.sql);
        let mut connection = writable();
        connection.progress_handler(1_000_000, Some(|| true)).unwrap();
        let before = state(&connection);
        if let Ok(mut prepared) = connection.prepare(&approved.sql) {
            prop_assert!(prepared.readonly(), "{}", approved.sql);
            let mut rows = prepared.query([]).unwrap();
            while let Ok(Some(_)) = rows.next() {}
            ran.fetch_add(1, Ordering::Relaxed);
        }
        prop_assert_eq!(state(&connection), before, "{}", approved.sql);
    });
    // Something did get through and run: else this would show nothing.
    let (passed, ran) = (passed.into_inner(), ran.into_inner());
    assert!(passed > 100 && ran > 50, "{passed} passed, {ran} ran");
}
