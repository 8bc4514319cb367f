//! The server as MCP, over stdio or any byte stream.
//!
//! - `handler`: what is answered to each request; `calls`: tools, prompts and resources called.
//! - `describe`, `content`: what is offered and given, in MCP's words.
//! - `asking`: questions in the middle of a call.
//! - `line`: what a call tells its caller before it ends.
//! - `news`: what changed, told to who wants to hear it.
//! - `tasks`: long calls that a client looks after.
//! - `session`: what is known of one client between its requests.

mod asking;
mod calls;
mod content;
mod describe;
mod handler;
mod line;
mod news;
mod session;
mod tasks;

use rmcp::serve_server;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::error::KitError;
use crate::line_limit::LimitedLines;
use crate::server::ToolServer;
use crate::standard_io;

pub(crate) use describe::described;
pub(crate) use handler::McpTools;

/// Longest line accepted on a byte stream, in bytes. A document given as an argument fits; a
/// client that never ends its line does not fill the memory.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Largest result sent, in bytes of JSON.
const MAX_RESULT_BYTES: usize = 4 << 20;

impl ToolServer {
    /// Serves one client over standard input and output, until it leaves or `shutdown` fires.
    /// Standard output carries the protocol only: logs go to standard error.
    ///
    /// Where standard input is neither a pipe nor a socket, it is read on a thread that cannot be
    /// interrupted: after `shutdown` the program leaves through `std::process::exit`, or its
    /// runtime through `shutdown_background`.
    ///
    /// # Errors
    /// When the client does not speak MCP.
    pub async fn serve_stdio(self, shutdown: CancellationToken) -> Result<(), KitError> {
        self.serve(standard_io::input(), standard_io::output(), shutdown)
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
        let tools = McpTools::new(self)?;
        let starting = serve_server(tools, transport);
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
