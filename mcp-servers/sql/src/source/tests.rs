use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Settings, Source, SourceError};
use crate::Asked;
use crate::choose::{ChoiceError, choice};
use crate::database::{DatabaseError, Engine, Limits, Plan, Rows};
use crate::dialect::Dialect;
use crate::guard::Approved;
use crate::schema::Schema;
use crate::schema::made::table;
use crate::values::{Bounds, ValueIndex};

/// A database that thinks every statement looks at a million rows, and counts those it runs.
#[derive(Default)]
struct Huge {
    asked: AtomicUsize,
    /// Whether it cannot be reached, and how often somebody looked what is in it.
    away: bool,
    looked: AtomicUsize,
}

#[async_trait]
impl Engine for Huge {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        self.looked.fetch_add(1, Ordering::SeqCst);
        if self.away {
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Err(DatabaseError::Locked);
        }
        Ok(Schema {
            tables: vec![table("star", &["id", "name"], &[])],
        })
    }

    async fn plan(&self, _: &Approved) -> Result<Plan, DatabaseError> {
        Ok(Plan {
            steps: Vec::new(),
            rows: Some(1e6),
        })
    }

    async fn query(
        &self,
        _: &Approved,
        _: &Limits,
        _: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(Rows {
            columns: Vec::new(),
            rows: Vec::new(),
            truncated: None,
        })
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn nothing_costs_more_than_is_allowed_whoever_asks() {
    let engine = Arc::new(Huge::default());
    let settings = |cost| Settings {
        cost: Some(cost),
        ..Settings::default()
    };
    let source = Source::over("sky", Arc::clone(&engine) as _, settings(1e5)).unwrap();
    let cancel = CancellationToken::new();
    let sql = "SELECT name FROM star";
    let error = source
        .query(sql, &Limits::default(), &cancel)
        .await
        .unwrap_err();
    assert!(matches!(error, SourceError::Cost { .. }), "{error}");
    assert!(source.check(sql).await.is_err());
    let schema = source.schema().await.unwrap();
    let values = ValueIndex::read(&source, &schema, &Bounds::default(), &cancel)
        .await
        .unwrap();
    assert!(values.is_empty() && !values.complete("star", "name"));
    let asked = Asked::new(&source, &schema, &cancel).await;
    let chosen = choice("Which stars?", &[sql.to_owned()], &asked).await;
    assert!(
        matches!(chosen, Err(ChoiceError::NoAnswer { .. })),
        "{chosen:?}"
    );
    assert_eq!(engine.asked.load(Ordering::SeqCst), 0);

    let source = Source::over("sky", Arc::clone(&engine) as _, settings(1e7)).unwrap();
    source
        .query(sql, &Limits::default(), &cancel)
        .await
        .unwrap();
    assert_eq!(engine.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn whoever_waits_for_a_database_that_is_away_waits_once() {
    let engine = Arc::new(Huge {
        away: true,
        ..Huge::default()
    });
    let source = Source::over("sky", Arc::clone(&engine) as _, Settings::default()).unwrap();
    let asked = futures::future::join_all((0..20).map(|_| source.schema())).await;
    assert!(
        asked
            .iter()
            .all(|asked| matches!(asked, Err(DatabaseError::Locked)))
    );
    assert_eq!(engine.looked.load(Ordering::SeqCst), 1);
}
