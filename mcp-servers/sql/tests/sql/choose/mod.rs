//! Statements that fail are repaired, and the right one is chosen among several, over a real file.

mod choosing;
mod dialects;
mod measured;
mod random;
mod repairing;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ropewalk_sql::choose::{Choice, ChoiceError, choice};
use ropewalk_sql::database::{DatabaseError, Engine, Limits, Plan, Rows, Sqlite};
use ropewalk_sql::guard::{Approved, Rules};
use ropewalk_sql::repair::{Repaired, Unrepaired, repair};
use ropewalk_sql::schema::Schema;
use ropewalk_sql::source::{Settings, Source};
use ropewalk_sql::{Asked, Dialect};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const LIBRARY: &str = "
    CREATE TABLE authors (author_id INTEGER PRIMARY KEY, name TEXT, country TEXT, full_title TEXT);
    INSERT INTO authors VALUES (1, 'Woolf', 'England', 'Virginia Woolf'),
        (2, 'Zola', 'France', 'Emile Zola'), (3, 'Sand', 'France', 'George Sand');
    CREATE TABLE books (book_id INTEGER PRIMARY KEY, title TEXT, year INTEGER, pages INTEGER,
        author INTEGER REFERENCES authors (author_id), in_print TEXT);
    INSERT INTO books VALUES (10, 'Orlando', 1928, 330, 1, 'T'), (11, 'Nana', 1880, 500, 2, 'T'),
        (12, 'Germinal', 1885, 590, 2, 'F'), (13, 'Indiana', 1832, 280, 3, 'F');
    CREATE TABLE loans (loan_id INTEGER PRIMARY KEY, book_id INTEGER REFERENCES books (book_id),
        reader TEXT, day TEXT);
    INSERT INTO loans VALUES (1, 10, 'Ann', '2024-03-01'), (2, 11, 'Ann', '2024-04-02'),
        (3, 11, 'Bob', '2023-05-03');";

/// A file with the library in it, and an engine that sees to what is sent to it.
struct Library {
    _folder: TempDir,
    engine: Arc<Watched>,
    source: Source,
    schema: Arc<Schema>,
    cancel: CancellationToken,
}

/// Keeps what was sent.
struct Watched {
    inner: Sqlite,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl Engine for Watched {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        self.inner.schema().await
    }

    async fn plan(&self, statement: &Approved) -> Result<Plan, DatabaseError> {
        self.inner.plan(statement).await
    }

    async fn query(
        &self,
        statement: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        self.sent.lock().unwrap().push(statement.sql.clone());
        self.inner.query(statement, limits, cancel).await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        self.inner.excess().await
    }
}

impl Library {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.sqlite");
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(LIBRARY)
            .unwrap();
        let inner = Sqlite::open(&path, Rules::default()).await.unwrap();
        let schema = Arc::new(inner.schema().await.unwrap());
        let engine = Arc::new(Watched {
            inner,
            sent: Mutex::default(),
        });
        let settings = Settings {
            limits: Limits {
                time: Duration::from_secs(2),
                ..Limits::default()
            },
            ..Settings::default()
        };
        Self {
            _folder: folder,
            source: Source::over("library", Arc::clone(&engine) as _, settings).unwrap(),
            engine,
            schema,
            cancel: CancellationToken::new(),
        }
    }

    async fn asked(&self) -> Asked<'_> {
        Asked::new(&self.source, &self.schema, &self.cancel).await
    }

    async fn repair(&self, question: &str, sql: &str) -> Result<Repaired, Unrepaired> {
        repair(Some(question), sql, &self.asked().await).await
    }

    async fn choice(&self, question: &str, candidates: &[&str]) -> Result<Choice, ChoiceError> {
        let candidates: Vec<String> = candidates.iter().map(|sql| (*sql).to_owned()).collect();
        choice(question, &candidates, &self.asked().await).await
    }
}
