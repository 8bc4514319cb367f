//! Other people's clients against our servers.
//!
//! The SDKs are installed below `target/` the first time. Without Python 3, or without Node and
//! npm, there is nothing to drive: the test then says so and passes, except in CI.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Outcome, PROGRAM, Place};

/// The versions the tests were written against.
const SDK: &str = "mcp==2.3.0";
const TYPESCRIPT_SDK: &str = "@modelcontextprotocol/client@2.4.0";

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
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/interop/python_client.py");
    let mut command = Command::new(python);
    command.arg(script).arg(PROGRAM).current_dir(place.path());
    let outcome = Outcome::of(&command.output().unwrap());
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.out, outcome.err);
    assert!(outcome.out.contains("stdio ok") && outcome.out.contains("http ok"));
}

/// A folder with the TypeScript SDK, and the script in it: modules are looked for beside a script.
fn typescript(script: &str) -> Option<PathBuf> {
    let node = Command::new("node").arg("--version").output();
    if node.is_err() || Command::new("npm").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs node and npm for this test"
        );
        eprintln!("skipped: there is no node with npm to run the TypeScript SDK's client with");
        return None;
    }
    let folder = Path::new(PROGRAM).parent().unwrap().join("typescript-sdk");
    let ready = folder.join("ready");
    if !std::fs::read_to_string(&ready).is_ok_and(|was| was == TYPESCRIPT_SDK) {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"]);
        let outcome = Outcome::of(&npm.arg(&folder).arg(TYPESCRIPT_SDK).output().unwrap());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        std::fs::write(ready, TYPESCRIPT_SDK).unwrap();
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/interop");
    let placed = folder.join(script);
    std::fs::copy(source.join(script), &placed).unwrap();
    Some(placed)
}

#[test]
fn the_typescript_sdk_lists_and_calls_the_tools_over_stdio_and_http() {
    let Some(script) = typescript("typescript_client.mjs") else {
        return;
    };
    let place = Place::new();
    let mut command = Command::new("node");
    command.arg(script).arg(PROGRAM).current_dir(place.path());
    let outcome = Outcome::of(&command.output().unwrap());
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.out, outcome.err);
    assert!(outcome.out.contains("stdio ok") && outcome.out.contains("http ok"));
}
