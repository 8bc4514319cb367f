//! The MCP client side: connections, catalogue, validated calls.
//!
//! Read it in this order:
//! - [`config`]: servers as a person writes them (`ropewalk.toml`, the standard `mcpServers` JSON).
//! - [`Host`]: starts servers, lists their tools under one roof, calls them.
//! - [`Guard`]: what every call passes: the policy, the pins, the audit log.
//! - [`audit`]: what was decided about calls and what came of them.
//! - [`pins`]: where definitions are kept that were agreed to.
//! - `server`: one server over its life: reached again when its connection is lost.
//! - `connection`: one connection: to a child process, a URL, or a task in this process.
//! - `child`: a server that is a child process.
//! - [`search`]: the tools that fit a request, of hundreds.
//! - `summary`: what is said of servers, tools and calls.
//! - `translate`: what MCP says of tools and results, in our words.
//! - `validation`: arguments before a call, structured results after it.
//!
//! rmcp is used nowhere else on the client side.

pub mod audit;
mod child;
pub mod config;
mod connection;
mod guard;
mod host;
pub mod pins;
pub mod search;
mod server;
mod summary;
mod translate;
mod validation;

pub use config::ServerConfig;
pub use guard::{Guard, Held, HeldBecause};
pub use host::{Endpoint, Host};
pub use summary::{ServerSummary, StartFailure, ToolOrigin, ToolProgress};

/// What can be wrong with a configuration of servers.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file is not JSON, or not of the expected form.
    #[error("{path}: line {line}, column {column}: {message}")]
    Json {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A server's entry cannot be used.
    #[error("{path}: server `{server}`: {message}")]
    Server {
        /// The file.
        path: String,
        /// The server.
        server: String,
        /// What is wrong, and what to write instead.
        message: String,
    },
}
