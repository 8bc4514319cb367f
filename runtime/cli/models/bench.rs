//! `ropewalk models bench`: how fast a model is on this machine.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ropewalk_infer::bench::{BenchOptions, NEW_TOKENS, Report, measure};
use ropewalk_models::hub::error::size;
use ropewalk_models::hub::registry;
use tokio_util::sync::CancellationToken;

use crate::arguments::measuring::Bench;
use crate::progress::{print, say, waiting};
use crate::{Ending, workplace};

pub(crate) async fn run(options: Bench, cancel: CancellationToken) -> anyhow::Result<Ending> {
    let path = registry::find(&workplace::models(), &options.path)
        .unwrap_or_else(|| PathBuf::from(&options.path));
    let measured = BenchOptions {
        prompt: options.prompt as usize,
        generate: options.generate as usize,
        threads: options.threads.unwrap_or_default() as usize,
        device: options.device,
        rounds: options.rounds as usize,
    };
    let cancelled = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&cancelled);
    let work = tokio::task::spawn_blocking(move || measure(&path, &measured, &shared));
    let line = waiting();
    line.set_message("measuring");
    // Weights that are being read do not stop at once; nobody has to wait for them.
    let report = tokio::select! {
        report = work => report??,
        () = cancel.cancelled() => None,
    };
    line.finish_and_clear();
    let Some(report) = report else {
        cancelled.store(true, Ordering::Relaxed);
        say("interrupted; nothing was measured");
        return Ok(Ending::Interrupted);
    };
    if options.json {
        print(&serde_json::to_string(&report)?);
    } else {
        show(&report);
    }
    Ok(Ending::Done)
}

fn show(report: &Report) {
    let bytes = |bytes: usize| size(bytes as u64);
    let rows = [
        (
            "model",
            format!(
                "{} {}, {:.1} million parameters, {} tokens of context",
                report.architecture,
                report.quantisation,
                report.parameters as f64 / 1e6,
                report.context_tokens
            ),
        ),
        (
            "runs on",
            match report.threads {
                0 => report.device.clone(),
                threads => format!("{}, {threads} threads", report.device),
            },
        ),
        (
            "prompt",
            format!("{:.1} tokens/s", report.prompt_tokens_per_second),
        ),
        (
            "reply",
            format!("{:.1} tokens/s", report.decode_tokens_per_second),
        ),
        (
            "first token",
            format!(
                "{:.3} s after a new prompt of {} tokens, {:.3} s after the same and {NEW_TOKENS} more",
                report.first_token_cold_seconds, report.prompt, report.first_token_warm_seconds
            ),
        ),
        (
            "memory",
            format!(
                "{} weights, {} for each token{}",
                bytes(report.weight_bytes),
                bytes(report.kv_bytes_per_token),
                match report.peak_memory_bytes {
                    Some(peak) => format!(", {} at most in all", size(peak)),
                    None => String::new(),
                }
            ),
        ),
    ];
    for (what, value) in rows {
        print(&format!("{what:11}  {value}"));
    }
}
