//! The client the official conformance suite tests, on our host.

fn main() {}
