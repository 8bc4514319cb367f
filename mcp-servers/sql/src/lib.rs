//! Questions to answers over real databases, read-only for certain.
//!
//! Read it in this order:
//! - [`Dialect`]: which SQL is spoken.
//! - [`guard`]: what may be asked, and what is sent instead of what came.
//! - [`database`]: who is asked; [`schema`]: what there is to ask about; [`values`]: where a value is.
//! - [`source`]: one database behind the guard and within limits.
//! - [`link`]: which tables a question is about; [`descriptions`]: what they hold, in a sentence each.
//! - [`semantics`]: what people mean by the figures they ask for; [`library`]: questions answered
//!   before.
//! - [`parse`]: a question read without a language model, or left to others.
//! - [`prompt`]: what a model is told; [`grammar`]: SQL over some tables, to hold one to it.
//! - [`repair`]: a statement that fails, changed until it does not; [`choose`]: the answer among
//!   several. Both ask through [`Asked`].
//! - [`answer`]: a question to an answer; [`chart`]: how it is shown.
//! - [`catalogue`]: the databases with all that is known of them; [`server`]: six MCP tools over it.
//! - [`measure`]: how good it is, on questions whose answers are known.

pub mod answer;
pub mod catalogue;
pub mod chart;
pub mod choose;
pub mod database;
pub mod descriptions;
pub mod grammar;
pub mod guard;
pub mod library;
pub mod link;
pub mod measure;
pub mod parse;
pub mod prompt;
pub mod repair;
pub mod schema;
pub mod semantics;
pub mod server;
pub mod source;
pub mod values;

mod asked;
mod dialect;
mod same;
mod scopes;
mod words;

pub use asked::Asked;
pub use dialect::Dialect;
