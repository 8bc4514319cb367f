//! A peer in a process of its own, timed by its own clock; and how figures are printed.

#![allow(dead_code, reason = "shared by benchmarks that each use a part of it")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches")
}

fn python() -> String {
    let own = root().join(".venv/bin/python");
    std::env::var("ROPEWALK_PEER_PYTHON").unwrap_or_else(|_| {
        if own.is_file() {
            own.display().to_string()
        } else {
            "python3".to_owned()
        }
    })
}

fn script_command(script: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(python());
    command
        .arg(root().join("peers").join(script))
        .args(arguments);
    command
}

/// Whether the peers' Python has a module.
fn has(module: &str) -> bool {
    let import = Command::new(python())
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status();
    import.is_ok_and(|status| status.success())
}

/// Puts packages into `benches/.venv`, unless the peers' Python has the module already. Without
/// a network, or with a Python of the caller's choice, the peer is left out.
pub fn install(module: &str, packages: &[&str]) {
    let Some(python) = venv_without(module) else {
        return;
    };
    eprintln!("installing {} into benches/.venv", packages.join(" "));
    let _ = Command::new(python)
        .args(["-m", "pip", "install", "--quiet"])
        .args(packages)
        .status();
}

/// The same by a script in `benches/peers`, which is given the Python to install for.
pub fn install_by(module: &str, script: &str) {
    let Some(python) = venv_without(module) else {
        return;
    };
    eprintln!("installing {module} into benches/.venv");
    let script = root().join("peers").join(script);
    let _ = Command::new(script).arg(python).status();
}

/// The Python of `benches/.venv`, made if need be, when a module is to be installed there.
fn venv_without(module: &str) -> Option<PathBuf> {
    if has(module) || std::env::var_os("ROPEWALK_PEER_PYTHON").is_some() {
        return None;
    }
    let venv = root().join(".venv");
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&venv)
        .status();
    made.is_ok_and(|status| status.success())
        .then(|| venv.join("bin/python"))
}

/// A script of a peer whose Python has a module, to be run in a process of its own.
pub fn command(module: &str, script: &str, arguments: &[String]) -> Option<Command> {
    has(module).then(|| script_command(script, arguments))
}

impl Peer {
    /// Starts a script with the peers' Python; says what is missing when that fails.
    pub fn start(script: &str, arguments: &[String]) -> Option<Self> {
        let python = python();
        let child = script_command(script, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let missing = || {
            eprintln!(
                "no peer: {python} cannot run {script}; benches/README.md says how to install it"
            );
        };
        let Ok(mut child) = child else {
            missing();
            return None;
        };
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        if line.trim() != "ready" {
            missing();
            return None;
        }
        Some(Self {
            child,
            input,
            output,
        })
    }

    /// One round of the peer, in seconds.
    pub fn round(&mut self, name: &str) -> f64 {
        writeln!(self.input, "{name}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// One JSON line; `peer` and `ratio` are null without a peer.
pub fn figure(name: &str, unit: &str, ours: &[f64], theirs: &[f64]) {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    let line = json!({
        "name": name,
        "ours": median(ours),
        "peer": median(theirs),
        "unit": unit,
        "ratio": median(&ratios),
    });
    println!("{line}");
}
