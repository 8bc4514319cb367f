//! A database that is asked.
//!
//! One engine per module, all behind [`Engine`]: `sqlite`, `postgres`, `mysql`, and `files` for files
//! that are no databases. What they share: `rows`, what is answered; `limits`, how much of it;
//! `asking`, how servers are asked; `keys`, those that may be known.

mod asking;
mod files;
mod keys;
mod limits;
mod mysql;
mod postgres;
mod rows;
mod sqlite;
mod tls;

use async_trait::async_trait;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::dialect::Dialect;
use crate::guard::Approved;
use crate::schema::Schema;

pub use files::{FileError, Files, ImportLimits, Origin, Progress};
pub use limits::Limits;
pub use mysql::MySql;
pub use postgres::Postgres;
pub use rows::{Cell, Head, Rows, Truncation};
pub use sqlite::Sqlite;

/// A database, asked one approved statement at a time by each caller.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// What is in it.
    async fn schema(&self) -> Result<Schema, DatabaseError>;

    /// How the database would go about a statement, and how much it thinks that would be.
    async fn plan(&self, statement: &Approved) -> Result<Plan, DatabaseError>;

    /// The rows of a statement, as many as the limits allow. When `cancel` fires, the database
    /// stops as well.
    async fn query(
        &self,
        statement: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError>;

    /// What this user of the database may do beyond reading; empty where it is as it should be.
    async fn excess(&self) -> Result<Vec<String>, DatabaseError>;
}

/// How a database would go about a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The steps, in the database's own words.
    pub steps: Vec<String>,
    /// Rows it thinks it would have to look at; `None` where it does not say.
    pub rows: Option<f64>,
}

/// Why a database did not answer.
#[derive(Debug, Clone, Error)]
pub enum DatabaseError {
    /// It cannot be opened or reached.
    #[error("the database `{name}` cannot be opened: {reason}")]
    Open {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It does not understand the statement, or cannot carry it out.
    #[error("{reason}")]
    Statement {
        /// In the database's own words.
        reason: String,
    },
    /// It took too long.
    #[error("the database was stopped after {seconds} seconds; ask for less, or filter first")]
    Time {
        /// How long it may take.
        seconds: f64,
    },
    /// A value or a row is larger than may be read.
    #[error("a value is larger than {bytes} bytes; select its length or other columns")]
    Size {
        /// How large it may be.
        bytes: usize,
    },
    /// Somebody else keeps it from answering.
    #[error("the database is locked by another program; try again when that is done")]
    Locked,
    /// The caller gave up.
    #[error("cancelled")]
    Cancelled,
}
