//! Documents that are to be put, and those that could not be.

use rusqlite::params;

use super::super::fault::Fault;
use super::Change;

impl Change<'_> {
    /// Notes that documents wait.
    pub(in super::super) fn enqueue(&mut self, sources: &[String]) -> Result<(), Fault> {
        let mut put = self
            .transaction
            .prepare_cached("INSERT OR REPLACE INTO queue VALUES (?1, 0, NULL, ?2)")?;
        for source in sources {
            put.execute(params![source, self.now])?;
        }
        Ok(())
    }

    /// Notes that a document could not be put.
    pub(in super::super) fn fail(&mut self, source: &str, error: &str) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO queue VALUES (?1, 1, ?2, ?3)")?
            .execute(params![source, error, self.now])?;
        Ok(())
    }
}
