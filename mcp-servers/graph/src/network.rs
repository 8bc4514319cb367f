//! The graph in memory.
