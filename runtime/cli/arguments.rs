//! The command line, as it is typed.

pub(crate) mod guarding;
pub(crate) mod installing;
pub(crate) mod measuring;
pub(crate) mod running;
pub(crate) mod serving;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use guarding::{Audit, AuditFilter, Policy, Servers};
use installing::Install;
use measuring::{Bench, Eval};
use running::{Ask, Run, Runs};
use serving::{ServeMcp, ServeSql, ServeVector};

/// Cited answers from your own documents: an agent runtime for MCP.
#[derive(Parser)]
#[command(name = "ropewalk", version, about, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Work in this folder instead of the current one.
    #[arg(short = 'C', long, global = true, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Where traces of this command go, if anywhere. A configuration that cannot be read is the
    /// command's own business.
    pub(crate) fn traces(&self) -> Option<String> {
        let setup = match &self.command {
            Command::Ask(ask) => &ask.setup,
            Command::Run(run) => &run.running.means.setup,
            Command::Runs {
                runs: Runs::Resume { running, .. },
            } => &running.means.setup,
            _ => return None,
        };
        let configured = crate::configuration::load(setup).ok()?.telemetry.otlp;
        configured.or_else(|| std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok())
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Ask one question and get one cited answer.
    Ask(Ask),
    /// Run a workflow: a graph's file, or the name of one that ships.
    Run(Run),
    /// Look at what ran, answer what it asks, take it up again.
    Runs {
        #[command(subcommand)]
        runs: Runs,
    },
    /// Check a graph, or draw it.
    Graph {
        #[command(subcommand)]
        graph: Graph,
    },
    /// Local models: what is here, and how more come.
    Models {
        #[command(subcommand)]
        models: Models,
    },
    /// Prompts: which there are, and what a changed one changes.
    Prompts {
        #[command(subcommand)]
        prompts: Prompts,
    },
    /// Bring files and folders into a collection; unchanged files cost nothing.
    Ingest(Ingest),
    /// Run one tool server alone, for any MCP client.
    Server {
        #[command(subcommand)]
        server: Server,
    },
    /// Serve the agents and graphs of this folder as MCP tools.
    Mcp(ServeMcp),
    /// Print the entry that starts Ropewalk in another MCP client, or write it there.
    Install(Install),
    /// Your own MCP servers: which there are, leave to run them, signing in.
    Servers {
        #[command(subcommand)]
        servers: Servers,
    },
    /// Rules of which calls run: check them, ask them, and look at pinned tools.
    Policy {
        #[command(subcommand)]
        policy: Policy,
    },
    /// What was decided about calls of tools, and what came of them.
    #[command(args_conflicts_with_subcommands = true)]
    Audit {
        #[command(subcommand)]
        audit: Option<Audit>,
        #[command(flatten)]
        filter: AuditFilter,
    },
    /// Measure on your own data.
    Eval {
        #[command(subcommand)]
        eval: Eval,
    },
    /// Say what works here, what does not, and how to fix it.
    Doctor(Doctor),
}

#[derive(Subcommand)]
pub(crate) enum Models {
    /// The models that are here: size, architecture, quantisation, context.
    List {
        /// Also these files and folders.
        paths: Vec<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Bring a model from the Hugging Face hub. A pull that was cut off is taken up again.
    Pull {
        /// OWNER/REPO, with :Q4_K_M or :FILE.gguf where there are several.
        model: String,
        /// Branch, tag or commit [default: main]
        #[arg(long)]
        revision: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// How fast a model is on this machine, and how much memory it takes.
    Bench(Bench),
}

#[derive(Subcommand)]
pub(crate) enum Prompts {
    /// Every prompt: its version, its variables, and where it is from.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// What your prompt changes in the shipped one, or what differs between two.
    Diff {
        /// A name, or a file.
        prompt: String,
        /// Another name or file to compare it with.
        other: Option<String>,
    },
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

#[derive(Subcommand)]
pub(crate) enum Graph {
    /// Find mistakes before anything runs; fails when there are any.
    Check {
        /// The graph: a YAML file, or a name.
        graph: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        /// Start no tool servers: names and arguments of tools are taken for good.
        #[arg(long)]
        no_tools: bool,
        #[command(flatten)]
        setup: Setup,
    },
    /// Draw a graph, and what a run did in it.
    Draw(Draw),
    /// Print the JSON schema of graphs, for editors that complete and check YAML.
    Schema,
}

#[derive(Args)]
pub(crate) struct Draw {
    /// The graph: a YAML file, or a name. With --run, the one it began with when left out.
    #[arg(required_unless_present = "run")]
    pub(crate) graph: Option<String>,
    /// What to write.
    #[arg(long, value_enum, default_value = "mermaid")]
    pub(crate) format: Format,
    /// Lay this run over it.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Leave the graphs and maps within it closed.
    #[arg(long)]
    pub(crate) closed: bool,
    /// The file; standard output when left out.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Mermaid,
    Dot,
    Svg,
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
    /// Databases, only read: schema, values, examples, check, query, answer.
    Sql(ServeSql),
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) setup: Setup,
}
