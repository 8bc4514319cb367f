//! What is wrong, in words that say what can be done about it and hold no address.

use std::error::Error as Failure;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::database::asking::late;
use crate::database::{DatabaseError, Limits};

/// Why there is no connection.
pub(super) fn unreached(error: &Error) -> String {
    if let Some(told) = error.as_db_error() {
        return match *told.code() {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                "it does not let this user in; check user and password".to_owned()
            }
            SqlState::INVALID_CATALOG_NAME => {
                "there is no database of this name on that server".to_owned()
            }
            _ => told.message().to_owned(),
        };
    }
    let cause = error.source().map(ToString::to_string);
    let cause = cause.unwrap_or_else(|| error.to_string());
    if is_about_certificates(error) {
        return format!(
            "there is no secret way to it: {cause}; have this machine trust its certificate, or \
             end its address in ?sslmode=disable where nobody listens on the way"
        );
    }
    if cause.contains("does not support TLS") {
        return "it has no TLS, which its address asks for; set it up there, or leave sslmode out"
            .to_owned();
    }
    format!("{cause}; check that it runs and its address")
}

/// Whether the server did not prove who it is.
fn is_about_certificates(error: &Error) -> bool {
    let mut next: Option<&(dyn Failure + 'static)> = error.source();
    while let Some(cause) = next {
        let inner = cause.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        if cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Why a statement has no answer.
pub(super) fn statement(error: &Error, limits: &Limits) -> DatabaseError {
    let Some(told) = error.as_db_error() else {
        let lost = error.is_closed()
            || error
                .source()
                .is_some_and(|cause| cause.is::<std::io::Error>());
        let reason = if lost {
            "the connection to the database was lost; try again".to_owned()
        } else {
            error.to_string()
        };
        return DatabaseError::Statement { reason };
    };
    match *told.code() {
        SqlState::QUERY_CANCELED => late(limits.time),
        SqlState::LOCK_NOT_AVAILABLE => DatabaseError::Locked,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            let reason = "the connection to the database was lost; try again".to_owned();
            DatabaseError::Statement { reason }
        }
        _ => DatabaseError::Statement {
            reason: told.message().to_owned(),
        },
    }
}
