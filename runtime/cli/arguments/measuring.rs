//! Measuring, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ropewalk_infer::device::Device;

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
pub(crate) enum Eval {
    /// Retrieval on a BEIR-format folder: dense, BM25 and hybrid.
    Retrieval(EvalRetrieval),
    /// The knowledge graph on a BEIR-format folder, over several passages where it takes them.
    Graph(EvalGraph),
    /// Tool search on a BEIR-format folder whose documents are tools, with `inputSchema` beside.
    Tools(EvalTools),
    /// Questions to databases on a folder of questions whose answers are known: the guard, linking,
    /// choice, repair, the parser.
    Sql(EvalSql),
}

#[derive(Args)]
pub(crate) struct EvalGraph {
    /// Folder with corpus.jsonl, queries.jsonl and qrels.tsv.
    pub(crate) folder: PathBuf,
    /// Statements that were found before, one JSON object to a line: _id, entities, triples.
    #[arg(long, value_name = "FILE")]
    pub(crate) triples: Option<PathBuf>,
    /// Leave the titles of documents out, which are often the names of what is asked for.
    #[arg(long)]
    pub(crate) strip_titles: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct EvalSql {
    /// Folder with questions.jsonl, or with *_sqlite.csv and the like, and what belongs to them.
    pub(crate) folder: PathBuf,
    /// Link what somebody who asks knows beside, where a folder has it, together with the question.
    #[arg(long)]
    pub(crate) evidence: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
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
