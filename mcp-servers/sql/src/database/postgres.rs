//! PostgreSQL, in sessions that only read.
//!
//! - `introspect`: what is in it, from its catalogue.
//! - `excess`: what its user may do beyond reading.

mod excess;
mod introspect;

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures::{TryStreamExt, pin_mut};
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Config, IsolationLevel, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use crate::database::rows::{Collector, real, text, whole};
use crate::database::{Cell, DatabaseError, Engine, Head, Limits, Plan, Rows, tls};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;

/// Statements that run at the same time; others wait.
const AT_ONCE: usize = 4;

/// How long to wait for a connection.
const REACH: Duration = Duration::from_secs(10);

/// Settings of every session: read-only, texts as the guard writes them, values as they are read.
const SESSION: &str = "-c default_transaction_read_only=on -c standard_conforming_strings=on \
                       -c client_encoding=UTF8 -c DateStyle=ISO -c IntervalStyle=iso_8601 \
                       -c bytea_output=hex -c lock_timeout=2000 \
                       -c idle_in_transaction_session_timeout=60000";

/// A PostgreSQL database.
#[derive(Clone)]
pub struct Postgres {
    name: String,
    pool: Pool,
    secure: MakeRustlsConnect,
    rules: Rules,
}

impl Postgres {
    /// Connects to `postgres://user:password@host/database`. `name` stands for it in errors, which
    /// never hold the address: it may hold a password.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let this user in.
    pub async fn connect(name: &str, url: &str, rules: Rules) -> Result<Self, DatabaseError> {
        let form = "its address is not of the form postgres://user:password@host/database";
        let open = |reason: String| DatabaseError::Open {
            name: name.to_owned(),
            reason,
        };
        let mut config: Config = url.parse().map_err(|_| open(form.to_owned()))?;
        config
            .application_name("ropewalk")
            .options(SESSION)
            .connect_timeout(REACH);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Verified,
        };
        let secure = MakeRustlsConnect::new(tls::client().map_err(&open)?);
        let manager = Manager::from_config(config, secure.clone(), recycling);
        let pool = Pool::builder(manager)
            .max_size(AT_ONCE)
            .wait_timeout(Some(REACH))
            .create_timeout(Some(REACH))
            .recycle_timeout(Some(REACH))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| open(error.to_string()))?;
        let connected = Self {
            name: name.to_owned(),
            pool,
            secure,
            rules,
        };
        drop(connected.client().await?);
        Ok(connected)
    }

    async fn client(&self) -> Result<Client, DatabaseError> {
        let client = self.pool.get().await;
        client.map_err(|error| DatabaseError::Open {
            name: self.name.clone(),
            reason: match &error {
                PoolError::Backend(error) => unreached(error),
                _ => format!(
                    "no connection within {} seconds; check that it runs, or try again",
                    REACH.as_secs()
                ),
            },
        })
    }

    /// The rows of a statement in a transaction that is rolled back. `token` is how to stop it.
    async fn read(
        &self,
        sql: &str,
        limits: &Limits,
        token: &mut Option<CancelToken>,
    ) -> Result<Rows, DatabaseError> {
        let mut client = self.client().await?;
        *token = Some(client.cancel_token());
        let failed = |error: tokio_postgres::Error| statement(&error, limits);
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await
            .map_err(failed)?;
        let patience = limits.time.as_millis().clamp(1, 1 << 30);
        let patience = format!("SET LOCAL statement_timeout = {patience}");
        transaction.batch_execute(&patience).await.map_err(failed)?;
        let prepared = transaction.prepare(sql).await.map_err(failed)?;
        let columns: Vec<Head> = prepared
            .columns()
            .iter()
            .map(|column| Head {
                name: column.name().to_owned(),
                kind: column.type_().name().to_owned(),
            })
            .collect();
        let wrapped = wrapped(sql, &columns, limits);
        let mut collector = Collector::new(limits);
        {
            let rows = transaction
                .query_raw::<_, i32, [i32; 0]>(&wrapped, [])
                .await
                .map_err(failed)?;
            pin_mut!(rows);
            while let Some(row) = rows.try_next().await.map_err(failed)? {
                let cells = columns.iter().enumerate();
                let cells = cells
                    .map(|(place, head)| cell(&row, place, head, limits))
                    .collect::<Result<Vec<Cell>, _>>()
                    .map_err(failed)?;
                if !collector.take(cells) {
                    break;
                }
            }
        }
        // Ended here and not whenever the connection is used again.
        let _ = transaction.rollback().await;
        Ok(collector.rows(columns))
    }
}

/// The statement so that no value can be larger than is read: what is neither a number nor a truth
/// comes as a text, cut by the database.
fn wrapped(sql: &str, columns: &[Head], limits: &Limits) -> String {
    if columns.is_empty() {
        return sql.to_owned();
    }
    let length = limits.cell_bytes.saturating_add(1);
    let (mut names, mut values) = (String::new(), String::new());
    for (place, head) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(names, "{comma}c{place}");
        let _ = match native(&head.kind) {
            true => write!(values, "{comma}q.c{place}"),
            false => write!(values, "{comma}left(q.c{place}::text, {length})"),
        };
    }
    let rows = limits.rows.saturating_add(1);
    format!("SELECT {values} FROM ({sql}) AS q({names}) LIMIT {rows}")
}

/// Whether a type is read as it is.
fn native(kind: &str) -> bool {
    matches!(
        kind,
        "int2" | "int4" | "int8" | "float4" | "float8" | "bool"
    )
}

fn cell(
    row: &Row,
    place: usize,
    head: &Head,
    limits: &Limits,
) -> Result<Cell, tokio_postgres::Error> {
    fn or_null<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Null, cell)
    }
    Ok(match head.kind.as_str() {
        "int2" => or_null(row.try_get::<_, Option<i16>>(place)?, |number| {
            whole(number.into())
        }),
        "int4" => or_null(row.try_get::<_, Option<i32>>(place)?, |number| {
            whole(number.into())
        }),
        "int8" => or_null(row.try_get::<_, Option<i64>>(place)?, whole),
        "float4" => or_null(row.try_get::<_, Option<f32>>(place)?, |number| {
            // As it is shown, and not with the digits that its half width makes up.
            real(number.to_string().parse().unwrap_or_else(|_| number.into()))
        }),
        "float8" => or_null(row.try_get::<_, Option<f64>>(place)?, real),
        "bool" => or_null(row.try_get::<_, Option<bool>>(place)?, Cell::Bool),
        _ => or_null(row.try_get::<_, Option<String>>(place)?, |value| {
            text(&value, limits.cell_bytes)
        }),
    })
}

#[async_trait]
impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        let client = self.client().await?;
        introspect::schema(&client, &self.rules)
            .await
            .map_err(|error| statement(&error, &Limits::default()))
    }

    async fn plan(&self, approved: &Approved) -> Result<Plan, DatabaseError> {
        let limits = Limits::default();
        let failed = |error: tokio_postgres::Error| statement(&error, &limits);
        let mut client = self.client().await?;
        let transaction = client
            .build_transaction()
            .read_only(true)
            .start()
            .await
            .map_err(failed)?;
        let explain = format!("EXPLAIN (FORMAT JSON) {}", approved.sql);
        let told = transaction.query_one(&explain, &[]).await.map_err(failed)?;
        let told: serde_json::Value = told.try_get(0).map_err(failed)?;
        let _ = transaction.rollback().await;
        let mut plan = Plan {
            steps: Vec::new(),
            rows: Some(0.0),
        };
        steps(&told, &mut plan);
        Ok(plan)
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
            let mut token = None;
            let read = tokio::select! {
                rows = here.read(&sql, &limits, &mut token) => Some(rows),
                () = gone.cancelled() => None,
            };
            match read {
                Some(rows) => rows,
                None => {
                    stop(token, here.secure).await;
                    Err(DatabaseError::Cancelled)
                }
            }
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
        let client = self.client().await?;
        excess::excess(&client)
            .await
            .map_err(|error| statement(&error, &Limits::default()))
    }
}

/// The steps of a plan as one line each, and the most rows that any of them expects.
fn steps(plan: &serde_json::Value, into: &mut Plan) {
    match plan {
        serde_json::Value::Array(plans) => plans.iter().for_each(|plan| steps(plan, into)),
        serde_json::Value::Object(node) => {
            if let Some(kind) = node.get("Node Type").and_then(|kind| kind.as_str()) {
                let relation = node.get("Relation Name").and_then(|name| name.as_str());
                let on = relation.map_or(String::new(), |relation| format!(" on {relation}"));
                let rows = node.get("Plan Rows").and_then(serde_json::Value::as_f64);
                let rows = rows.unwrap_or_default();
                into.rows = into.rows.map(|most| most.max(rows));
                into.steps.push(format!("{kind}{on}, {rows} rows"));
            }
            for below in ["Plan", "Plans"] {
                if let Some(plan) = node.get(below) {
                    steps(plan, into);
                }
            }
        }
        _ => {}
    }
}

/// Tells the database to stop what a connection does.
async fn stop(token: Option<CancelToken>, secure: MakeRustlsConnect) {
    let Some(token) = token else { return };
    if let Err(error) = token.cancel_query(secure).await {
        tracing::debug!(%error, "a statement could not be stopped; its time limit will");
    }
}

fn unreached(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(told) => match *told.code() {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                "it does not let this user in; check user and password".to_owned()
            }
            SqlState::INVALID_CATALOG_NAME => {
                "there is no database of this name on that server".to_owned()
            }
            _ => told.message().to_owned(),
        },
        None => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| error.to_string());
            format!("{cause}; check that it runs and its address")
        }
    }
}

fn statement(error: &tokio_postgres::Error, limits: &Limits) -> DatabaseError {
    let Some(told) = error.as_db_error() else {
        let reason = if error.is_closed() {
            "the connection to the database was lost; try again".to_owned()
        } else {
            error.to_string()
        };
        return DatabaseError::Statement { reason };
    };
    match *told.code() {
        SqlState::QUERY_CANCELED => DatabaseError::Time {
            seconds: limits.time.as_secs_f64(),
        },
        SqlState::LOCK_NOT_AVAILABLE => DatabaseError::Locked,
        _ => DatabaseError::Statement {
            reason: told.message().to_owned(),
        },
    }
}
