//! Prints what the guard refuses of the known answers of folders: `measure_guard DIR...`.

use std::path::PathBuf;

use ropewalk_sql::measure::{Folder, guarding};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for folder in std::env::args_os().skip(1) {
        let measured = guarding(&Folder::read(&PathBuf::from(&folder))?);
        println!("{}: {measured:#?}", folder.display());
    }
    Ok(())
}
