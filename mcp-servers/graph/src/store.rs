//! Pieces in SQLite.
