//! MySQL and MariaDB, in sessions that only read.
//!
//! - `address`: how a server is reached, and how secretly.
//! - `session`: what every session is set to.
//! - `narrow`: a statement whose values cannot be larger than is read.
//! - `values`: what columns are called and how their values are shown.
//! - `plan`: how the server would go about a statement.
//! - `introspect`: what is in it, from its catalogue.
//! - `excess`: what its user may do beyond reading.
//! - `errors`: what is wrong, so that something can be done about it.

mod address;
mod errors;
mod excess;
mod introspect;
mod narrow;
mod plan;
mod session;
mod values;

use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, Error, Opts, Pool, Row, Statement, Value};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::database::rows::Collector;
use crate::database::{Cell, DatabaseError, Engine, Head, Limits, Plan, Rows};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;
use address::Address;
use errors::{late, statement, unreached};
use session::Session;

/// Statements that run at the same time; others wait.
const AT_ONCE: usize = 4;

/// How long to wait for a connection.
const REACH: Duration = Duration::from_secs(10);

/// How much longer than it may a server may take before it is stopped from here: it looks at its
/// own clock now and then only.
const GRACE: Duration = Duration::from_secs(2);

/// How long looking for what is in a database may take.
const LOOKING: Duration = Duration::from_secs(60);

/// How long rows that nobody wants are read, so that the connection can be used again.
const SKIM: Duration = Duration::from_millis(100);

/// A MySQL or MariaDB database.
#[derive(Clone)]
pub struct MySql {
    name: String,
    pool: Pool,
    /// For connections beside the pool, which tell the server to stop.
    alone: Opts,
    session: Session,
    rules: Rules,
}

impl MySql {
    /// Connects to `mysql://user:password@host/database`, also written `mariadb://`, where
    /// `?ssl-mode=…` may follow with one of the modes of MySQL's own programs: `DISABLED`,
    /// `PREFERRED` (the usual one), `REQUIRED`, `VERIFY_CA` or `VERIFY_IDENTITY`. `name` stands for
    /// it in errors, which never hold the address: it may hold a password.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let this user in.
    pub async fn connect(name: &str, url: &str, rules: Rules) -> Result<Self, DatabaseError> {
        let form = "its address is not of the form mysql://user:password@host/database, with \
                    ?ssl-mode=… after it at most";
        let open = |reason: String| DatabaseError::Open {
            name: name.to_owned(),
            reason,
        };
        let address = Address::read(url).ok_or_else(|| open(form.to_owned()))?;
        let first = timeout(REACH, async {
            let (mut client, reach) = address.reach().await?;
            let session = Session::of(&mut client).await?;
            client.disconnect().await?;
            Ok((session, reach))
        });
        let (session, reach) = first
            .await
            .map_err(|_| open(late()))?
            .map_err(|error: Error| open(unreached(&error)))?;
        let connected = Self {
            name: name.to_owned(),
            pool: Pool::new(session.pooled(reach.clone())),
            alone: reach.into(),
            session,
            rules,
        };
        drop(connected.client().await?);
        Ok(connected)
    }

    async fn client(&self) -> Result<Conn, DatabaseError> {
        let open = |reason| DatabaseError::Open {
            name: self.name.clone(),
            reason,
        };
        let client = timeout(REACH, self.pool.get_conn()).await;
        client
            .map_err(|_| open(late()))?
            .map_err(|error| open(unreached(&error)))
    }

    /// The rows of a statement in a transaction that is rolled back. `number` is what the server
    /// calls the connection, for stopping it.
    async fn read(
        &self,
        sql: &str,
        limits: &Limits,
        number: &mut Option<u32>,
    ) -> Result<Rows, DatabaseError> {
        let mut client = self.client().await?;
        *number = Some(client.id());
        let failed = |error: Error| statement(&error, limits);
        self.session
            .begin(&mut client, limits)
            .await
            .map_err(failed)?;
        let mut prepared = prepared(&mut client, sql, limits).await?;
        let columns = prepared.columns();
        let heads: Vec<Head> = columns.iter().map(values::head).collect();
        if let Some(narrow) = narrow::narrowed(sql, &columns, limits) {
            // What cannot stand inside of another statement is asked as it is: then a row that is
            // too large ends it.
            if let Ok(cut) = client.prep(narrow).await {
                prepared = cut;
            }
        }
        let mut collector = Collector::new(limits);
        let mut ended = true;
        {
            let mut rows = client
                .exec_stream::<Row, _, _>(&prepared, ())
                .await
                .map_err(failed)?;
            let columns = rows.columns();
            while let Some(row) = rows.try_next().await.map_err(failed)? {
                if !collector.take(cells(row, &columns, limits)) {
                    let rest = timeout(SKIM, async {
                        while rows.try_next().await?.is_some() {}
                        Ok::<(), Error>(())
                    });
                    ended = matches!(rest.await, Ok(Ok(())));
                    break;
                }
            }
        }
        if !ended {
            // It would send the rest of its rows otherwise, however many they are.
            self.stop(*number).await;
        } else {
            if client.get_warnings() > 0 {
                self.session.doubts(&mut client).await.map_err(failed)??;
            }
            // Ended here and not whenever the connection is used again.
            let _ = client.query_drop("ROLLBACK").await;
        }
        Ok(collector.rows(heads))
    }

    /// Tells the server to end a connection and what it does there.
    async fn stop(&self, number: Option<u32>) {
        let Some(number) = number else { return };
        let stopped = timeout(REACH, async {
            let mut client = Conn::new(self.alone.clone()).await?;
            client.query_drop(format!("KILL {number}")).await?;
            client.disconnect().await
        });
        if !matches!(stopped.await, Ok(Ok(()))) {
            tracing::debug!("a statement could not be stopped; its time limit will");
        }
    }
}

/// A statement that gives rows, prepared: the server takes no more than one at a time so, and what
/// gives no rows (writing, setting, writing files) is not even begun.
async fn prepared(
    client: &mut Conn,
    sql: &str,
    limits: &Limits,
) -> Result<Statement, DatabaseError> {
    let prepared = client.prep(sql).await;
    let prepared = prepared.map_err(|error| statement(&error, limits))?;
    let refused = |reason: &str| DatabaseError::Statement {
        reason: reason.to_owned(),
    };
    if prepared.num_params() > 0 {
        return Err(refused("it has parameters, for which there are no values"));
    }
    if prepared.num_columns() == 0 {
        return Err(refused("it gives no rows; only what reads is run"));
    }
    Ok(prepared)
}

fn cells(row: Row, columns: &[Column], limits: &Limits) -> Vec<Cell> {
    let values = row.unwrap_raw().into_iter().zip(columns);
    let cell = |(value, column): (Option<Value>, &Column)| {
        values::cell(value.unwrap_or(Value::NULL), column, limits)
    };
    values.map(cell).collect()
}

#[async_trait]
impl Engine for MySql {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        let limits = Limits {
            rows: usize::MAX,
            time: LOOKING,
            ..Limits::default()
        };
        let mut client = self.client().await?;
        within(&limits, async {
            self.session.begin(&mut client, &limits).await?;
            let mut schema = introspect::schema(&mut client, &self.rules).await?;
            let limits = Limits {
                time: introspect::GLANCE,
                ..limits.clone()
            };
            self.session.begin(&mut client, &limits).await?;
            introspect::sample(&mut client, &self.rules, &mut schema).await;
            client.query_drop("ROLLBACK").await?;
            Ok(schema.into())
        })
        .await
    }

    async fn plan(&self, approved: &Approved) -> Result<Plan, DatabaseError> {
        let limits = Limits::default();
        let explain = format!("EXPLAIN FORMAT=JSON {}", approved.sql);
        let mut client = self.client().await?;
        let told: Option<Row> = within(&limits, async {
            self.session.begin(&mut client, &limits).await?;
            let told = client.exec_first(explain, ()).await?;
            client.query_drop("ROLLBACK").await?;
            Ok(told)
        })
        .await?;
        let told = told.and_then(|mut row| row.take_opt::<String, _>(0)?.ok());
        let told = told.unwrap_or_default();
        let told = serde_json::from_str(&told).map_err(|error| DatabaseError::Statement {
            reason: format!("what the server says of its plan cannot be read: {error}"),
        })?;
        Ok(plan::read(&told))
    }

    async fn query(
        &self,
        approved: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        let here = self.clone();
        let sql = approved.sql.clone();
        let limits = limits.clone();
        let gone = cancel.child_token();
        let guard = gone.clone().drop_guard();
        // A task of its own: it stops the database also when nobody waits for it any more.
        let asked = tokio::spawn(async move {
            let mut number = None;
            let patience = limits.time.saturating_add(REACH).saturating_add(GRACE);
            let stopped = tokio::select! {
                rows = timeout(patience, here.read(&sql, &limits, &mut number)) => match rows {
                    Ok(rows) => return rows,
                    Err(_) => DatabaseError::Time {
                        seconds: limits.time.as_secs_f64(),
                    },
                },
                () = gone.cancelled() => DatabaseError::Cancelled,
            };
            here.stop(number).await;
            Err(stopped)
        });
        let outcome = asked.await;
        drop(guard);
        outcome.unwrap_or_else(|error| {
            Err(DatabaseError::Statement {
                reason: format!("reading the database failed: {error}"),
            })
        })
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        let mut client = self.client().await?;
        within(&Limits::default(), excess::excess(&mut client)).await
    }
}

/// What is asked of the server for ourselves, no longer than it may take.
async fn within<T>(
    limits: &Limits,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, DatabaseError> {
    let answered = timeout(limits.time.saturating_add(GRACE), asked).await;
    let answered = answered.map_err(|_| DatabaseError::Time {
        seconds: limits.time.as_secs_f64(),
    })?;
    answered.map_err(|error| statement(&error, limits))
}
