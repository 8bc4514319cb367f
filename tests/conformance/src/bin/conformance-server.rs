//! The server that the official conformance suite tests, on our kit.
//!
//! `conformance-server [--sessions N] [--http ADDRESS:PORT]` prints the address it listens on;
//! without `--http` it serves standard input and output. What it offers has the names and contents
//! the suite looks for.

use std::net::SocketAddr;

use anyhow::Context;
use ropewalk_conformance::server::server;
use ropewalk_mcp_kit::http::HttpOptions;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let mut address = None::<SocketAddr>;
    let mut sessions = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--http" => address = Some(value.parse().context("--http ADDRESS:PORT")?),
            "--sessions" => sessions = value.parse().context("--sessions NUMBER")?,
            other => anyhow::bail!("unknown argument {other}"),
        }
    }
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        // Without signals there is nothing to wait for.
        let _ = tokio::signal::ctrl_c().await;
        stop.cancel();
    });
    let Some(address) = address else {
        server().serve_stdio(shutdown).await?;
        std::process::exit(0);
    };
    let mut options = HttpOptions::local(address);
    options.sessions = sessions;
    let listening = |address| println!("http://{address}/mcp");
    server().serve_http(options, listening, shutdown).await?;
    Ok(())
}
