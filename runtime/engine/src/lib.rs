//! Runs graphs: performs their effects, keeps their logs, and takes up again what was broken off.
//!
//! Read it in this order:
//! - [`services`]: what runs work with: engines, tools, functions, a store.
//! - [`run`]: runs started, taken up again, forked, replayed.
//! - [`definitions`]: graphs, agents and prompts by name.
//! - [`sampler`]: completions for servers that ask for them.
//! - `journal`: the one way to do something outside a run.
//! - [`store`]: where logs are kept.
//! - [`report`]: what a run leaves behind; [`trace_lines`] shows it as a tree.

pub mod definitions;
mod journal;
mod path;
pub mod report;
pub mod run;
pub mod run_id;
pub mod sampler;
pub mod services;
pub mod store;
mod trace;

pub use journal::header::LogError;
pub use journal::{Approver, Listener, Unanswered};
pub use run_id::RunId;
pub use trace::{step_lines, trace_lines};
