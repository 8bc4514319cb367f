//! SQLite files, opened so that they cannot be written.
//!
//! - `connection`: one connection, and everything that keeps it from doing more than read.
//! - `still`: files that nobody writes to.
//! - `state`: what tells a file from another in its place.
//! - `turns`: how many statements run, and those that cannot be stopped.
//! - `views`: what views read of tables that may not be read otherwise.
//! - `introspect`: what is in the file.

mod connection;
mod introspect;
mod state;
mod still;
mod turns;
mod views;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::database::asking::{GRACE, late};
use crate::database::{DatabaseError, Engine, Limits, Plan, Rows};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;

use connection::Connection;
use turns::Turns;

/// A SQLite file.
#[derive(Clone)]
pub struct Sqlite {
    path: PathBuf,
    rules: Arc<Rules>,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Turns,
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
            turns: Turns::default(),
        };
        let (limits, cancel) = (Limits::default(), CancellationToken::new());
        opened.asked(&limits, &cancel, |_, _| Ok(())).await?;
        Ok(opened)
    }

    /// Does something with a connection of its own, beside the async threads. It is stopped when
    /// it takes longer than it may, when `cancel` fires, and when nobody waits for it any more.
    async fn asked<T: Send + 'static>(
        &self,
        limits: &Limits,
        cancel: &CancellationToken,
        work: impl FnOnce(&Connection, &CancellationToken) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let here = self.clone();
        let time = limits.time;
        let gone = cancel.child_token();
        let _guard = gone.clone().drop_guard();
        let task = tokio::spawn(async move {
            let turn = tokio::select! {
                turn = here.turns.next() => turn,
                () = gone.cancelled() => return Err(DatabaseError::Cancelled),
            };
            let (turns, held, stop) = (here.turns.clone(), turn.clone(), gone.clone());
            let working = tokio::task::spawn_blocking(move || {
                // Until the work is done, also when nobody waits for it any more.
                let _held = held;
                here.on_connection(|connection| work(connection, &stop))
            });
            tokio::select! {
                worked = working => worked.unwrap_or_else(|error| Err(failed(&error))),
                late = overdue(time, &gone) => {
                    turns.pass(&turn);
                    Err(late)
                }
            }
        });
        task.await.unwrap_or_else(|error| Err(failed(&error)))
    }

    fn on_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let connection = match kept.filter(|kept| kept.is_of(&self.path)) {
            Some(connection) => connection,
            None => Connection::open(&self.path, &self.rules)?,
        };
        let outcome = work(&connection);
        idle().push(connection);
        outcome
    }
}

/// Ends when a statement should have stopped and did not: there are functions that take minutes
/// over a value, and SQLite looks at the clock before and after them only.
async fn overdue(time: Duration, gone: &CancellationToken) -> DatabaseError {
    let error = tokio::select! {
        () = sleep(time) => late(time),
        () = gone.cancelled() => DatabaseError::Cancelled,
    };
    sleep(GRACE).await;
    error
}

fn failed(error: &tokio::task::JoinError) -> DatabaseError {
    DatabaseError::Statement {
        reason: format!("reading the database failed: {error}"),
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
        read.await.unwrap_or_else(|error| Err(failed(&error)))
    }

    async fn plan(&self, statement: &Approved) -> Result<Plan, DatabaseError> {
        let (sql, limits) = (statement.sql.clone(), Limits::default());
        let (within, cancel) = (limits.clone(), CancellationToken::new());
        let plan = self.asked(&limits, &cancel, move |connection, stop| {
            connection.plan(&sql, &within, stop)
        });
        plan.await
    }

    async fn query(
        &self,
        statement: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        let (sql, within) = (statement.sql.clone(), limits.clone());
        let rows = self.asked(limits, cancel, move |connection, stop| {
            connection.query(&sql, &within, stop)
        });
        rows.await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        // The file is opened for reading alone: what its owner may do is of no matter.
        Ok(Vec::new())
    }
}
