//! Graphs at work: failures, time, maps, budgets, people, changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod budgets;
mod changes;
mod engines;
mod failures;
mod guarded;
mod many;
mod maps;
mod people;
mod place;
mod prefixes;
