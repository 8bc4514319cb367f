//! The pure heart of Ropewalk: no IO, no async, no clock.
//!
//! Read it in this order:
//! - [`message`]: what is said between people, models and tools.
//! - [`tokens`]: about how many tokens a request has, without a tokenizer.
//! - [`tool`]: what a tool is ([`tool::ToolSpec`]) and what a call came to ([`tool::ToolOutcome`]).
//! - [`citation`]: where a statement comes from, and whether an answer's markers resolve.
//! - [`definition`]: an agent as a person writes it (`agents/*.md`).
//! - [`prompt`]: a prompt as a person writes it (`prompts/*.md`).
//! - [`agent`]: the ReAct machine: ask it for the next step, do the step, feed the result back.
//! - [`answer`]: what a machine ends with.
//! - [`graph`]: workflows: what a person writes, what is checked, what runs.
//! - [`budget`]: what work may spend, as a tree.
//! - [`policy`]: whether a call may run.
//! - [`pin`]: tool definitions as they were agreed to.
//! - [`untrusted`]: text that nobody vouches for, marked.
//! - [`secret`]: secrets in what is shown, kept or sent.
//! - [`interrupt`]: what a person is asked, and what they may answer.
//! - [`digest`], [`unseen`]: values by what they hold, and characters that hide.
//! - [`event`]: everything that happens in a run, as values.

pub mod agent;
pub mod answer;
pub mod budget;
pub mod citation;
pub mod definition;
pub mod digest;
pub mod event;
pub mod graph;
pub mod interrupt;
pub mod message;
pub mod pin;
pub mod policy;
pub mod prompt;
pub mod secret;
pub mod tokens;
pub mod tool;
pub mod unseen;
pub mod untrusted;
