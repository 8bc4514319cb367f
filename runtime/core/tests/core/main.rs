//! Agents and graphs by their steps, from outside: one program, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod compaction;
mod graph_checks;
mod graph_fuzz;
mod graph_properties;
mod graph_schema;
mod machine;
