//! How much one caller may ask for, and how many sessions are kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::caller::Caller;

/// Callers remembered before those who have been quiet are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Requests one caller may make.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// A second, over time.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// What one process allows its callers.
pub(super) struct Limits {
    rate: Option<DefaultKeyedRateLimiter<String>>,
    /// The most sessions kept; none are where every request is served by itself.
    most_sessions: usize,
    sessions: Arc<LocalSessionManager>,
    /// Whose session each is.
    owners: Mutex<BTreeMap<String, Option<Arc<str>>>>,
}

impl Limits {
    pub(super) fn new(
        rate: Option<Rate>,
        most_sessions: usize,
        sessions: Arc<LocalSessionManager>,
    ) -> Self {
        let rate = rate.map(|rate| {
            RateLimiter::keyed(Quota::per_second(rate.per_second).allow_burst(rate.burst))
        });
        Self {
            rate,
            most_sessions,
            sessions,
            owners: Mutex::default(),
        }
    }

    /// Seconds to wait, where the caller asks for too much.
    fn too_much(&self, who: &str) -> Option<u64> {
        let rate = self.rate.as_ref()?;
        if rate.len() > MAX_CALLERS {
            rate.retain_recent();
        }
        let until = rate.check_key(&who.to_owned()).err()?;
        let wait = until.wait_time_from(DefaultClock::default().now());
        Some(wait.as_secs().saturating_add(1))
    }

    /// Whether the session is somebody else's.
    fn is_foreign(&self, id: &str, subject: Option<&Arc<str>>) -> bool {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners
            .get(id)
            .is_some_and(|owner| owner.as_ref() != subject)
    }

    async fn is_full(&self) -> bool {
        self.most_sessions > 0 && self.sessions.sessions.read().await.len() >= self.most_sessions
    }

    async fn remember(&self, id: &str, subject: Option<Arc<str>>) {
        let alive = self.sessions.sessions.read().await;
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() > self.most_sessions {
            owners.retain(|id, _| alive.contains_key(id.as_str()));
        }
        owners.insert(id.to_owned(), subject);
    }
}

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) async fn keep(
    State(limits): State<Arc<Limits>>,
    request: Request,
    next: Next,
) -> Response {
    let subject = request
        .extensions()
        .get::<Caller>()
        .and_then(|caller| caller.subject.clone());
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let who = match (&subject, address) {
        (Some(subject), _) => format!("subject {subject}"),
        (None, Some(ConnectInfo(address))) => format!("address {}", address.ip()),
        (None, None) => "anybody".to_owned(),
    };
    if let Some(seconds) = limits.too_much(&who) {
        return later(
            StatusCode::TOO_MANY_REQUESTS,
            seconds,
            "too many requests; wait as long as Retry-After says\n",
        );
    }
    match text(request.headers(), SESSION) {
        // Whose it is must not be learned by trying.
        Some(id) if limits.is_foreign(id, subject.as_ref()) => {
            return (StatusCode::NOT_FOUND, "Not Found: Session not found").into_response();
        }
        Some(_) => {}
        None => {
            // Newer clients say so, and need no session.
            let newer = text(request.headers(), VERSION).is_some_and(|said| said >= "2026-07-28");
            if !newer && limits.is_full().await {
                return later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    30,
                    "too many sessions; end one, or come back later\n",
                );
            }
        }
    }
    let response = next.run(request).await;
    if let Some(id) = text(response.headers(), SESSION) {
        limits.remember(id, subject).await;
    }
    response
}

fn later(status: StatusCode, seconds: u64, why: &'static str) -> Response {
    (status, [(header::RETRY_AFTER, seconds.to_string())], why).into_response()
}
