//! `ropewalk eval graph`: the knowledge graph on a BEIR-format folder, every document one passage.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use rayon::prelude::*;
use ropewalk_embed::Embedder;
use ropewalk_graph::extract;
use ropewalk_graph::given::{self, Given};
use ropewalk_graph::piece::{Document, Passage, Piece};
use ropewalk_graph::retrieve::Index;
use ropewalk_graph::store::{GraphStore, SqliteStore};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::beir::{self, Dataset};
use super::metrics::{self, Metrics};
use crate::Ending;
use crate::arguments::measuring::EvalGraph;
use crate::progress::{self, print, say};

/// Ranks that any of the metrics looks at.
const DEPTH: usize = 10;
/// Documents embedded at a time.
const BATCH: usize = 256;

pub(crate) async fn run(options: EvalGraph, cancel: CancellationToken) -> anyhow::Result<Ending> {
    tokio::task::spawn_blocking(move || measure(&options, &cancel)).await?
}

fn measure(options: &EvalGraph, cancel: &CancellationToken) -> anyhow::Result<Ending> {
    let dataset = beir::read(&options.folder)?;
    let given = match &options.triples {
        Some(path) => triples(path)?,
        None => HashMap::new(),
    };
    let began = Instant::now();
    let pieces = pieces(&dataset, &given, options.strip_titles);
    let mut indexing = began.elapsed();
    let embedder = Embedder::shipped()?;
    let bar = progress::bar("embedding");
    bar.set_length(pieces.len() as u64);
    let mut index = Index::new();
    for batch in pieces.chunks(BATCH) {
        if cancel.is_cancelled() {
            bar.finish_and_clear();
            return Ok(Ending::Interrupted);
        }
        let texts: Vec<String> = batch.iter().flat_map(Index::texts).collect();
        let vectors = embedder.embed(&texts)?;
        let facts: Vec<Vec<String>> = batch.iter().map(Index::facts).collect();
        let told = embedder.embed(&facts.concat())?;
        let began = Instant::now();
        let (mut vectors, mut told) = (vectors.into_iter(), told.into_iter());
        for (piece, facts) in batch.iter().zip(&facts) {
            let passages = piece.document.passages.len();
            let vectors: Vec<_> = vectors.by_ref().take(passages).collect();
            let told: Vec<_> = told.by_ref().take(facts.len()).collect();
            index.put(piece, &vectors, &told);
        }
        indexing = indexing.saturating_add(began.elapsed());
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    SqliteStore::open(&folder.path().join("graph.db"))?.put_all(pieces)?;
    indexing = indexing.saturating_add(began.elapsed());
    let bar = progress::bar("searching");
    bar.set_length(dataset.queries.len() as u64);
    let mut metrics = Metrics::default();
    let mut took = Vec::with_capacity(dataset.queries.len());
    for query in &dataset.queries {
        if cancel.is_cancelled() {
            bar.finish_and_clear();
            return Ok(Ending::Interrupted);
        }
        let began = Instant::now();
        let hits = index.find(&query.text, DEPTH, |texts| embedder.embed(texts))?;
        took.push(began.elapsed());
        let ranked = hits.iter().filter_map(|hit| known(&dataset, &hit.source));
        let ranked: Vec<String> = ranked.collect();
        metrics.add(&ranked, &query.relevant);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = indexing.as_secs_f64();
    let slow = percentile(&mut took, 95).as_secs_f64() * 1_000.0;
    let memory = resident_mib();
    if options.json {
        let mut value = metrics.to_json();
        if let Some(map) = value.as_object_mut() {
            map.insert("index_seconds".to_owned(), json!(seconds));
            map.insert("query_ms_p95".to_owned(), json!(slow));
            map.insert("rss_mb".to_owned(), json!(memory));
        }
        print(&value.to_string());
    } else {
        let (documents, queries) = (dataset.documents.len(), dataset.queries.len());
        let folder = options.folder.display();
        print(&format!(
            "{folder}: {documents} documents, {queries} queries"
        ));
        print(metrics::HEADER);
        print(&metrics.row("graph"));
        print(&format!(
            "indexed in {seconds:.2} s without embeddings; 95 of 100 questions within {slow:.0} ms; \
             {} MiB",
            memory.map_or_else(|| "?".to_owned(), |memory| format!("{memory:.0}"))
        ));
    }
    Ok(Ending::Done)
}

fn triples(path: &Path) -> anyhow::Result<HashMap<String, Given>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("{name}: cannot be read"))?;
    Ok(given::read(&name, BufReader::new(file))?)
}

/// Every document as one passage, with what is found in it. What is given and fits none is told.
fn pieces(dataset: &Dataset, given: &HashMap<String, Given>, strip_titles: bool) -> Vec<Piece> {
    let documents = dataset.documents.par_iter().enumerate();
    let (pieces, taken): (Vec<Piece>, Vec<Option<usize>>) = documents
        .map(|(number, document)| {
            let mut piece = extract::piece(Document {
                source: source(number),
                title: if strip_titles {
                    String::new()
                } else {
                    document.title.clone()
                },
                date: None,
                passages: vec![Passage {
                    headings: Vec::new(),
                    text: document.text.clone(),
                    span: 0..document.text.len() as u64,
                }],
            });
            let given = given.get(&document.id);
            let left_out = given.map(|given| given.add(&mut piece));
            (piece, left_out)
        })
        .unzip();
    let fitting = taken.iter().flatten().count();
    if fitting < given.len() {
        let lost = given.len().saturating_sub(fitting);
        say(&format!(
            "statements about documents that are not in the corpus are left out: {lost}"
        ));
    }
    let left_out: usize = taken.iter().flatten().sum();
    if left_out > 0 {
        say(&format!(
            "statements that are not subject, predicate and object are left out: {left_out}"
        ));
    }
    pieces
}

/// What a document is called in the graph. Not its id: that is often its title, which would be told
/// where titles are left out.
fn source(number: usize) -> String {
    format!("d{number}")
}

/// The id of a document by what it is called in the graph.
fn known(dataset: &Dataset, source: &str) -> Option<String> {
    let number: usize = source.strip_prefix('d')?.parse().ok()?;
    Some(dataset.documents.get(number)?.id.clone())
}

/// What so many of a hundred are at most.
fn percentile(all: &mut [Duration], percent: usize) -> Duration {
    all.sort_unstable();
    let at = all.len().saturating_mul(percent).div_ceil(100);
    all.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

/// What the process holds in memory, where the system says so.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
