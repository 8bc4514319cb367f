//! What is wrong, in words that say what can be done about it and hold no address.

use mysql_async::{DriverError, Error, IoError};

use crate::database::asking::late;
use crate::database::mysql::address::MAX_ROW;
use crate::database::{DatabaseError, Limits};

/// Why there is no connection.
pub(super) fn unreached(error: &Error) -> String {
    match error {
        Error::Server(told) => match told.code {
            1045 | 1698 => "it does not let this user in; check user and password".to_owned(),
            1049 => "there is no database of this name on that server".to_owned(),
            // Whether there is such a database it tells only those who may use it.
            1044 => "there is no database of this name on that server, or this user may not use it"
                .to_owned(),
            _ => told.message.clone(),
        },
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "it has no TLS, which its address asks for; set it up there, or leave ssl-mode out"
                .to_owned()
        }
        Error::Driver(
            DriverError::CleartextPluginDisabled | DriverError::UnknownAuthPlugin { .. },
        ) => {
            "it wants this user to log in some way that is not known here; give the user a password"
                .to_owned()
        }
        Error::Io(IoError::Tls(cause)) => untrusted(cause),
        Error::Io(IoError::Io(cause))
            if cause
                .get_ref()
                .is_some_and(|inner| inner.is::<rustls::Error>()) =>
        {
            untrusted(cause)
        }
        Error::Io(IoError::Io(cause)) => format!("{cause}; check that it runs and its address"),
        _ => "it does not answer as MySQL does; check its address".to_owned(),
    }
}

fn untrusted(cause: &dyn std::error::Error) -> String {
    format!("there is no secret way to it: {cause}; check its certificate and ssl-mode")
}

/// Why a statement has no answer.
pub(super) fn statement(error: &Error, limits: &Limits) -> DatabaseError {
    let reason = match error {
        Error::Server(told) => match told.code {
            1969 | 3024 => return late(limits.time),
            1205 | 1213 | 3572 => return DatabaseError::Locked,
            _ => told.message.clone(),
        },
        Error::Io(IoError::Io(cause)) if cause.to_string().contains("max_allowed_packet") => {
            return DatabaseError::Size { bytes: MAX_ROW };
        }
        Error::Io(_) | Error::Driver(DriverError::ConnectionClosed) => {
            "the connection to the database was lost; try again".to_owned()
        }
        // The driver looks for them itself, and is mistaken about a text right after a sign.
        Error::Driver(DriverError::Params(_) | DriverError::MixedParams) => {
            "a text right after a minus holds what looks like a parameter; write `0 - '…'` instead \
             of `-'…'`"
                .to_owned()
        }
        _ => error.to_string(),
    };
    DatabaseError::Statement { reason }
}
