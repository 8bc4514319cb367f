//! How a tool server is reached, as it is typed.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use clap::Args;

use super::Setup;
use super::running::Means;

#[derive(Args)]
pub(crate) struct ServeVector {
    #[command(flatten)]
    pub(crate) serving: Serving,
    /// Collection used when a call names none.
    #[arg(long, value_name = "NAME", default_value = "documents")]
    pub(crate) collection: String,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

#[derive(Args)]
pub(crate) struct ServeSql {
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) databases: Databases,
    /// Say whether a statement may be sent to the database, and why not; nothing is run.
    #[arg(long, value_name = "SQL", conflicts_with_all = ["http", "doctor"])]
    pub(crate) check: Option<String>,
    /// Have the engine describe the tables that nobody has described, keep that, and print what is
    /// known of all.
    #[arg(long, conflicts_with_all = ["http", "doctor", "check"])]
    pub(crate) describe: bool,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

/// Which databases are asked.
#[derive(Args, Clone, Default)]
pub(crate) struct Databases {
    /// A database: sqlite:PATH, postgres://…, or the path of a file, maybe with a name before it as
    /// NAME=ADDRESS; those of ropewalk.toml when left out. May be given more than once.
    #[arg(long = "db", value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,
    /// The semantic layer of a database, a YAML file, maybe with the database's name before it as
    /// NAME=FILE.
    #[arg(long, value_name = "FILE", requires = "addresses")]
    pub(crate) semantics: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ServeMcp {
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) means: Means,
}

/// What every tool server can be told of how it is reached.
#[derive(Args)]
pub(crate) struct Serving {
    /// Serve streamable HTTP at http://ADDRESS/mcp instead of standard input and output.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Environment variable with the token that HTTP callers must send.
    #[arg(long, value_name = "VARIABLE", requires = "http")]
    pub(crate) bearer_env: Option<String>,
    /// Authorization server whose tokens HTTP callers must send.
    #[arg(
        long,
        value_name = "URL",
        requires = "http",
        requires = "oauth_resource",
        conflicts_with = "bearer_env"
    )]
    pub(crate) oauth_issuer: Option<String>,
    /// Address of this server as callers know it, for which tokens must be meant.
    #[arg(long, value_name = "URL", requires = "oauth_issuer")]
    pub(crate) oauth_resource: Option<String>,
    /// What tokens must allow; may be given more than once.
    #[arg(long = "oauth-scope", value_name = "SCOPE", requires = "oauth_issuer")]
    pub(crate) oauth_scopes: Vec<String>,
    /// Where the authorization server's keys are, when its metadata does not say.
    #[arg(long, value_name = "URL", requires = "oauth_issuer")]
    pub(crate) oauth_keys: Option<String>,
    /// Host name under which HTTP callers may reach the server, besides this machine's own.
    #[arg(long = "host", value_name = "HOST", requires = "http")]
    pub(crate) hosts: Vec<String>,
    /// Origin of web pages that may call, besides this machine's own.
    #[arg(long = "origin", value_name = "ORIGIN", requires = "http")]
    pub(crate) origins: Vec<String>,
    /// Most sessions kept for clients of older protocols that want to be told of changes; with 0
    /// every request is served by itself.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "http")]
    pub(crate) sessions: usize,
    /// Look at the server instead of serving it: its definitions, both protocols, what it works on.
    #[arg(long, conflicts_with = "http")]
    pub(crate) doctor: bool,
    /// Requests a second from one caller; 50 where other machines reach the address, else no limit.
    #[arg(long, value_name = "NUMBER", requires = "http")]
    pub(crate) rate: Option<NonZeroU32>,
}
