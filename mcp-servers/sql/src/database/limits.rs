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
