//! A MariaDB server of the tests' own, from the system's packages.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use ropewalk_sql::database::MySql;
use ropewalk_sql::guard::Rules;

use super::{Place, as_user, is_root, signal};

pub struct MariaDbServer {
    place: Place,
    program: PathBuf,
    running: Mutex<Option<Child>>,
}

/// Where the server is installed.
fn program() -> Option<PathBuf> {
    let places = ["/usr/sbin/mariadbd", "/usr/bin/mariadbd"];
    places
        .map(PathBuf::from)
        .into_iter()
        .find(|place| place.is_file())
}

impl MariaDbServer {
    /// A server that runs, with the tables of `people.sql`, or `None` where MariaDB is not installed.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("skipped: no MariaDB at /usr/sbin/mariadbd (package mariadb-server)");
            return None;
        };
        let server = Self {
            place: Place::new(),
            program,
            running: Mutex::new(None),
        };
        let made = as_user("mysql", "/usr/bin/mariadb-install-db".into())
            .args(["--no-defaults", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .args([server.data(), server.temporary()])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        if !server.place.certificate("mysql") {
            eprintln!("skipped: no certificate for MariaDB (package openssl)");
            return None;
        }
        server.up();
        server.client(
            "root",
            "",
            "",
            "CREATE USER owner@'127.0.0.1' IDENTIFIED BY 'owner-password';
             GRANT ALL ON *.* TO owner@'127.0.0.1' WITH GRANT OPTION; CREATE DATABASE test",
        );
        server.sql(include_str!("people.sql"));
        Some(server)
    }

    fn data(&self) -> String {
        format!("--datadir={}", self.place.folder().join("data").display())
    }

    /// Where whoever runs the tests keeps such files it may be kept out.
    fn temporary(&self) -> String {
        format!("--tmpdir={}", self.place.folder().display())
    }

    /// Starts it, again where it was stopped.
    pub fn up(&self) {
        let folder = self.place.folder();
        let at = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
        let mut command = Command::new(&self.program);
        command.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
        ]);
        command.args(["--max-allowed-packet=256M", "--debug-no-sync"]);
        command
            .args([self.data(), self.temporary()])
            .arg(format!("--port={}", self.place.port));
        command.args([at("socket", "socket"), at("ssl-cert", "cert.pem")]);
        command.args([at("ssl-key", "key.pem"), at("log-error", "log")]);
        if is_root() {
            // It becomes this user by itself, so that it can be stopped by its number.
            command.arg("--user=mysql");
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        *self.running.lock().unwrap() = Some(child.unwrap());
        self.place.wait();
    }

    /// Stops it, as if somebody pulled the plug of its machine.
    pub fn down(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Has it stand still, as if the way to it were cut, or go on.
    pub fn stands_still(&self, still: bool) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let number = running.as_ref().unwrap().id().to_string();
        signal(&number, if still { "-STOP" } else { "-CONT" });
    }

    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "mysql://{user}:{password}@127.0.0.1:{}/{database}",
            self.place.port
        )
    }

    /// The address for the one who may do everything.
    pub fn owner_url(&self) -> String {
        self.url("owner", "owner-password", "test")
    }

    /// Connected as the one who may do everything.
    pub async fn owner(&self) -> MySql {
        let url = self.owner_url();
        let connected = MySql::connect("people", &url, Rules::default());
        connected.await.unwrap()
    }

    /// Connected as one who may only read, and not everything.
    pub async fn reader(&self) -> MySql {
        let url = self.url("reader", "reader-password", "test");
        let connected = MySql::connect("people", &url, Rules::default());
        connected.await.unwrap()
    }

    /// Runs statements with MariaDB's own client, as the owner; what it prints.
    pub fn sql(&self, sql: &str) -> String {
        self.client("owner", "owner-password", "test", sql)
    }

    fn client(&self, user: &str, password: &str, database: &str, sql: &str) -> String {
        let mut client = Command::new("mariadb")
            .args([
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--host=127.0.0.1",
            ])
            .arg(format!("--port={}", self.place.port))
            .args([format!("--user={user}"), format!("--password={password}")])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = client.stdin.take().unwrap();
        input.write_all(sql.as_bytes()).unwrap();
        drop(input);
        let output = client.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for MariaDbServer {
    fn drop(&mut self) {
        self.down();
        // It belongs to somebody else, who alone may take it away.
        let _ = as_user("mysql", "/bin/rm".into())
            .arg("-rf")
            .arg(self.place.folder().join("data"))
            .status();
    }
}
