//! What pictures are written with.
//!
//! - [`Face`]: how wide a text is, and how much of it fits; [`cut`]: so many letters of it.
//! - [`Number`], [`Escaped`]: what stands in XML; [`is_unseen`]: what does not.
//! - [`contrast`]: whether two colours can be told apart.

mod colour;
mod text;
mod xml;

pub use colour::contrast;
pub use text::{Face, cut};
pub use xml::{Escaped, Number, is_unseen};
