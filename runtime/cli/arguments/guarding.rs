//! What may be run and called, as it is typed.

use clap::{Args, Subcommand};

use super::Setup;

#[derive(Subcommand)]
pub(crate) enum Servers {
    /// What is configured, and whether it may run. Nothing is started.
    List {
        #[command(flatten)]
        setup: Setup,
    },
    /// Let programs of the configuration run, exactly as they are now.
    Trust {
        /// Names of servers.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        setup: Setup,
    },
    /// Sign in to a server that wants it, in a browser.
    Login {
        /// Name of the server.
        name: String,
        #[command(flatten)]
        setup: Setup,
    },
}

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Read all files of rules and try their examples; fails when one is wrong.
    Check {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        setup: Setup,
    },
    /// How a call would come out: every word on it, and what would allow it. Nothing is called.
    Explain(Explain),
    /// The tools that were approved, by server.
    Pins {
        /// This server's alone.
        server: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Approve a tool as it is now, or all of a server: starts the server, shows what changed.
    Approve {
        /// SERVER, or SERVER.TOOL.
        tool: String,
        #[command(flatten)]
        setup: Setup,
    },
    /// Forget what was approved of a server; its tools are then new.
    Forget {
        /// The server.
        server: String,
    },
}

#[derive(Args)]
pub(crate) struct Explain {
    /// The tool: SERVER.TOOL.
    pub(crate) tool: String,
    /// Its arguments: a JSON object.
    #[arg(default_value = "{}")]
    pub(crate) arguments: String,
    /// As if a result of this server had been read that nobody vouches for.
    #[arg(long, value_name = "SERVER")]
    pub(crate) untrusted: Vec<String>,
    /// As if private data of this server had been read.
    #[arg(long, value_name = "SERVER")]
    pub(crate) private: Vec<String>,
    /// As if a result of this server had held what looks like orders to a model.
    #[arg(long, value_name = "SERVER")]
    pub(crate) suspect: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Whether the log is as it was written; fails when a line was changed or is missing.
    Verify {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct AuditFilter {
    /// Only of this run.
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// Only calls of this server.
    #[arg(long)]
    pub(crate) server: Option<String>,
    /// Only calls of this tool, by its name on its server.
    #[arg(long)]
    pub(crate) tool: Option<String>,
    /// Only calls that were not run.
    #[arg(long)]
    pub(crate) denied: bool,
    /// Only since then: an age such as `2h` or `3d`, or a date such as 2026-11-28.
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Print every line as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
