//! Questions to answers over real databases, read-only for certain.
//!
//! Read it in this order:
//! - [`Dialect`]: which SQL is spoken.
//! - [`guard`]: what may be asked, and what is sent instead of what came.
//! - [`database`]: who is asked; [`schema`]: what there is to ask about; [`values`]: where a value is.
//! - [`source`]: one database behind the guard and within limits.
//! - [`link`]: which tables a question is about.
//! - [`semantics`]: what people mean by the figures they ask for; [`library`]: questions answered
//!   before.
//! - [`chart`]: how an answer is shown.
//! - [`catalogue`]: the databases with all that is known of them; [`server`]: six MCP tools over it.
//! - [`grammar`]: SQL over some tables, for engines that can hold a model to it.
//! - [`parse`]: a question read without a language model, or left to others.
//! - [`measure`]: how good it is, on questions whose answers are known.

pub mod catalogue;
pub mod chart;
//! - [`database`]: who is asked; [`schema`]: what there is to ask about.
//! - [`repair`]: a statement that fails, changed until it does not; [`choose`]: the answer among
//!   several. Both ask through [`Asked`].
//! - [`measure`]: how good it is, on questions whose answers are known.

pub mod choose;
pub mod database;
pub mod grammar;
pub mod guard;
pub mod library;
pub mod link;
pub mod measure;
pub mod parse;
pub mod repair;
pub mod schema;
pub mod semantics;
pub mod server;
pub mod source;
pub mod values;

mod asked;
mod dialect;
mod scopes;
mod endings;
mod words;

pub use asked::{Asked, Failure};
pub use dialect::Dialect;
