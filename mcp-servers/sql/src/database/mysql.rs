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

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, Error, Opts, Pool, Row, Statement, Value};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::database::asking::{LOOKING, REACH, SKIM, Server, Told, asked, unreachable};
use crate::database::rows::Collector;
use crate::database::{Cell, DatabaseError, Engine, Head, Limits, Plan, Rows, keys};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;
use address::Address;
use errors::{statement, unreached};
use session::Session;

/// A MySQL or MariaDB database.
#[derive(Clone)]
pub struct MySql {
    name: String,
    pool: Pool,
    /// For connections beside the pool, which tell the server to stop.
    alone: Opts,
    session: Arc<Session>,
    rules: Arc<Rules>,
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
            .map_err(|_| open(unreachable()))?
            .map_err(|error: Error| open(unreached(&error)))?;
        let connected = Self {
            name: name.to_owned(),
            pool: Pool::new(session.pooled(reach.clone())),
            alone: reach.into(),
            session: Arc::new(session),
            rules: Arc::new(rules),
        };
        drop(connected.connection().await?);
        Ok(connected)
    }
}

impl Server for MySql {
    type Connection = Conn;

    async fn connection(&self) -> Result<Conn, DatabaseError> {
        let open = |reason| DatabaseError::Open {
            name: self.name.clone(),
            reason,
        };
        let client = timeout(REACH, self.pool.get_conn()).await;
        client
            .map_err(|_| open(unreachable()))?
            .map_err(|error| open(unreached(&error)))
    }

    async fn stop(&self, connection: Conn) {
        let number = connection.id();
        let stopped = timeout(REACH, async {
            let mut client = Conn::new(self.alone.clone()).await?;
            client.query_drop(format!("KILL {number}")).await?;
            client.disconnect().await
        });
        if !matches!(stopped.await, Ok(Ok(()))) {
            tracing::debug!("a statement could not be stopped; its time limit will");
        }
        // Left for good: what it was still answering is not taken for answers to who comes next.
        let _ = timeout(REACH, connection.disconnect()).await;
    }
}

/// The rows of a statement in a transaction that is rolled back.
async fn read(
    client: &mut Conn,
    session: &Session,
    sql: &str,
    limits: &Limits,
) -> Result<Told<Rows>, DatabaseError> {
    let failed = |error: Error| statement(&error, limits);
    session.begin(client, limits).await.map_err(failed)?;
    let mut prepared = prepared(client, sql, limits).await?;
    let columns = prepared.columns();
    let heads: Vec<Head> = columns.iter().map(values::head).collect();
    if let Some(narrow) = narrow::narrowed(sql, &columns, limits) {
        // What cannot stand inside of another statement is asked as it is: then a row that is too
        // large ends it.
        if let Ok(cut) = client.prep(narrow).await {
            prepared = cut;
        }
    }
    let mut collector = Collector::new(limits);
    let mut whole = true;
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
                whole = matches!(rest.await, Ok(Ok(())));
                break;
            }
        }
    }
    if whole {
        if client.get_warnings() > 0 {
            session.doubts(client).await.map_err(failed)??;
        }
        // Ended here and not whenever the connection is used again.
        let _ = client.query_drop("ROLLBACK").await;
    }
    Ok(Told {
        answer: collector.rows(heads),
        whole,
    })
}

async fn schema(client: &mut Conn, session: &Session, rules: &Rules) -> Result<Schema, Error> {
    let limits = |time| Limits {
        rows: usize::MAX,
        time,
        ..Limits::default()
    };
    session.begin(client, &limits(LOOKING)).await?;
    let mut found = introspect::schema(client, rules).await?;
    session.begin(client, &limits(introspect::GLANCE)).await?;
    introspect::sample(client, rules, &mut found).await;
    client.query_drop("ROLLBACK").await?;
    let mut schema = found.into();
    keys::hide(&mut schema, rules);
    Ok(schema)
}

async fn plan(
    client: &mut Conn,
    session: &Session,
    sql: &str,
    limits: &Limits,
) -> Result<Plan, DatabaseError> {
    let explained = async {
        session.begin(client, limits).await?;
        let told: Option<Row> = client
            .exec_first(format!("EXPLAIN FORMAT=JSON {sql}"), ())
            .await?;
        client.query_drop("ROLLBACK").await?;
        Ok(told)
    };
    let told = explained.await.map_err(|error| statement(&error, limits))?;
    let told = told.and_then(|mut row| row.take_opt::<String, _>(0)?.ok());
    let told = serde_json::from_str(&told.unwrap_or_default());
    let told = told.map_err(|error| DatabaseError::Statement {
        reason: format!("what the server says of its plan cannot be read: {error}"),
    })?;
    Ok(plan::read(&told))
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
            time: LOOKING,
            ..Limits::default()
        };
        let (session, rules) = (Arc::clone(&self.session), Arc::clone(&self.rules));
        let (within, cancel) = (limits.clone(), CancellationToken::new());
        let schema = asked(self, &limits, &cancel, move |client: &mut Conn| {
            Box::pin(async move {
                let schema = schema(client, &session, &rules).await;
                let schema = schema.map_err(|error| statement(&error, &within))?;
                Ok(Told::whole(schema))
            })
        });
        schema.await
    }

    async fn plan(&self, approved: &Approved) -> Result<Plan, DatabaseError> {
        let limits = Limits::default();
        let (session, sql) = (Arc::clone(&self.session), approved.sql.clone());
        let (within, cancel) = (limits.clone(), CancellationToken::new());
        let plan = asked(self, &limits, &cancel, move |client: &mut Conn| {
            Box::pin(async move {
                let plan = plan(client, &session, &sql, &within).await?;
                Ok(Told::whole(plan))
            })
        });
        plan.await
    }

    async fn query(
        &self,
        approved: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        let (session, sql) = (Arc::clone(&self.session), approved.sql.clone());
        let within = limits.clone();
        let rows = asked(self, limits, cancel, move |client: &mut Conn| {
            Box::pin(async move { read(client, &session, &sql, &within).await })
        });
        rows.await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        let (limits, cancel) = (Limits::default(), CancellationToken::new());
        let within = limits.clone();
        let found = asked(self, &limits, &cancel, move |client: &mut Conn| {
            Box::pin(async move {
                let found = excess::excess(client).await;
                let found = found.map_err(|error| statement(&error, &within))?;
                Ok(Told::whole(found))
            })
        });
        found.await
    }
}
