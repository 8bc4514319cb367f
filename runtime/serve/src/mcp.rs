//! The agents and graphs of a folder as MCP tools.
//!
//! - `offer`: which there are, and what they take and give.
//! - `work`: one call is one run; a call in several rounds is the same run taken up again.
//! - `asking`: a run's questions, put to the client.

mod asking;
mod offer;
mod work;

use std::sync::Arc;

use ropewalk_engine::definitions::Definitions;
use ropewalk_engine::services::Services;
use ropewalk_mcp_kit::{ServerIdentity, ToolServer};

use offer::Offer;

/// A definition that is not offered, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not offered: {why}")]
pub struct NotOffered {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// The user's own graphs and agents as tools, and `ask`, which is the graph `assistant`.
///
/// A call of a tool is a run like any other: it is kept, can be looked at, resumed and forked. What
/// cannot run is left out and told.
pub fn tools(definitions: &Definitions, services: &Services) -> (ToolServer, Vec<NotOffered>) {
    let server = ToolServer::new(ServerIdentity {
        name: "ropewalk".to_owned(),
        title: "Ropewalk".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instructions: "Agents and workflows that search, reason and call tools of their own. Each \
                       call is one run; its answer cites what it rests on by ids in square \
                       brackets, with the passages beside."
            .to_owned(),
    });
    let (offers, refused) = offer::offers(definitions);
    for offer in offers {
        let services = services.clone();
        let Offer {
            meta,
            input,
            output,
            graph,
        } = offer;
        server.add_tool(meta, input, Some(output), move |arguments, context| {
            let (services, graph) = (services.clone(), Arc::clone(&graph));
            async move { work::work(&services, &graph, arguments, context).await }
        });
    }
    (server, refused)
}
