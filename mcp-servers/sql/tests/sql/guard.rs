//! The guard against attacks that people have published and some of our own, and against honest
//! queries that are hard to tell from them.

use ropewalk_sql::Dialect;
use ropewalk_sql::guard::{Guard, Rules};

use crate::corpus::statements;

const DIALECTS: [(Dialect, &str, &str); 3] = [
    (
        Dialect::Sqlite,
        include_str!("attacks/sqlite.txt"),
        include_str!("honest/sqlite.txt"),
    ),
    (
        Dialect::Postgres,
        include_str!("attacks/postgres.txt"),
        include_str!("honest/postgres.txt"),
    ),
    (
        Dialect::Mysql,
        include_str!("attacks/mysql.txt"),
        include_str!("honest/mysql.txt"),
    ),
];

fn guard(dialect: Dialect) -> Guard {
    Guard::new(dialect, Rules::default()).unwrap()
}

#[test]
fn every_attack_is_refused_with_a_reason() {
    let mut passed = Vec::new();
    let mut count = 0;
    for (dialect, attacks, _) in DIALECTS {
        let guard = guard(dialect);
        for attack in statements(attacks) {
            count += 1;
            match guard.check(&attack) {
                Ok(approved) => passed.push(format!("{dialect:?}: {attack}\n  {}", approved.sql)),
                Err(refusal) => assert!(!refusal.reason.is_empty() && !refusal.hint.is_empty()),
            }
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
    assert!(count >= 250, "{count} attacks");
}

#[test]
fn every_honest_query_is_let_through() {
    let mut refused = Vec::new();
    let mut count = 0;
    for (dialect, _, honest) in DIALECTS {
        let guard = guard(dialect);
        for query in statements(honest) {
            count += 1;
            if let Err(refusal) = guard.check(&query) {
                refused.push(format!("{dialect:?}: {query}\n  {refusal}"));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(count >= 60, "{count} queries");
}
