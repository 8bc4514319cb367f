//! Prints how well tables are linked to the questions of a folder: `measure_linking DIR`.

use std::path::PathBuf;
use std::sync::Arc;

use ropewalk_embed::Embedder;
use ropewalk_sql::link::Meanings;
use ropewalk_sql::measure::{Folder, linking};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("give a folder")?;
    let folder = Folder::read(&PathBuf::from(folder))?;
    let meanings = Arc::new(Meanings::new(Embedder::shipped()?));
    for evidence in [false, true] {
        let measured = linking(&folder, Some(Arc::clone(&meanings)), evidence)?;
        println!("evidence {evidence}: {measured:?}");
    }
    println!("words alone: {:?}", linking(&folder, None, false)?);
    Ok(())
}
