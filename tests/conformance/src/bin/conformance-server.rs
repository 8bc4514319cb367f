//! The server the official conformance suite tests, on our kit.

fn main() {}
