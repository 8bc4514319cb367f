//! One server: a child process, a URL, or a task in this process.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    ClientRequest, Implementation, ProgressNotificationParam, ProgressToken, ProtocolVersion,
    ServerResult, Tool,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, PeerRequestOptions, RunningService, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport};
use rmcp::RoleClient;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, DuplexStream};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::host::ToolProgress;

/// Longest line a server may send, in bytes.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Lines of a server's standard error that are kept for a failure message.
const KEPT_LINES: usize = 5;

/// Variables every program may need; a server gets these and what its entry names, no more.
const PASSED_ON: [&str; 8] =
    ["PATH", "HOME", "LANG", "TMPDIR", "USER", "SHELL", "SYSTEMROOT", "APPDATA"];

/// A live connection.
pub(crate) struct Connection {
    service: RunningService<RoleClient, ProgressRouter>,
    /// Kept so that the child is killed when the connection is dropped.
    _child: Option<Child>,
}

type Callback = Arc<dyn Fn(ToolProgress) + Send + Sync>;

/// Brings progress notifications to the call they belong to.
#[derive(Clone, Default)]
struct ProgressRouter(Arc<Mutex<HashMap<ProgressToken, Callback>>>);

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
    pub(crate) async fn duplex(io: DuplexStream) -> Result<Self, String> {
        let (read, write) = tokio::io::split(io);
        let service = handshake(AsyncRwTransport::new_client(read, write)).await?;
        Ok(Self { service, _child: None })
    }

    /// Starts or reaches a configured server.
    pub(crate) async fn open(config: &ServerConfig) -> Result<Self, String> {
        config.check()?;
        match (&config.command, &config.url) {
            (Some(command), _) => Self::spawn(command, config).await,
            (None, Some(url)) => Self::reach(url, config).await,
            (None, None) => Err("write either `command` or `url`".to_owned()),
        }
    }

    async fn spawn(command: &str, config: &ServerConfig) -> Result<Self, String> {
        let mut child = Command::new(command);
        child.args(&config.args).env_clear();
        child.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        child.envs(&config.env);
        if let Some(folder) = &config.cwd {
            child.current_dir(folder);
        }
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        child.kill_on_drop(true);
        let mut child = child.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("there is no program `{command}`; install it, or correct the `command`")
            }
            _ => format!("`{command}` cannot be started: {error}"),
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(format!("`{command}` was started without its pipes"));
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(keep_lines(stderr, Arc::clone(&said)));
        let first = Arc::new(Mutex::new(Vec::new()));
        let stdout = Overheard { inner: stdout, start: Arc::clone(&first) };
        let transport =
            AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(MAX_LINE_BYTES);
        let service = tokio::select! {
            started = handshake(transport) => started,
            garbage = not_the_protocol(&first) => Err(garbage),
        };
        match service {
            Ok(service) => Ok(Self { service, _child: Some(child) }),
            Err(reason) => Err(why_it_failed(&mut child, reason, &first, &said).await),
        }
    }

    async fn reach(url: &str, config: &ServerConfig) -> Result<Self, String> {
        let mut transport = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(variable) = &config.bearer_env {
            let token = std::env::var(variable)
                .map_err(|_| format!("the environment variable {variable} is not set"))?;
            transport = transport.auth_header(token);
        }
        let mut headers = HashMap::new();
        for (name, value) in &config.headers {
            let invalid = |_| format!("`{name}` is not a usable HTTP header");
            let key = HeaderName::try_from(name).map_err(|_| invalid(()))?;
            headers.insert(key, HeaderValue::try_from(value).map_err(|_| invalid(()))?);
        }
        let transport = StreamableHttpClientTransport::from_config(transport.custom_headers(headers));
        let service = handshake(transport).await.map_err(|reason| {
            format!("no MCP server answers at {url}: {reason}; check the address and that it runs")
        })?;
        Ok(Self { service, _child: None })
    }

    /// All tools, over all pages.
    pub(crate) async fn tools(&self) -> Result<Vec<Tool>, String> {
        self.service.peer().list_all_tools().await.map_err(|error| error.to_string())
    }

    /// The protocol version that was agreed on.
    pub(crate) fn protocol(&self) -> String {
        let info = self.service.peer().peer_info();
        info.map_or_else(String::new, |info| info.protocol_version.to_string())
    }

    /// One call. On `cancel` and on timeout the server is told, and goes on living.
    pub(crate) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        timeout: Duration,
        cancel: &CancellationToken,
        progress: Callback,
    ) -> Result<CallToolResult, String> {
        let parameters =
            CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters));
        let options = PeerRequestOptions::with_timeout(timeout);
        let peer = self.service.peer();
        let handle = peer
            .send_request_with_option(request, options)
            .await
            .map_err(|error| failure(&error, timeout))?;
        let token = handle.progress_token.clone();
        let id = handle.id.clone();
        let router = self.service.service().clone();
        router.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), progress);
        let answer = tokio::select! {
            answer = handle.await_response() => answer.map_err(|error| failure(&error, timeout)),
            () = cancel.cancelled() => {
                let note = rmcp::model::CancelledNotificationParam::new(
                    Some(id),
                    Some("the run was cancelled".to_owned()),
                );
                // The server may be gone; the call is over either way.
                let _ = peer.notify_cancelled(note).await;
                Err("the call was cancelled".to_owned())
            }
        };
        router.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
        match answer? {
            ServerResult::CallToolResult(result) => Ok(result),
            _ => Err("the server answered a tool call with something else".to_owned()),
        }
    }

    /// Ends the connection, and the child with it.
    pub(crate) async fn close(mut self) {
        // Nothing can be done about a connection that will not close; it is dropped next.
        let _ = self.service.close_with_timeout(Duration::from_secs(2)).await;
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
        .map_err(|error| error.to_string())
}

fn failure(error: &ServiceError, timeout: Duration) -> String {
    match error {
        ServiceError::Timeout { .. } => format!(
            "no answer within {} s; the call was cancelled (raise `timeout_s` of the server)",
            timeout.as_secs_f64()
        ),
        ServiceError::TransportClosed | ServiceError::TransportSend(_) => {
            "the connection to the server is lost".to_owned()
        }
        ServiceError::McpError(error) => error.message.to_string(),
        other => other.to_string(),
    }
}

/// What a server that did not start said, and how it ended.
async fn why_it_failed(
    child: &mut Child,
    reason: String,
    first: &Mutex<Vec<u8>>,
    said: &Mutex<Vec<String>>,
) -> String {
    // An exit that is under way is seen a moment later.
    let exit = tokio::time::timeout(Duration::from_millis(300), child.wait()).await;
    let mut message = match exit {
        Ok(Ok(status)) => format!("it ended at once with {status}"),
        _ => reason,
    };
    let first = first.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !first.is_empty() && !first.trim_ascii_start().starts_with(b"{") {
        let line = String::from_utf8_lossy(&first);
        let line = line.lines().next().unwrap_or_default();
        message = format!("it does not speak MCP on standard output; its first line was `{line}`");
    }
    let said = said.lock().unwrap_or_else(PoisonError::into_inner).join(" | ");
    if !said.is_empty() {
        message.push_str(&format!("; on standard error it said: {said}"));
    }
    message
}

/// Ends when a server's first bytes cannot be a protocol message.
async fn not_the_protocol(first: &Mutex<Vec<u8>>) -> String {
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let first = first.lock().unwrap_or_else(PoisonError::into_inner);
        let start = first.trim_ascii_start();
        if !start.is_empty() && !start.starts_with(b"{") && start.contains(&b'\n') {
            return "it does not speak MCP".to_owned();
        }
    }
}

async fn keep_lines(stderr: impl AsyncRead + Unpin, said: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(stderr.take(1 << 30)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(target: "server", "{line}");
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT_LINES {
            said.remove(0);
        }
        said.push(line.chars().take(300).collect());
    }
}

/// A reader that remembers how the stream began.
struct Overheard<R> {
    inner: R,
    start: Arc<Mutex<Vec<u8>>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Overheard<R> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = std::pin::Pin::new(&mut self.inner).poll_read(context, buffer);
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        if start.len() < 256 {
            let new = buffer.filled().get(before..).unwrap_or_default();
            start.extend(new.iter().take(256));
        }
        polled
    }
}
