//! What a graph may name: agents, prompts, graphs, tools and functions.

use std::sync::Arc;

use super::definition::GraphDefinition;
use super::diagnostic::Diagnostic;
use super::source::Source;
use crate::definition::AgentDefinition;
use crate::prompt::PromptDefinition;
use crate::tool::ToolSpec;

/// What looking a name up came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<T> {
    /// Here it is.
    Yes(T),
    /// There is none; these are there.
    No(Vec<String>),
    /// There is one, and it cannot be used.
    Broken(String),
    /// It cannot be told here, so the name is taken for good.
    Unchecked,
}

/// What is there to be named.
pub trait Library {
    /// An agent: `agents/NAME.md`.
    fn agent(&self, name: &str) -> Found<Arc<AgentDefinition>>;

    /// A prompt: `prompts/NAME.md`.
    fn prompt(&self, name: &str) -> Found<PromptDefinition>;

    /// A graph: `graphs/NAME.yaml`, or what is wrong with its file.
    fn graph(&self, name: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>>;

    /// A tool: `server__tool`.
    fn tool(&self, name: &str) -> Found<ToolSpec>;

    /// A registered function.
    fn function(&self, name: &str) -> Found<()>;

    /// A registered reducer.
    fn reducer(&self, name: &str) -> Found<()>;

    /// An engine. Where it is not known which there are, every name is taken for good.
    fn engine(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }
}

/// A library that knows nothing and takes every name for good, but for agents, prompts and
/// graphs, which a graph needs to be compiled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty;

impl Library for Empty {
    fn agent(&self, _: &str) -> Found<Arc<AgentDefinition>> {
        Found::No(Vec::new())
    }

    fn prompt(&self, _: &str) -> Found<PromptDefinition> {
        Found::No(Vec::new())
    }

    fn graph(&self, _: &str) -> Found<Result<(GraphDefinition, Source), Vec<Diagnostic>>> {
        Found::No(Vec::new())
    }

    fn tool(&self, _: &str) -> Found<ToolSpec> {
        Found::Unchecked
    }

    fn function(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }

    fn reducer(&self, _: &str) -> Found<()> {
        Found::Unchecked
    }
}
