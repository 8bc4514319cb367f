//! What is read again when, and what is not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::Made;
use crate::database::Sqlite;
use crate::guard::Rules;
use crate::schema::Schema;
use crate::source::{Settings, Source};
use crate::values::ValueIndex;

struct Shop {
    folder: tempfile::TempDir,
    source: Arc<Source>,
}

impl Shop {
    async fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let engine = Sqlite::open(&file, Rules::default()).await.unwrap();
        let source = Source::over("shop", Arc::new(engine), Settings::default());
        Self {
            source: Arc::new(source.unwrap()),
            folder,
        }
    }

    fn change(&self, sql: &str) {
        let file = self.folder.path().join("shop.db");
        Connection::open(file).unwrap().execute_batch(sql).unwrap();
    }

    fn kept(&self) -> std::path::PathBuf {
        self.folder.path().join("values/ab-cd.json")
    }

    fn made(&self, fresh: Duration, patience: Duration) -> Made {
        Made {
            fresh,
            patience,
            ..Made::kept_in(Some(self.kept()))
        }
    }

    async fn schema(&self) -> Arc<Schema> {
        Arc::new(self.source.engine().schema().await.unwrap())
    }

    async fn values(&self, made: &Made, schema: &Arc<Schema>) -> Arc<ValueIndex> {
        let never = CancellationToken::new();
        made.values(&self.source, schema, &[], &never)
            .await
            .unwrap()
    }

    /// What is known once it holds a value.
    async fn until(&self, made: &Made, schema: &Arc<Schema>, value: &str) -> Arc<ValueIndex> {
        let began = Instant::now();
        loop {
            let values = self.values(made, schema).await;
            if !values.named(value, 1).is_empty() {
                return values;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{value}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

const ITEMS: &str = "CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('spade');";
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn more_rows_are_no_reason_to_read_again_and_other_columns_are() {
    let shop = Shop::new(ITEMS).await;
    let made = shop.made(LONG, LONG);
    let schema = shop.schema().await;
    let first = shop.values(&made, &schema).await;
    let mut grown = (*schema).clone();
    grown.tables[0].rows = Some(99);
    let same = shop.values(&made, &Arc::new(grown.clone())).await;
    assert!(Arc::ptr_eq(&first, &same));
    // What is said of a column is read by the parser, and the values are the same.
    grown.tables[0].columns[0].comment = Some("what it is called".to_owned());
    let same = shop.values(&made, &Arc::new(grown)).await;
    assert!(Arc::ptr_eq(&first, &same));
    shop.change("ALTER TABLE item ADD COLUMN colour TEXT; UPDATE item SET colour = 'green'");
    let other = shop.values(&made, &shop.schema().await).await;
    assert!(!other.named("green", 1).is_empty());
}

#[tokio::test]
async fn old_values_are_served_while_they_are_read_again() {
    let shop = Shop::new(ITEMS).await;
    let made = shop.made(Duration::ZERO, LONG);
    let schema = shop.schema().await;
    let first = shop.values(&made, &schema).await;
    shop.change("INSERT INTO item VALUES ('rake')");
    // Whoever asks now does not wait.
    let old = shop.values(&made, &schema).await;
    assert!(old.named("rake", 1).is_empty() && *old == *first);
    shop.until(&made, &schema, "rake").await;
}

#[tokio::test]
async fn values_that_were_cut_short_are_read_behind_ones_back_and_not_kept_till_then() {
    let shop = Shop::new(ITEMS).await;
    let made = shop.made(LONG, Duration::ZERO);
    let schema = shop.schema().await;
    let cut = shop.values(&made, &schema).await;
    assert!(cut.is_cut_short() && cut.is_empty());
    let whole = shop.until(&made, &schema, "spade").await;
    assert!(!whole.is_cut_short());
    assert!(exists(&shop.kept()));
    // The next start has all of it at once.
    let again = shop.made(LONG, Duration::ZERO);
    assert!(*shop.values(&again, &schema).await == *whole);
}

fn exists(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.len() > 0)
}
