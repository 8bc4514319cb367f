//! A server that is a child process: started with little, listened to, ended politely.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use ropewalk_core::secret::Redactor;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use crate::config::ServerConfig;
use crate::reference::Resolved;

/// Longest line a server may send, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 16 << 20;

/// Lines of standard error that are kept for a failure message, and how much of each, in bytes.
const KEPT_LINES: usize = 5;
const KEPT_OF_LINE: usize = 300;

/// Bytes of standard output that are kept to tell garbage from the protocol.
const KEPT_OF_START: usize = 256;

/// How long a program whose first words are not MCP may take to say something better. Some print
/// a banner first.
const BANNER_GRACE: Duration = Duration::from_secs(5);

/// How long a server may take to leave after its standard input was closed.
const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// Variables every program may need; a server gets these and what its entry names, no more.
const PASSED_ON: [&str; 18] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "USER",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TMP",
    "TEMP",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMFILES",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "USERPROFILE",
    "PATHEXT",
];

/// A child process and all that it starts (`npx` starts `node`), killed when it is dropped.
pub(crate) struct ServerProcess {
    child: Box<dyn ChildWrapper>,
    first: Arc<Mutex<Start>>,
    said: Arc<Mutex<Vec<String>>>,
    redactor: Redactor,
}

impl ServerProcess {
    /// Starts the program of a configuration. `too_long` counts the lines that were too long.
    pub(crate) fn start(
        command: &str,
        config: &ServerConfig,
        resolved: &Resolved,
        too_long: watch::Sender<u64>,
    ) -> Result<(Self, Overheard<ChildStdout>, ChildStdin), String> {
        let mut program = Command::new(command);
        program.args(&config.args).env_clear();
        program.envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        program.envs(&resolved.env);
        if let Some(folder) = &config.cwd {
            if !folder.is_dir() {
                return Err(format!("there is no folder {} (`cwd`)", folder.display()));
            }
            program.current_dir(folder);
        }
        program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = CommandWrap::from(program);
        program.wrap(process_wrap::tokio::KillOnDrop);
        #[cfg(unix)]
        program.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        program.wrap(process_wrap::tokio::JobObject);
        let mut child = program.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("there is no program `{command}`; install it, or correct the `command`")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("`{command}` may not be executed; check its permissions")
            }
            _ => format!("`{command}` cannot be started: {error}"),
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (
            child.stdin().take(),
            child.stdout().take(),
            child.stderr().take(),
        ) else {
            return Err(format!("`{command}` was started without its pipes"));
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        let redactor = resolved.redactor.clone();
        let keeper = Keeper {
            command: command.to_owned(),
            redactor: redactor.clone(),
            said: Arc::clone(&said),
        };
        tokio::spawn(keeper.listen(stderr));
        let first = Arc::new(Mutex::new(Start::default()));
        let stdout = Overheard {
            inner: stdout,
            start: Arc::clone(&first),
            length: 0,
            too_long,
        };
        let process = Self {
            child,
            first,
            said,
            redactor,
        };
        Ok((process, stdout, stdin))
    }

    /// Ends when the first thing the server said cannot be a message of the protocol, and nothing
    /// better came since.
    pub(crate) async fn talks_otherwise(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.garbage().is_none() {
                continue;
            }
            tokio::time::sleep(BANNER_GRACE).await;
            if self.garbage().is_some() {
                return;
            }
        }
    }

    /// Why it did not start: how it ended, what it said instead.
    pub(crate) async fn why(mut self, reason: String) -> String {
        // An exit that is under way, and the last words before it, are seen a moment later.
        let exit = tokio::time::timeout(Duration::from_millis(300), self.child.wait()).await;
        let mut message = match (self.garbage(), exit) {
            (Some(line), _) => {
                let line = self.redactor.redact(&line);
                format!("it does not speak MCP on standard output; its first line was `{line}`")
            }
            // One that leaves in peace may do so because its input was closed.
            (None, Ok(Ok(status))) if status.success() => format!("{reason} (it ended since)"),
            (None, Ok(Ok(status))) => format!("it ended at once with {status}"),
            (None, _) => reason,
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        let said = self
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join(" | ");
        if !said.is_empty() {
            message.push_str(&format!("; on standard error it said: {said}"));
        }
        message
    }

    /// Waits for the server to leave, its standard input being closed; what is left of it and of
    /// what it started is killed then.
    pub(crate) async fn end(mut self) {
        let _ = tokio::time::timeout(LEAVE_GRACE, self.child.wait()).await;
    }

    /// The first line, when it is complete and no message, nor any other since.
    fn garbage(&self) -> Option<String> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let start = first.bytes.trim_ascii_start();
        let complete = start.contains(&b'\n') || start.len() >= KEPT_OF_START / 2;
        if !complete || first.has_object {
            return None;
        }
        let text = String::from_utf8_lossy(start);
        Some(text.lines().next().unwrap_or_default().to_owned())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // The group is signalled even when its leader has left: what it started may still run. A
        // group that is gone already cannot be killed, which is as well.
        let _ = self.child.start_kill();
    }
}

/// How a server's standard output began.
#[derive(Default)]
struct Start {
    bytes: Vec<u8>,
    /// Whether the last byte was within a line.
    mid_line: bool,
    /// Whether a line began like a message of the protocol.
    has_object: bool,
}

impl Start {
    fn add(&mut self, new: &[u8]) {
        if self.has_object {
            return;
        }
        let room = KEPT_OF_START.saturating_sub(self.bytes.len());
        self.bytes.extend(new.iter().take(room));
        for byte in new {
            self.has_object |= !self.mid_line && *byte == b'{';
            self.mid_line = *byte != b'\n';
        }
    }
}

/// Keeps the last lines of standard error, each cut to a bounded length and without secrets, and
/// logs them.
struct Keeper {
    command: String,
    redactor: Redactor,
    said: Arc<Mutex<Vec<String>>>,
}

impl Keeper {
    async fn listen(self, mut stderr: impl AsyncRead + Unpin) {
        let mut line = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stderr.read(&mut chunk).await.unwrap_or(0);
            for byte in chunk.get(..read).unwrap_or_default() {
                if *byte != b'\n' {
                    if line.len() < KEPT_OF_LINE {
                        line.push(*byte);
                    }
                    continue;
                }
                self.keep(&mut line);
            }
            if read == 0 {
                return self.keep(&mut line);
            }
        }
    }

    fn keep(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(&std::mem::take(line))
            .trim()
            .to_owned();
        if text.is_empty() {
            return;
        }
        let text = self.redactor.redact(&text).into_owned();
        tracing::debug!(command = self.command, "{text}");
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT_LINES {
            said.remove(0);
        }
        said.push(text);
    }
}

/// A reader that remembers how the stream began, and counts lines that are too long. Those are
/// dropped by the transport; whoever waits for an answer must hear of it.
pub(crate) struct Overheard<R> {
    inner: R,
    start: Arc<Mutex<Start>>,
    length: usize,
    too_long: watch::Sender<u64>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Overheard<R> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = std::pin::Pin::new(&mut self.inner).poll_read(context, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        let within = self.length <= MAX_LINE_BYTES;
        let end = new
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(new.len());
        if within && self.length.saturating_add(end) > MAX_LINE_BYTES {
            self.too_long.send_modify(|count| *count += 1);
        }
        self.length = match new.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => new.len() - last - 1,
            None => self.length.saturating_add(new.len()),
        };
        self.start
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(new);
        polled
    }
}
