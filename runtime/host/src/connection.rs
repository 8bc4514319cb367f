//! One server: a child process, a URL, or a task in this process.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, CancelledNotificationParam,
    ClientCapabilities, ClientConfig, ClientRequest, Implementation, PaginatedRequestParams,
    ProgressNotificationParam, ProgressToken, ProtocolVersion, RequestId, RequestMetaObject,
    ServerResult, Tool,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, NotificationContext, Peer, PeerRequestOptions,
    RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::transport::{DynamicTransportError, IntoTransport, StreamableHttpClientTransport};
use serde_json::{Map, Value};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::child::{MAX_LINE_BYTES, ServerProcess};
use crate::config::ServerConfig;
use crate::summary::ToolProgress;

/// Tools accepted from one server; more is a defect, or an attack.
const MAX_TOOLS: usize = 1_000;

/// Key in a call's `_meta` that names its effect: a server that has seen it may answer without
/// doing it again.
const KEY: &str = "ropewalk/idempotencyKey";

/// How long a connection may take to close.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// A live connection.
pub(crate) struct Connection {
    service: RunningService<RoleClient, ProgressRouter>,
    /// The child at the other end, killed when the connection is dropped.
    process: Option<ServerProcess>,
    /// Counts the answers that were too long and dropped.
    too_long: watch::Sender<u64>,
}

/// What a server is asked to do.
pub(crate) struct CallAsked<'a> {
    pub(crate) tool: &'a str,
    pub(crate) arguments: Map<String, Value>,
    /// Names the effect.
    pub(crate) key: Option<&'a str>,
}

/// How a call fails.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The connection is gone, for this reason; whether the call had an effect is unknown.
    Lost(String),
    /// Anything else, in words.
    Failed(String),
}

pub(crate) type Callback = Arc<dyn Fn(ToolProgress) + Send + Sync>;

/// Brings progress notifications to the call they belong to.
#[derive(Clone, Default)]
struct ProgressRouter(Arc<Mutex<HashMap<ProgressToken, Callback>>>);

impl ProgressRouter {
    /// Reports for this token go to the callback until what is returned is dropped, which may be
    /// before the answer: when the caller's future is dropped.
    fn listen(&self, token: ProgressToken, callback: Callback) -> Listening {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.insert(token.clone(), callback);
        Listening {
            router: self.clone(),
            token,
        }
    }
}

struct Listening {
    router: ProgressRouter,
    token: ProgressToken,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.router
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.token);
    }
}

impl ClientHandler for ProgressRouter {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("ropewalk", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn on_progress(
        &self,
        report: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let callback = {
            let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            calls.get(&report.progress_token).cloned()
        };
        if let Some(callback) = callback {
            callback(ToolProgress {
                done: report.progress,
                total: report.total,
                message: report.message.unwrap_or_default(),
            });
        }
    }
}

impl Connection {
    /// Connects to a server in this process.
    pub(crate) async fn duplex(
        io: DuplexStream,
        limit: Duration,
    ) -> Result<(Self, Vec<Tool>), String> {
        let (read, write) = tokio::io::split(io);
        let starting = ready(AsyncRwTransport::new_client(read, write));
        let (service, tools) = within(limit, starting).await?;
        Ok((
            Self {
                service,
                process: None,
                too_long: watch::Sender::new(0),
            },
            tools,
        ))
    }

    /// Starts or reaches a configured server, and lists its tools.
    pub(crate) async fn open(
        config: &ServerConfig,
        limit: Duration,
    ) -> Result<(Self, Vec<Tool>), String> {
        config.check()?;
        match (&config.command, &config.url) {
            (Some(command), _) => Self::spawn(command, config, limit).await,
            (None, Some(url)) => Self::reach(url, config, limit).await,
            (None, None) => Err("write either `command` or `url`".to_owned()),
        }
    }

    async fn spawn(
        command: &str,
        config: &ServerConfig,
        limit: Duration,
    ) -> Result<(Self, Vec<Tool>), String> {
        let too_long = watch::Sender::new(0);
        let (process, stdout, stdin) = ServerProcess::start(command, config, too_long.clone())?;
        // One more than the line: its end.
        let transport =
            AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(MAX_LINE_BYTES + 1);
        let started = tokio::select! {
            started = within(limit, ready(transport)) => started,
            () = process.talks_otherwise() => Err("it does not speak MCP".to_owned()),
        };
        match started {
            Ok((service, tools)) => Ok((
                Self {
                    service,
                    process: Some(process),
                    too_long,
                },
                tools,
            )),
            Err(reason) => Err(process.why(reason).await),
        }
    }

    async fn reach(
        url: &str,
        config: &ServerConfig,
        limit: Duration,
    ) -> Result<(Self, Vec<Tool>), String> {
        let mut transport = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(variable) = &config.bearer_env {
            let token = std::env::var(variable).map_err(|_| {
                format!("the environment variable {variable} (`bearer_env`) is not set")
            })?;
            transport = transport.auth_header(token);
        }
        let mut headers = HashMap::new();
        for (name, value) in &config.headers {
            let invalid = |_| format!("`{name}` is not a usable HTTP header");
            let key = HeaderName::try_from(name).map_err(|_| invalid(()))?;
            headers.insert(key, HeaderValue::try_from(value).map_err(|_| invalid(()))?);
        }
        let transport =
            StreamableHttpClientTransport::from_config(transport.custom_headers(headers));
        let (service, tools) = within(limit, ready(transport)).await.map_err(|reason| {
            format!("no MCP server answers at {url}: {reason}; check the address and that it runs")
        })?;
        Ok((
            Self {
                service,
                process: None,
                too_long: watch::Sender::new(0),
            },
            tools,
        ))
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

    /// One call. On `cancel` and on timeout the server is told, and goes on living.
    pub(crate) async fn call(
        &self,
        asked: CallAsked<'_>,
        timeout: Duration,
        cancel: &CancellationToken,
        progress: Callback,
    ) -> Result<CallToolResult, CallFailure> {
        let parameters =
            CallToolRequestParams::new(asked.tool.to_owned()).with_arguments(asked.arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters));
        let mut options = PeerRequestOptions::with_timeout(timeout);
        if let Some(key) = asked.key {
            let mut meta = RequestMetaObject::default();
            meta.0.insert(KEY.to_owned(), Value::String(key.to_owned()));
            options.meta = Some(meta);
        }
        let mut too_long = self.too_long.subscribe();
        let peer = self.service.peer();
        let handle = peer
            .send_request_with_option(request, options)
            .await
            .map_err(|error| failure(&error, timeout))?;
        let mut unanswered = Unanswered {
            peer: peer.clone(),
            id: Some(handle.id.clone()),
        };
        let router = self.service.service();
        let _listening = router.listen(handle.progress_token.clone(), progress);
        let answer = tokio::select! {
            answer = handle.await_response() => {
                // Answered, or told by the library that its time was over.
                unanswered.id = None;
                answer.map_err(|error| failure(&error, timeout))?
            }
            () = cancel.cancelled() => {
                unanswered.tell().await;
                return Err(CallFailure::Failed("the call was cancelled".to_owned()));
            }
            _ = too_long.changed() => {
                return Err(CallFailure::Failed(format!(
                    "the server sent a message of more than {MAX_LINE_BYTES} bytes, which was \
                     dropped; ask it for less"
                )));
            }
        };
        match answer {
            ServerResult::CallToolResult(result) => Ok(result),
            ServerResult::InputRequiredResult(_) => Err(CallFailure::Failed(
                "the server asks for more input during the call, which is not supported".to_owned(),
            )),
            _ => Err(CallFailure::Failed(
                "the server answered a tool call with something else".to_owned(),
            )),
        }
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

/// A call that has no answer yet. Dropped so, it tells the server that nobody waits any more,
/// however the caller went away.
struct Unanswered {
    peer: Peer<RoleClient>,
    id: Option<RequestId>,
}

impl Unanswered {
    async fn tell(&mut self) {
        if let Some(id) = self.id.take() {
            cancelled(&self.peer, id).await;
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let peer = self.peer.clone();
        runtime.spawn(async move { cancelled(&peer, id).await });
    }
}

async fn cancelled(peer: &Peer<RoleClient>, id: RequestId) {
    let reason = Some("the run was cancelled".to_owned());
    let note = CancelledNotificationParam::new(Some(id), reason);
    // The server may be gone; the call is over either way.
    let _ = peer.notify_cancelled(note).await;
}

async fn within<T>(
    limit: Duration,
    starting: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    tokio::time::timeout(limit, starting)
        .await
        .unwrap_or_else(|_| {
            Err(format!(
                "it did not start within {} s (raise `start_timeout_s`)",
                limit.as_secs()
            ))
        })
}

/// Speaks to the server until its tools are known.
async fn ready<T, E, A>(
    transport: T,
) -> Result<(RunningService<RoleClient, ProgressRouter>, Vec<Tool>), String>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let service = handshake(transport).await?;
    let mut tools = Vec::new();
    let mut cursor = None;
    loop {
        let page = PaginatedRequestParams::default().with_cursor(cursor.clone());
        let page = service.peer().list_tools(Some(page)).await;
        let page = page.map_err(|error| format!("its tools cannot be listed: {error}"))?;
        tools.extend(page.tools);
        if tools.len() > MAX_TOOLS {
            return Err(format!("it offers more than {MAX_TOOLS} tools"));
        }
        if page.next_cursor.is_none() {
            return Ok((service, tools));
        }
        if page.next_cursor == cursor {
            return Err("its list of tools never ends: the same page comes again".to_owned());
        }
        cursor = page.next_cursor;
    }
}

async fn handshake<T, E, A>(
    transport: T,
) -> Result<RunningService<RoleClient, ProgressRouter>, String>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    };
    serve_client_with_lifecycle(ProgressRouter::default(), transport, lifecycle)
        .await
        .map_err(|error| start_failure(&error))
}

fn start_failure(error: &ClientInitializeError) -> String {
    match error {
        // Neither protocol was understood: what the older one met with is the plainer reason.
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => start_failure(fallback),
        ClientInitializeError::TransportError { error, .. } => transport_failure(error),
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection".to_owned(),
        other => with_causes(other),
    }
}

/// Why bytes could not be sent, without the names of Rust types.
fn transport_failure(error: &DynamicTransportError) -> String {
    match error
        .error
        .downcast_ref::<StreamableHttpError<reqwest::Error>>()
    {
        // It does not give its cause as such.
        Some(StreamableHttpError::Client(error)) => with_causes(error),
        _ => with_causes(error.error.as_ref()),
    }
}

fn failure(error: &ServiceError, timeout: Duration) -> CallFailure {
    CallFailure::Failed(match error {
        ServiceError::TransportClosed => {
            return CallFailure::Lost("the server closed it".to_owned());
        }
        ServiceError::TransportSend(error) => return CallFailure::Lost(transport_failure(error)),
        ServiceError::Timeout { .. } => format!(
            "no answer within {} s; the call was cancelled (raise `timeout_s` of the server)",
            timeout.as_secs_f64()
        ),
        ServiceError::McpError(error) => error.message.to_string(),
        other => with_causes(other),
    })
}

/// An error with what caused it: the outermost message of a transport says little.
fn with_causes(error: &dyn std::error::Error) -> String {
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
