//! Database servers of the tests' own, from the system's packages.

pub mod mariadb;
pub mod postgres;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where a server keeps its data and listens.
struct Place {
    folder: TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Servers that do not run as root write there as well.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), everybody).unwrap();
        let port = port();
        Self { folder, port }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate that nobody trusts, as servers make themselves one, in `cert.pem` and
    /// `key.pem`; whether it could be made.
    fn certificate(&self, user: &str) -> bool {
        let place = |name: &str| self.folder().join(name).display().to_string();
        let made = as_user(user, "openssl".into())
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=localhost"])
            .args(["-keyout", &place("key.pem"), "-out", &place("cert.pem")])
            .stderr(Stdio::null())
            .status();
        made.is_ok_and(|made| made.success())
    }

    /// Until something listens.
    fn wait(&self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "no server came up"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A port for one server alone, which it keeps while it is down: no other of this process gets it,
/// and none that the system gives away by itself, to listeners or to connections, as it gives those
/// from 32768 on.
fn port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Where processes begin is far apart, for those that run at the same time.
    let begin = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    loop {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(taken < COUNT, "no port is free");
        let port = FIRST + (begin as u16 + taken) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Has a process stand still, or go on, and waits until all of its threads do.
fn signal(process: &str, signal: &str) {
    let sent = Command::new("kill").args([signal, process]).status();
    assert!(sent.unwrap().success());
    let began = Instant::now();
    while !threads(process).all(|stopped| stopped == (signal == "-STOP")) {
        assert!(began.elapsed() < Duration::from_secs(30), "{signal}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Of each thread of a process, whether it stands still. One that went on may have ended.
fn threads(process: &str) -> impl Iterator<Item = bool> {
    let all = std::fs::read_dir(format!("/proc/{process}/task"));
    all.into_iter()
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
        // What follows the name, which may hold anything, begins with the state.
        .map(|stat| {
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim().starts_with('T'))
        })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A command run as another user where we are root, whom servers refuse.
fn as_user(user: &str, program: PathBuf) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", user, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}
