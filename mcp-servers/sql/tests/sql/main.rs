//! The SQL server from outside: one program, so that it is linked once and what waits for a
//! database waits beside all else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod corpus;
mod engine;
mod server;

mod chart;
mod choose;
mod files;
mod fuzz;
mod guard;
mod measure;
mod mysql;
mod mysql_catalogue;
mod parser;
mod postgres;
mod postgres_catalogue;
mod questions;
mod rules;
mod sqlite;
