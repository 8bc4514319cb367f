//! What every session of PostgreSQL is set to: read-only, texts as the guard writes them, values as
//! they are read.

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::{Error, IsolationLevel};

use crate::database::Limits;

/// Settings of every session and, since what stands between here and a server may keep a session
/// from being set, of every transaction once more.
const SETTINGS: [(&str, &str); 7] = [
    ("standard_conforming_strings", "on"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
    ("lock_timeout", "2000"),
    ("idle_in_transaction_session_timeout", "60000"),
];

/// The settings as options of a connection.
pub(super) fn options() -> String {
    let settings = SETTINGS.map(|(name, value)| format!("-c {name}={value}"));
    format!("-c default_transaction_read_only=on {}", settings.join(" "))
}

/// Begins a transaction that only reads, for a statement within limits.
pub(super) async fn begin<'c>(
    client: &'c mut Client,
    limits: &Limits,
) -> Result<Transaction<'c>, Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let patience = limits.time.as_millis().clamp(1, 1 << 30);
    let settings = SETTINGS.map(|(name, value)| format!("SET LOCAL {name} = '{value}';"));
    let settings = settings.concat();
    transaction
        .batch_execute(&format!(
            "{settings} SET LOCAL statement_timeout = {patience}"
        ))
        .await?;
    Ok(transaction)
}
