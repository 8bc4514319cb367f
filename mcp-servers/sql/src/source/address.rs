//! Which database an address means.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::database::{
    DatabaseError, Engine, Files, ImportLimits, MySql, Postgres, Progress, Sqlite,
};
use crate::dialect::Dialect;
use crate::guard::Rules;

/// What every SQLite file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Where a database is. Its `Debug` does not show a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server: the whole address.
    Postgres(String),
    /// A MySQL or MariaDB server: the whole address.
    Mysql(String),
    /// Files that are read as tables, and folders of them.
    Files(Vec<PathBuf>),
}

/// How files become tables.
pub struct Import<'a> {
    /// Where the tables are kept for the next time.
    pub cache: Option<&'a Path>,
    /// Hears how far it is.
    pub progress: &'a mut (dyn FnMut(Progress) + Send),
    /// Stops it.
    pub cancel: &'a CancellationToken,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
            Self::Mysql(_) => f.write_str("Mysql"),
            Self::Files(paths) => f.debug_tuple("Files").field(paths).finish(),
        }
    }
}

/// Why an address means no database.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It says how to reach a kind of database that is not known.
    #[error(
        "`{0}:` is no kind of database that is known; write sqlite:PATH, postgres://…, mysql://…, \
         or a path"
    )]
    Kind(String),
    /// It does not say of which kind the server is. What it says is not told: a password may be in
    /// it.
    #[error(
        "the address of a server begins with what it is; write postgres://… or mysql://…, or the \
         path of a file"
    )]
    Kindless,
    /// There is no such file.
    #[error(
        "there is no file {}; write the path of a database or of a file with tables, postgres://… \
         or mysql://…", .0.display()
    )]
    Missing(PathBuf),
}

impl Address {
    /// Reads an address: `sqlite:PATH`, `postgres://…`, or a path to a file.
    ///
    /// # Errors
    /// When it means no database.
    pub fn read(text: &str) -> Result<Self, AddressError> {
        // One letter before the colon is a drive.
        let scheme = text.split_once(':').filter(|(scheme, _)| scheme.len() > 1);
        match scheme {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.to_owned())),
            Some(("mysql" | "mariadb", _)) => Ok(Self::Mysql(text.to_owned())),
            Some(("sqlite", rest)) => {
                let path = Path::new(rest.strip_prefix("//").unwrap_or(rest));
                Self::file(path).map(|_| Self::Sqlite(path.to_owned()))
            }
            _ if Path::new(text).exists() => Self::file(Path::new(text)),
            Some((kind, rest)) if rest.starts_with("//") => {
                Err(AddressError::Kind(kind.to_owned()))
            }
            _ if is_userinfo(text) => Err(AddressError::Kindless),
            _ => Err(AddressError::Missing(text.into())),
        }
    }

    fn file(path: &Path) -> Result<Self, AddressError> {
        if !path.exists() {
            return Err(AddressError::Missing(path.to_owned()));
        }
        let mut begins = [0; SQLITE.len()];
        // A pipe would keep whoever opens it until somebody writes to it.
        let mut file = path.is_file().then(|| File::open(path).ok()).flatten();
        let read = file.as_mut().map(|file| file.read_exact(&mut begins));
        let ends = path.extension().and_then(|ends| ends.to_str());
        let ends = ends.unwrap_or_default().to_lowercase();
        let named = matches!(ends.as_str(), "db" | "sqlite" | "sqlite3" | "db3");
        // One that is named so and is none says so when it is opened.
        if named || (matches!(read, Some(Ok(()))) && begins == SQLITE) {
            return Ok(Self::Sqlite(path.to_owned()));
        }
        Ok(Self::Files(vec![path.to_owned()]))
    }

    /// The SQL that is spoken there.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) | Self::Files(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    /// A name for it where none is given: of its file, or of the database on its server.
    #[must_use]
    pub fn usual_name(&self) -> String {
        let stem = |path: &PathBuf| {
            // `.` has no name of its own.
            let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
            Some(whole.file_stem()?.to_string_lossy().into_owned())
        };
        let name = match self {
            Self::Sqlite(path) => stem(path),
            Self::Files(paths) => match paths.as_slice() {
                [only] => stem(only),
                _ => Some("files".to_owned()),
            },
            Self::Postgres(url) | Self::Mysql(url) => {
                // After the password, which may hold any of the other marks.
                let (_, _, place) = parted(url);
                let path = place.split(['?', '#']).next().unwrap_or_default();
                path.split_once('/').map(|(_, name)| name.to_owned())
            }
        };
        let name = name.filter(|name| !name.is_empty());
        name.unwrap_or_else(|| "database".to_owned())
    }

    /// A word that stands for it in names of files: the same address gives the same, also with
    /// another password.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let absolute = |path: &PathBuf| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            path.to_string_lossy().into_owned()
        };
        let text = match self {
            Self::Sqlite(path) => absolute(path),
            Self::Files(paths) => paths.iter().map(absolute).collect::<Vec<_>>().join("\0"),
            Self::Postgres(url) | Self::Mysql(url) => {
                let (scheme, user, place) = parted(url);
                [scheme, user, place].join("\0")
            }
        };
        let digest = blake3::hash(text.as_bytes()).to_hex();
        digest.chars().take(16).collect()
    }

    pub(super) async fn open(
        &self,
        name: &str,
        rules: Rules,
        import: &mut Import<'_>,
    ) -> Result<Arc<dyn Engine>, DatabaseError> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(Sqlite::open(path, rules).await?),
            Self::Postgres(url) => Arc::new(Postgres::connect(name, url, rules).await?),
            Self::Mysql(url) => Arc::new(MySql::connect(name, url, rules).await?),
            Self::Files(paths) => {
                let limits = ImportLimits::default();
                let Import {
                    cache,
                    progress,
                    cancel,
                } = import;
                let files = Files::import(paths, *cache, rules, &limits, *progress, cancel);
                let files = files
                    .await
                    .map_err(|error| match DatabaseError::from(error) {
                        DatabaseError::Open { reason, .. } => DatabaseError::Open {
                            name: name.to_owned(),
                            reason,
                        },
                        other => other,
                    });
                Arc::new(files?)
            }
        })
    }
}

/// What an address begins with, its user, and where the server is; without the password.
fn parted(url: &str) -> (&str, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (who, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = who.split(':').next().unwrap_or_default();
    (scheme, user, place)
}

/// Whether a text begins with a user and a password.
fn is_userinfo(text: &str) -> bool {
    let who = text.split_once('@').map(|(who, _)| who);
    who.is_some_and(|who| who.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_and_no_error_tells_a_password() {
        for url in [
            "postgres://ada:hush/hush@host/shop",
            "postgres://ada:hush?hush@host:5432/shop?sslmode=require",
            "mysql://ada:hu#sh/hush@host/shop",
            "postgres://ada:hush@hush@host/shop",
        ] {
            assert_eq!(Address::read(url).unwrap().usual_name(), "shop", "{url}");
        }
        for url in ["ada:hush@host/shop", "ada:hush@host", "ada:hu/sh@host/shop"] {
            let told = Address::read(url).unwrap_err().to_string();
            assert!(
                told.contains("postgres://") && !told.contains("hu"),
                "{told}"
            );
        }
        let told = Address::read("data/nothing.csv").unwrap_err().to_string();
        assert!(told.contains("data/nothing.csv"), "{told}");
    }

    #[test]
    fn an_address_stands_for_the_same_with_another_password() {
        let print = |url: &str| Address::read(url).unwrap().fingerprint();
        let one = print("postgres://ada:hush@host/shop");
        assert_eq!(one, print("postgres://ada:another@host/shop"));
        for other in [
            "postgres://ada:hush@host/store",
            "postgres://grace:hush@host/shop",
            "mysql://ada:hush@host/shop",
        ] {
            assert_ne!(one, print(other));
        }
    }

    #[test]
    fn paths_of_sqlite_files_may_be_written_as_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(&path, "").unwrap();
        let whole = path.display();
        for text in [
            format!("sqlite:{whole}"),
            format!("sqlite://{whole}"),
            format!("sqlite:///{whole}"),
        ] {
            let Address::Sqlite(read) = Address::read(&text).unwrap() else {
                panic!("{text}");
            };
            assert!(read.is_absolute() && read.exists(), "{text}");
        }
    }
}
