//! Doors to runs.
//!
//! - [`mcp`]: the agents and graphs of a folder as MCP tools.

pub mod mcp;
