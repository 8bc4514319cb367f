//! Embedding throughput beside sentence-transformers: same texts, same cores, rounds in turn.
//!
//! One JSON line per figure: the median over rounds, and the median of the rounds' own ratios.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod peer;

use std::hint::black_box;
use std::time::Instant;

use ropewalk_embed::Embedder;
use serde_json::json;

const ROUNDS: usize = 5;

/// Texts made from the words of our own documentation: the same on every machine.
fn texts(count: usize, words: impl Fn(usize) -> usize) -> Vec<String> {
    let source = include_str!("../docs/vector-server.md");
    let vocabulary: Vec<&str> = source.split_whitespace().collect();
    (0..count)
        .map(|number| {
            let at = number * 7919 + 13;
            let picked = (0..words(number)).map(|n| vocabulary[(at + n * 31) % vocabulary.len()]);
            picked.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn main() {
    let embedder = Embedder::shipped().unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // About 128 tokens each; then lengths from a line to a page; then single questions.
    let sets = [
        ("embed_batch_128_tokens", texts(128, |_| 80)),
        (
            "embed_mixed_lengths",
            texts(192, |number| 8 + (number * number * 37) % 170),
        ),
        ("embed_one_question", texts(1, |_| 9)),
    ];
    let object: serde_json::Map<String, serde_json::Value> = sets
        .iter()
        .map(|(name, texts)| ((*name).to_owned(), json!(texts)))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.json");
    std::fs::write(&path, serde_json::Value::Object(object).to_string()).unwrap();
    let arguments = [path.display().to_string(), threads.to_string()];
    let mut peer = peer::Peer::start("sentence_transformers_embed.py", &arguments);
    for (name, texts) in &sets {
        let repeats = if texts.len() == 1 { 50 } else { 1 };
        embedder.embed(&texts[..texts.len().min(8)]).unwrap();
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..repeats {
                black_box(embedder.embed(texts).unwrap());
            }
            ours.push((texts.len() * repeats) as f64 / start.elapsed().as_secs_f64());
            if let Some(peer) = &mut peer {
                let seconds: f64 = (0..repeats).map(|_| peer.round(name)).sum();
                theirs.push((texts.len() * repeats) as f64 / seconds);
            }
        }
        peer::figure(name, "embeddings/s", &ours, &theirs);
    }
}
