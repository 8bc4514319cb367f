//! Makes the shipped form of a model: `quantise model.safetensors model-q8_0.gguf`.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: quantise MODEL.safetensors OUT.gguf".into());
    };
    let bytes = std::fs::read(&input).map_err(|error| format!("{input}: {error}"))?;
    let mut out = BufWriter::new(File::create(&output)?);
    ropewalk_embed::write_quantised(&bytes, &mut out)?;
    Ok(())
}
