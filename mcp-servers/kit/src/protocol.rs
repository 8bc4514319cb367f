//! The tools as MCP: listing, calling, progress, cancellation; over stdio or any byte stream.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest,
    CustomResult, ErrorCode, Implementation, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, ServerInitializeError};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ErrorData, RoleServer, ServerHandler, serve_server};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::arguments::nearest;
use crate::context::{CallContext, Progress, Report};
use crate::line_limit::{LimitedLines, TOO_LONG};
use crate::server::{KitError, ServedTool, ToolServer};

/// Longest line accepted on a byte stream, in bytes. A document given as an argument fits; a
/// client that never ends its line does not fill the memory.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Largest result sent, in bytes of JSON.
const MAX_RESULT_BYTES: usize = 4 << 20;

/// Calls running at once; more wait.
const MAX_CONCURRENT_CALLS: usize = 64;

impl ToolServer {
    /// Serves one client over standard input and output, until it leaves or `shutdown` fires.
    /// Standard output carries the protocol only: logs go to standard error.
    ///
    /// Standard input is read on a thread that cannot be interrupted: after `shutdown` the program
    /// leaves through `std::process::exit`, or its runtime through `shutdown_background`.
    ///
    /// # Errors
    /// When the client does not speak MCP.
    pub async fn serve_stdio(self, shutdown: CancellationToken) -> Result<(), KitError> {
        self.serve(tokio::io::stdin(), tokio::io::stdout(), shutdown)
            .await
    }

    /// Serves one client over a byte stream, such as an in-process duplex.
    ///
    /// # Errors
    /// When the client does not speak MCP.
    pub async fn serve_io(
        self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        shutdown: CancellationToken,
    ) -> Result<(), KitError> {
        let (read, write) = tokio::io::split(io);
        self.serve(read, write, shutdown).await
    }

    async fn serve(
        self,
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        shutdown: CancellationToken,
    ) -> Result<(), KitError> {
        // The limited reader bounds the lines; the transport's own bound would drop them silently.
        let read = LimitedLines::new(read, MAX_LINE_BYTES);
        let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(usize::MAX);
        let connection = |error: &dyn std::error::Error| KitError::Connection(error.to_string());
        let starting = serve_server(McpTools::new(self), transport);
        let running = tokio::select! {
            started = starting => match started {
                Ok(running) => running,
                // It left before it said anything, which is its right.
                Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
                Err(error) => return Err(connection(&error)),
            },
            () = shutdown.cancelled() => return Ok(()),
        };
        let stop = running.cancellation_token();
        let ended = running.waiting();
        tokio::pin!(ended);
        let ended = tokio::select! {
            ended = &mut ended => ended,
            () = shutdown.cancelled() => {
                stop.cancel();
                ended.await
            }
        };
        ended.map(|_| ()).map_err(|error| connection(&error))
    }
}

/// A [`ToolServer`] as rmcp sees it.
#[derive(Clone)]
pub(crate) struct McpTools {
    server: ToolServer,
    calls: Arc<Semaphore>,
}

impl McpTools {
    pub(crate) fn new(server: ToolServer) -> Self {
        Self {
            server,
            calls: Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS)),
        }
    }

    fn unknown_tool(&self, name: &str) -> String {
        let known: Vec<&str> = self.server.tools.keys().copied().collect();
        let near = nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!(
            "unknown tool `{name}`{near} (the tools are: {})",
            known.join(", ")
        )
    }
}

impl ServerHandler for McpTools {
    fn get_info(&self) -> ServerConfig {
        let identity = &self.server.identity;
        let mut info = Implementation::new(identity.name.clone(), identity.version.clone());
        info.title = Some(identity.title.clone());
        let mut config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions(identity.instructions.clone());
        config.server_info = info;
        config
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.server.tools.values().map(described).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.server.tools.get(name).map(described)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == TOO_LONG {
            let message = format!(
                "the request is longer than the {MAX_LINE_BYTES} bytes allowed; send less at \
                 once, or name a file instead of its contents"
            );
            return Err(ErrorData::invalid_request(message, None));
        }
        Err(ErrorData::new(
            ErrorCode::METHOD_NOT_FOUND,
            request.method,
            None,
        ))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.server.tools.get(request.name.as_ref()) else {
            return Err(ErrorData::invalid_params(
                self.unknown_tool(&request.name),
                None,
            ));
        };
        let permit = tokio::select! {
            permit = self.calls.acquire() => permit,
            () = context.ct.cancelled() => {
                return Err(ErrorData::internal_error("the call was cancelled", None));
            }
        };
        let Ok(_permit) = permit else {
            return Err(ErrorData::internal_error(
                "the server is shutting down",
                None,
            ));
        };
        let (sender, mut reports) = mpsc::unbounded_channel();
        let token = context.meta.get_progress_token();
        let progress = if token.is_some() {
            Progress::new(sender)
        } else {
            Progress::default()
        };
        let call = CallContext {
            cancel: context.ct.clone(),
            progress,
        };
        let arguments = request.arguments.map_or(Value::Null, Value::Object);
        let running = tool.call(arguments, call);
        tokio::pin!(running);
        let notify = async |report: Report| {
            let Some(token) = token.clone() else { return };
            let mut parameters = ProgressNotificationParam::new(token, report.done);
            parameters.total = report.total;
            parameters.message = Some(report.message);
            // A caller that left does not need to know.
            let _ = context.peer.notify_progress(parameters).await;
        };
        let result = loop {
            tokio::select! {
                biased;
                Some(report) = reports.recv() => notify(report).await,
                result = &mut running => break result,
            }
        };
        while let Ok(report) = reports.try_recv() {
            notify(report).await;
        }
        let result = match result {
            Ok(value) => succeeded(tool, value),
            Err(error) => failed(error.to_string()),
        };
        Ok(result.into())
    }
}

pub(crate) fn described(tool: &ServedTool) -> Tool {
    let meta = tool.meta;
    // The title stands beside, and what the specification assumes anyway is not said again.
    let mut annotations = ToolAnnotations::new().open_world(meta.open_world);
    if meta.read_only {
        annotations = annotations.read_only(true);
    } else {
        annotations = annotations
            .destructive(meta.destructive)
            .idempotent(meta.idempotent);
    }
    Tool::new(meta.name, meta.description, Arc::clone(&tool.input))
        .with_title(meta.title)
        .with_raw_output_schema(Arc::clone(&tool.output))
        .with_annotations(annotations)
}

/// The data, and the same as text for clients that read only text.
fn succeeded(tool: &ServedTool, value: Value) -> CallToolResult {
    let text = value.to_string();
    if text.len() > MAX_RESULT_BYTES {
        return failed(format!(
            "the result of `{}` has {} bytes, more than the {MAX_RESULT_BYTES} allowed; ask for \
             less, with a smaller limit or a filter",
            tool.meta.name,
            text.len()
        ));
    }
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    result
}

fn failed(message: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(message)])
}
