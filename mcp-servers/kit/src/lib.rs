//! What every Ropewalk tool server shares.
//!
//! Read it in this order:
//! - [`ToolServer`]: tools as plain async functions, typed on both sides.
//! - [`ToolError`]: a failure the calling model can read and act on.
//! - [`CallContext`]: cancellation and progress of one call.
//! - [`Citation`]: the one shape in which a passage is cited.
//! - [`schema`]: JSON schemas that every client accepts.
//! - [`arguments`]: arguments checked before a tool sees them.
//! - `protocol`: the tools as MCP, and [`http`]: the same over HTTP.
//! - `line_limit`: requests of bounded length on a byte stream.
//!
//! rmcp is used nowhere else on the server side.

pub mod arguments;
mod citation;
mod context;
pub mod http;
mod line_limit;
mod protocol;
pub mod schema;
mod server;

pub use citation::{Citation, Span};
pub use context::{CallContext, Progress};
pub use server::{KitError, ServerIdentity, ToolError, ToolMeta, ToolServer};
