//! Reasoning engines, all behind one trait.
//!
//! - [`engine`]: the trait, what an engine says of itself, and how it fails.
//! - [`lazy`]: an engine that is built when it is first asked.
//! - [`registry`]: engines by name, built when they are first needed.
//! - [`choose`]: which engine a configuration comes to, and why.
//! - [`route`]: engines over other engines: a cascade, a choice by what is asked.
//! - [`fitting`]: whether a reply is what was asked for.
//! - [`scripted`] and [`exerciser`]: for tests of agents and of servers.
//! - [`extractive`]: no generation: tools chosen by meaning, answers made of quotations.
//! - [`fallback`]: the next of several engines where one cannot answer.
//! - [`hub`]: models from the Hugging Face hub, and those that are here already.
//! - [`local`]: a model that runs in this program.
//! - [`openai`]: any OpenAI-compatible endpoint.

pub mod choose;
pub mod engine;
pub mod exerciser;
pub mod extractive;
pub mod fallback;
pub mod fitting;
pub mod hub;
pub mod lazy;
pub mod local;
pub mod openai;
pub mod registry;
pub mod route;
pub mod scripted;
