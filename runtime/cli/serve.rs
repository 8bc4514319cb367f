//! `ropewalk server vector`: the retrieval tools for any MCP client.

use anyhow::anyhow;
use ropewalk_mcp_kit::http::HttpOptions;
use ropewalk_vector::server::VectorServer;
use tokio_util::sync::CancellationToken;

use crate::arguments::ServeVector;
use crate::progress::say;
use crate::{Ending, configuration, workplace};

pub(crate) async fn run(options: ServeVector, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let configuration = configuration::load(&options.setup)?;
    let store = workplace::store(&configuration.vector).await?;
    let embedder = workplace::embedder(&configuration.vector).await?;
    let tools = VectorServer::new(store, embedder, &options.collection).tools();
    let Some(address) = options.http else {
        tools.serve_stdio(cancel).await?;
        return Ok(Ending::Done);
    };
    let bearer = match &options.bearer_env {
        None => None,
        Some(variable) => {
            let token = std::env::var(variable)
                .ok()
                .filter(|token| !token.is_empty());
            Some(token.ok_or_else(|| anyhow!("the environment variable {variable} is not set"))?)
        }
    };
    if bearer.is_none() && !address.ip().is_loopback() {
        return Err(anyhow!(
            "{address} can be reached from other machines: protect it with --bearer-env VARIABLE"
        ));
    }
    let http = HttpOptions {
        address,
        bearer,
        hosts: options.hosts,
        origins: Vec::new(),
    };
    let listening = |address| say(&format!("listening on http://{address}/mcp"));
    tools.serve_http(http, listening, cancel).await?;
    Ok(Ending::Done)
}
