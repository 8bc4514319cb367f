//! The whole program from outside, as its users and other programs meet it: one test program, so
//! that it is linked once and what waits for a process waits beside all else.
//!
//! With `ROPEWALK_HEAVY=1`, runs are killed at every event and the local engine is asked thousands
//! of times instead of a few.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod program;

mod ask;
mod bundle;
mod definitions;
mod docs;
mod durability;
mod endpoint;
mod evaluation;
mod ingest;
mod install;
mod interop;
mod local_model;
mod mcp_door;
mod models;
mod policy;
mod prompts;
mod runs;
mod shipped_graphs;
mod sql;
mod telemetry;
mod vector_tools;
