//! A PostgreSQL server of the tests' own, from the system's packages.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use ropewalk_sql::database::Postgres;
use ropewalk_sql::guard::Rules;

use super::{Place, as_user, signal};

pub struct PostgresServer {
    place: Place,
    programs: PathBuf,
}

/// Where the programs of the newest installed PostgreSQL are.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop()
}

/// A command run as somebody whom PostgreSQL lets start it: not as root.
fn command(program: PathBuf) -> Command {
    as_user("postgres", program)
}

impl PostgresServer {
    /// A server that runs, with the tables of `people-postgres.sql`, or `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: no PostgreSQL under /usr/lib/postgresql (package postgresql)");
            return None;
        };
        let server = Self {
            place: Place::new(),
            programs,
        };
        let made = command(server.programs.join("initdb"))
            .args([
                "--auth=scram-sha-256",
                "--username=owner",
                "--no-sync",
                "--pwfile",
            ])
            .arg(server.password_file())
            .arg("-D")
            .arg(server.data())
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.up();
        server.psql(include_str!("people-postgres.sql"));
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.place.folder().join("data")
    }

    fn password_file(&self) -> PathBuf {
        let file = self.place.folder().join("password");
        std::fs::write(&file, "owner-password").unwrap();
        file
    }

    /// Starts it, again where it was stopped.
    pub fn up(&self) {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off",
            self.place.port,
            self.place.folder().display()
        );
        let started = command(self.programs.join("pg_ctl"))
            .args(["start", "--silent", "--wait", "-o", &options, "-D"])
            .arg(self.data())
            .arg("-l")
            .arg(self.place.folder().join("log"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        let log = std::fs::read_to_string(self.place.folder().join("log")).unwrap_or_default();
        assert!(started.success(), "{log}");
        self.place.wait();
    }

    /// Stops it, as if somebody pulled the plug of its machine.
    pub fn down(&self) {
        let _ = command(self.programs.join("pg_ctl"))
            .args(["stop", "--silent", "--mode=immediate", "-D"])
            .arg(self.data())
            .status();
    }

    /// Has those who answer a user stand still, as if the way to them were cut; their numbers.
    pub fn halt(&self, user: &str) -> Vec<String> {
        let numbers = format!("SELECT pid FROM pg_stat_activity WHERE usename = '{user}'");
        let numbers = self.psql(&numbers);
        let numbers: Vec<String> = numbers.lines().map(str::to_owned).collect();
        numbers.iter().for_each(|number| signal(number, "-STOP"));
        numbers
    }

    /// Has them go on.
    pub fn go_on(&self, numbers: &[String]) {
        numbers.iter().for_each(|number| signal(number, "-CONT"));
    }

    /// Has it offer a certificate that nobody trusts; whether one could be made.
    pub fn offers_secrecy(&self) -> bool {
        if !self.place.certificate("postgres") {
            eprintln!("skipped: no certificate for PostgreSQL (package openssl)");
            return false;
        }
        let place = |name: &str| self.place.folder().join(name).display().to_string();
        for (name, value) in [
            ("ssl_cert_file", place("cert.pem")),
            ("ssl_key_file", place("key.pem")),
            ("ssl", "on".to_owned()),
        ] {
            self.psql(&format!("ALTER SYSTEM SET {name} = '{value}'"));
        }
        self.down();
        self.up();
        true
    }

    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{database}",
            self.place.port
        )
    }

    /// The address for the one who may do everything.
    pub fn owner_url(&self) -> String {
        self.url("owner", "owner-password", "postgres")
    }

    /// Connected as the one who may do everything.
    pub async fn owner(&self) -> Postgres {
        let url = self.owner_url();
        let connected = Postgres::connect("people", &url, Rules::default());
        connected.await.unwrap()
    }

    /// Connected as one who may only read, and not everything.
    pub async fn reader(&self) -> Postgres {
        let url = self.url("reader", "reader-password", "postgres");
        let connected = Postgres::connect("people", &url, Rules::default());
        connected.await.unwrap()
    }

    /// Runs statements with psql, as the owner; what it prints.
    pub fn psql(&self, sql: &str) -> String {
        let output = Command::new(self.programs.join("psql"))
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.owner_url())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.down();
        // It belongs to somebody else, who alone may take it away.
        let _ = command("/bin/rm".into())
            .arg("-rf")
            .arg(self.data())
            .status();
    }
}
