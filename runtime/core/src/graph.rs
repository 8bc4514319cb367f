//! Graphs: what a person writes, what runs, and everything that is checked between.
//!
//! Read it in this order:
//! - [`definition`]: a graph as a person writes it, in YAML or with the [`builder`].
//! - [`yaml`]: text to a definition, with the place of every part ([`source`]).
//! - [`compile`](compile()): a definition to a [`Graph`](ir::Graph) over petgraph, or to
//!   [`diagnostic`]s; `check` holds what is looked at beyond that.
//! - [`plan`]: order, loops, and what may run beside what.
//! - [`scheduler`]: which node may start when.
//! - [`channel`]: what the state is made of, and how writes join.
//! - [`machine`]: a run: values, conditions and failures on top of the scheduler.
//! - [`signature`]: whether two versions of a graph are the same to a run.
//! - [`bundle`]: a graph with all it needs, as a run carries it.
//! - [`expression`]: bounded expressions and templates.

pub mod builder;
pub mod bundle;
pub mod channel;
mod check;
mod compile;
pub mod definition;
pub mod diagnostic;
pub mod expression;
pub mod ir;
pub mod library;
pub mod machine;
pub mod plan;
pub mod scheduler;
pub mod short;
pub mod signature;
pub mod source;
pub mod yaml;

pub use compile::{Compiled, compile, compile_text};
