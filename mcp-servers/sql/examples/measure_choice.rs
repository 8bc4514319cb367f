//! Measures choosing among the statements of a folder, and repairing them:
//! `cargo run --release --example measure_choice -- FOLDER [SYSTEM…]`.

use std::path::Path;

use ropewalk_sql::measure::{Folder, measure_choice, measure_repair};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder is to be measured?")?;
    let folder = Folder::read(Path::new(&folder))?;
    let systems: Vec<String> = arguments.collect();
    if systems.is_empty() {
        let choice = measure_choice(&folder).await?;
        println!("{}", serde_json::to_string_pretty(&choice)?);
        let repair = measure_repair(&folder, None).await?;
        println!("{}", serde_json::to_string_pretty(&repair)?);
    }
    for system in systems {
        let repair = measure_repair(&folder, Some(&system)).await?;
        println!("{}", serde_json::to_string(&repair)?);
    }
    Ok(())
}
