//! The server over streamable HTTP: stateless JSON unless sessions are wanted, Host and Origin
//! checked, callers let in by token, and kept within limits.
//!
//! - `access`: who is let in; `oauth`: by the token of an authorization server.
//! - `limits`: requests a caller may make, sessions that are kept.

mod access;
mod limits;
mod oauth;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use access::Access;
pub use limits::Rate;
pub use oauth::OAuth;

use crate::error::KitError;
use crate::protocol::McpTools;
use crate::server::ToolServer;
use access::Gate;
use limits::Limits;
use oauth::Tokens;

/// Largest request body, in bytes; the same as for a line on stdio.
const MAX_BODY_BYTES: usize = 16 << 20;

/// How long calls in progress may take to end after a shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// How a server is reached over HTTP.
pub struct HttpOptions {
    /// Address to listen on; port 0 takes a free one.
    pub address: SocketAddr,
    /// Who may call.
    pub access: Access,
    /// Host names under which the server may be called, besides this machine's own.
    pub hosts: Vec<String>,
    /// Browser origins that may call, besides pages of this machine.
    pub origins: Vec<String>,
    /// The most sessions kept for clients of the older protocols, which can be asked and told of
    /// changes only in one. With 0, every request is served by itself.
    pub sessions: usize,
    /// Requests one caller may make; none is no limit.
    pub rate: Option<Rate>,
}

impl HttpOptions {
    /// Open to this machine, without sessions or a limit on requests.
    pub fn local(address: SocketAddr) -> Self {
        Self {
            address,
            access: Access::Open,
            hosts: Vec::new(),
            origins: Vec::new(),
            sessions: 0,
            rate: None,
        }
    }
}

impl ToolServer {
    /// Serves clients over HTTP at `/mcp` until `shutdown` fires; `/health` answers `ok`.
    /// `listening` is told the address once it accepts connections.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the way callers are let in cannot work.
    pub async fn serve_http(
        self,
        options: HttpOptions,
        listening: impl FnOnce(SocketAddr),
        shutdown: CancellationToken,
    ) -> Result<(), KitError> {
        let gate = Arc::new(match options.access {
            Access::Open => Gate::Open,
            Access::Token(token) => Gate::Token(token),
            Access::OAuth(oauth) => Gate::OAuth(Arc::new(Tokens::new(oauth)?)),
        });
        let listen = |source| KitError::Listen {
            address: options.address.to_string(),
            source,
        };
        let listener = TcpListener::bind(options.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if matches!(*gate, Gate::Open) && !address.ip().is_loopback() {
            tracing::warn!(%address, "anyone who reaches this address may call the tools: set a token");
        }
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
            .with_legacy_session_mode(options.sessions > 0)
            .with_json_response(true)
            .with_allowed_hosts(hosts)
            .with_allowed_origins(origins)
            .with_max_request_body_bytes(MAX_BODY_BYTES)
            .with_cancellation_token(shutdown.child_token());
        let tools = McpTools::new(self)?;
        let sessions = Arc::new(LocalSessionManager::default());
        let limits = Limits::new(options.rate, options.sessions, Arc::clone(&sessions));
        let service = StreamableHttpService::new(move || Ok(tools.another()), sessions, config);
        let metadata = get(access::tell_metadata).with_state(Arc::clone(&gate));
        let router = Router::new()
            .nest_service("/mcp", service)
            .layer(middleware::from_fn_with_state(
                Arc::new(limits),
                limits::keep,
            ))
            .layer(middleware::from_fn_with_state(gate, access::require))
            .route(&oauth::well_known(""), metadata.clone())
            .route(&oauth::well_known("/mcp"), metadata)
            .route("/health", get(|| async { "ok" }))
            .into_make_service_with_connect_info::<SocketAddr>();
        listening(address);
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
