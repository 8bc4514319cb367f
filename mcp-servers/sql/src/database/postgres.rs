//! PostgreSQL, in sessions that only read.
//!
//! - `address`: how a server is reached.
//! - `session`: what every session is set to.
//! - `narrow`: a statement whose values cannot be larger than is read.
//! - `values`: how values are shown.
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
use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures::{TryStreamExt, pin_mut};
use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use crate::database::asking::{AT_ONCE, LOOKING, REACH, SKIM, Server, Told, asked, unreachable};
use crate::database::rows::Collector;
use crate::database::{Cell, DatabaseError, Engine, Head, Limits, Plan, Rows, keys, tls};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;
use errors::{statement, unreached};

/// A PostgreSQL database.
#[derive(Clone)]
pub struct Postgres {
    name: String,
    pool: Pool,
    secure: MakeRustlsConnect,
    rules: Arc<Rules>,
}

impl Postgres {
    /// Connects to `postgres://user:password@host/database`, where options of PostgreSQL's own
    /// programs may follow after a `?`: with `sslmode=verify-full` there is no connection but a
    /// secret one to a server whose certificate this machine trusts. `name` stands for the address
    /// in errors, which never hold it: it may hold a password.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let this user in.
    pub async fn connect(name: &str, url: &str, rules: Rules) -> Result<Self, DatabaseError> {
        let form = "its address is not of the form postgres://user:password@host/database, or an \
                    option after its `?` is not known";
        let open = |reason: String| DatabaseError::Open {
            name: name.to_owned(),
            reason,
        };
        let config = address::read(url).ok_or_else(|| open(form.to_owned()))?;
        // The server forgets what was set in a session before it is used again.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Clean,
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
            rules: Arc::new(rules),
        };
        drop(connected.connection().await?);
        Ok(connected)
    }
}

impl Server for Postgres {
    type Connection = Client;

    async fn connection(&self) -> Result<Client, DatabaseError> {
        let client = self.pool.get().await;
        client.map_err(|error| DatabaseError::Open {
            name: self.name.clone(),
            reason: match &error {
                PoolError::Backend(error) => unreached(error),
                _ => unreachable(),
            },
        })
    }

    async fn stop(&self, connection: Client) {
        let token = connection.cancel_token();
        drop(Client::take(connection));
        let stopped = timeout(REACH, token.cancel_query(self.secure.clone())).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::debug!("a statement could not be stopped; its time limit will");
        }
    }
}

/// The rows of a statement in a transaction that is rolled back.
async fn read(
    client: &mut Client,
    sql: &str,
    limits: &Limits,
) -> Result<Told<Rows>, DatabaseError> {
    let failed = |error: Error| statement(&error, limits);
    let transaction = session::begin(client, limits).await.map_err(failed)?;
    let prepared = transaction.prepare(sql).await.map_err(failed)?;
    let columns: Vec<Head> = prepared
        .columns()
        .iter()
        .map(|column| Head {
            name: column.name().to_owned(),
            kind: column.type_().name().to_owned(),
        })
        .collect();
    let narrowed = narrow::narrowed(sql, &columns, limits);
    let mut collector = Collector::new(limits);
    let mut whole = true;
    {
        let rows = transaction
            .query_raw::<_, i32, [i32; 0]>(&narrowed, [])
            .await
            .map_err(failed)?;
        pin_mut!(rows);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let cells = columns.iter().enumerate();
            let cells = cells
                .map(|(place, head)| values::cell(&row, place, head, limits))
                .collect::<Result<Vec<Cell>, _>>()
                .map_err(failed)?;
            if !collector.take(cells) {
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
        // Ended here and not whenever the connection is used again.
        let _ = transaction.rollback().await;
    }
    Ok(Told {
        answer: collector.rows(columns),
        whole,
    })
}

async fn schema(client: &mut Client, rules: &Rules, limits: &Limits) -> Result<Schema, Error> {
    let transaction = session::begin(client, limits).await?;
    let mut schema = introspect::schema(&transaction, rules).await?;
    keys::hide(&mut schema, rules);
    let _ = transaction.rollback().await;
    Ok(schema)
}

async fn plan(client: &mut Client, sql: &str, limits: &Limits) -> Result<Plan, Error> {
    let transaction = session::begin(client, limits).await?;
    let plan = plan::plan(&transaction, sql).await?;
    let _ = transaction.rollback().await;
    Ok(plan)
}

async fn excess(client: &mut Client, limits: &Limits) -> Result<Vec<String>, Error> {
    let transaction = session::begin(client, limits).await?;
    let found = excess::excess(&transaction).await?;
    let _ = transaction.rollback().await;
    Ok(found)
}

#[async_trait]
impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn schema(&self) -> Result<Schema, DatabaseError> {
        let limits = Limits {
            time: LOOKING,
            ..Limits::default()
        };
        let (within, cancel) = (limits.clone(), CancellationToken::new());
        let rules = Arc::clone(&self.rules);
        let schema = asked(self, &limits, &cancel, move |client: &mut Client| {
            Box::pin(async move {
                let schema = schema(client, &rules, &within).await;
                let schema = schema.map_err(|error| statement(&error, &within))?;
                Ok(Told::whole(schema))
            })
        });
        schema.await
    }

    async fn plan(&self, approved: &Approved) -> Result<Plan, DatabaseError> {
        let (limits, cancel) = (Limits::default(), CancellationToken::new());
        let (sql, within) = (approved.sql.clone(), limits.clone());
        let plan = asked(self, &limits, &cancel, move |client: &mut Client| {
            Box::pin(async move {
                let plan = plan(client, &sql, &within).await;
                let plan = plan.map_err(|error| statement(&error, &within))?;
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
        let (sql, within) = (approved.sql.clone(), limits.clone());
        let rows = asked(self, limits, cancel, move |client: &mut Client| {
            Box::pin(async move { read(client, &sql, &within).await })
        });
        rows.await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        let (limits, cancel) = (Limits::default(), CancellationToken::new());
        let within = limits.clone();
        let found = asked(self, &limits, &cancel, move |client: &mut Client| {
            Box::pin(async move {
                let found = excess(client, &within).await;
                let found = found.map_err(|error| statement(&error, &within))?;
                Ok(Told::whole(found))
            })
        });
        found.await
    }
}
