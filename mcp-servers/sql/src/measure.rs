//! Measuring on questions whose answers are known.
//!
//! - `folder`: questions, schemas and databases of a folder, in the forms that public sets have.
//! - `variants`: accepted answers written as one, told apart.
//! - `execution`: whether two answers are the same.

mod execution;
mod folder;
mod variants;

pub use execution::{same, sorts};
pub use folder::{Folder, FolderError, Question};
