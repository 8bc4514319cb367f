//! One server over its life: reached again when its connection is lost.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolResult, Tool};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::connection::{CallAsked, CallFailure, Callback, Connection};
use crate::host::Endpoint;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Ingestion through a built-in server may take hours, and reports progress.
const BUILT_IN_CALL_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Pause after a first failed attempt to reach a lost server again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A server that was started.
pub(crate) struct Server {
    /// How to reach it again; a built-in server ends with the program.
    config: Option<ServerConfig>,
    protocol: String,
    line: Mutex<Line>,
}

/// The connection in use. Whoever finds it lost reaches the server again while the others wait.
struct Line {
    connection: Option<Arc<Connection>>,
    /// After a failed attempt: until when none is made, how long the pause is, and what failed.
    pause: Option<(Instant, Duration, String)>,
}

/// How a call is to be made.
pub(crate) struct CallPlan<'a> {
    /// The tool's name on the server.
    pub(crate) tool: &'a str,
    pub(crate) arguments: Map<String, Value>,
    /// Calling twice does no harm.
    pub(crate) repeatable: bool,
    /// Names the effect, the same on every attempt.
    pub(crate) key: Option<&'a str>,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) progress: Callback,
}

impl Server {
    /// Starts or reaches a server and lists its tools.
    pub(crate) async fn start(endpoint: Endpoint) -> Result<(Self, Vec<Tool>), String> {
        let (config, connection, tools) = match endpoint {
            Endpoint::Config(config) => {
                let (connection, tools) = Connection::open(&config, start_timeout(&config)).await?;
                (Some(config), connection, tools)
            }
            Endpoint::BuiltIn(io) => {
                let (connection, tools) = Connection::duplex(io, START_TIMEOUT).await?;
                (None, connection, tools)
            }
        };
        let protocol = connection.protocol();
        let line = Line {
            connection: Some(Arc::new(connection)),
            pause: None,
        };
        Ok((
            Self {
                config,
                protocol,
                line: Mutex::new(line),
            },
            tools,
        ))
    }

    pub(crate) fn is_built_in(&self) -> bool {
        self.config.is_none()
    }

    /// The protocol version agreed on at the start.
    pub(crate) fn protocol(&self) -> &str {
        &self.protocol
    }

    /// One call. When the connection is lost on the way, a call that may be repeated is, once.
    pub(crate) async fn call(&self, plan: CallPlan<'_>) -> Result<CallToolResult, String> {
        let timeout = self
            .config
            .as_ref()
            .map_or(BUILT_IN_CALL_TIMEOUT, |config| {
                config.timeout_s.map_or(CALL_TIMEOUT, Duration::from_secs)
            });
        let mut repeated = false;
        loop {
            let connection = tokio::select! {
                connection = self.connection() => connection?,
                () = plan.cancel.cancelled() => return Err("the call was cancelled".to_owned()),
            };
            let arguments = plan.arguments.clone();
            let progress = Arc::clone(&plan.progress);
            let asked = CallAsked {
                tool: plan.tool,
                arguments,
                key: plan.key,
            };
            let call = connection.call(asked, timeout, plan.cancel, progress);
            match call.await {
                Ok(result) => return Ok(result),
                Err(CallFailure::Failed(reason)) => return Err(reason),
                Err(CallFailure::Lost(_)) if plan.repeatable && !repeated => {
                    repeated = true;
                    self.drop_line(&connection).await;
                }
                Err(CallFailure::Lost(reason)) => {
                    self.drop_line(&connection).await;
                    return Err(format!(
                        "the connection to the server was lost during the call ({reason}); \
                         whether the call took effect is unknown: look before calling again"
                    ));
                }
            }
        }
    }

    /// Ends the connection, and the child with it.
    pub(crate) async fn close(self) {
        let connection = self.line.into_inner().connection;
        if let Some(connection) = connection.and_then(Arc::into_inner) {
            connection.close().await;
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, String> {
        let mut line = self.line.lock().await;
        if let Some(connection) = line.connection.as_ref().filter(|line| !line.is_lost()) {
            return Ok(Arc::clone(connection));
        }
        line.connection = None;
        let Some(config) = &self.config else {
            return Err("the built-in server has ended; start the program again".to_owned());
        };
        let mut pause = FIRST_PAUSE;
        if let Some((until, last, reason)) = &line.pause {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(format!(
                    "the server is down: {reason} (next attempt in {} s)",
                    left.as_secs() + 1
                ));
            }
            pause = last.saturating_mul(2).min(LONGEST_PAUSE);
        }
        match Connection::open(config, start_timeout(config)).await {
            Ok((connection, _)) => {
                tracing::info!("a lost server was reached again");
                let connection = Arc::new(connection);
                line.connection = Some(Arc::clone(&connection));
                line.pause = None;
                Ok(connection)
            }
            Err(reason) => {
                line.pause = Some((Instant::now() + pause, pause, reason.clone()));
                Err(format!(
                    "the server is down and did not start again: {reason}"
                ))
            }
        }
    }

    /// Forgets a connection, unless another is in use already.
    async fn drop_line(&self, lost: &Arc<Connection>) {
        let mut line = self.line.lock().await;
        if line
            .connection
            .as_ref()
            .is_some_and(|connection| Arc::ptr_eq(connection, lost))
        {
            line.connection = None;
        }
    }
}

fn start_timeout(config: &ServerConfig) -> Duration {
    config
        .start_timeout_s
        .map_or(START_TIMEOUT, Duration::from_secs)
}
