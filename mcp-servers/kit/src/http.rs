//! The tools over streamable HTTP: stateless JSON, Host and Origin checked, an optional token.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::protocol::McpTools;
use crate::server::{KitError, ToolServer};

/// Largest request body, in bytes; the same as for a line on stdio.
const MAX_BODY_BYTES: usize = 16 << 20;

/// How long calls in progress may take to end after a shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// How a server is reached over HTTP.
pub struct HttpOptions {
    /// Address to listen on; port 0 takes a free one.
    pub address: SocketAddr,
    /// Token that callers must send as `Authorization: Bearer`; none lets everyone in.
    pub bearer: Option<String>,
    /// Host names under which the server may be called, besides this machine's own.
    pub hosts: Vec<String>,
    /// Browser origins that may call, besides pages of this machine.
    pub origins: Vec<String>,
}

impl ToolServer {
    /// Serves clients over HTTP at `/mcp` until `shutdown` fires; `/health` answers `ok`.
    /// `listening` is told the address once it accepts connections.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve_http(
        self,
        options: HttpOptions,
        listening: impl FnOnce(SocketAddr),
        shutdown: CancellationToken,
    ) -> Result<(), KitError> {
        let listen = |source| KitError::Listen {
            address: options.address.to_string(),
            source,
        };
        let listener = TcpListener::bind(options.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if options.bearer.is_none() && !address.ip().is_loopback() {
            tracing::warn!(%address, "anyone who reaches this address may call the tools: set a token");
        }
        listening(address);
        let own = ["localhost", "127.0.0.1", "[::1]"];
        let hosts = own
            .iter()
            .map(|host| (*host).to_owned())
            .chain(options.hosts);
        let origins = own
            .iter()
            .map(|host| format!("http://{host}:*"))
            .chain(options.origins);
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_allowed_hosts(hosts)
            .with_allowed_origins(origins)
            .with_max_request_body_bytes(MAX_BODY_BYTES)
            .with_cancellation_token(shutdown.child_token());
        let tools = McpTools::new(self);
        let service = StreamableHttpService::new(
            move || Ok(tools.clone()),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let bearer: Arc<Option<String>> = Arc::new(options.bearer);
        let router = Router::new()
            .nest_service("/mcp", service)
            .layer(middleware::from_fn_with_state(bearer, require_bearer))
            .route("/health", get(|| async { "ok" }));
        let stop = shutdown.clone();
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.cancelled().await });
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serving.into_future() => {
                served.map_err(|error| KitError::Connection(error.to_string()))
            }
            () = overdue => Ok(()),
        }
    }
}

async fn require_bearer(
    State(bearer): State<Arc<Option<String>>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(wanted) = bearer.as_ref() else {
        return next.run(request).await;
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    if given.is_some_and(|given| same(given.as_bytes(), wanted.as_bytes())) {
        return next.run(request).await;
    }
    let headers = [(header::WWW_AUTHENTICATE, "Bearer")];
    (
        StatusCode::UNAUTHORIZED,
        headers,
        "send the token as `Authorization: Bearer TOKEN`\n",
    )
        .into_response()
}

/// Compares in a time that does not depend on where the two differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}
