//! Reasoning engines, all behind one trait.
//!
//! - [`engine`]: the trait, what an engine says of itself, and how it fails.
//! - [`extractive`]: no generation: tools chosen by meaning, answers made of quotations.

pub mod engine;
pub mod extractive;
