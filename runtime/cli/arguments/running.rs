//! Asking and running, as they are typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Setup;
use super::serving::Databases;

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
    #[command(flatten)]
    pub(crate) databases: Databases,
    /// Keep the answer's statement as an example: the question is answered by it from now on.
    #[arg(long, requires = "addresses")]
    pub(crate) keep: bool,
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

/// What runs work with.
#[derive(Args, Clone)]
pub(crate) struct Means {
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
    #[command(flatten)]
    pub(crate) databases: Databases,
    #[command(flatten)]
    pub(crate) setup: Setup,
}

impl Means {
    /// Nothing said but where the configuration is.
    pub(crate) fn usual(setup: Setup) -> Self {
        Self {
            engine: None,
            script: None,
            collection: "documents".to_owned(),
            databases: Databases::default(),
            setup,
        }
    }
}

/// How a run is run.
#[derive(Args, Clone)]
pub(crate) struct Running {
    #[command(flatten)]
    pub(crate) means: Means,
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
