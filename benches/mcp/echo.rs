//! The echo server of the benchmark, on our kit.

use ropewalk_mcp_kit::http::HttpOptions;
use ropewalk_mcp_kit::{Content, ServerIdentity, ToolMeta, ToolServer};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    message: String,
}

pub fn server() -> ToolServer {
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

/// Serves as `ropewalk server` does: on the runtime the program has.
pub fn serve(port: Option<u16>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stop = CancellationToken::new();
    runtime.block_on(async move {
        match port {
            None => server().serve_stdio(stop).await.unwrap(),
            Some(port) => {
                let options = HttpOptions::local(([127, 0, 0, 1], port).into());
                server().serve_http(options, |_| {}, stop).await.unwrap();
            }
        }
    });
    std::process::exit(0);
}
