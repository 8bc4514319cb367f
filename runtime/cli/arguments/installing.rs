//! `ropewalk install`, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Server;

#[derive(Args)]
pub(crate) struct Install {
    /// The client; several are set up one after the other. `claude` is both of Claude's.
    #[arg(long = "client", value_name = "CLIENT", value_enum, required = true)]
    pub(crate) clients: Vec<ClientName>,
    /// What the client is to start: `mcp` for the agents and graphs of this folder, or a tool
    /// server [default: mcp]
    #[arg(long = "server", value_name = "SERVER", value_parser = known_server)]
    pub(crate) servers: Vec<String>,
    /// What the client calls the server [default: ropewalk, or ropewalk-SERVER]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// In the settings of this folder, for everybody who opens it, not in your own.
    #[arg(long)]
    pub(crate) project: bool,
    /// In this file: for editions and profiles of a client that keep their settings elsewhere.
    #[arg(long, value_name = "FILE", conflicts_with = "project")]
    pub(crate) file: Option<PathBuf>,
    /// Take the entry out.
    #[arg(long)]
    pub(crate) remove: bool,
    /// Do it; without this, what would be done is printed.
    #[arg(long)]
    pub(crate) write: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientName {
    #[value(name = "vscode")]
    VsCode,
    Cursor,
    Claude,
    ClaudeDesktop,
    ClaudeCode,
    Zed,
    Codex,
}

/// A server that a client can start.
fn known_server(name: &str) -> Result<String, String> {
    let servers = Server::augment_subcommands(clap::Command::new("server"));
    let servers = servers.get_subcommands().map(clap::Command::get_name);
    let known: Vec<&str> = std::iter::once(crate::install::EVERYTHING)
        .chain(servers)
        .collect();
    if known.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("there are {}", known.join(", ")))
    }
}
