//! Questions to answers over real databases, read-only for certain.
//!
//! Read it in this order:
//! - [`Dialect`]: which SQL is spoken.
//! - [`guard`]: what may be asked, and what is sent instead of what came.

pub mod guard;

mod dialect;

pub use dialect::Dialect;
