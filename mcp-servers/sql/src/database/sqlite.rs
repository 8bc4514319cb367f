//! SQLite files, opened so that they cannot be written.
//!
//! - `connection`: one connection, and everything that keeps it from doing more than read.
//! - `views`: what views read of tables that may not be read otherwise.
//! - `introspect`: what is in the file.

mod connection;
mod introspect;
mod views;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::database::{DatabaseError, Engine, Limits, Plan, Rows};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;

use connection::Connection;

/// Statements that run at the same time; others wait.
const AT_ONCE: usize = 4;

/// A SQLite file.
#[derive(Clone)]
pub struct Sqlite {
    path: PathBuf,
    rules: Arc<Rules>,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Sqlite {
    /// Opens a file, and looks into it to see that it is one.
    ///
    /// # Errors
    /// When it is not there, is no database, or cannot be read.
    pub async fn open(path: &Path, rules: Rules) -> Result<Self, DatabaseError> {
        let opened = Self {
            path: path.to_owned(),
            rules: Arc::new(rules),
            idle: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        };
        opened.on_connection(|_| Ok(())).await?;
        Ok(opened)
    }

    /// Does something with a connection of its own, beside the async threads.
    async fn on_connection<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let here = self.clone();
        let worked = tokio::task::spawn_blocking(move || {
            // Until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            let idle = || here.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = idle().pop();
            let connection = match kept {
                Some(connection) => connection,
                None => Connection::open(&here.path, &here.rules)?,
            };
            let outcome = work(&connection);
            idle().push(connection);
            outcome
        });
        worked.await.unwrap_or_else(|error| {
            Err(DatabaseError::Statement {
                reason: format!("reading the database failed: {error}"),
            })
        })
    }
}

#[async_trait]
impl Engine for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        let path = self.path.clone();
        let rules = Arc::clone(&self.rules);
        let read = tokio::task::spawn_blocking(move || introspect::schema(&path, &rules));
        read.await.unwrap_or_else(|error| {
            Err(DatabaseError::Statement {
                reason: format!("reading the schema failed: {error}"),
            })
        })
    }

    async fn plan(&self, statement: &Approved) -> Result<Plan, DatabaseError> {
        let sql = statement.sql.clone();
        self.on_connection(move |connection| connection.plan(&sql))
            .await
    }

    async fn query(
        &self,
        statement: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        let sql = statement.sql.clone();
        let limits = limits.clone();
        let gone = cancel.child_token();
        // Stops the database also when this future is dropped.
        let _guard = gone.clone().drop_guard();
        let asked = self.on_connection(move |connection| connection.query(&sql, &limits, &gone));
        asked.await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        // The file is opened for reading alone: what its owner may do is of no matter.
        Ok(Vec::new())
    }
}
