//! A database as it is asked: its engine behind the guard, within limits, with what is known of it.
//!
//! - `address`: which database an address means.
//! - `names`: the names there are, for somebody who used one that there is not.

mod address;
mod names;

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::database::{DatabaseError, Engine, Limits, Plan, Rows};
use crate::dialect::Dialect;
use crate::guard::{Approved, Guard, Refusal, Rules};
use crate::schema::Schema;

pub use address::{Address, AddressError, Import};

/// How long a schema is taken for what it was.
const FRESH: Duration = Duration::from_secs(300);

/// How long it is where somebody names what is not in it: names that are wrong are common.
const NEW: Duration = Duration::from_secs(10);

/// How long a database that could not be asked is not asked again: whoever waited meanwhile would
/// wait once more, one after the other.
const GONE: Duration = Duration::from_secs(1);

/// A database that is asked.
pub struct Source {
    name: String,
    engine: Arc<dyn Engine>,
    guard: Guard,
    limits: Limits,
    /// Most rows the database may think it has to look at.
    cost: Option<f64>,
    known: Mutex<Known>,
}

/// What is known of what is in it.
#[derive(Default)]
struct Known {
    /// What was seen, and when.
    seen: Option<(Arc<Schema>, Instant)>,
    /// Why nothing was seen the last time, and when.
    failed: Option<(DatabaseError, Instant)>,
}

/// What is set of a database.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// What may be read.
    pub rules: Rules,
    /// How much of it.
    pub limits: Limits,
    /// Most rows that the database may think it has to look at for one statement; what it does not
    /// estimate is run within the time limit.
    pub cost: Option<f64>,
}

/// Why a statement has no answer.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It may not be sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It would be too much.
    #[error(
        "the database would look at about {rows:.0} rows, and {most:.0} are allowed; filter more, \
         or ask for less"
    )]
    Cost {
        /// What the database thinks.
        rows: f64,
        /// What is allowed.
        most: f64,
    },
    /// The database has no answer.
    #[error("{error}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Database {
        /// Why.
        error: DatabaseError,
        /// Names that there are instead.
        hint: Option<String>,
    },
}

impl SourceError {
    /// Whether another statement could have an answer where this one has none.
    pub(crate) fn is_about_the_statement(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Cost { .. } => true,
            Self::Database { error, .. } => matches!(error, DatabaseError::Statement { .. }),
        }
    }

    /// Whether the caller gave up.
    pub(crate) fn is_cancelled(&self) -> bool {
        let Self::Database { error, .. } = self else {
            return false;
        };
        matches!(error, DatabaseError::Cancelled)
    }
}

impl From<DatabaseError> for SourceError {
    fn from(error: DatabaseError) -> Self {
        Self::Database { error, hint: None }
    }
}

/// A statement that was sent, and its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// What was sent.
    pub approved: Approved,
    /// What came back.
    pub rows: Rows,
}

/// A statement that may be sent, and how the database would go about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What is sent.
    pub approved: Approved,
    /// How the database would go about it.
    pub plan: Plan,
}

impl Source {
    /// Opens the database at an address under a name; `import` says how files become tables.
    ///
    /// # Errors
    /// When it cannot be opened, or its rules cannot be read.
    pub async fn open(
        name: &str,
        address: &Address,
        settings: Settings,
        import: &mut Import<'_>,
    ) -> Result<Self, SourceError> {
        let engine = address.open(name, settings.rules.clone(), import).await?;
        Self::over(name, engine, settings)
    }

    /// Over an engine that was opened with the rules of these settings.
    ///
    /// # Errors
    /// When the rules cannot be read.
    pub fn over(
        name: &str,
        engine: Arc<dyn Engine>,
        settings: Settings,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            name: name.to_owned(),
            guard: Guard::new(engine.dialect(), settings.rules)?,
            engine,
            limits: settings.limits,
            cost: settings.cost,
            known: Mutex::default(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SQL it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.engine.dialect()
    }

    /// How much may be asked at a time.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What every statement passes.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What answers.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// What is in it; read again when that was some minutes ago.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn schema(&self) -> Result<Arc<Schema>, DatabaseError> {
        // Held while it is read: whoever else asks waits for the same reading.
        let mut known = self.known.lock().await;
        let seen = known.seen.clone();
        if let Some((schema, read)) = &seen
            && read.elapsed() < FRESH
        {
            return Ok(Arc::clone(schema));
        }
        let failed = known.failed.clone();
        let looked = match failed.filter(|(_, at)| at.elapsed() < GONE) {
            Some((error, _)) => Err(error),
            None => self.engine.schema().await.inspect_err(|error| {
                known.failed = Some((error.clone(), Instant::now()));
            }),
        };
        let before = seen.map(|(schema, _)| schema);
        let schema = match (looked, before) {
            // The same one is kept, so that what was made of it is made once.
            (Ok(schema), Some(before)) if *before == schema => before,
            (Ok(schema), _) => Arc::new(schema),
            // What was there some minutes ago is better than nothing while it is away.
            (Err(_), Some(before)) => return Ok(before),
            (Err(error), None) => return Err(error),
        };
        known.seen = Some((Arc::clone(&schema), Instant::now()));
        known.failed = None;
        Ok(schema)
    }

    /// Looks again at what is in it when that is asked for next, unless it was seen just now.
    async fn look_again(&self) {
        let mut known = self.known.lock().await;
        let seen = known.seen.as_mut();
        if let Some((_, read)) = seen.filter(|(_, read)| read.elapsed() > NEW) {
            *read = read.checked_sub(FRESH).unwrap_or(*read);
        }
    }

    /// Whether a statement may be sent, and how the database would go about it. Names are looked up
    /// by the database itself.
    ///
    /// # Errors
    /// When it may not be sent, is not understood, or would be too much.
    pub async fn check(&self, sql: &str) -> Result<Checked, SourceError> {
        let approved = self.guard.check(sql)?;
        let plan = match self.engine.plan(&approved).await {
            Ok(plan) => plan,
            Err(error) => return Err(self.explained(error).await),
        };
        if let Some(most) = self.cost {
            within(&plan, most)?;
        }
        Ok(Checked { approved, plan })
    }

    /// The rows of a statement within `limits`, and within the time and the cost that this database
    /// allows. All that asks a database comes through here.
    ///
    /// # Errors
    /// When it may not be sent, would be too much, or the database does not get through with it.
    pub async fn rows(
        &self,
        sql: &str,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answered, SourceError> {
        if cancel.is_cancelled() {
            return Err(DatabaseError::Cancelled.into());
        }
        let approved = self.guard.check(sql)?;
        // What it would cost is worth asking only where that matters.
        if let Some(most) = self.cost {
            let plan = tokio::select! {
                plan = self.engine.plan(&approved) => plan?,
                () = cancel.cancelled() => return Err(DatabaseError::Cancelled.into()),
            };
            within(&plan, most)?;
        }
        let limits = Limits {
            time: limits.time.min(self.limits.time),
            ..limits.clone()
        };
        let rows = self.engine.query(&approved, &limits, cancel).await?;
        Ok(Answered { approved, rows })
    }

    /// As [`Source::rows`], for a caller who gets the rows: within all limits of this database. An
    /// error about a name says which names there are.
    ///
    /// # Errors
    /// As [`Source::rows`].
    pub async fn query(
        &self,
        sql: &str,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answered, SourceError> {
        let limits = limits.within(&self.limits);
        match self.rows(sql, &limits, cancel).await {
            Err(SourceError::Database { error, .. }) => Err(self.explained(error).await),
            other => other,
        }
    }

    /// An error with the names that there are, where it is about one that there is not.
    async fn explained(&self, error: DatabaseError) -> SourceError {
        let hint = match &error {
            DatabaseError::Statement { reason } => match names::unknown(reason) {
                Some(unknown) => {
                    // Somebody may have made it since.
                    self.look_again().await;
                    let schema = self.schema().await.ok();
                    schema.and_then(|schema| names::nearest(&unknown, &schema))
                }
                None => None,
            },
            _ => None,
        };
        SourceError::Database { error, hint }
    }
}

/// Whether a plan looks at no more rows than are allowed.
fn within(plan: &Plan, most: f64) -> Result<(), SourceError> {
    match plan.rows {
        Some(rows) if rows > most => Err(SourceError::Cost { rows, most }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
