//! Reasoning engines, all behind one trait.
//!
//! - [`engine`]: the trait, what an engine says of itself, and how it fails.

pub mod engine;
