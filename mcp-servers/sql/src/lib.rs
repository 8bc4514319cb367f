//! Questions to answers over real databases, read-only for certain.
//!
//! Read it in this order:
//! - [`Dialect`]: which SQL is spoken.
//! - [`guard`]: what may be asked, and what is sent instead of what came.
//! - [`database`]: who is asked; [`schema`]: what there is to ask about.

pub mod database;
pub mod guard;
pub mod schema;

mod dialect;

pub use dialect::Dialect;
