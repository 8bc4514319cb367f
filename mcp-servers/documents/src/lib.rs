//! Documents: which files are meant, what is in them, and how they are cut into chunks.
//!
//! Read it in this order:
//! - [`document`]: what a loader hands over: a title, metadata, blocks in reading order.
//! - [`files`]: which files are meant by paths, folders and patterns.
//! - [`load`]: files of every format to documents.
//! - [`chunk`]: blocks to chunks that respect the structure.

pub mod chunk;
pub mod document;
pub mod files;
pub mod load;
