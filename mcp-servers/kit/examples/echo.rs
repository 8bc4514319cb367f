//! The smallest server: one tool, over stdio, or over HTTP at the address given.
//!
//! `cargo run -p ropewalk-mcp-kit --example echo -- 127.0.0.1:8080`

use std::net::SocketAddr;

use ropewalk_mcp_kit::http::HttpOptions;
use ropewalk_mcp_kit::{Content, ServerIdentity, ToolMeta, ToolServer};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to say back.
    message: String,
}

pub(crate) fn server() -> ToolServer {
    let identity = ServerIdentity {
        name: "echo".to_owned(),
        title: "Echo".to_owned(),
        version: "1".to_owned(),
        instructions: String::new(),
    };
    let meta = ToolMeta::reading("echo", "Echo", "Says back what it is told.");
    ToolServer::new(identity).content_tool(meta, |echo: Echo, _| async move {
        Ok(vec![Content::text(echo.message)])
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        asked.cancel();
    });
    match std::env::args().nth(1) {
        None => server().serve_stdio(stop).await?,
        Some(address) => {
            let options = HttpOptions::local(address.parse::<SocketAddr>()?);
            let listening = |address| eprintln!("listening on http://{address}/mcp");
            server().serve_http(options, listening, stop).await?;
        }
    }
    Ok(())
}
