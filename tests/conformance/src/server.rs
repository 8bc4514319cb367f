//! The fixture server: tools, resources and prompts with the names the suite calls.

mod asking;
mod offers;
mod tasks;
mod tools;

use ropewalk_mcp_kit::{ServerIdentity, ToolServer};

/// A server with everything the suite looks for.
pub fn server() -> ToolServer {
    let server = ToolServer::new(ServerIdentity {
        name: "ropewalk-conformance".to_owned(),
        title: "Ropewalk conformance".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instructions: "Offers what the conformance suite looks for.".to_owned(),
    })
    .with_changes()
    .with_logging();
    let server = tools::add(server);
    let server = asking::add(server);
    let server = tasks::add(server);
    offers::add(server)
}
