//! What every Ropewalk tool server shares.
//!
//! Read it in this order:
//! - [`ToolServer`]: tools, resources and prompts as plain async functions.
//! - `tool`, `resource`, `prompt`: one of each; [`Content`]: what they give besides data.
//! - [`ToolError`]: a failure the calling model can read and act on.
//! - [`CallContext`]: cancellation, progress and questions of one call; [`Question`] and `rounds`:
//!   how the other side is asked in the middle of it; `changes`: news of what is offered.
//! - `repeats`: calls that come twice have one effect; [`Cursors`]: results that go on.
//! - [`Citation`]: the one shape in which a passage is cited.
//! - [`schema`]: JSON schemas that every client accepts.
//! - [`arguments`]: arguments checked before a tool sees them.
//! - `protocol`: all of it as MCP, and [`http`]: the same over HTTP.
//! - [`doctor`]: whether a server is fit to be served.
//! - `line_limit`: requests of bounded length on a byte stream.
//!
//! rmcp is used nowhere else on the server side.

pub mod arguments;
mod caller;
mod changes;
mod citation;
mod content;
mod context;
mod cursor;
pub mod doctor;
mod error;
pub mod http;
mod inquiry;
mod line_limit;
mod progress;
mod prompt;
mod protocol;
mod repeats;
mod resource;
mod rounds;
pub mod schema;
mod server;
mod standard_io;
mod tool;

pub use citation::{Citation, Span};
pub use content::{Body, Content, Media, ResourceContent};
pub use context::{CallContext, Log, LogLevel};
pub use cursor::Cursors;
pub use error::{KitError, ToolError};
pub use inquiry::{Answer, Faculty, FormAnswer, ModelQuestion, Question};
pub use progress::Progress;
pub use prompt::{PromptArgument, PromptArguments, PromptMessage, PromptMeta, Speaker};
pub use resource::{ResourceMeta, TemplateValues};
pub use server::{Completing, ServerIdentity, ToolServer};
pub use tool::ToolMeta;
