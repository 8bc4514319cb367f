//! Makes a model with random weights, for tests and for speed:
//! `cargo run --release --example tiny_model -- --shape qwen3 --quant q4_k_m --out DIR`.
//!
//! `--shape` is llama, qwen2, qwen3, gemma3, phi3 (tiny), qwen3-0.6b or llama-3.2-1b; `--quant` is
//! f32, f16, q8_0, q4_0, q4_k, q4_k_m, q5_k, q6_k, or `safetensors` for a folder as on the hub.

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::{FloatType, Quant};
use ropewalk_infer::tiny::shape::Shape;

/// Makes a model with random weights.
#[derive(Parser)]
struct Arguments {
    /// Its sizes.
    #[arg(long, default_value = "qwen3")]
    shape: Shape,
    /// How its weights are kept.
    #[arg(long, default_value = "q8_0")]
    quant: String,
    /// Its weights are counted out from this.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A file with its chat template (Jinja).
    #[arg(long)]
    chat_template: Option<PathBuf>,
    /// The folder to write to.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments {
        shape,
        quant,
        seed,
        chat_template,
        out,
    } = Arguments::parse();
    let started = Instant::now();
    let name = shape.name.to_lowercase().replace(' ', "-");
    let mut model = TinyModel::new(shape).with_seed(seed);
    if let Some(path) = chat_template {
        model = model.with_chat_template(&std::fs::read_to_string(path)?);
    }
    let written = if quant == "safetensors" {
        let folder = out.join(name);
        model.write_folder(&folder, FloatType::Bf16)?;
        folder
    } else {
        let quant: Quant = quant.parse()?;
        std::fs::create_dir_all(&out)?;
        let path = out.join(format!("{name}-{}.gguf", quant.name()));
        model.write_gguf(&path, quant)?;
        path
    };
    let seconds = started.elapsed().as_secs_f32();
    println!("{} ({seconds:.1} s)", written.display());
    Ok(())
}
