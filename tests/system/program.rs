//! The program as a user runs it: a process, its output, its exit code.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// Path of the program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ropewalk");

/// A folder of its own for one test, with its own state.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What it keeps of what it has read, below a place.
const VECTORS: &str = ".ropewalk/vector";

/// What the program says to a newcomer who has given it nothing to read. It reads its own
/// documentation then, which takes it longer than all else that tests ask of it: once is enough.
pub fn first_answer() -> &'static Value {
    static ANSWER: OnceLock<Value> = OnceLock::new();
    ANSWER.get_or_init(|| {
        let place = Place::new();
        let question = "How do I answer questions from my own documents?";
        let answer = place.json(&["ask", question, "--json"]);
        let _ = std::fs::remove_dir_all(documentation());
        copy(&place.path().join(VECTORS), &documentation());
        answer
    })
}

/// Where what came of that is kept while tests run.
fn documentation() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-documentation")
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One where the program has read its own documentation.
    pub fn acquainted() -> Self {
        first_answer();
        let place = Self::new();
        copy(&documentation(), &place.path().join(VECTORS));
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the place, folders included.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program with these arguments, in this place, with an empty environment but for PATH.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&self.command(arguments).output().unwrap())
    }

    /// Runs, expects success, and reads the one JSON object on standard output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
    }
}

impl Outcome {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Expects this exit code, and these words on standard error.
    pub fn failed_saying(&self, words: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.err.contains(words), "does not say {words:?}: {self:?}");
    }
}

/// The first words of MCP on standard input and output, without any library: starts the server,
/// says hello, asks for its tools, and gives both answers: `{"result": ..., "tools": [...]}`.
pub fn handshake(mut command: Command) -> Value {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut say = |message: Value| writeln!(stdin, "{message}").unwrap();
    let mut answer = |id: u32| {
        loop {
            let line = lines.next().expect("an answer before the end").unwrap();
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    };
    say(
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "handshake", "version": "1"}}}),
    );
    let mut hello = answer(1);
    say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    say(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    hello["tools"] = answer(2)["result"]["tools"].clone();
    drop(stdin);
    child.wait().unwrap();
    hello
}
