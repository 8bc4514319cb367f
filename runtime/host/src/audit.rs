//! What was decided about calls and what came of them: a log that is only ever added to.
//!
//! Each line is a JSON object and holds the hash of the line before, so that a line that was
//! changed, taken out or put in is found. The hash of the last line, and how long the log was then,
//! stand beside it (`audit.head`): so a log that was cut short is found as well. Whoever can write
//! both files can make up both; the log says what happened to those who keep it, not against them.
//!
//! Any number of processes may add to it: one at a time, by a lock on the head.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ropewalk_core::policy::{Reason, Verdict};
use ropewalk_core::secret;
use ropewalk_core::tool::{Permission, ToolOutcome};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Version of the lines.
pub const AUDIT_VERSION: u32 = 1;

/// Bytes of arguments that are kept, as JSON.
const MOST_ARGUMENTS: usize = 4 << 10;

/// Characters of a reason that are kept.
const MOST_WHY: usize = 1_000;

/// What somebody wants to know later.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The run.
    pub run: String,
    /// Where in it.
    pub place: String,
    /// The tool, by its name in the run.
    pub tool: String,
    /// What it is called with.
    pub arguments: Value,
    /// What happened.
    pub what: What,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// It was decided about.
    Decided(Decided),
    /// It ended.
    Ended(Ended),
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// What the policy said.
    pub permission: Permission,
    /// Every word that was said.
    pub reasons: Vec<Reason>,
    /// Whether it runs.
    pub runs: bool,
    /// Who decided: the policy, a person, nobody.
    pub by: String,
}

impl Decided {
    /// A call that nobody need be asked about: it runs if the policy allows it.
    pub fn by_policy(verdict: Verdict) -> Self {
        Self {
            permission: verdict.permission,
            runs: verdict.permission == Permission::Allow,
            reasons: verdict.reasons,
            by: "the policy".to_owned(),
        }
    }
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Whether it worked.
    pub ok: bool,
    /// Size of what came back, in bytes.
    pub bytes: u64,
}

impl Ended {
    /// How a call ended.
    pub fn of(outcome: &ToolOutcome) -> Self {
        let data = outcome
            .structured()
            .map_or(0, |data| data.to_string().len());
        Self {
            ok: matches!(outcome, ToolOutcome::Ok { .. }),
            bytes: outcome.text().len().max(data) as u64,
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// [`AUDIT_VERSION`] of who wrote it.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run: String,
    /// Where in it.
    pub place: String,
    /// The server; empty where there is none of that tool.
    pub server: String,
    /// The tool, by its name there.
    pub tool: String,
    /// What it is called with, without secrets. What is longer than 4 KiB is cut, and becomes a text.
    pub arguments: Value,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// SHA-256 of the line before, in hexadecimal; empty for the first.
    pub prev: String,
}

/// Why a decision could not be kept, or the log not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct AuditError {
    path: PathBuf,
    message: String,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// How a log stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Lines in it.
    pub lines: u64,
    /// What is wrong; nothing when it is whole.
    pub flaws: Vec<Flaw>,
}

/// The end of the log as it was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    bytes: u64,
    hash: String,
}

/// The log of a state folder.
#[derive(Debug, Clone)]
pub struct AuditLog {
    log: PathBuf,
    head: PathBuf,
}

impl AuditLog {
    /// The log in a folder; nothing is written yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            log: folder.join("audit.jsonl"),
            head: folder.join("audit.head"),
        }
    }

    /// Adds a line. Once it returns, a decision survives a power failure.
    ///
    /// Blocks: not for an async thread.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn append(&self, server: &str, tool: &str, seen: Seen) -> Result<(), AuditError> {
        let failed = |error: std::io::Error| self.failed(&error.to_string());
        if let Some(folder) = self.log.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut head_file = private(&mut OpenOptions::new())
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.head)
            .map_err(failed)?;
        head_file.lock().map_err(failed)?;
        let mut log = private(&mut OpenOptions::new())
            .read(true)
            .append(true)
            .create(true)
            .open(&self.log)
            .map_err(failed)?;
        let (prev, torn) = end(&mut log, &mut head_file).map_err(failed)?;
        let durable = matches!(seen.what, What::Decided(_));
        let line = line(server, tool, seen, prev);
        let text = serde_json::to_string(&line).map_err(|error| self.failed(&error.to_string()))?;
        let newline = if torn { "\n" } else { "" };
        // One write: what a crash leaves is a beginning of it.
        log.write_all(format!("{newline}{text}\n").as_bytes())
            .map_err(failed)?;
        if durable {
            log.sync_data().map_err(failed)?;
        }
        let head = Head {
            bytes: log.metadata().map_err(failed)?.len(),
            hash: hash(text.as_bytes()),
        };
        let head = json!(head).to_string();
        head_file.set_len(0).map_err(failed)?;
        head_file.rewind().map_err(failed)?;
        head_file.write_all(head.as_bytes()).map_err(failed)
    }

    /// Every line that can be read, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read. There being none is no error: nothing was decided yet.
    pub fn lines(&self) -> Result<impl Iterator<Item = Line>, AuditError> {
        let lines = self.raw_lines()?;
        Ok(lines.filter_map(|line| serde_json::from_slice(&line).ok()))
    }

    /// Whether the log is as it was written.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self) -> Result<Verified, AuditError> {
        let mut verified = Verified::default();
        let mut prev = String::new();
        let mut unreadable = false;
        let mut bytes = 0_u64;
        for raw in self.raw_lines()? {
            verified.lines += 1;
            bytes += raw.len() as u64 + 1;
            let line = verified.lines;
            let mut flaw = |what: &str| {
                let what = what.to_owned();
                verified.flaws.push(Flaw { line, what });
            };
            match serde_json::from_slice::<Line>(&raw) {
                Ok(read) if read.prev != prev => flaw(
                    "what stands before it is not what stood there when it was written: a line was \
                     changed, taken out or put in",
                ),
                Ok(_) => {}
                // A write that a crash cut off; the line after it knows it as it is.
                Err(_) => unreadable = true,
            }
            prev = hash(&raw);
            if std::mem::take(&mut unreadable) {
                flaw("it cannot be read: a write was cut off, or it was changed");
            }
        }
        let head = std::fs::read_to_string(&self.head).unwrap_or_default();
        let head: Option<Head> = serde_json::from_str(&head).ok();
        let what = match head {
            None if verified.lines > 0 => {
                Some("`audit.head` is gone or damaged: whether the end is missing cannot be told")
            }
            Some(head) if bytes < head.bytes => Some("the end is missing: the log was longer"),
            Some(head) if bytes == head.bytes && prev != head.hash => Some("it was changed"),
            _ => None,
        };
        if let Some(what) = what {
            verified.flaws.push(Flaw {
                line: verified.lines,
                what: what.to_owned(),
            });
        }
        Ok(verified)
    }

    fn raw_lines(&self) -> Result<impl Iterator<Item = Vec<u8>> + use<>, AuditError> {
        let file = match File::open(&self.log) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed(&error.to_string())),
        };
        let lines = file.map(|file| BufReader::new(file).split(b'\n'));
        Ok(lines.into_iter().flatten().map_while(Result::ok))
    }

    fn failed(&self, message: &str) -> AuditError {
        AuditError {
            path: self.log.clone(),
            message: message.to_owned(),
        }
    }
}

/// Nobody else reads it.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// The hash of the last line, and whether that has no end.
fn end(log: &mut File, head: &mut File) -> std::io::Result<(String, bool)> {
    let length = log.metadata()?.len();
    let mut text = String::new();
    // What is no text is no head either.
    let _ = head.read_to_string(&mut text);
    let known: Option<Head> = serde_json::from_str(&text).ok();
    let known = match known {
        // Also where it is shorter by now: its next line shows that something is missing.
        Some(head) if length <= head.bytes => return Ok((head.hash, false)),
        Some(head) => head.bytes,
        None => 0,
    };
    // A process ended between the line and the head.
    log.seek(SeekFrom::Start(known))?;
    let mut rest = Vec::new();
    log.read_to_end(&mut rest)?;
    let torn = rest.last().is_some_and(|byte| *byte != b'\n');
    let whole = rest.strip_suffix(b"\n").unwrap_or(&rest);
    let last = whole.rsplit(|byte| *byte == b'\n').next();
    let last = last.filter(|_| !rest.is_empty());
    Ok((last.map_or_else(String::new, hash), torn))
}

fn line(server: &str, tool: &str, seen: Seen, prev: String) -> Line {
    let redactor = secret::redactor();
    let mut arguments = seen.arguments;
    redactor.redact_value(&mut arguments);
    let text = arguments.to_string();
    if text.len() > MOST_ARGUMENTS {
        let start = text.get(..text.floor_char_boundary(MOST_ARGUMENTS));
        let bytes = text.len();
        arguments = json!(format!("{}… ({bytes} bytes)", start.unwrap_or_default()));
    }
    let what = match seen.what {
        What::Decided(mut decided) => {
            for reason in &mut decided.reasons {
                let why: String = reason.why.chars().take(MOST_WHY).collect();
                reason.why = redactor.redact(&why).into_owned();
            }
            What::Decided(decided)
        }
        ended => ended,
    };
    Line {
        version: AUDIT_VERSION,
        at: Timestamp::now(),
        run: seen.run,
        place: seen.place,
        server: server.to_owned(),
        tool: tool.to_owned(),
        arguments,
        what,
        prev,
    }
}

fn hash(line: &[u8]) -> String {
    let bytes = Sha256::digest(line);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decision(number: usize) -> Seen {
        Seen {
            run: "r".to_owned(),
            place: format!("a!1@{number}"),
            tool: "s__t".to_owned(),
            arguments: json!({"n": number}),
            what: What::Decided(Decided {
                permission: Permission::Allow,
                reasons: Vec::new(),
                runs: true,
                by: "the policy".to_owned(),
            }),
        }
    }

    fn filled(folder: &Path, count: usize) -> AuditLog {
        let log = AuditLog::new(folder);
        for number in 0..count {
            log.append("s", "t", decision(number)).unwrap();
        }
        log
    }

    #[test]
    fn what_is_appended_is_read_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = filled(folder.path(), 3);
        let lines: Vec<Line> = log.lines().unwrap().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2].arguments, json!({"n": 2}));
        assert_eq!(log.verify().unwrap().flaws, []);
        let none = AuditLog::new(&folder.path().join("none"));
        assert_eq!(none.verify().unwrap(), Verified::default());
    }

    #[test]
    fn processes_that_append_at_once_do_not_break_the_chain() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| filled(folder.path(), 25));
            }
        });
        let verified = AuditLog::new(folder.path()).verify().unwrap();
        assert_eq!((verified.lines, verified.flaws), (100, Vec::new()));
    }

    #[test]
    fn a_cut_end_is_found_also_after_more_was_appended() {
        let folder = tempfile::tempdir().unwrap();
        let log = filled(folder.path(), 3);
        let text = std::fs::read_to_string(&log.log).unwrap();
        let cut: Vec<&str> = text.lines().take(2).collect();
        std::fs::write(&log.log, cut.join("\n") + "\n").unwrap();
        let flaws = log.verify().unwrap().flaws;
        assert!(flaws[0].what.contains("the end is missing"), "{flaws:?}");
        log.append("s", "t", decision(9)).unwrap();
        let flaws = log.verify().unwrap().flaws;
        assert_eq!(flaws[0].line, 3, "{flaws:?}");
    }

    #[test]
    fn a_write_that_a_crash_cut_off_breaks_nothing_that_comes_after() {
        let folder = tempfile::tempdir().unwrap();
        let log = filled(folder.path(), 2);
        let mut file = OpenOptions::new().append(true).open(&log.log).unwrap();
        file.write_all(b"{\"version\":1,\"at").unwrap();
        log.append("s", "t", decision(9)).unwrap();
        log.append("s", "t", decision(10)).unwrap();
        let verified = log.verify().unwrap();
        assert_eq!(verified.lines, 5);
        assert_eq!(verified.flaws.len(), 1, "{:?}", verified.flaws);
        assert!(verified.flaws[0].what.contains("cut off"));
        assert_eq!(log.lines().unwrap().count(), 4);
    }

    #[test]
    fn long_arguments_are_cut_and_secrets_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::new(folder.path());
        let key = format!("sk-{}", "a1".repeat(15));
        let seen = Seen {
            arguments: json!({"key": key, "text": "x".repeat(10_000)}),
            ..decision(1)
        };
        log.append("s", "t", seen).unwrap();
        let text = std::fs::read_to_string(&log.log).unwrap();
        assert!(!text.contains(&key) && text.contains("[redacted]"));
        assert!(text.len() < 6_000, "{}", text.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_change_is_found(line in 0_usize..5, at in 0_usize..60, byte in b'a'..=b'z') {
            let folder = tempfile::tempdir().unwrap();
            let log = filled(folder.path(), 5);
            let text = std::fs::read_to_string(&log.log).unwrap();
            let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assume!(lines[line][at] != byte);
            lines[line][at] = byte;
            std::fs::write(&log.log, lines.join(&b'\n')).unwrap();
            let flaws = log.verify().unwrap().flaws;
            prop_assert!(!flaws.is_empty());
        }
    }
}
