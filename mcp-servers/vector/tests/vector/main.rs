//! Stores, ingestion and search, from outside: one program, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod qdrant_server;

mod ingestion;
mod search_properties;
mod store_conformance;
