//! The command line, as it is typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Cited answers from your own documents: an agent runtime for MCP.
#[derive(Parser)]
#[command(name = "ropewalk", version, about, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Ask one question and get one cited answer.
    Ask(Ask),
    /// Bring files and folders into a collection; unchanged files cost nothing.
    Ingest(Ingest),
    /// Run one tool server alone, for any MCP client.
    Server {
        #[command(subcommand)]
        server: Server,
    },
    /// Measure on your own data.
    Eval {
        #[command(subcommand)]
        eval: Eval,
    },
    /// Say what works here, what does not, and how to fix it.
    Doctor(Doctor),
}

/// Files that set things up.
#[derive(Args, Clone)]
pub(crate) struct Setup {
    /// Configuration file [default: ropewalk.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Servers in the standard mcpServers JSON [default: .mcp.json, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) mcp: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Ask {
    /// The question.
    pub(crate) question: String,
    /// Files or folders to answer from; Ropewalk's own documentation when left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) docs: Vec<PathBuf>,
    /// Collection to answer from, as `ropewalk ingest` made it.
    #[arg(long, value_name = "NAME", conflicts_with = "docs")]
    pub(crate) collection: Option<String>,
    /// What does the reasoning; `auto` takes a configured endpoint, else extractive.
    #[arg(long, value_enum)]
    pub(crate) engine: Option<EngineName>,
    /// Let tools that ask for permission run without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the steps as a tree, with times and tokens.
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum EngineName {
    Auto,
    Extractive,
    Openai,
}

#[derive(Args)]
pub(crate) struct Ingest {
    /// Files, folders or patterns.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Collection to bring them into.
    #[arg(long, value_name = "NAME", default_value = "documents")]
    pub(crate) collection: String,
    /// Only files of these names, such as '*.md'.
    #[arg(long = "glob", value_name = "PATTERN")]
    pub(crate) globs: Vec<String>,
    /// Largest file of a format that must be read whole, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub(crate) max_file_mib: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

#[derive(Subcommand)]
pub(crate) enum Server {
    /// Vector retrieval: search, read, ingest, collections, delete, status.
    Vector(ServeVector),
}

#[derive(Args)]
pub(crate) struct ServeVector {
    /// Serve streamable HTTP at http://ADDRESS/mcp instead of standard input and output.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Environment variable with the token that HTTP callers must send.
    #[arg(long, value_name = "VARIABLE", requires = "http")]
    pub(crate) bearer_env: Option<String>,
    /// Host name under which HTTP callers may reach the server, besides this machine's own.
    #[arg(long = "host", value_name = "HOST", requires = "http")]
    pub(crate) hosts: Vec<String>,
    /// Collection used when a call names none.
    #[arg(long, value_name = "NAME", default_value = "documents")]
    pub(crate) collection: String,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

#[derive(Subcommand)]
pub(crate) enum Eval {
    /// Retrieval on a BEIR-format folder: dense, BM25 and hybrid.
    Retrieval(EvalRetrieval),
}

#[derive(Args)]
pub(crate) struct EvalRetrieval {
    /// Folder with corpus.jsonl, queries.jsonl and qrels.tsv.
    pub(crate) folder: PathBuf,
    /// Cut documents into chunks, as ingestion does, instead of taking them whole.
    #[arg(long)]
    pub(crate) chunk: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) setup: Setup,
}
