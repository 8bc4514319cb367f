//! What every session of MySQL and MariaDB is set to: read-only, texts as the guard writes them,
//! and no longer than it may.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, PoolConstraints, PoolOpts};

use crate::database::asking::AT_ONCE;
use crate::database::{DatabaseError, Limits};

/// How texts and names are read and what is an error: backslashes escape, double quotes are texts,
/// `||` is OR.
const MODE: &str = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// Settings that not every version has, and what they are set to: locks are not waited for long,
/// recursion ends by its time and not after a thousand rounds, texts that are put together are not
/// cut where nobody sees it.
const SETTINGS: [(&str, u32); 6] = [
    ("lock_wait_timeout", 2),
    ("innodb_lock_wait_timeout", 2),
    ("cte_max_recursion_depth", u32::MAX),
    ("max_recursive_iterations", u32::MAX),
    ("group_concat_max_len", 1 << 20),
    ("sql_auto_is_null", 0),
];

/// How long a statement may take, and the largest value that the server makes, in bytes.
const IN_SECONDS: &str = "max_statement_time";
const IN_MILLISECONDS: &str = "max_execution_time";
const LARGEST: &str = "max_allowed_packet";

/// Warnings that an answer is not what was asked for: a value that would have been too large is
/// NULL, or recursion was given up.
const TOO_LARGE: u32 = 1301;
const GIVEN_UP: u32 = 1931;

/// How a server says how long a statement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// MariaDB, in seconds.
    Seconds,
    /// MySQL, in milliseconds.
    Milliseconds,
    /// Something else, which is stopped from here.
    None,
}

/// What sessions with one server are set to.
#[derive(Debug, Clone)]
pub(super) struct Session {
    setup: Vec<String>,
    clock: Clock,
    /// The largest value that the server makes, in bytes.
    largest: usize,
}

impl Session {
    /// By what the server has.
    pub(super) async fn of(client: &mut Conn) -> Result<Self, Error> {
        let names = SETTINGS.map(|(name, _)| name);
        let names = [names.as_slice(), &[IN_SECONDS, IN_MILLISECONDS, LARGEST]].concat();
        let known = format!(
            "SHOW VARIABLES WHERE Variable_name IN ('{}')",
            names.join("', '")
        );
        let known: Vec<(String, String)> = client.query(known).await?;
        let known: BTreeMap<String, String> = known.into_iter().collect();
        let clock = if known.contains_key(IN_SECONDS) {
            Clock::Seconds
        } else if known.contains_key(IN_MILLISECONDS) {
            Clock::Milliseconds
        } else {
            Clock::None
        };
        // Where it knows which columns follow from those that are grouped by; MariaDB would refuse
        // what is fine.
        let grouping = match clock {
            Clock::Milliseconds => "ONLY_FULL_GROUP_BY,",
            Clock::Seconds | Clock::None => "",
        };
        let mut settings = format!("SET NAMES utf8mb4, SESSION sql_mode = '{grouping}{MODE}'");
        for (name, value) in SETTINGS {
            if known.contains_key(name) {
                settings.push_str(&format!(", SESSION {name} = {value}"));
            }
        }
        let largest = known.get(LARGEST);
        Ok(Self {
            setup: vec![settings, "SET SESSION TRANSACTION READ ONLY".to_owned()],
            clock,
            largest: largest
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(usize::MAX),
        })
    }

    /// A pool of such sessions. The server forgets everything of a session before it is used
    /// again, and it is set up anew.
    pub(super) fn pooled(&self, reach: OptsBuilder) -> OptsBuilder {
        let size = PoolConstraints::new(AT_ONCE, AT_ONCE).unwrap_or_default();
        let pool = PoolOpts::new()
            .with_constraints(size)
            .with_reset_connection(true);
        reach.pool_opts(pool).setup(self.setup.clone())
    }

    /// Begins a transaction that only reads, for a statement within limits.
    pub(super) async fn begin(&self, client: &mut Conn, limits: &Limits) -> Result<(), Error> {
        let rows = limits.rows.saturating_add(1);
        let millis = limits.time.as_millis().clamp(1, 1 << 31);
        let time = match self.clock {
            Clock::Seconds => {
                let (seconds, millis) = (millis / 1_000, millis % 1_000);
                format!(", SESSION {IN_SECONDS} = {seconds}.{millis:03}")
            }
            Clock::Milliseconds => format!(", SESSION {IN_MILLISECONDS} = {millis}"),
            Clock::None => String::new(),
        };
        let within = format!("SET SESSION sql_select_limit = {rows}{time}");
        client.query_drop(within).await?;
        client.query_drop("START TRANSACTION READ ONLY").await
    }

    /// Whether the warnings of the statement before say that its answer is not to be trusted.
    pub(super) async fn doubts(
        &self,
        client: &mut Conn,
    ) -> Result<Result<(), DatabaseError>, Error> {
        let warnings: Vec<(String, u32, String)> = client.query("SHOW WARNINGS").await?;
        for (_, code, message) in warnings {
            match code {
                TOO_LARGE => {
                    return Ok(Err(DatabaseError::Size {
                        bytes: self.largest,
                    }));
                }
                GIVEN_UP => return Ok(Err(DatabaseError::Statement { reason: message })),
                _ => {}
            }
        }
        Ok(Ok(()))
    }
}
