//! The host from outside: one program, so that it is linked once and what waits for a server waits
//! beside all else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod scripted;

mod authorization;
mod guard;
mod hardening;
mod host;
mod interop;
mod questions;
mod supervision;
mod unruly_servers;
