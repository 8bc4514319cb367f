//! The databases of a folder, opened as they are needed, and whether a statement answers a question.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::asked::Asked;
use crate::database::{Limits, Rows, Sqlite};
use crate::measure::{Folder, Question};
use crate::parse;
use crate::same::{same, sorts};
use crate::schema::Schema;
use crate::scopes::Links;
use crate::source::{Settings, Source, SourceError};

/// Why nothing is measured.
#[derive(Debug, Error)]
pub enum MeasureError {
    /// A database of the folder cannot be read.
    #[error("the database of the questions `{database}`: {error}")]
    Database {
        /// Its name.
        database: String,
        /// What is wrong.
        error: SourceError,
    },
    /// No question has both a database and statements of systems.
    #[error("no question has a database in `database/` and statements in `predictions`")]
    Nothing,
}

/// A database that is asked.
pub(super) struct Opened {
    pub source: Source,
    pub schema: Schema,
    pub cancel: CancellationToken,
    links: Arc<Links>,
}

impl Opened {
    pub(super) async fn new(name: &str, file: &Path) -> Result<Self, MeasureError> {
        let failed = |error| MeasureError::Database {
            database: name.to_owned(),
            error,
        };
        // All rows count, not only those that somebody would look at.
        let settings = Settings {
            limits: Limits {
                rows: 100_000,
                bytes: 64 << 20,
                cell_bytes: 1 << 20,
                time: Duration::from_secs(10),
            },
            ..Settings::default()
        };
        let opened = Sqlite::open(file, settings.rules.clone()).await;
        let engine = opened.map_err(SourceError::from).map_err(failed)?;
        let source = Source::over(name, Arc::new(engine), settings).map_err(failed)?;
        let schema = source.engine().schema().await;
        let schema = schema.map_err(SourceError::from).map_err(failed)?;
        Ok(Self {
            links: Arc::new(parse::links(&schema)),
            schema,
            source,
            cancel: CancellationToken::new(),
        })
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        let links = Arc::clone(&self.links);
        Asked::knowing(&self.source, &self.schema, links, None, &self.cancel)
    }
}

/// A question with its database and what answers it.
pub(super) struct Known<'a> {
    pub question: &'a Question,
    pub opened: &'a Opened,
    gold: Vec<(Rows, bool)>,
}

impl<'a> Known<'a> {
    pub(super) async fn of(question: &'a Question, opened: &'a Opened) -> Self {
        let asked = opened.asked();
        let mut gold = Vec::new();
        for sql in &question.gold {
            if let Ok(rows) = asked.rows(sql).await {
                gold.push((rows, sorts(sql, question.dialect)));
            }
        }
        Self {
            question,
            opened,
            gold,
        }
    }

    /// Whether any accepted statement runs.
    pub(super) fn has_gold(&self) -> bool {
        !self.gold.is_empty()
    }

    /// Whether rows are those of an accepted statement.
    pub(super) fn is(&self, rows: &Rows) -> bool {
        self.gold
            .iter()
            .any(|(gold, ordered)| same(gold, rows, *ordered))
    }
}

/// All databases of a folder that its questions are about.
pub(super) async fn open(folder: &Folder) -> Result<BTreeMap<String, Opened>, MeasureError> {
    let mut opened = BTreeMap::new();
    for question in &folder.questions {
        let name = &question.database;
        if let Some(file) = folder.databases.get(name)
            && !opened.contains_key(name)
            && !question.predictions.is_empty()
        {
            opened.insert(name.clone(), Opened::new(name, file).await?);
        }
    }
    if opened.is_empty() {
        return Err(MeasureError::Nothing);
    }
    Ok(opened)
}

/// A question, if its database is there.
pub(super) async fn known<'a>(
    question: &'a Question,
    opened: &'a BTreeMap<String, Opened>,
) -> Option<Known<'a>> {
    Some(Known::of(question, opened.get(&question.database)?).await)
}

/// A share in percent.
pub(super) fn percent(part: usize, of: usize) -> f64 {
    let count = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    100.0 * count(part) / count(of.max(1))
}
