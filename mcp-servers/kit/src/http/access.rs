//! Who is let in: everybody, the holder of one token, or callers an authorization server vouches
//! for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::oauth::{OAuth, Refusal, Tokens};
use crate::caller::Caller;

/// Who may call.
#[derive(Debug, Clone)]
pub enum Access {
    /// Everybody who reaches the address.
    Open,
    /// Who sends this as `Authorization: Bearer`.
    Token(String),
    /// Who an authorization server has given a token for this server.
    OAuth(OAuth),
}

/// The same, ready to judge requests.
pub(super) enum Gate {
    Open,
    Token(String),
    OAuth(Arc<Tokens>),
}

impl Gate {
    /// Lets the caller in, or says what it lacks.
    async fn admit(&self, given: Option<&str>) -> Result<Caller, Response> {
        match self {
            Self::Open => Ok(Caller::default()),
            Self::Token(wanted) => {
                if given.is_some_and(|given| same(given.as_bytes(), wanted.as_bytes())) {
                    return Ok(Caller::default());
                }
                let headers = [(header::WWW_AUTHENTICATE, "Bearer".to_owned())];
                let hint = "send the token as `Authorization: Bearer TOKEN`\n";
                Err((StatusCode::UNAUTHORIZED, headers, hint).into_response())
            }
            Self::OAuth(tokens) => match given {
                Some(token) => {
                    let judged = tokens.judge(token).await;
                    judged.map_err(|refusal| refused(tokens, &refusal))
                }
                None => Err(refused(tokens, &Refusal::NoToken)),
            },
        }
    }

    /// What RFC 9728 has a protected resource say of itself.
    pub(super) fn metadata(&self) -> Option<Value> {
        let Self::OAuth(tokens) = self else {
            return None;
        };
        let oauth = &tokens.oauth;
        Some(json!({
            "resource": oauth.resource,
            "authorization_servers": [oauth.issuer],
            "scopes_supported": oauth.scopes,
            "bearer_methods_supported": ["header"],
        }))
    }
}

pub(super) async fn require(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let given = bearer(&request).map(str::to_owned);
    match gate.admit(given.as_deref()).await {
        Ok(caller) => {
            // The token was for this server: nothing behind it is to see it.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refused,
    }
}

pub(super) async fn tell_metadata(State(gate): State<Arc<Gate>>) -> Response {
    match gate.metadata() {
        Some(metadata) => Json(metadata).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refused(tokens: &Tokens, refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Scope { .. } => StatusCode::FORBIDDEN,
        Refusal::NoKeys(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    };
    let challenge = tokens.challenge(refusal);
    let headers = [(header::WWW_AUTHENTICATE, challenge)];
    (status, headers, format!("{refusal}\n")).into_response()
}

/// The token of the request; one in the address is not looked at, as addresses end up in logs.
fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Compares in a time that does not depend on where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}
