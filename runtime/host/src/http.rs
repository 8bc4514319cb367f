//! HTTP to a server by URL: authorised where it asks for that, and never led elsewhere.
//!
//! rmcp speaks the protocol; this stands between it and the network. A request that is refused for
//! want of a token is made again with one, a bounded number of times. Nothing is sent to another
//! origin than the server's own, so neither tokens nor headers leave for a stranger.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use reqwest::StatusCode;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::AuthError;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;

use crate::oauth::{Authority, Challenge};

/// Redirects followed for one request.
const MOST_REDIRECTS: usize = 10;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often one request is made: without a token, with one, and with more scopes.
const MOST_TURNS: usize = 4;

type Failed = StreamableHttpError<reqwest::Error>;

/// The way to one server.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    authority: Option<Arc<Authority>>,
}

impl Http {
    /// Without an authority a request that is refused for want of a token fails.
    pub(crate) fn new(authority: Option<Arc<Authority>>) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A pooled connection whose last answer was not read to its end stalls.
            .pool_max_idle_per_host(0)
            .redirect(Policy::custom(within_the_origin))
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(Self { client, authority })
    }

    /// Makes a request, and again with what its refusal asks for.
    async fn authorised<T, F>(
        &self,
        given: Option<String>,
        request: impl Fn(Option<String>) -> F,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let (Some(authority), None) = (&self.authority, &given) else {
            return request(given).await;
        };
        let refused = |why: String| Failed::Auth(AuthError::AuthorizationFailed(why));
        let mut token = authority.token().await.map_err(refused)?;
        for turn in 1.. {
            let challenge = match request(token.clone()).await {
                Err(StreamableHttpError::AuthRequired(error)) => {
                    Challenge::token(error.www_authenticate_header)
                }
                Err(StreamableHttpError::InsufficientScope(error)) => {
                    match Challenge::scope(error.www_authenticate_header) {
                        Some(challenge) => challenge,
                        None => {
                            return Err(refused(
                                "the server forbids this to you (HTTP 403)".to_owned(),
                            ));
                        }
                    }
                }
                Ok(answered) => {
                    authority.accepted();
                    return Ok(answered);
                }
                Err(error) => return Err(error),
            };
            if turn == MOST_TURNS {
                break;
            }
            let answer = authority.answer(&challenge, token.as_deref()).await;
            token = Some(answer.map_err(refused)?);
        }
        Err(refused(
            "the server refuses every token, each got as it asked; its authorization is broken, \
             or your account may not do this"
                .to_owned(),
        ))
    }
}

/// Follows a redirect that keeps what is sent and where to.
fn within_the_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let keeps_body = matches!(
        attempt.status(),
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    );
    let first = attempt.previous().first();
    let same_origin = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if !keeps_body || !same_origin {
        attempt.stop()
    } else if attempt.previous().len() > MOST_REDIRECTS {
        attempt.error(format!("more than {MOST_REDIRECTS} redirects"))
    } else {
        attempt.follow()
    }
}

/// Headers go with every request as they are.
type Headers = HashMap<HeaderName, HeaderValue>;

/// rmcp's own limit, for the methods that name none.
const EVENT_BYTES: usize = crate::child::MAX_LINE_BYTES;

impl StreamableHttpClient for Http {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        self.post_message_with_max_sse_event_size(
            uri,
            message,
            session,
            token,
            headers,
            EVENT_BYTES,
        )
        .await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        self.authorised(token, |token| {
            self.client.post_message_with_max_sse_event_size(
                Arc::clone(&uri),
                message.clone(),
                session.clone(),
                token,
                headers.clone(),
                most,
            )
        })
        .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<(), Failed> {
        // A session that ends is not worth asking a person for.
        let token = match (token, &self.authority) {
            (None, Some(authority)) => authority.token().await.unwrap_or_default(),
            (token, _) => token,
        };
        self.client
            .delete_session(uri, session, token, headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        self.get_stream_with_max_sse_event_size(
            uri,
            session,
            last_event,
            token,
            headers,
            EVENT_BYTES,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        self.authorised(token, |token| {
            self.client.get_stream_with_max_sse_event_size(
                Arc::clone(&uri),
                session.clone(),
                last_event.clone(),
                token,
                headers.clone(),
                most,
            )
        })
        .await
    }
}
