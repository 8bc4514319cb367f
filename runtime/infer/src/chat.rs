//! A conversation as a model's family writes it.
//!
//! - [`family`]: the ways in which models write tool calls.
//! - [`template`]: the model's own chat template.
//! - [`dialect`]: how the family writes tool calls and thinking: asked for by a grammar, and read
//!   back from what the model wrote.

pub mod dialect;
pub mod family;
pub mod template;
