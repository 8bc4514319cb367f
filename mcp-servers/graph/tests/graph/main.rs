//! The graph server from outside: stores, whole and broken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod store_conforms;
mod store_files;
mod store_killed;
mod store_large;
mod store_pieces;
mod store_random;
