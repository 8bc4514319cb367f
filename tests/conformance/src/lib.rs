//! What the official conformance suite looks for, on our kit.

pub mod server;
