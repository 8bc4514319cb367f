//! Runs agent machines: performs their effects and logs every event.
//!
//! Read it in this order:
//! - [`run_agent`]: one agent on one question, from the first step to the answer.
//! - [`RunReport`]: the answer, and the steps that led to it, with times and tokens.
//! - [`trace_lines`]: the steps as a tree for people.

mod report;
mod run;
mod trace;

pub use report::{RunId, RunReport, Stamped, StepKind, StepRecord};
pub use run::{Approver, RunContext, run_agent};
pub use trace::trace_lines;
