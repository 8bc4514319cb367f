//! The command line, as it is typed.

pub(crate) mod serving;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ropewalk_infer::device::Device;

use serving::ServeVector;

/// Cited answers from your own documents: an agent runtime for MCP.
#[derive(Parser)]
#[command(name = "ropewalk", version, about, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Where traces of this command go, if anywhere. A configuration that cannot be read is the
    /// command's own business.
    pub(crate) fn traces(&self) -> Option<String> {
        let setup = match &self.command {
            Command::Ask(ask) => &ask.setup,
            Command::Run(run) => &run.running.setup,
            Command::Runs {
                runs: Runs::Resume { running, .. },
            } => &running.setup,
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
    /// Your own MCP servers: which there are, leave to run them, signing in.
    Servers {
        #[command(subcommand)]
        servers: Servers,
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

/// What is measured of a model.
#[derive(Args)]
pub(crate) struct Bench {
    /// A .gguf file, a folder with safetensors, or the name of a model that was pulled.
    pub(crate) path: String,
    /// Tokens of the prompt.
    #[arg(long, value_name = "TOKENS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) prompt: u32,
    /// Tokens of the reply.
    #[arg(long, value_name = "TOKENS", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) generate: u32,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) threads: Option<u32>,
    /// Where it runs: `auto`, `cpu`, `cuda`, `cuda:1`, `metal` and the like.
    #[arg(long, default_value_t)]
    pub(crate) device: Device,
    /// How often all is measured; the medians count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// What does the reasoning: `auto`, `openai`, `local`, `extractive`, or an engine that
    /// ropewalk.toml defines; `auto` takes a configured endpoint, else a local model that is there,
    /// else extractive.
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
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

/// How a run is run.
#[derive(Args, Clone)]
pub(crate) struct Running {
    /// What does the reasoning: `auto`, `openai`, `local`, `extractive`, or an engine that
    /// ropewalk.toml defines; `auto` takes a configured endpoint, else a local model that is there,
    /// else extractive.
    #[arg(long, value_name = "NAME")]
    pub(crate) engine: Option<String>,
    /// Replies for tests instead of an engine: a JSON list of {"text", "calls", "when"}.
    #[arg(long, value_name = "FILE", conflicts_with = "engine")]
    pub(crate) script: Option<PathBuf>,
    /// Collection that the vector tools work on when a call names none.
    #[arg(long, value_name = "NAME", default_value = "documents")]
    pub(crate) collection: String,
    /// Let tools that ask for permission run without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print every event as a line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the steps while they happen, as a tree.
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,
    /// What the run survives: `process` the end of the program, `full` a power failure too.
    #[arg(long, value_enum, default_value = "process")]
    pub(crate) durability: Level,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

impl Running {
    /// Nothing said but where the configuration is.
    pub(crate) fn quiet(setup: Setup) -> Self {
        Self {
            engine: None,
            script: None,
            collection: "documents".to_owned(),
            yes: false,
            json: false,
            watch: false,
            durability: Level::Process,
            setup,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Level {
    Off,
    Process,
    Full,
}

#[derive(Args)]
pub(crate) struct Run {
    /// The graph: a YAML file, or the name of one in `graphs/` or in the program.
    pub(crate) graph: String,
    /// One input: NAME=VALUE, or NAME=@FILE for what is in a file.
    #[arg(short, long = "with", value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
    /// All inputs as one JSON object in a file; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Subcommand)]
pub(crate) enum Runs {
    /// What ran, the latest first.
    List {
        /// Only runs that stand like this.
        #[arg(long, value_enum)]
        state: Option<Stands>,
        /// How many at most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// One run: where it stands, what it asks, what it came to.
    Show {
        /// The run.
        run: String,
        /// Its steps as a tree.
        #[arg(long)]
        tree: bool,
        /// Its events as lines of JSON.
        #[arg(long, conflicts_with = "tree")]
        events: bool,
        /// Print one JSON object.
        #[arg(long, conflicts_with_all = ["tree", "events"])]
        json: bool,
    },
    /// Take a run up again: what has been done is not done again.
    Resume {
        /// The run.
        run: String,
        /// Go on with this graph, if it differs only where the run has not been.
        #[arg(long, value_name = "FILE", conflicts_with = "as_recorded")]
        graph: Option<String>,
        /// Go on with the graph the run began with, whatever has become of its files.
        #[arg(long)]
        as_recorded: bool,
        #[command(flatten)]
        running: Running,
    },
    /// Make a run that shares the past of another up to one of its events.
    Fork {
        /// The run.
        run: String,
        /// The first event that it does not share; `runs show RUN --events` numbers them.
        #[arg(long, value_name = "EVENT")]
        at: u64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Say yes to what a run asks.
    Approve {
        /// The run.
        run: String,
        /// Which question, where there are several.
        question: Option<String>,
    },
    /// Answer what a run asks.
    Answer(AnswerRun),
    /// Write a run to a file that can be replayed anywhere, without models, tools or network.
    Export {
        /// The run.
        run: String,
        /// The file; standard output when left out.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Go through an exported run again and compare: a change of a prompt shows as a difference.
    Replay {
        /// The exported run.
        file: PathBuf,
        /// The graph as it is now; the recorded one when left out.
        #[arg(long, value_name = "FILE")]
        graph: Option<String>,
        /// Print every event as a line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove runs and give their room back.
    Rm {
        /// The runs.
        runs: Vec<String>,
        /// All runs that ended so many days ago or more.
        #[arg(long, value_name = "DAYS", conflicts_with = "runs")]
        older_than: Option<f64>,
    },
}

#[derive(Args)]
pub(crate) struct AnswerRun {
    /// The run.
    pub(crate) run: String,
    /// Which question, where there are several.
    #[arg(long, value_name = "ID")]
    pub(crate) question: Option<String>,
    /// The answer: JSON, or plain text.
    #[arg(required_unless_present_any = ["approve", "edit", "reject", "escalate"])]
    pub(crate) value: Option<String>,
    /// Say yes.
    #[arg(long, conflicts_with = "value")]
    pub(crate) approve: bool,
    /// Say yes to this instead of what is proposed.
    #[arg(long, value_name = "JSON", conflicts_with = "value")]
    pub(crate) edit: Option<String>,
    /// Say no, and why.
    #[arg(long, value_name = "REASON", conflicts_with = "value")]
    pub(crate) reject: Option<String>,
    /// Pass the question on to somebody else.
    #[arg(long, value_name = "WHOM", conflicts_with = "value")]
    pub(crate) escalate: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Stands {
    Running,
    Interrupted,
    Suspended,
    Completed,
    Failed,
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
}

#[derive(Subcommand)]
pub(crate) enum Eval {
    /// Retrieval on a BEIR-format folder: dense, BM25 and hybrid.
    Retrieval(EvalRetrieval),
    /// Tool search on a BEIR-format folder whose documents are tools, with `inputSchema` beside.
    Tools(EvalTools),
}

#[derive(Args)]
pub(crate) struct EvalTools {
    /// Folder with corpus.jsonl, queries.jsonl and qrels.tsv.
    pub(crate) folder: PathBuf,
    /// How many tools a model would be offered.
    #[arg(long, default_value_t = 5)]
    pub(crate) offered: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
