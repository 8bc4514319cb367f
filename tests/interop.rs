//! Other people's clients against our servers.
//!
//! The Python SDK is installed into a virtual environment below `target/` the first time. Without
//! Python 3 there is nothing to drive: the test then says so and passes, except in CI.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Outcome, PROGRAM, Place};

/// The version the test was written against.
const SDK: &str = "mcp==2.3.0";

/// The Python of a virtual environment that has the SDK.
fn python() -> Option<PathBuf> {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs python3 for this test"
        );
        eprintln!("skipped: there is no python3 to run the Python SDK's client with");
        return None;
    }
    let folder = Path::new(PROGRAM).parent().unwrap().join("python-sdk");
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.is_file() {
        let run = |command: &mut Command| {
            let outcome = Outcome::of(&command.output().unwrap());
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
        };
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", SDK]));
        std::fs::write(ready, SDK).unwrap();
    }
    Some(python)
}

#[test]
fn the_python_sdk_lists_and_calls_the_tools_over_stdio_and_http() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python_client.py");
    let mut command = Command::new(python);
    command.arg(script).arg(PROGRAM).current_dir(place.path());
    let outcome = Outcome::of(&command.output().unwrap());
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.out, outcome.err);
    assert!(outcome.out.contains("stdio ok") && outcome.out.contains("http ok"));
}
