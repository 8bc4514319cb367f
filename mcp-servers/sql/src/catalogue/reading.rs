//! What is made of a database to read questions: its values, and the parser over them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::catalogue::beside;
use crate::dialect::Dialect;
use crate::parse::Parser;
use crate::schema::{Schema, Table};
use crate::source::{Source, SourceError};
use crate::values::{Bounds, ValueIndex};

/// How long values are taken for what they were, and for how long from one start to the next.
const FRESH: Duration = Duration::from_secs(600);
const FRESH_ON_DISK: Duration = Duration::from_secs(24 * 3600);

/// How long somebody who asks waits for values. What is not read by then is read behind their back.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was made, and of what.
pub(super) struct Made {
    known: Arc<Mutex<Option<Known>>>,
    /// Where values are kept from one start to the next.
    file: Option<PathBuf>,
}

#[derive(Clone)]
struct Known {
    schema: Arc<Schema>,
    read: Instant,
    values: Arc<ValueIndex>,
    parser: Arc<Parser>,
}

impl Made {
    pub(super) fn kept_in(file: Option<PathBuf>) -> Self {
        Self {
            known: Arc::default(),
            file,
        }
    }

    pub(super) async fn values(
        &self,
        source: &Arc<Source>,
        schema: &Arc<Schema>,
        first: &[String],
        cancel: &CancellationToken,
    ) -> Result<Arc<ValueIndex>, SourceError> {
        Ok(self.known(source, schema, first, cancel).await?.values)
    }

    pub(super) async fn parser(
        &self,
        source: &Arc<Source>,
        schema: &Arc<Schema>,
        first: &[String],
        cancel: &CancellationToken,
    ) -> Result<Arc<Parser>, SourceError> {
        Ok(self.known(source, schema, first, cancel).await?.parser)
    }

    async fn known(
        &self,
        source: &Arc<Source>,
        schema: &Arc<Schema>,
        first: &[String],
        cancel: &CancellationToken,
    ) -> Result<Known, SourceError> {
        // Held while it is made: whoever else asks waits for the same.
        let mut known = self.known.lock().await;
        let same = |known: &&Known| known.schema == *schema && known.read.elapsed() < FRESH;
        if let Some(known) = known.as_ref().filter(same) {
            return Ok(known.clone());
        }
        let new = known.is_none();
        let kept = match &self.file {
            Some(file) if new => stored(file.clone(), Arc::clone(schema)).await,
            _ => None,
        };
        let values = match kept {
            Some(values) => values,
            None => {
                let bounds = Bounds {
                    time: PATIENCE,
                    ..Bounds::default()
                };
                let began = Instant::now();
                let ordered = ordered(schema, first);
                let read = ValueIndex::read(source, &ordered, &bounds, cancel).await?;
                if began.elapsed() >= PATIENCE {
                    self.read_the_rest(source, schema);
                } else if let Some(file) = self.file.clone() {
                    store(file, read.clone()).await;
                }
                read
            }
        };
        let made = Known::of(values, schema, source.dialect()).await;
        *known = Some(made.clone());
        Ok(made)
    }

    /// Reads all values, to take the place of those that were read in time.
    fn read_the_rest(&self, source: &Arc<Source>, schema: &Arc<Schema>) {
        let (source, schema) = (Arc::clone(source), Arc::clone(schema));
        let file = self.file.clone();
        let known = Arc::downgrade(&self.known);
        tokio::spawn(async move {
            let bounds = Bounds::default();
            let never = CancellationToken::new();
            let read = ValueIndex::read(&source, &schema, &bounds, &never).await;
            let Ok(values) = read else { return };
            if let Some(file) = file {
                store(file, values.clone()).await;
            }
            let made = Known::of(values, &schema, source.dialect()).await;
            if let Some(known) = known.upgrade() {
                *known.lock().await = Some(made);
            }
        });
    }
}

impl Known {
    async fn of(values: ValueIndex, schema: &Arc<Schema>, dialect: Dialect) -> Self {
        let values = Arc::new(values);
        let (of, with) = (Arc::clone(schema), Arc::clone(&values));
        let parser = beside(move || Parser::new(&of, with, dialect, None)).await;
        Self {
            schema: Arc::clone(schema),
            read: Instant::now(),
            values,
            parser: Arc::new(parser),
        }
    }
}

/// A schema with some of its tables before the others: theirs are the values that are read in time.
fn ordered(schema: &Schema, first: &[String]) -> Schema {
    let mut ordered = schema.clone();
    let place = |table: &Table| first.iter().position(|name| *name == table.name);
    ordered
        .tables
        .sort_by_key(|table| place(table).unwrap_or(usize::MAX));
    ordered
}

/// The values that were kept, if they are of this schema and not old.
async fn stored(file: PathBuf, schema: Arc<Schema>) -> Option<ValueIndex> {
    beside(move || {
        let written = file.metadata().ok()?.modified().ok()?;
        let age = SystemTime::now()
            .duration_since(written)
            .unwrap_or_default();
        if age > FRESH_ON_DISK {
            return None;
        }
        let index: ValueIndex = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        index.is_of(&schema).then_some(index)
    })
    .await
}

/// Keeps values for the next start; where that cannot be done they are read again.
async fn store(file: PathBuf, values: ValueIndex) {
    let stored = beside(move || {
        let text = serde_json::to_vec(&values)?;
        replace(&file, &text)
    })
    .await;
    if let Err(error) = stored {
        tracing::debug!(%error, "values are not kept for next time");
    }
}

/// Puts a file in place as a whole, so that nobody reads half of one.
fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let whole = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&whole, text)?;
    std::fs::rename(&whole, file)
}
