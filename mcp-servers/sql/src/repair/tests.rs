//! Repair over databases that keep nothing, for what needs none: large schemas, other dialects,
//! look-ups that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::repair;
use crate::asked::Asked;
use crate::choose::{ChoiceError, Outcome, choice};
use crate::database::{DatabaseError, Engine, Limits, Plan, Rows};
use crate::dialect::Dialect;
use crate::guard::Approved;
use crate::schema::Schema;
use crate::schema::made::table;
use crate::source::{Settings, Source};

/// What a statement gives.
type Says = fn(&str) -> Result<Vec<Vec<serde_json::Value>>, DatabaseError>;

/// A database that says the same to all.
struct Said {
    dialect: Dialect,
    says: Says,
    asked: AtomicUsize,
}

#[async_trait]
impl Engine for Said {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        Ok(Schema::default())
    }

    async fn plan(&self, _: &Approved) -> Result<Plan, DatabaseError> {
        Ok(Plan {
            steps: Vec::new(),
            rows: None,
        })
    }

    async fn query(
        &self,
        statement: &Approved,
        _: &Limits,
        _: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(Rows {
            columns: Vec::new(),
            rows: (self.says)(&statement.sql)?,
            truncated: None,
        })
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        Ok(Vec::new())
    }
}

fn source(dialect: Dialect, says: Says) -> (Arc<Said>, Source) {
    let engine = Arc::new(Said {
        dialect,
        says,
        asked: AtomicUsize::default(),
    });
    let source = Source::over("said", Arc::clone(&engine) as _, Settings::default()).unwrap();
    (engine, source)
}

/// A database of a dialect that has no rows.
pub(super) fn speaking(dialect: Dialect) -> Source {
    source(dialect, |_| Ok(Vec::new())).1
}

fn unknown() -> DatabaseError {
    DatabaseError::Statement {
        reason: "there is no such thing".to_owned(),
    }
}

/// Thousands of tables in chains, by keys that only their names tell.
fn large() -> Arc<Schema> {
    let tables = (0..5_000).map(|number| {
        let name = format!("part{number}");
        let next = format!("part{}_id", number / 3);
        table(&name, &["id", &next, "title", "weight", "colour"], &[])
    });
    Arc::new(Schema {
        tables: tables.collect(),
    })
}

#[tokio::test]
async fn thousands_of_tables_are_searched_in_seconds() {
    let schema = large();
    let (_, source) = source(Dialect::Sqlite, |sql| {
        let missing = ["FROM partt", ", partt", "colours", "wheight"];
        match missing.iter().any(|name| sql.contains(name)) {
            true => Err(unknown()),
            false => Ok(vec![vec![1.into()]]),
        }
    });
    let cancel = CancellationToken::new();
    let began = Instant::now();
    let asked = Asked::new(&source, &schema, &cancel).await;
    let candidates = [
        "SELECT wheight FROM partt77, partt778 WHERE partt77.title = 'x'".to_owned(),
        "SELECT partt77.colours FROM partt77 JOIN part231 ON part231.wheight = partt77.id"
            .to_owned(),
    ];
    let chosen = choice("Which parts are there?", &candidates, &asked)
        .await
        .unwrap();
    assert!(chosen.considered.iter().all(|one| !one.changes.is_empty()));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn what_takes_too_long_is_one_candidate_that_failed() {
    let schema = Arc::new(Schema {
        tables: vec![table("star", &["id", "name"], &[])],
    });
    let (engine, source) = source(Dialect::Sqlite, |sql| match sql {
        sql if sql.contains("heavy") => Err(DatabaseError::Size { bytes: 1 }),
        sql if sql.contains("far") => Err(DatabaseError::Time { seconds: 1.0 }),
        sql if sql.contains("away") => Err(DatabaseError::Locked),
        _ => Ok(vec![vec![1.into()]]),
    });
    let cancel = CancellationToken::new();
    let asked = Asked::new(&source, &schema, &cancel).await;
    let sql = |names: &[&str]| -> Vec<String> {
        let sql = |name: &&str| format!("SELECT id AS {name} FROM star");
        names.iter().map(sql).collect()
    };
    let chosen = choice("", &sql(&["far", "heavy", "near", "near"]), &asked).await;
    let chosen = chosen.unwrap();
    assert_eq!((chosen.index, chosen.considered.len()), (2, 4));
    let failed = |at: usize| matches!(&chosen.considered[at].outcome, Outcome::Failed(_));
    assert!(failed(0) && failed(1) && !failed(2));
    // The same statement was run once.
    assert_eq!(engine.asked.load(Ordering::SeqCst), 3);
    let error = choice("", &sql(&["far"]), &asked).await.unwrap_err();
    assert!(
        matches!(error, ChoiceError::NoAnswer { count: 1, .. }),
        "{error}"
    );
    let error = choice("", &sql(&["away", "near"]), &asked)
        .await
        .unwrap_err();
    assert!(matches!(error, ChoiceError::Database(_)), "{error}");
}

#[tokio::test]
async fn what_nobody_could_look_up_is_not_rewritten() {
    let schema = Arc::new(Schema {
        tables: vec![table("star", &["id", "name"], &[])],
    });
    let cancel = CancellationToken::new();
    let sql = "SELECT id FROM star WHERE name = 'vega'";
    // Each look-up takes too long, but another text would be found.
    let (_, slow) = source(Dialect::Sqlite, |sql| match sql {
        sql if sql.contains("DISTINCT") && sql.contains("= 'vega'") => {
            Err(DatabaseError::Time { seconds: 1.0 })
        }
        sql if sql.contains("DISTINCT") => Ok(vec![vec!["Vega".into()]]),
        _ => Ok(Vec::new()),
    });
    let asked = Asked::new(&slow, &schema, &cancel).await;
    let repaired = repair(None, sql, &asked).await.unwrap();
    assert_eq!((repaired.sql.as_str(), repaired.changes.len()), (sql, 0));
    // The same where they say that it is not there.
    let (engine, quick) = source(Dialect::Sqlite, |sql| match sql {
        sql if sql.contains("LOWER") => Ok(vec![vec!["Vega".into()]]),
        _ => Ok(Vec::new()),
    });
    let asked = Asked::new(&quick, &schema, &cancel).await;
    let repaired = repair(None, sql, &asked).await.unwrap();
    assert_eq!(repaired.sql, "SELECT id FROM star WHERE name = 'Vega'");
    // What was looked up once is known.
    let before = engine.asked.load(Ordering::SeqCst);
    repair(None, sql, &asked).await.unwrap();
    assert_eq!(engine.asked.load(Ordering::SeqCst), before + 2);
}

#[tokio::test]
async fn only_so_much_is_looked_up() {
    let names: Vec<String> = (0..40).map(|number| format!("name{number}")).collect();
    let mut columns = vec!["id"];
    columns.extend(names.iter().map(String::as_str));
    let schema = Arc::new(Schema {
        tables: vec![table("star", &columns, &[])],
    });
    let cancel = CancellationToken::new();
    let (engine, source) = source(Dialect::Sqlite, |_| Ok(Vec::new()));
    let asked = Asked::new(&source, &schema, &cancel).await;
    for number in 0..40 {
        let sql = format!("SELECT id FROM star WHERE name1 = 'a{number}' AND name2 = 'b{number}'");
        repair(None, &sql, &asked).await.unwrap();
    }
    let asked = engine.asked.load(Ordering::SeqCst);
    assert!((300..400).contains(&asked), "{asked}");
}
