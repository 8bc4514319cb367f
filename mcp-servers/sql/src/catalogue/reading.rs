//! What is made of a database to read questions: its values, and the parser over them.
//!
//! - `kept`: values in a file, from one start to the next.

mod kept;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::catalogue::beside;
use crate::dialect::Dialect;
use crate::parse::Parser;
use crate::schema::{Schema, Table};
use crate::source::{Source, SourceError};
use crate::values::{Bounds, ValueIndex};

/// How long values are taken for what they were.
const FRESH: Duration = Duration::from_secs(600);

/// How long somebody who asks waits for values. What is not read by then is read behind their back.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was made, and of what.
pub(super) struct Made {
    known: Arc<Mutex<Option<Known>>>,
    /// Whether values are being read behind somebody's back.
    reading: Arc<AtomicBool>,
    /// Where values are kept from one start to the next.
    file: Option<PathBuf>,
    fresh: Duration,
    patience: Duration,
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
            reading: Arc::default(),
            file,
            fresh: FRESH,
            patience: PATIENCE,
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
        if let Some(of) = known.take_if(|known| !known.is_of(schema)) {
            // The same columns: only what is said of them is other.
            if of.values.is_of(schema) {
                let made = Known::of(of.values, schema, source.dialect()).await;
                *known = Some(Known {
                    read: of.read,
                    ..made
                });
            }
        }
        if let Some(known) = known.as_ref() {
            // Nobody waits for what is only somewhat newer.
            if known.read.elapsed() >= self.fresh {
                self.read_again(source, schema, first);
            }
            return Ok(known.clone());
        }
        let kept = match &self.file {
            Some(file) => kept::read(file.clone(), Arc::clone(schema)).await,
            None => None,
        };
        let values = match kept {
            Some(values) => Arc::new(values),
            None => {
                let bounds = Bounds {
                    time: self.patience,
                    ..Bounds::default()
                };
                let ordered = ordered(schema, first);
                let read = ValueIndex::read(source, &ordered, &bounds, cancel).await?;
                let read = Arc::new(read);
                if read.is_cut_short() {
                    self.read_again(source, schema, first);
                } else if let Some(file) = self.file.clone() {
                    kept::write(file, Arc::clone(&read)).await;
                }
                read
            }
        };
        let made = Known::of(values, schema, source.dialect()).await;
        *known = Some(made.clone());
        Ok(made)
    }

    /// Reads all values behind the back of those who ask, to take the place of those that are known.
    fn read_again(&self, source: &Arc<Source>, schema: &Arc<Schema>, first: &[String]) {
        if self.reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let done = Done(Arc::clone(&self.reading));
        let (source, schema) = (Arc::clone(source), Arc::clone(schema));
        let ordered = ordered(&schema, first);
        let file = self.file.clone();
        let known = Arc::downgrade(&self.known);
        tokio::spawn(async move {
            let _done = done;
            let bounds = Bounds::default();
            let never = CancellationToken::new();
            let read = ValueIndex::read(&source, &ordered, &bounds, &never).await;
            let Ok(values) = read else { return };
            let values = Arc::new(values);
            if let Some(file) = file.filter(|_| !values.is_cut_short()) {
                kept::write(file, Arc::clone(&values)).await;
            }
            let made = Known::of(values, &schema, source.dialect()).await;
            if let Some(known) = known.upgrade() {
                let mut known = known.lock().await;
                // What was asked since of other columns is newer.
                if known.as_ref().is_none_or(|known| known.is_of(&schema)) {
                    *known = Some(made);
                }
            }
        });
    }
}

/// Says that nothing is read any more, however that ended.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Known {
    async fn of(values: Arc<ValueIndex>, schema: &Arc<Schema>, dialect: Dialect) -> Self {
        let (of, with) = (Arc::clone(schema), Arc::clone(&values));
        let parser = beside(move || Parser::new(&of, with, dialect)).await;
        Self {
            schema: Arc::clone(schema),
            read: Instant::now(),
            values,
            parser: Arc::new(parser),
        }
    }

    /// Whether it was made of a schema with at most other counts of rows.
    fn is_of(&self, schema: &Arc<Schema>) -> bool {
        let same = |(one, two): (&Table, &Table)| {
            // All but the rows.
            let Table {
                name,
                view,
                comment,
                columns,
                primary_key,
                foreign_keys,
                rows: _,
            } = one;
            *name == two.name
                && *view == two.view
                && *comment == two.comment
                && *columns == two.columns
                && *primary_key == two.primary_key
                && *foreign_keys == two.foreign_keys
        };
        Arc::ptr_eq(&self.schema, schema)
            || self.schema.tables.len() == schema.tables.len()
                && self.schema.tables.iter().zip(&schema.tables).all(same)
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

#[cfg(test)]
mod tests;
