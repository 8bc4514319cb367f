//! One connection: to a child process, a URL, or a task in this process.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolResult, PaginatedRequestParams, ProtocolVersion, SubscriptionFilter, Tool,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RunningService, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::call::{self, CallAsked};
use crate::child::{MAX_LINE_BYTES, ServerProcess};
use crate::config::ServerConfig;
use crate::failure::{self, CallFailure};
use crate::handler::{Call, ClientEnd};
use crate::http::Http;
use crate::oauth::Authority;
use crate::reference::Resolved;
use crate::resources::{self, Resource};

/// Tools accepted from one server; more is a defect, or an attack.
const MAX_TOOLS: usize = 1_000;

/// How long a connection may take to close.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How often a person is sent to authorize before a server is given up.
const MOST_VISITS: usize = 3;

/// How long a server may keep us waiting before it is listened to again.
const LISTEN_PAUSE: Duration = Duration::from_secs(5);

/// A live connection.
pub(crate) struct Connection {
    service: RunningService<RoleClient, ClientEnd>,
    /// The child at the other end, killed when the connection is dropped.
    process: Option<ServerProcess>,
    /// Counts the answers that were too long and dropped.
    too_long: watch::Sender<u64>,
    /// Hears of changed tools.
    _listening: Option<AbortOnDropHandle<()>>,
}

/// The tools of a server.
pub(crate) struct Listing {
    pub(crate) tools: Vec<Tool>,
    /// How long the server says that they are good for; zero if it does not say.
    pub(crate) fresh: Duration,
}

impl Connection {
    /// Connects to a server in this process.
    pub(crate) async fn duplex(
        io: DuplexStream,
        end: &ClientEnd,
        changed: &Arc<Notify>,
    ) -> Result<(Self, Listing), String> {
        let (read, write) = tokio::io::split(io);
        let transport = AsyncRwTransport::new_client(read, write);
        let (service, listing) = ready(transport, end, Era::Either)
            .await
            .map_err(Unready::told)?;
        Ok((
            Self::new(service, None, watch::Sender::new(0), changed),
            listing,
        ))
    }

    /// Starts or reaches a configured server, and lists its tools. `opening` is the call it is
    /// done for: a person may be asked on its behalf, and its end is the end of waiting.
    pub(crate) async fn open(
        config: &ServerConfig,
        end: &ClientEnd,
        authority: Option<&Arc<Authority>>,
        changed: &Arc<Notify>,
        opening: &Arc<Call>,
    ) -> Result<(Self, Listing), String> {
        config.check()?;
        let _entered = end.enter(Arc::clone(opening));
        let resolved = Resolved::of(config).await?;
        match (&config.command, &config.url) {
            (Some(command), _) => {
                Self::spawn(command, config, &resolved, end, changed, opening).await
            }
            (None, Some(url)) => {
                let reached = Self::reach(url, resolved, end, authority, changed);
                within(config, opening, reached).await.map_err(|reason| {
                    format!(
                        "no MCP server answers at {url}: {reason}; check the address and that it \
                         runs"
                    )
                })
            }
            (None, None) => Err("write either `command` or `url`".to_owned()),
        }
    }

    async fn spawn(
        command: &str,
        config: &ServerConfig,
        resolved: &Resolved,
        end: &ClientEnd,
        changed: &Arc<Notify>,
        opening: &Call,
    ) -> Result<(Self, Listing), String> {
        let too_long = watch::Sender::new(0);
        let (process, stdout, stdin) =
            ServerProcess::start(command, config, resolved, too_long.clone())?;
        // One more than the line: its end.
        let transport =
            AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(MAX_LINE_BYTES + 1);
        let starting = async {
            let started = ready(transport, end, Era::Either).await;
            started.map_err(Unready::told)
        };
        let started = tokio::select! {
            started = within(config, opening, starting) => started,
            () = process.talks_otherwise() => Err("it does not speak MCP".to_owned()),
        };
        match started {
            Ok((service, listing)) => Ok((
                Self::new(service, Some(process), too_long, changed),
                listing,
            )),
            Err(reason) => Err(process.why(reason).await),
        }
    }

    async fn reach(
        url: &str,
        resolved: Resolved,
        end: &ClientEnd,
        authority: Option<&Arc<Authority>>,
        changed: &Arc<Notify>,
    ) -> Result<(Self, Listing), String> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        let authority = match &resolved.bearer {
            // What the user gave is used as it is.
            Some(_) => None,
            None => authority.cloned(),
        };
        if let Some(token) = resolved.bearer {
            config = config.auth_header(token);
        }
        let mut headers = HashMap::new();
        for (name, value) in resolved.headers {
            let invalid = || format!("`{name}` is not a usable HTTP header");
            let key = HeaderName::try_from(&name).map_err(|_| invalid())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let http = Http::new(authority.clone())?;
        let config = config.custom_headers(headers);
        let mut visits = 0;
        let mut era = Era::Either;
        let (service, listing) = loop {
            let transport =
                StreamableHttpClientTransport::with_client(http.clone(), config.clone());
            if let Some(authority) = &authority {
                authority.connecting();
            }
            let outcome = ready(transport, end, era).await;
            let pending = authority
                .as_ref()
                .and_then(|authority| authority.connected());
            match (outcome, pending, &authority) {
                (Ok(ready), _, _) => break ready,
                (Err(_), Some(pending), Some(authority)) if visits < MOST_VISITS => {
                    visits += 1;
                    authority.settle(pending).await?;
                }
                (Err(Unready::Babble), _, _) if era == Era::Either => era = Era::Older,
                (Err(unready), _, _) => return Err(unready.told()),
            }
        };
        Ok((
            Self::new(service, None, watch::Sender::new(0), changed),
            listing,
        ))
    }

    fn new(
        service: RunningService<RoleClient, ClientEnd>,
        process: Option<ServerProcess>,
        too_long: watch::Sender<u64>,
        changed: &Arc<Notify>,
    ) -> Self {
        let listening = tells_of_changes(service.peer())
            .then(|| tokio::spawn(listen(service.peer().clone(), Arc::clone(changed))));
        Self {
            service,
            process,
            too_long,
            _listening: listening.map(AbortOnDropHandle::new),
        }
    }

    /// Whether the other end is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.service.is_closed() || self.service.peer().is_transport_closed()
    }

    /// The protocol version that was agreed on.
    pub(crate) fn protocol(&self) -> String {
        let info = self.service.peer().peer_info();
        info.map_or_else(String::new, |info| info.protocol_version.to_string())
    }

    /// The server's tools. What it said of them before is used as long as it allows.
    pub(crate) async fn list(&self) -> Result<Listing, String> {
        list(self.service.peer()).await
    }

    /// One call. When this is dropped the server is told, and goes on living.
    pub(crate) async fn call(
        &self,
        asked: &CallAsked<'_>,
        call: &Arc<Call>,
    ) -> Result<CallToolResult, CallFailure> {
        let peer = self.service.peer();
        call::perform(self.service.service(), peer, &self.too_long, asked, call).await
    }

    /// What the server offers to be read.
    pub(crate) async fn resources(&self) -> Result<Vec<Resource>, CallFailure> {
        resources::list(self.service.peer()).await
    }

    /// What a resource holds. The server may ask `call` for more on the way.
    pub(crate) async fn read(&self, uri: &str, call: &Arc<Call>) -> Result<String, CallFailure> {
        let _entered = self.service.service().enter(Arc::clone(call));
        resources::read(&self.service, uri).await
    }

    /// Ends the connection, and the child with it.
    pub(crate) async fn close(mut self) {
        // Nothing can be done about a connection that will not close; it is dropped next.
        let _ = self.service.close_with_timeout(CLOSE_GRACE).await;
        if let Some(process) = self.process {
            process.end().await;
        }
    }
}

async fn within<T>(
    config: &ServerConfig,
    opening: &Call,
    starting: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    tokio::select! {
        started = starting => started,
        () = opening.deadline.over() => Err(format!(
            "it did not start within {} s (raise `start_timeout_s`)",
            config.start_timeout().as_secs()
        )),
    }
}

/// Which protocol is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    /// The newer, and the older where that is not understood.
    Either,
    Older,
}

/// Why a server cannot be used.
enum Unready {
    /// It answers what it does not know with a result: only the older protocol can tell.
    Babble,
    Other(String),
}

impl Unready {
    fn told(self) -> String {
        match self {
            Self::Babble => "it answers the handshake with something else".to_owned(),
            Self::Other(reason) => reason,
        }
    }
}

/// Speaks to the server until its tools are known.
async fn ready<T, E, A>(
    transport: T,
    end: &ClientEnd,
    era: Era,
) -> Result<(RunningService<RoleClient, ClientEnd>, Listing), Unready>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let lifecycle = match era {
        Era::Either => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        },
        Era::Older => ClientLifecycleMode::Initialize,
    };
    let service = serve_client_with_lifecycle(end.clone(), transport, lifecycle)
        .await
        .map_err(|error| match &error {
            ClientInitializeError::ExpectedInitResult(Some(_)) => Unready::Babble,
            error => Unready::Other(failure::of_start(error)),
        })?;
    let listing = list(service.peer()).await.map_err(Unready::Other)?;
    Ok((service, listing))
}

async fn list(peer: &Peer<RoleClient>) -> Result<Listing, String> {
    let mut tools = Vec::new();
    let mut fresh: Option<Duration> = None;
    let mut cursor = None;
    loop {
        let page = PaginatedRequestParams::default().with_cursor(cursor.clone());
        let page = match peer.list_tools(Some(page)).await {
            Ok(page) => page,
            Err(error) => {
                return Err(match failure::of_call(&error) {
                    CallFailure::Lost(why) | CallFailure::Late(why) => why,
                    CallFailure::Failed(why) => format!("its tools cannot be listed: {why}"),
                });
            }
        };
        tools.extend(page.tools);
        let good_for = Duration::from_millis(page.ttl_ms.unwrap_or(0));
        fresh = Some(fresh.map_or(good_for, |fresh| fresh.min(good_for)));
        if tools.len() > MAX_TOOLS {
            return Err(format!("it offers more than {MAX_TOOLS} tools"));
        }
        if page.next_cursor.is_none() {
            return Ok(Listing {
                tools,
                fresh: fresh.unwrap_or_default(),
            });
        }
        if page.next_cursor == cursor {
            return Err("its list of tools never ends: the same page comes again".to_owned());
        }
        cursor = page.next_cursor;
    }
}

/// Whether the server tells of changed tools only those who listen. Older ones tell everybody.
fn tells_of_changes(peer: &Peer<RoleClient>) -> bool {
    peer.peer_info().is_some_and(|info| {
        let tools = info.capabilities.tools.as_ref();
        info.protocol_version >= ProtocolVersion::V_2026_07_28
            && tools.is_some_and(|tools| tools.list_changed == Some(true))
    })
}

/// Hears of changed tools for as long as the connection lives.
async fn listen(peer: Peer<RoleClient>, changed: Arc<Notify>) {
    let wanted = SubscriptionFilter::builder().tools_list_changed().build();
    while !peer.is_transport_closed() {
        match peer.listen(wanted.clone()).await {
            Ok(mut subscription) => {
                // What changed while nobody listened.
                changed.notify_one();
                while let Ok(Some(_)) = subscription.next().await {
                    changed.notify_one();
                }
            }
            Err(ServiceError::McpError(error)) => {
                tracing::debug!(%error, "the server is not listened to");
                return;
            }
            Err(error) => tracing::debug!(%error, "the server cannot be listened to now"),
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}
