//! How much may be asked at a time.

use std::time::Duration;

/// Limits of one statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Most rows that are read.
    pub rows: usize,
    /// Most bytes of values that are read, all rows together.
    pub bytes: usize,
    /// Most bytes of one value; a longer one is cut.
    pub cell_bytes: usize,
    /// How long the database may take.
    pub time: Duration,
}

impl Limits {
    /// No more than others allow.
    #[must_use]
    pub fn within(&self, others: &Self) -> Self {
        Self {
            rows: self.rows.min(others.rows),
            bytes: self.bytes.min(others.bytes),
            cell_bytes: self.cell_bytes.min(others.cell_bytes),
            time: self.time.min(others.time),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 1_000,
            bytes: 1 << 20,
            cell_bytes: 8 << 10,
            time: Duration::from_secs(10),
        }
    }
}
