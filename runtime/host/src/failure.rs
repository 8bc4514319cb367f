//! What went wrong with a connection or a call, in words a person can act on.

use std::time::Duration;

use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

/// How a call fails.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The connection is gone, for this reason; whether the call had an effect is unknown.
    Lost(String),
    /// The server did not answer in time.
    Late(String),
    /// Anything else, in words: the server answered, or was never asked.
    Failed(String),
}

/// Why a server could not be spoken to.
pub(crate) fn of_start(error: &ClientInitializeError) -> String {
    match error {
        // Neither protocol was understood: what the older one met with is the plainer reason.
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => of_start(fallback),
        ClientInitializeError::TransportError { error, .. } => of_transport(error),
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection".to_owned(),
        other => with_causes(other),
    }
}

/// Why a call failed.
pub(crate) fn of_call(error: &ServiceError) -> CallFailure {
    CallFailure::Failed(match error {
        ServiceError::TransportClosed => {
            return CallFailure::Lost("the server closed it".to_owned());
        }
        ServiceError::TransportSend(error) => match http(error) {
            Some(StreamableHttpError::Auth(_) | StreamableHttpError::AuthRequired(_)) => {
                of_transport(error)
            }
            _ => return CallFailure::Lost(of_transport(error)),
        },
        ServiceError::McpError(error) => error.message.to_string(),
        other => with_causes(other),
    })
}

/// A call that took too long.
pub(crate) fn late(timeout: Duration) -> CallFailure {
    CallFailure::Late(format!(
        "no answer within {} s; the call was cancelled (raise `timeout_s` of the server)",
        timeout.as_secs_f64()
    ))
}

fn http(error: &DynamicTransportError) -> Option<&StreamableHttpError<reqwest::Error>> {
    error.error.downcast_ref()
}

/// Why bytes could not be sent, without the names of Rust types.
fn of_transport(error: &DynamicTransportError) -> String {
    match http(error) {
        // It does not give its cause as such.
        Some(StreamableHttpError::Client(error)) => with_causes(error),
        Some(StreamableHttpError::Auth(rmcp::transport::AuthError::AuthorizationFailed(why))) => {
            why.clone()
        }
        Some(StreamableHttpError::AuthRequired(_)) => {
            "the server refuses the token it was given, or wants one; check `bearer_env`, \
             `bearer_keyring` or `headers` of the server"
                .to_owned()
        }
        _ => with_causes(error.error.as_ref()),
    }
}

/// An error with what caused it: the outermost message of a transport says little.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text.push_str(": ");
            text.push_str(&inner);
        }
        cause = error.source();
    }
    text
}
