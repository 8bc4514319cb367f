//! Files as tables, without a server: CSV and its kin, JSON lines, Parquet, and workbooks.
//!
//! The files are read into a SQLite database of their own, which is then asked like any other:
//! with the same guard, the same limits and for reading alone. Nothing of a file is lost on the
//! way: what a value is, is told from all values of its column, and where a single one would not
//! fit, the column is text, byte for byte.
//!
//! A file goes through these, in this order:
//! - `find`: which files there are, and how each is read.
//! - `home`: where the tables are kept, and whether they are there already.
//! - `csv`, `json`, `parquet`, `excel`: the rows of one kind of file each; `text`: the characters
//!   of the first two; `header`: whether the first row holds names.
//! - `types`: what values and columns are; `names`: what tables and columns are called.
//! - `make`: all tables of all files; `load`: the rows of one.
//! - `watch`: limits, progress and cancellation along the way.

mod csv;
mod error;
mod excel;
mod find;
mod header;
mod home;
mod json;
mod load;
mod make;
mod names;
mod parquet;
mod text;
mod types;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::database::{DatabaseError, Engine, Limits, Plan, Rows, Sqlite};
use crate::dialect::Dialect;
use crate::guard::{Approved, Rules};
use crate::schema::Schema;

use home::Home;
use watch::Watch;

pub use error::FileError;
pub use watch::{ImportLimits, Progress};

/// Files that are asked as one database.
pub struct Files {
    // Let go of before the file is.
    tables: Sqlite,
    about: About,
    home: Arc<Home>,
}

/// Which file a table is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The table.
    pub table: String,
    /// The file.
    pub path: PathBuf,
    /// The sheet, where the file has sheets.
    pub sheet: Option<String>,
}

/// What is known of the tables beside what is in them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct About {
    origins: Vec<Origin>,
    notes: Vec<String>,
}

impl Files {
    /// Reads files, and all files of known kinds in folders, within the usual limits.
    ///
    /// With a `cache`, the tables are kept in that folder, and are not made again as long as the
    /// files are the same.
    ///
    /// # Errors
    /// When a file is missing, is not what its name says, or cannot be read whole.
    pub async fn open(
        paths: &[PathBuf],
        cache: Option<&Path>,
        rules: Rules,
    ) -> Result<Self, FileError> {
        let limits = ImportLimits::default();
        let cancel = CancellationToken::new();
        Self::import(paths, cache, rules, &limits, &mut |_| (), &cancel).await
    }

    /// Reads files within limits, and says how far it is. When `cancel` fires, or nobody waits any
    /// more, nothing of them is kept.
    ///
    /// # Errors
    /// When a file is missing, is not what its name says, or cannot be read whole, and when the
    /// files are more than the limits allow.
    pub async fn import(
        paths: &[PathBuf],
        cache: Option<&Path>,
        rules: Rules,
        limits: &ImportLimits,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<Self, FileError> {
        let (paths, cache) = (paths.to_owned(), cache.map(Path::to_owned));
        let limits = limits.clone();
        let gone = cancel.child_token();
        // Stops the reading also when this future is dropped.
        let _guard = gone.clone().drop_guard();
        let (tell, mut told) = mpsc::unbounded_channel();
        let task = tokio::task::spawn_blocking(move || {
            let tell = |progress| {
                // Whoever listened may have left.
                let _ = tell.send(progress);
            };
            tables(&paths, cache.as_deref(), &limits, &gone, &tell)
        });
        while let Some(told) = told.recv().await {
            progress(told);
        }
        let (home, about) = task.await.map_err(|error| {
            FileError::Database(DatabaseError::Statement {
                reason: format!("reading the files failed: {error}"),
            })
        })??;
        let tables = Sqlite::open(&home.path, rules).await;
        Ok(Self {
            tables: tables.map_err(FileError::Database)?,
            about,
            home: Arc::new(home),
        })
    }

    /// Which file each table is from.
    #[must_use]
    pub fn origins(&self) -> &[Origin] {
        &self.about.origins
    }

    /// What was done with the files that somebody may want to know of.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.about.notes
    }

    /// The SQLite file in which the tables are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.home.path
    }
}

#[async_trait]
impl Engine for Files {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    /// What is in the files; the comment of a table says which file it is from.
    async fn schema(&self) -> Result<Schema, DatabaseError> {
        let mut schema = self.tables.schema().await?;
        for table in &mut schema.tables {
            let mut origins = self.about.origins.iter();
            let origin = origins.find(|origin| origin.table == table.name);
            table.comment = origin.map(Origin::told);
        }
        Ok(schema)
    }

    async fn plan(&self, statement: &Approved) -> Result<Plan, DatabaseError> {
        self.tables.plan(statement).await
    }

    async fn query(
        &self,
        statement: &Approved,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Rows, DatabaseError> {
        self.tables.query(statement, limits, cancel).await
    }

    async fn excess(&self) -> Result<Vec<String>, DatabaseError> {
        self.tables.excess().await
    }
}

impl Origin {
    fn told(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        match &self.sheet {
            Some(sheet) => format!("From the sheet `{sheet}` of the file `{file}`"),
            None => format!("From the file `{file}`"),
        }
    }
}

/// Sees to it that the tables of files are somewhere.
fn tables(
    paths: &[PathBuf],
    cache: Option<&Path>,
    limits: &ImportLimits,
    cancel: &CancellationToken,
    tell: &dyn Fn(Progress),
) -> Result<(Home, About), FileError> {
    let sources = find::sources(paths, limits.bytes)?;
    let mut fill = |path: &Path| {
        let watch = Watch::new(limits, cancel, tell, &sources);
        make::database(path, &sources, watch)
    };
    match cache {
        None => Home::private(&mut fill),
        Some(cache) => {
            let watch = Watch::new(limits, cancel, tell, &sources);
            Home::cached(cache, &sources, &watch, &mut fill)
        }
    }
}
