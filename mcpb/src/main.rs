//! `cargo run -p ropewalk-mcpb -- PROGRAM`: makes the bundle of a built program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ropewalk_mcpb::{Packing, Platform, make, registry_entry};

/// Make the MCPB bundle of a built program, and its entry for the MCP registry.
#[derive(Parser)]
struct Arguments {
    /// The program, such as target/release/ropewalk.
    program: PathBuf,
    /// The bundle [default: ropewalk-SYSTEM.mcpb]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The system the program is built for [default: this one]
    #[arg(long, value_enum)]
    system: Option<System>,
    /// Where the bundle will lie: prints server.json with it.
    #[arg(long, value_name = "ADDRESS")]
    url: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum System {
    Linux,
    Macos,
    Windows,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let platform = match arguments.system {
        None => Platform::HERE,
        Some(System::Linux) => Platform::Linux,
        Some(System::Macos) => Platform::MacOs,
        Some(System::Windows) => Platform::Windows,
    };
    let output = arguments
        .output
        .unwrap_or_else(|| PathBuf::from(format!("ropewalk-{}.mcpb", platform.id())));
    let bundle = make(&arguments.program, &output, platform, Packing::Small)?;
    eprintln!(
        "{}: {} bytes, SHA-256 {}",
        bundle.path.display(),
        bundle.bytes,
        bundle.sha256
    );
    if let Some(url) = &arguments.url {
        println!("{:#}", registry_entry(&bundle, url)?);
    }
    Ok(())
}
