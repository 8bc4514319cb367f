//! The MCP client side: connections, catalogue, validated calls.
//!
//! Read it in this order:
//! - [`config`]: servers as a person writes them (`ropewalk.toml`, the standard `mcpServers` JSON);
//!   `reference`: the values they refer to, in the environment and the keyring.
//! - [`Host`]: starts servers, calls their tools; `catalogue`: lists them under one roof.
//! - `server`: one server over its life: reached again when its connection is lost, left in peace
//!   when it fails (`breaker`).
//! - [`consent`]: whether a configured program may be run.
//! - [`Guard`]: what every call passes: the policy, the pins, the audit log.
//! - [`audit`]: what was decided about calls and what came of them.
//! - [`pins`]: where definitions are kept that were agreed to.
//! - `connection`: one connection: to a child process (`child`), a URL (`http`), or a task in this
//!   process.
//! - `call`: one call and its rounds; `deadline`: how long it may take.
//! - `handler`: what a server may ask of us meanwhile: [`inquiry`], [`sampling`], folders;
//!   `elicitation`: questions and answers, checked.
//! - `oauth`: tokens for servers that want one.
//! - `resources`: what servers offer to be read.
//! - [`search`]: the tools that fit a request, of hundreds.
//! - `translate`: what MCP says of tools and results, in our words.
//! - `summary`: what is said of servers, tools and calls; `failure`: what went wrong, in words.
//! - `translate`: what MCP says of tools and results, in our words.
//! - `validation`: arguments before a call, structured results after it.
//!
//! rmcp is used nowhere else on the client side.

pub mod audit;
mod breaker;
mod call;
mod catalogue;
mod child;
pub mod config;
mod connection;
pub mod consent;
mod deadline;
mod elicitation;
mod failure;
mod guard;
mod handler;
mod host;
mod http;
pub mod inquiry;
mod oauth;
pub mod pins;
mod reference;
mod resources;
pub mod sampling;
pub mod search;
mod server;
mod summary;
mod translate;
mod validation;

pub use config::{OauthConfig, ServerConfig};
pub use guard::{Guard, Held, HeldBecause};
pub use host::{Caller, Endpoint, Host, HostOptions};
pub use resources::Resource;
pub use summary::{ServerState, ServerSummary, StartFailure, ToolOrigin, ToolProgress};

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
