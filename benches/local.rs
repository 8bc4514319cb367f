//! Local models beside llama.cpp: the same files of random weights, the same threads, rounds in
//! turn. And without a peer: what a known prompt, a grammar and several replies at once come to.
//!
//! One JSON line per figure: the median over rounds, and the median of the rounds' own ratios,
//! ours over theirs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod peer;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use ropewalk_core::message::Sampling;
use ropewalk_infer::bench::{Stopwatch, Timing, peak_memory, tokens};
use ropewalk_infer::constraint::Constraint;
use ropewalk_infer::decoder::Decoder;
use ropewalk_infer::error::InferError;
use ropewalk_infer::file::ModelFile;
use ropewalk_infer::model::{LocalModel, ModelOptions};
use ropewalk_infer::sampling::{Sampled, Sampler};
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::Shape;
use ropewalk_infer::worker::{EndReason, Ended, Job, Listener, Worker, WorkerLimits};
use serde_json::json;

/// The module that the peer cannot do without.
const LLAMA: &str = "llama_cpp";

const PROMPT: usize = 512;
const REPLY: usize = 64;
const ROUNDS: usize = 5;
/// What a conversation has said before, and what a turn adds.
const SHARED: usize = 8000;
const NEW: usize = 50;
const TOGETHER: u64 = 4;

static NOT_CANCELLED: AtomicBool = AtomicBool::new(false);

fn wants(name: &str) -> bool {
    let wanted = std::env::var("ROPEWALK_LOCAL_CASE").unwrap_or_default();
    name.contains(&wanted)
}

fn load(path: &Path, threads: usize) -> Decoder {
    Decoder::load(&ModelFile::open(path).unwrap(), threads).unwrap()
}

fn taken(timing: Result<Option<Timing>, InferError>) -> Timing {
    timing.unwrap().expect("nothing cancels it")
}

/// A model's prompt and reply in this process alone, for its memory.
fn alone(path: &Path, threads: usize) {
    let decoder = load(path, threads);
    let prompt = tokens(decoder.spec().vocabulary, PROMPT, 1);
    taken(Stopwatch::new(&decoder, &NOT_CANCELLED).greedy(&prompt, REPLY));
    println!(
        "{}",
        peak_memory().map_or(f64::NAN, |peak| peak as f64 / 1024.0)
    );
}

fn memory_of(mut command: Command) -> Option<f64> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last()?.trim().parse().ok()
}

/// Prompt, reply and memory beside llama.cpp.
fn beside(path: &Path, model: &str) {
    let [prefill, decode, memory] =
        ["prefill_512", "decode_64", "peak_memory"].map(|name| format!("{name}_{model}"));
    let decoder = load(path, 0);
    let prompt = tokens(decoder.spec().vocabulary, PROMPT, 1);
    let list = path.with_extension("json");
    std::fs::write(&list, json!(prompt).to_string()).unwrap();
    let arguments = [
        path.display().to_string(),
        decoder.threads().to_string(),
        list.display().to_string(),
    ];
    if wants(&prefill) || wants(&decode) {
        let mut peer = peer::Peer::start("llama_cpp_local.py", &arguments);
        let mut watch = Stopwatch::new(&decoder, &NOT_CANCELLED);
        let (mut ours, mut theirs) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
        taken(watch.greedy(&prompt, 0));
        for _ in 0..ROUNDS {
            watch.forget();
            let timing = taken(watch.greedy(&prompt, REPLY));
            ours[0].push(PROMPT as f64 / timing.first_token.as_secs_f64());
            ours[1].push(REPLY as f64 / timing.decoding.as_secs_f64());
            if let Some(peer) = &mut peer {
                theirs[0].push(PROMPT as f64 / peer.round(&format!("prefill {PROMPT}")));
                theirs[1].push(REPLY as f64 / peer.round(&format!("decode {REPLY}")));
            }
        }
        for (place, name) in [&prefill, &decode].into_iter().enumerate() {
            if wants(name) {
                peer::figure(name, "tokens/s", &ours[place], &theirs[place]);
            }
        }
    }
    let threads = decoder.threads().to_string();
    drop(decoder);
    if wants(&memory) {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.arg("--alone").arg(path).arg(threads);
        let ours: Vec<f64> = memory_of(own).into_iter().collect();
        let both = [&arguments[..], &[REPLY.to_string()]].concat();
        let theirs: Vec<f64> = peer::command(LLAMA, "llama_cpp_local.py", &both)
            .and_then(memory_of)
            .into_iter()
            .collect();
        peer::figure(&memory, "KiB", &ours, &theirs);
    }
}

/// Time to the first token of a long prompt, over that where only its end is new.
fn warm_turn(model: &LocalModel) {
    let vocabulary = model.decoder.spec().vocabulary;
    let mut watch = Stopwatch::new(&model.decoder, &NOT_CANCELLED);
    let shared = tokens(vocabulary, SHARED, 3);
    let turn = |seed: u64| [shared.clone(), tokens(vocabulary, NEW, seed)].concat();
    let rounds: Vec<f64> = (0..3)
        .map(|_| {
            watch.forget();
            let cold = taken(watch.greedy(&turn(4), 0));
            let warm = taken(watch.greedy(&turn(5), 0));
            assert_eq!((cold.cached, warm.cached), (0, SHARED));
            cold.first_token.as_secs_f64() / warm.first_token.as_secs_f64()
        })
        .collect();
    peer::figure("warm_turn", "times faster", &rounds, &[]);
}

/// Time for a token of a reply that a JSON schema holds, over that of a free one.
fn mask_overhead(model: &LocalModel) {
    let schema = json!({
        "type": "object",
        "properties": {"title": {"type": "string"}, "text": {"type": "string"}},
        "required": ["title", "text"],
        "additionalProperties": false,
    });
    let constraint = Constraint::JsonSchema(schema);
    let vocabulary = model.decoder.spec().vocabulary;
    let mut watch = Stopwatch::new(&model.decoder, &NOT_CANCELLED);
    let mut reply = |seed: u64, held: bool| {
        let sampling = Sampling {
            temperature: Some(1.0),
            seed: Some(seed.cast_signed()),
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(&sampling);
        // Random weights end an object soon: the next one is ready then.
        let mut matchers: Vec<_> = (0..if held { REPLY + 1 } else { 0 })
            .map(|_| model.grammars.matcher(&constraint).unwrap())
            .collect();
        watch.forget();
        let prompt = tokens(vocabulary, 32, seed);
        let timing = watch.reply(&prompt, REPLY, &mut |logits, context, written| {
            if matchers.last().is_some_and(|matcher| matcher.is_done()) {
                matchers.pop();
            }
            let mask = match matchers.last_mut() {
                Some(matcher) => Some(matcher.mask()?),
                None => None,
            };
            let sampled = sampler.sample(logits, mask.as_ref(), context, written);
            let token = sampled.expect("some token is allowed").token;
            if let Some(matcher) = matchers.last_mut() {
                matcher.accept(token)?;
            }
            Ok(token)
        });
        taken(timing).decoding.as_secs_f64()
    };
    reply(1, true);
    let rounds: Vec<f64> = (2..2 + ROUNDS as u64)
        .map(|seed| {
            let free = reply(seed, false);
            reply(seed, true) / free
        })
        .collect();
    peer::figure("mask_overhead", "times a free reply", &rounds, &[]);
}

struct End(mpsc::Sender<Ended>);

impl Listener for End {
    fn token(&mut self, _: &Sampled) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn end(self: Box<Self>, ended: Result<Ended, InferError>) {
        let _ = self.0.send(ended.unwrap());
    }
}

/// Tokens in a second of replies that are written together, over those of one alone.
fn batching(model: &LocalModel) {
    let limits = WorkerLimits {
        context: 1024,
        cache_bytes: 1 << 30,
        parallel: TOGETHER as usize,
        queue: 0,
    };
    let worker = Worker::start(Arc::clone(&model.decoder), &model.tokenizer, limits).unwrap();
    let vocabulary = model.decoder.spec().vocabulary;
    let rate = |first: u64, replies: u64| {
        let (sender, ends) = mpsc::channel();
        let start = Instant::now();
        for seed in first..first + replies {
            let job = Job {
                prompt: tokens(vocabulary, 8, seed),
                sampler: Sampler::new(&Sampling::default()),
                matcher: None,
                most: REPLY,
                cancelled: Arc::default(),
                listener: Box::new(End(sender.clone())),
            };
            worker.submit(job).unwrap();
        }
        drop(sender);
        let mut written = 0;
        for ended in ends {
            assert_eq!(ended.reason, EndReason::Length);
            written += ended.written;
        }
        written as f64 / start.elapsed().as_secs_f64()
    };
    rate(1, 1);
    let rounds: Vec<f64> = (1..=ROUNDS as u64)
        .map(|round| {
            let one = rate(round * 100, 1);
            rate(round * 100 + 1, TOGETHER) / one
        })
        .collect();
    peer::figure("batching_4", "times one reply's tokens/s", &rounds, &[]);
}

type Measure = fn(&LocalModel);

fn without_peer(path: &Path) {
    let measures: [(&str, Measure); 3] = [
        ("warm_turn", warm_turn),
        ("mask_overhead", mask_overhead),
        ("batching_4", batching),
    ];
    let wanted: Vec<_> = measures.iter().filter(|(name, _)| wants(name)).collect();
    if wanted.is_empty() {
        return;
    }
    let model = LocalModel::open(path, &ModelOptions::default()).unwrap();
    for (_, measure) in wanted {
        measure(&model);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--alone") {
        let threads = arguments[at + 2].parse().unwrap();
        return alone(Path::new(&arguments[at + 1]), threads);
    }
    let shapes = [
        ("qwen3_0.6b", Shape::qwen3_0_6b()),
        ("llama_3.2_1b", Shape::llama_3_2_1b()),
    ];
    for (shape_name, shape) in shapes {
        for quant in [Quant::Q8_0, Quant::Q4KM] {
            let name = format!("{shape_name}_{}", quant.name());
            let peerless = name == "qwen3_0.6b_q8_0";
            let mut figures: Vec<String> = ["prefill_512", "decode_64", "peak_memory"]
                .map(|figure| format!("{figure}_{name}"))
                .to_vec();
            let shared = figures.iter().any(|figure| wants(figure));
            if peerless {
                figures.extend(["warm_turn", "mask_overhead", "batching_4"].map(str::to_owned));
            }
            if !figures.iter().any(|figure| wants(figure)) {
                continue;
            }
            // One at a time: together they take three gigabytes of the disk.
            let folder = tempfile::tempdir().unwrap();
            let path: PathBuf = folder.path().join("random.gguf");
            TinyModel::new(shape.clone())
                .write_gguf(&path, quant)
                .unwrap();
            if shared {
                peer::install_by(LLAMA, "install_llama_cpp");
                beside(&path, &name);
            }
            if peerless {
                without_peer(&path);
            }
        }
    }
}
