//! The databases that are asked, each with all that is known of it.
//!
//! - `reading`: values and the parser, made of a database when they are first needed.

mod reading;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ropewalk_embed::EmbedError;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::database::DatabaseError;
use crate::descriptions::{Descriptions, DescriptionsError};
use crate::library::{Library, LibraryError};
use crate::link::{Linked, Linker, Meanings};
use crate::parse::Parser;
use crate::schema::Schema;
use crate::semantics::{Metric, Semantics, SemanticsError};
use crate::source::{Source, SourceError};
use crate::values::ValueIndex;

use reading::Made;

/// The databases that are asked, by their names.
pub struct Catalogue {
    entries: Vec<Arc<Entry>>,
    meanings: Option<Arc<Meanings>>,
    linked: tokio::sync::Mutex<Option<LinkedSchemas>>,
}

/// A database with all that is known of it.
pub struct Entry {
    /// The database.
    pub source: Arc<Source>,
    semantics: Semantics,
    /// Questions that were answered.
    pub library: Library,
    /// What its tables hold.
    pub descriptions: Descriptions,
    told: Mutex<Option<Told>>,
    made: Made,
}

/// A schema with what is said of it beside.
struct Told {
    /// What it was told of, and after how many descriptions.
    of: Arc<Schema>,
    learned: u64,
    told: Arc<Schema>,
}

/// A linker and what it was made of.
struct LinkedSchemas {
    schemas: Vec<Arc<Schema>>,
    linker: Arc<Linker>,
}

/// Where what is known beside a database is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// A file of the semantic layer.
    pub semantics: Option<PathBuf>,
    /// The file of learned examples.
    pub examples: Option<PathBuf>,
    /// The file of what a model wrote of its tables.
    pub descriptions: Option<PathBuf>,
    /// The file of the values of its columns.
    pub values: Option<PathBuf>,
}

/// Why a database is not in the catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// Its semantic layer.
    #[error("the semantic layer of `{database}`: {error}")]
    Semantics {
        /// The database.
        database: String,
        /// Why.
        error: SemanticsError,
    },
    /// Its examples.
    #[error("`{database}`: {error}")]
    Library {
        /// The database.
        database: String,
        /// Why.
        error: LibraryError,
    },
    /// Its descriptions.
    #[error("`{database}`: {error}")]
    Descriptions {
        /// The database.
        database: String,
        /// Why.
        error: DescriptionsError,
    },
    /// The database itself.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The name is not free.
    #[error("there are two databases named `{0}`; name them apart: --db NAME=ADDRESS")]
    Twice(String),
}

impl Entry {
    /// A database with what is kept of it.
    ///
    /// # Errors
    /// When what is kept cannot be read or does not fit the database.
    pub async fn new(
        source: Source,
        kept: &Kept,
        meanings: Option<Arc<Meanings>>,
    ) -> Result<Self, CatalogueError> {
        let database = source.name().to_owned();
        let wrong = |error| CatalogueError::Semantics {
            database: database.clone(),
            error,
        };
        let semantics = match &kept.semantics {
            None => Semantics::default(),
            Some(file) => {
                let semantics = Semantics::read(file).map_err(wrong)?;
                let schema = source.schema().await.map_err(SourceError::from)?;
                semantics.check(source.guard(), &schema).map_err(wrong)?;
                semantics.tried(&source).await.map_err(wrong)?;
                semantics
            }
        };
        let examples = kept.examples.as_deref().map(Path::new);
        let descriptions = Descriptions::open(&database, kept.descriptions.as_deref());
        let descriptions = descriptions.map_err(|error| CatalogueError::Descriptions {
            database: database.clone(),
            error,
        })?;
        let library = Library::open(&database, semantics.examples.clone(), examples, meanings);
        Ok(Self {
            library: library.map_err(|error| CatalogueError::Library { database, error })?,
            descriptions,
            told: Mutex::default(),
            made: Made::kept_in(kept.values.clone()),
            semantics,
            source: Arc::new(source),
        })
    }

    /// What is in it, as the semantic layer tells it.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn schema(&self) -> Result<Arc<Schema>, DatabaseError> {
        let schema = self.source.schema().await?;
        if self.semantics.tables.is_empty() && self.descriptions.is_empty() {
            return Ok(schema);
        }
        // Told once, so that what is made of it is made once.
        let mut last = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let learned = self.descriptions.learned();
        if let Some(last) = last.as_ref()
            && Arc::ptr_eq(&last.of, &schema)
            && last.learned == learned
        {
            return Ok(Arc::clone(&last.told));
        }
        let told = self.descriptions.told_of(&self.semantics.told_of(&schema));
        let told = Arc::new(told);
        *last = Some(Told {
            of: schema,
            learned,
            told: Arc::clone(&told),
        });
        Ok(told)
    }

    /// The values of its columns, read when that was some minutes ago; those of the tables `first`
    /// before the others, where not all can be read in time.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn values(
        &self,
        schema: &Arc<Schema>,
        first: &[String],
        cancel: &CancellationToken,
    ) -> Result<Arc<ValueIndex>, SourceError> {
        self.made.values(&self.source, schema, first, cancel).await
    }

    /// What reads questions about it without a model.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn parser(
        &self,
        schema: &Arc<Schema>,
        first: &[String],
        cancel: &CancellationToken,
    ) -> Result<Arc<Parser>, SourceError> {
        self.made.parser(&self.source, schema, first, cancel).await
    }

    /// Figures that people ask for by name.
    #[must_use]
    pub fn metrics(&self) -> &[Metric] {
        &self.semantics.metrics
    }

    /// Figures that a question names.
    #[must_use]
    pub fn metrics_in(&self, question: &str) -> Vec<&Metric> {
        self.semantics.named(question)
    }
}

impl Catalogue {
    /// A catalogue of these databases. Without `meanings` words alone find tables.
    ///
    /// # Errors
    /// When two have the same name.
    pub fn new(
        entries: Vec<Entry>,
        meanings: Option<Arc<Meanings>>,
    ) -> Result<Self, CatalogueError> {
        let entries: Vec<Arc<Entry>> = entries.into_iter().map(Arc::new).collect();
        for (place, entry) in entries.iter().enumerate() {
            let name = entry.source.name();
            let mut before = entries.iter().take(place);
            if before.any(|other| other.source.name().eq_ignore_ascii_case(name)) {
                return Err(CatalogueError::Twice(name.to_owned()));
            }
        }
        Ok(Self {
            entries,
            meanings,
            linked: tokio::sync::Mutex::default(),
        })
    }

    /// The databases, in the order in which they were given.
    #[must_use]
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// A database by its name, whatever its capitals.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Entry>> {
        let same = |entry: &&Arc<Entry>| entry.source.name().eq_ignore_ascii_case(name);
        self.entries.iter().find(same)
    }

    /// Up to `limit` tables for a question over all databases that can be asked, best first.
    ///
    /// # Errors
    /// When the embedder fails.
    pub async fn tables(&self, question: &str, limit: usize) -> Result<Vec<Linked>, EmbedError> {
        let linker = self.linker().await;
        let question = question.to_owned();
        beside(move || linker.tables(&question, limit)).await
    }

    /// What finds tables, made anew when a schema has changed.
    pub async fn linker(&self) -> Arc<Linker> {
        let mut named = Vec::new();
        for entry in &self.entries {
            match entry.schema().await {
                Ok(schema) => named.push((entry.source.name().to_owned(), schema)),
                Err(error) => {
                    tracing::warn!(%error, database = entry.source.name(), "it is left out");
                }
            }
        }
        // Held while it is made: whoever else asks waits for the same.
        let mut linked = self.linked.lock().await;
        let same = |known: &&LinkedSchemas| {
            let schemas = named.iter().map(|(_, schema)| schema);
            known.schemas.len() == named.len()
                && known.schemas.iter().zip(schemas).all(|(a, b)| a == b)
        };
        if let Some(known) = linked.as_ref().filter(same) {
            return Arc::clone(&known.linker);
        }
        let schemas = named.iter().map(|(_, schema)| Arc::clone(schema)).collect();
        let meanings = self.meanings.clone();
        let linker = Arc::new(beside(move || Linker::new(named, meanings)).await);
        *linked = Some(LinkedSchemas {
            schemas,
            linker: Arc::clone(&linker),
        });
        linker
    }
}

/// Does what computes beside the async threads.
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work)
        .await
        .map_err(tokio::task::JoinError::try_into_panic)
    {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The program ends, and nobody waits any more.
        Err(Err(_)) => std::future::pending().await,
    }
}
