//! Questions to answers over real databases, read-only for certain.
//!
//! Read it in this order:
//! - [`Dialect`]: which SQL is spoken.
//! - [`guard`]: what may be asked, and what is sent instead of what came.
//! - [`database`]: who is asked; [`schema`]: what there is to ask about.
//! - [`link`]: which tables a question is about.
//! - [`measure`]: how good it is, on questions whose answers are known.

pub mod database;
pub mod guard;
pub mod link;
pub mod measure;
pub mod schema;

mod dialect;

pub use dialect::Dialect;
