//! Where a store is, and connections to read it with.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction};

use super::fault::Fault;
use super::{StoreError, schema};

/// Reading connections kept for the next reader.
const MOST_IDLE: usize = 4;

/// Where a store is.
pub(super) struct Place {
    pub(super) file: PathBuf,
    /// How long a process waits for another that writes.
    pub(super) patience: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl Place {
    pub(super) fn new(file: PathBuf, patience: Duration) -> Self {
        Self {
            file,
            patience,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// What went wrong, and where.
    pub(super) fn error(&self, fault: impl Into<Fault>) -> StoreError {
        fault.into().at(&self.file, self.patience)
    }

    pub(super) fn failed(&self, message: impl Into<String>) -> StoreError {
        StoreError::Failed {
            place: self.file.display().to_string(),
            message: message.into(),
        }
    }

    /// Reads the store as it is at one moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::reader(&self.file, self.patience).map_err(|error| self.error(error))?,
        };
        let moment = connection
            .unchecked_transaction()
            .map_err(|error| self.error(error))?;
        let outcome = work(&moment).map_err(|fault| self.error(fault));
        drop(moment);
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        outcome
    }

    /// Closes what is open.
    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
