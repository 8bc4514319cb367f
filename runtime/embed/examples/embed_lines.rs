//! Embeds each line of standard input and writes the vectors as little-endian f32 to standard
//! output: `embed_lines [MODEL_FOLDER] < texts > vectors.f32`. How the shipped weights are
//! compared with the original ones.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use ropewalk_embed::Embedder;

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let embedder = match std::env::args().nth(1) {
        Some(folder) => Embedder::open(Path::new(&folder))?,
        None => Embedder::shipped()?,
    };
    let loaded = start.elapsed();
    let lines: Vec<String> = std::io::stdin().lock().lines().collect::<Result<_, _>>()?;
    let start = Instant::now();
    let vectors = embedder.embed(&lines)?;
    let took = start.elapsed();
    let mut out = std::io::stdout().lock();
    for value in vectors.iter().flatten() {
        out.write_all(&value.to_le_bytes())?;
    }
    let rate = lines.len() as f64 / took.as_secs_f64();
    writeln!(
        std::io::stderr(),
        "loaded in {loaded:?}; {} texts, {rate:.1} a second",
        lines.len()
    )?;
    Ok(())
}
