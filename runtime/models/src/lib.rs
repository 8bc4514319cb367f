//! Reasoning engines, all behind one trait.
//!
//! - [`engine`]: the trait, what an engine says of itself, and how it fails.
//! - [`scripted`] and [`exerciser`]: for tests of agents and of servers.
//! - [`choose`]: which engine a configuration comes to, and why.
//! - [`extractive`]: no generation: tools chosen by meaning, answers made of quotations.
//! - [`fallback`]: the next of several engines where one cannot answer.
//! - [`hub`]: models from the Hugging Face hub, and those that are here already.
//! - [`openai`]: any OpenAI-compatible endpoint.

pub mod choose;
pub mod engine;
pub mod exerciser;
pub mod extractive;
pub mod fallback;
pub mod hub;
pub mod openai;
pub mod scripted;
