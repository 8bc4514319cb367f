//! Greedy replies beside llama.cpp's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ropewalk_infer::decoder::{Decoder, Slice};
use ropewalk_infer::file::ModelFile;
use ropewalk_infer::kv::PAGE;

use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::Quant;
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use serde_json::{Value, json};

use super::heavy;

/// A Python with llama.cpp.
fn llama_cpp() -> Option<PathBuf> {
    let python = std::env::var_os("ROPEWALK_PEER_PYTHON");
    let python = PathBuf::from(python.unwrap_or_else(|| "python3".into()));
    let found = Command::new(&python)
        .args(["-c", "import llama_cpp, numpy"])
        .stderr(Stdio::null())
        .status();
    if found.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    eprintln!(
        "skipped: {} has no llama_cpp; pip install llama-cpp-python, or name another Python in \
         ROPEWALK_PEER_PYTHON",
        python.display()
    );
    None
}

/// What llama.cpp takes after each prompt, and how far its logits are from its own.
fn theirs(python: &Path, model: &Path, prompts: &[Vec<u32>], count: usize) -> (Vec<Vec<u32>>, f64) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/local_model/greedy.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"model": model, "prompts": prompts, "count": count});
    let mut input = child.stdin.take().unwrap();
    input.write_all(asked.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tokens = serde_json::from_value(said["tokens"].clone()).unwrap();
    (tokens, said["own_difference"].as_f64().unwrap())
}

/// Prompts that look like nothing in particular.
fn prompts(count: usize, vocabulary: usize) -> Vec<Vec<u32>> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    };
    (0..count)
        .map(|_| {
            let length = 3 + next(60);
            (0..length).map(|_| next(vocabulary) as u32).collect()
        })
        .collect()
}

#[test]
fn greedy_tokens_are_those_of_llama_cpp() {
    let Some(python) = llama_cpp() else { return };
    let (count, length) = if heavy() { (20, 64) } else { (3, 16) };
    let folder = tempfile::tempdir().unwrap();
    for architecture in [Architecture::Llama, Architecture::Qwen3] {
        for quant in [Quant::Q8_0, Quant::Q4K, Quant::F16] {
            let path = folder
                .path()
                .join(format!("{}-{}.gguf", architecture.name(), quant.name()));
            let shape = Shape::tiny(architecture);
            let prompts = prompts(count, shape.vocabulary);
            TinyModel::new(shape).write_gguf(&path, quant).unwrap();
            let (tokens, own) = theirs(&python, &path, &prompts, length);
            let file = ModelFile::open(&path).unwrap();
            let decoder = Decoder::load(&file, 2).unwrap();
            let mut same = 0;
            let mut widest = 0.0_f64;
            for (prompt, theirs) in prompts.iter().zip(&tokens) {
                // Along their tokens, so that one near tie does not end the comparison.
                let mut all = prompt.clone();
                all.extend(&theirs[..theirs.len() - 1]);
                let mut pages = decoder.pages();
                let numbers: Vec<usize> = (0..all.len().div_ceil(PAGE)).collect();
                numbers.iter().for_each(|_| pages.add().unwrap());
                let slice = Slice {
                    tokens: &all,
                    position: 0,
                    pages: &numbers,
                    logits: theirs.len(),
                };
                let logits = decoder.run(&[slice], &mut pages).unwrap();
                let rows = logits.chunks(decoder.spec().vocabulary);
                for (row, theirs) in rows.zip(theirs) {
                    let (best, top) = row
                        .iter()
                        .enumerate()
                        .max_by(|a, b| a.1.total_cmp(b.1))
                        .unwrap();
                    if best as u32 == *theirs {
                        same += 1;
                    } else {
                        let gap = f64::from(top - row[*theirs as usize]);
                        widest = widest.max(gap);
                        // Rounding: not more than llama.cpp differs from itself, six deviations.
                        assert!(
                            gap < 6.0 * own,
                            "{}: token {best} instead of {theirs}, ahead by {gap}, where llama.cpp \
                             differs from itself by {own}",
                            path.display()
                        );
                    }
                }
            }
            println!(
                "{} {}: {same} of {} tokens are the same; the others are near ties of at most \
                 {widest:.3}, where llama.cpp differs from itself by {own:.3} (rms)",
                architecture.name(),
                quant.name(),
                count * length
            );
        }
    }
}
